"""What can be set about TLS, looked at by openssl: names, certificates of phones, files that change."""

import re

import pytest
import trustme
from peers.openssl import TlsClient
from peers.ports import HOST, free_port
from peers.process import find_program, wait_until
from peers.trunkline import Server
from peers.wire import Wire


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def secure(tmp_path, authority, closing):
    """Start a server with a certificate of its own and one for other.test: `secure(verify="required")`."""
    if find_program("openssl") is None:
        pytest.skip("openssl is not installed")

    def start(**settings):
        server = Server(tmp_path / "server")
        server.tls_address = f"{HOST}:{free_port()}"
        server.settings["server"]["listen"].append(f"tls:{server.tls_address}")
        authority.cert_pem.write_to_path(str(server.folder / "ca.pem"))
        for name in ("example.test", "other.test", "phone.test"):
            issue(authority, server.folder / f"{name}.pem", name)
        server.settings["tls"] = {"certificate": str(server.folder / "example.test.pem"), **settings}
        if settings:
            server.settings["tls"]["ca"] = str(server.folder / "ca.pem")
        server.write_config()
        # a table in a table, which the writer of the test's configuration does not know
        with server.config.open("a") as config:
            config.write(f'[tls.names]\n"other.test" = ["{server.folder}/other.test.pem"]\n')
        closing.callback(server.close)
        return server.start()

    return start


def issue(authority, path, name):
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(path))


@pytest.fixture
def client(closing):
    """Connect to a server by openssl: `client(server, "-servername", "other.test")`."""

    def connect(server, *arguments):
        made = TlsClient(server.tls_address, *arguments)
        closing.callback(made.close)
        return made

    return connect


def options(server, client):
    """Ask for the server's abilities over a connection that may have been used before; give the answer."""
    with Wire(server.port) as wire:
        client.send(wire.request("OPTIONS", f"sip:{server.domain}").replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS"))
    return client.read_until(b"\r\n\r\n")


@pytest.mark.parametrize("name", ["example.test", "other.test", "unknown.test"])
def test_name_asked_for_chooses_the_certificate(secure, client, name):
    server = secure()
    shown = "other.test" if name == "other.test" else "example.test"
    verified = ("-CAfile", server.folder / "ca.pem", "-verify_return_error")
    for wanted in ("example.test", "other.test"):
        asking = client(server, "-servername", name, *verified, "-verify_hostname", wanted)
        assert options(server, asking).startswith(b"SIP/2.0 200") is (wanted == shown)


@pytest.mark.parametrize("name", ["example.test", "other.test"])
@pytest.mark.parametrize("verify", ["optional", "required"])
def test_certificate_of_a_phone_is_verified(secure, client, verify, name):
    server = secure(verify=verify)
    stranger = server.folder / "stranger.pem"
    issue(trustme.CA(), stranger, "phone.test")
    before = server.ask("stats")["transport"]["handshake_failures"]
    for certificate, welcome in (
        (server.folder / "phone.test.pem", True),
        (None, verify == "optional"),
        (stranger, False),
    ):
        shown = () if certificate is None else ("-cert", certificate, "-key", certificate)
        answer = options(server, client(server, "-servername", name, *shown))
        assert answer.startswith(b"SIP/2.0 200") is welcome, (certificate, answer)
    refused = server.ask("stats")["transport"]["handshake_failures"] - before
    assert refused == (1 if verify == "optional" else 2)


def test_renewed_certificate_leaves_the_connections_that_stand(secure, client, authority):
    server = secure()
    standing = client(server)
    assert options(server, standing).startswith(b"SIP/2.0 200")
    issue(authority, server.folder / "example.test.pem", "renewed.test")
    verified = ("-CAfile", server.folder / "ca.pem", "-verify_return_error")
    renewed = (*verified, "-verify_hostname", "renewed.test")
    wait_until(
        "the new certificate",
        lambda: options(server, client(server, *renewed)).startswith(b"SIP/2.0 200"),
        seconds=15,
        every=0.5,
    )
    assert server.ask("stats")["transport"]["certificate_reloads"] == 1
    assert options(server, standing).startswith(b"SIP/2.0 200")


def test_keep_alive_is_answered(secure, client):
    """A double CRLF is a ping and is answered by a single one, with messages around it (RFC 5626 §3.5.1)."""
    server = secure()
    asking = client(server)
    for _ in range(3):
        asking.send(b"\r\n\r\n")
        assert asking.read_until(b"\r\n", seconds=2) == b"\r\n"
    assert options(server, asking).startswith(b"SIP/2.0 200")
    with Wire(server.port, transport="tcp") as wire:
        for _ in range(3):
            wire.send(b"\r\n\r\n")
            assert wire.receive().data == b"\r\n"
        wire.send(b"\r\n\r\n" + wire.request("OPTIONS", f"sip:{server.domain}"))
        answer = b""
        while not answer.endswith(b"\r\n\r\n") or len(answer) < 10:
            answer += wire.receive().data
        assert re.match(rb"\r\nSIP/2.0 200", answer)
    assert server.ask("stats")["transport"]["keepalives_answered"] == 7
