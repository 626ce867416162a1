"""What stands between a connection's socket and SIP: nothing, or TLS.

A codec knows no socket. It is given bytes of the wire and gives plain bytes, and the other way round; what
it has to say to the peer of its own accord (a handshake, an alert) waits in `take`.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import Protocol, cast


class CodecError(Exception):
    """The peer does not speak what it should; the connection is of no use."""


class Codec(Protocol):
    """Turns bytes of the wire into plain bytes and back."""

    established: bool
    "Whether plain bytes can be encoded yet."
    closed: bool
    "Whether the peer has said that it will send no more."

    def start(self) -> None:
        """Begin, once there is a connection; what is to be sent first is in `take`."""

    def decode(self, data: bytes) -> bytes:
        """Give the plain bytes that `data` completes; maybe none.

        Raises:
            CodecError: the bytes make no sense, or the peer is not who it should be.
        """

    def encode(self, data: bytes) -> bytes:
        """Give what to write to the wire; only when `established`."""

    def take(self) -> bytes:
        """Give what else is to be written to the wire; mostly nothing."""

    def finish(self) -> bytes:
        """Give the last bytes to write, before the connection is closed."""

    def proved(self) -> list[str]:
        """Give the domains and addresses that the peer's certificate, if it was verified, is for."""


class Plain:
    """TCP as it is."""

    __slots__ = ()
    established = True
    closed = False

    def start(self) -> None:
        """There is nothing to begin."""

    def decode(self, data: bytes) -> bytes:
        """Give the same bytes."""
        return data

    def encode(self, data: bytes) -> bytes:
        """Give the same bytes."""
        return data

    def take(self) -> bytes:
        """There is never anything."""
        return b""

    def finish(self) -> bytes:
        """There is nothing to say."""
        return b""

    def proved(self) -> list[str]:
        """There is no certificate."""
        return []


PLAIN = Plain()


class Tls:
    """TLS of the standard library, over two buffers in memory.

    Args:
        context: certificates and what is asked of the peer's.
        server_name: the name or address that the peer has to prove; None = we are the server.
    """

    __slots__ = ("_in", "_out", "_tls", "closed", "established")

    def __init__(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._in, self._out, server_side=server_name is None, server_hostname=server_name
        )
        self.established = False
        self.closed = False

    def start(self) -> None:
        """Say hello when it is ours to speak first."""
        self._shake()

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise CodecError(reason_of(error)) from None
        self.established = True

    def decode(self, data: bytes) -> bytes:
        """Decrypt."""
        self._in.write(data)
        if not self.established:
            self._shake()
            if not self.established:
                return b""
        parts = []
        try:
            while part := self._tls.read(65536):
                parts.append(part)
            self.closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError as error:
            raise CodecError(reason_of(error)) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def encode(self, data: bytes) -> bytes:
        """Encrypt."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise CodecError(reason_of(error)) from None
        return self._out.read()

    def take(self) -> bytes:
        """Give what the handshake has to say."""
        return self._out.read() if self._out.pending else b""

    def finish(self) -> bytes:
        """Say goodbye, so that the peer knows nothing was cut off."""
        if self.established:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # it waits for the peer's goodbye, which nobody will read
        return self._out.read()

    def proved(self) -> list[str]:
        """Give what the certificate names: hosts, addresses, and URIs that are a domain (RFC 5922 §7.1)."""
        shown = self._tls.getpeercert() or {}
        names = []
        for kind, value in cast("tuple[tuple[str, str], ...]", shown.get("subjectAltName", ())):
            scheme, _, rest = value.lower().partition(":")
            if kind == "DNS":
                names.append(value.lower())
            elif kind == "IP Address":
                names.append(str(ip_address(value.strip())))  # IPv6 comes at length
            elif kind == "URI" and scheme in ("sip", "sips") and "@" not in rest:
                names.append(rest)
        return names


def reason_of(error: ssl.SSLError) -> str:
    """Say in a line what went wrong with TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"TLS: {reason}"
