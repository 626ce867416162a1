"""Certificate files: what is wrong with one is said in a line, and a change holds for new handshakes."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from trunkline.provider.config import ListenAddress, TlsSection
from trunkline.provider.transports import (
    CertificateError,
    CertificateFiles,
    Certificates,
    TransportStatistics,
    open_certificates,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def write(authority: trustme.CA, tmp_path: Path) -> Any:
    def write(name: str, *, key: str = "key.pem", certificate: str = "certificate.pem") -> CertificateFiles:
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(str(tmp_path / key))
        (tmp_path / certificate).write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return CertificateFiles(str(tmp_path / certificate), str(tmp_path / key))

    return write


def name_shown(certificates: Certificates, authority: trustme.CA) -> str:
    """Shake hands in memory and tell what name the certificate is for."""
    context = ssl.create_default_context()
    context.check_hostname = False
    authority.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    server = certificates.accepting()
    for _ in range(4):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        server.decode(outgoing.read())
        incoming.write(server.take())
    found = client.getpeercert()
    assert found is not None
    [(kind, name)] = found["subjectAltName"]  # type: ignore[misc]
    assert kind == "DNS"
    return str(name)


async def test_new_files_hold_for_new_handshakes(
    write: Any, authority: trustme.CA, autojump_clock: trio.testing.MockClock
) -> None:
    statistics = TransportStatistics()
    certificates = Certificates(write("old.test"), statistics)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(certificates.watch)
        await trio.sleep(10)
        assert name_shown(certificates, authority) == "old.test"
        write("new.test")
        await trio.sleep(10)
        assert name_shown(certificates, authority) == "new.test"
        assert statistics.certificate_reloads == 1
        nursery.cancel_scope.cancel()


async def test_bad_new_file_keeps_the_old_one_and_says_so_once(
    write: Any, authority: trustme.CA, autojump_clock: trio.testing.MockClock
) -> None:
    statistics = TransportStatistics()
    files = write("old.test")
    certificates = Certificates(files, statistics)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(certificates.watch)
            Path(files.certificate).write_text("not a certificate")
            await trio.sleep(30)
            assert name_shown(certificates, authority) == "old.test"
            [line] = logs
            assert line["log_level"] == "error"
            assert files.certificate in line["reason"]
            Path(files.certificate).unlink()
            await trio.sleep(30)
            assert len(logs) == 2
            assert name_shown(certificates, authority) == "old.test"
            write("new.test")
            await trio.sleep(30)
            assert name_shown(certificates, authority) == "new.test"
            nursery.cancel_scope.cancel()
    assert statistics.certificate_failures == 2


def test_half_of_a_change_is_waited_for(write: Any, authority: trustme.CA) -> None:
    """Certificate and key are two files: between the two writes they do not fit."""
    files = write("old.test")
    certificates = Certificates(files)
    old_key = Path(files.key).read_bytes()
    with structlog.testing.capture_logs() as logs:
        write("new.test")
        new_key = Path(files.key).read_bytes()
        Path(files.key).write_bytes(old_key)
        certificates.refresh()
        Path(files.key).write_bytes(new_key + b"\n")
        certificates.refresh()
        certificates.refresh()
    assert name_shown(certificates, authority) == "new.test"
    assert [line["log_level"] for line in logs] == ["info"]


def test_each_mistake_is_named_with_its_file(write: Any, tmp_path: Path) -> None:
    good, other = write("a.test"), write("b.test", key="b.key", certificate="b.pem")
    (tmp_path / "empty.pem").write_text("")
    locked = load_pem_private_key(Path(good.key).read_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "locked.key").write_bytes(locked)
    cases = {
        CertificateFiles("/no/such.pem"): "/no/such.pem: expected a readable file, got: No such file",
        CertificateFiles(good.certificate, "/no/key"): "/no/key: expected a readable file",
        CertificateFiles(good.certificate): f"{good.certificate}: expected a certificate and its private key",
        CertificateFiles(good.certificate, other.key): f"{good.certificate} and {other.key}: expected",
        CertificateFiles(str(tmp_path / "empty.pem"), good.key): "empty.pem",
        CertificateFiles(good.certificate, str(tmp_path / "locked.key")): "without a password",
        CertificateFiles(good.certificate, good.key, verify="required"): "needs authorities to believe",
        CertificateFiles(good.certificate, good.key, ca=str(tmp_path / "empty.pem")): "[tls] ca",
        CertificateFiles(good.certificate, good.key, server_ca=good.key): "[tls] server_ca",
        CertificateFiles(good.certificate, good.key, {"x.test": ("/no/x.pem",)}): "/no/x.pem",
    }
    for files, words in cases.items():
        with pytest.raises(CertificateError) as caught:
            Certificates(files)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_listening_for_tls_without_a_certificate_says_what_to_write() -> None:
    listen = [ListenAddress("tls", "127.0.0.1", 5061)]
    with pytest.raises(CertificateError, match=r"TRUNKLINE_TLS__CERTIFICATE"):
        open_certificates(TlsSection(), listen)
    assert open_certificates(TlsSection(), [ListenAddress("tcp", "127.0.0.1", 5060)]) is None
