"""Certificates: the TLS contexts made of files, and made anew when the files change.

Connections that stand keep what they were made with. A new file that cannot be used changes nothing: the old
certificate stays in force, and one line of the log says why.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs
import structlog
import trio

from trunkline.provider.config import ListenAddress

from ._codecs import Codec, Tls
from ._limits import TransportStatistics

if TYPE_CHECKING:
    from trunkline.provider.config import TlsSection

log = structlog.get_logger("tls")

WATCH_EVERY = 2.0
"Seconds between two looks at the files."

VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class CertificateError(Exception):
    """A certificate cannot be used; the message says which file, why, and what to do."""


@attrs.frozen
class CertificateFiles:
    """What the operator configured: paths of PEM files."""

    certificate: str
    "The certificate and what leads to its authority, the server's own first."
    key: str = ""
    "Empty = in the file of the certificate."
    names: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, hash=False)
    "Certificates for names that clients ask for (SNI): name, or `*.domain`, to certificate and key."
    verify: str = "none"
    "Whether phones have to show a certificate: none, optional, required."
    ca: str = ""
    "The authorities that phones' certificates are checked with."
    server_ca: str = ""
    "The authorities that servers' certificates are checked with; empty = the system's."

    def paths(self) -> list[str]:
        """List every file."""
        given = [self.certificate, self.key, self.ca, self.server_ca]
        return [path for path in [*given, *(path for pair in self.names.values() for path in pair)] if path]


@attrs.frozen
class _Contexts:
    accepting: ssl.SSLContext
    opening: ssl.SSLContext


def open_certificates(
    tls: TlsSection, listen: Iterable[ListenAddress], statistics: TransportStatistics | None = None
) -> Certificates | None:
    """Load what is configured; None where nothing listens for TLS.

    Raises:
        CertificateError: one is missing or cannot be used.
    """
    if all(address.transport != "tls" for address in listen):
        return None
    if not tls.certificate:
        raise CertificateError(
            "[server] listen has tls: but there is no certificate; "
            'write certificate = "/path/certificate.pem" below [tls] (TRUNKLINE_TLS__CERTIFICATE)'
        )
    files = CertificateFiles(tls.certificate, tls.key, tls.names, tls.verify, tls.ca, tls.server_ca)
    return Certificates(files, statistics)


class Certificates:
    """TLS for accepted and opened connections.

    Args:
        files: where they are.
        statistics: what is counted.

    Raises:
        CertificateError: one cannot be used.
    """

    def __init__(self, files: CertificateFiles, statistics: TransportStatistics | None = None) -> None:
        self._files = files
        self._statistics = statistics or TransportStatistics()
        self._loaded = self._seen = self._stamp()
        self._contexts = load(files)

    def accepting(self) -> Codec:
        """Give the codec of a connection that a peer opened."""
        return Tls(self._contexts.accepting)

    def opening(self, name: str) -> Codec:
        """Give the codec of a connection to a peer that has to prove this name or address."""
        return Tls(self._contexts.opening, name)

    async def watch(self) -> None:
        """Look at the files until cancelled."""
        while True:
            await trio.sleep(WATCH_EVERY)
            self.refresh()

    def refresh(self) -> None:
        """Take up files that have changed, and have not changed further since the last look."""
        stamp = self._stamp()
        if stamp == self._seen and stamp != self._loaded:
            self._reload(stamp)
        # certificate and key are written one after the other: a change is taken up when nothing follows it
        self._seen = stamp

    def _reload(self, stamp: tuple[object, ...]) -> None:
        self._loaded = stamp  # good or bad, it is not tried again until it changes
        try:
            self._contexts = load(self._files)
        except CertificateError as error:
            self._statistics.certificate_failures += 1
            log.error("new certificate files cannot be used, the old ones stay in force", reason=str(error))
        else:
            self._statistics.certificate_reloads += 1
            log.info("new certificate files are in force for new connections")

    def _stamp(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in self._files.paths())


def load(files: CertificateFiles) -> _Contexts:
    """Make the contexts.

    Raises:
        CertificateError: a file cannot be read, is no certificate, or does not fit its key.
    """
    verify = VERIFY[files.verify]
    if verify is not ssl.CERT_NONE and not files.ca:
        raise CertificateError(
            f'verify = "{files.verify}" needs authorities to believe; write ca = "/path/ca.pem" below [tls]'
        )
    accepting = _server_context(files.certificate, files.key, files.ca)
    accepting.verify_mode = verify
    # whether a phone is asked for its certificate was settled by the context above; whom to believe was not
    by_name = {
        name.lower(): _server_context(pair[0], pair[1] if len(pair) > 1 else "", files.ca)
        for name, pair in files.names.items()
    }
    if by_name:

        def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            found = find(by_name, name or "")
            if found is not None:
                tls.context = found

        accepting.sni_callback = choose
    opening = ssl.create_default_context()
    if files.server_ca:
        opening = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_authorities(opening, files.server_ca, "server_ca")
    # another provider may want to know who calls
    _load_chain(opening, files.certificate, files.key)
    return _Contexts(accepting, opening)


def find(by_name: Mapping[str, ssl.SSLContext], name: str) -> ssl.SSLContext | None:
    """Find what belongs to a name: the name itself, else the wildcard of the domain above it."""
    name = name.lower().rstrip(".")
    return by_name.get(name) or by_name.get("*." + name.partition(".")[2])


def _server_context(certificate: str, key: str, ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_chain(context, certificate, key)
    if ca:
        _load_authorities(context, ca, "ca")
    return context


def _load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    for path in filter(None, (certificate, key)):
        _check_readable(path)
    try:
        # a password would be asked for on the terminal, which a server may not have
        context.load_cert_chain(certificate, key or None, password=_no_password)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        where = f"{certificate} and {key}" if key else certificate
        raise CertificateError(
            f"{where}: expected a certificate and its private key in PEM form, got: {reason}"
        ) from None
    except ValueError as error:
        raise CertificateError(f"{key or certificate}: {error}") from None


def _load_authorities(context: ssl.SSLContext, path: str, key: str) -> None:
    _check_readable(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        reason = f"{path}: expected certificates of authorities in PEM form ([tls] {key})"
        raise CertificateError(reason) from None


def _check_readable(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise CertificateError(f"{path}: expected a readable file, got: {error.strerror}") from None


def _no_password() -> str:
    raise ValueError("expected a private key without a password, got an encrypted one")


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
