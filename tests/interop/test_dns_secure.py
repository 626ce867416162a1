"""`sips` and IPv6 found by a real name server: openssl is the far side of TLS, SIPp that of IPv6."""

import json
import re
import socket

import pytest
import trustme
from peers.openssl import TlsClient, TlsServer
from peers.ports import HAS_IPV6, HOST, HOST6, free_port
from peers.process import find_program, wait_until
from peers.trunkline import Server
from peers.wire import Wire


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def asking(tmp_path, name_server, authority, closing):
    """A server for TLS that asks the name server, and asks nobody for credentials."""
    if find_program("openssl") is None:
        pytest.skip("openssl is not installed")
    sections = {
        "dns": {"servers": [name_server.address], "timeout": 2},
        "media": {"mode": "never"},
        "auth": {"challenge": False},
    }
    server = Server(tmp_path / "server", sections)
    server.tls_address = f"{HOST}:{free_port()}"
    server.settings["server"]["listen"].append(f"tls:{server.tls_address}")
    authority.cert_pem.write_to_path(str(server.folder / "ca.pem"))
    issue(authority, server.folder / "own.pem", server.domain)
    server.settings["tls"] = {
        "certificate": str(server.folder / "own.pem"),
        "server_ca": str(server.folder / "ca.pem"),
        "verify": "optional",
        "ca": str(server.folder / "ca.pem"),
    }
    server.write_config()
    closing.callback(server.close)
    return server.start()


def issue(authority, path, *names):
    authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(path))


@pytest.fixture
def far(asking, authority, closing):
    """Start a far server with a certificate for a name: `far("biloxi.test")`."""

    def start(name):
        certificate = asking.folder / f"{name}.pem"
        issue(authority, certificate, name)
        made = TlsServer(asking.folder, certificate)
        closing.callback(made.close)
        return made

    return start


@pytest.fixture
def invite(asking, closing):
    """Call somebody over TLS, as a local user."""

    def send(uri):
        client = TlsClient(asking.tls_address)
        closing.callback(client.close)
        with Wire(asking.port) as wire:
            headers = ("Contact: <sips:alice@127.0.0.1:5061>",)
            request = wire.request("INVITE", uri, sender="sip:alice@example.test", headers=headers)
        client.send(request.replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS"))
        return client

    return send


def test_sips_goes_by_tls_to_who_proves_the_name_of_the_domain(asking, name_server, far, invite):
    """The certificate has to be for what the caller wrote, not for where DNS led to (RFC 5922 §7.3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.bind((HOST, 0))
        plain.settimeout(0.5)
        impostor = far("gw.far.test")
        domain = name_server.add("far.test", "@ A 127.0.0.1")
        real = far(domain)
        name_server.replace(
            domain,
            f"""
            @ NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp
            @ NAPTR 20 10 "s" "SIPS+D2T" "" _sips._tcp
            _sip._udp SRV 0 1 {plain.getsockname()[1]} gw
            _sips._tcp SRV 10 1 {impostor.port} gw
            _sips._tcp SRV 20 1 {real.port} gw
            gw A 127.0.0.1
            """,
        )
        invite(f"sips:bob@{domain}")
        wait_until("the INVITE", lambda: f"INVITE sips:bob@{domain} SIP/2.0" in real.received())
        assert "INVITE" not in impostor.received()
        with pytest.raises(TimeoutError):
            plain.recv(65536)
    top = re.search(r"(?m)^Via: SIP/2.0/(\S+) ", real.received())
    assert top[1] == "TLS"
    assert re.search(rf"(?m)^Record-Route: <sips:{asking.tls_address}", real.received())
    figures = asking.ask("stats")
    assert figures["dns"]["failovers"] == 1
    assert figures["transport"]["handshake_failures"] == 1


@pytest.mark.parametrize("proves", [True, False])
def test_proxy_that_connected_to_us_is_asked_by_its_own_connection(
    asking, name_server, authority, closing, invite, proves
):
    """Nobody listens where DNS says: the other side wants one connection for both ways (RFC 5923)."""
    port = free_port()
    domain = name_server.add("far.test", f"_sips._tcp SRV 0 1 {port} gw\ngw A 127.0.0.1")
    certificate = asking.folder / "far.pem"
    issue(authority, certificate, domain if proves else "elsewhere.test")
    proxy = TlsClient(asking.tls_address, "-cert", certificate, "-key", certificate)
    closing.callback(proxy.close)
    with Wire(asking.port) as wire:
        request = wire.request("OPTIONS", f"sip:{asking.domain}", sender=f"sip:proxy@{domain}")
    via = f"SIP/2.0/TLS {HOST}:{port};alias;branch".encode()
    proxy.send(re.sub(rb"SIP/2.0/UDP \S+?;branch", via, request))
    assert proxy.read_until(b"\r\n\r\n").startswith(b"SIP/2.0 200")
    caller = invite(f"sips:bob@{domain}")
    if proves:
        came = proxy.read_until(b"\r\n\r\n").decode()
        assert came.startswith(f"INVITE sips:bob@{domain} SIP/2.0")
    else:
        assert not proxy.read_until(b"\r\n\r\n", seconds=1)
        assert b"SIP/2.0 500" in caller.read_until(b"\r\n\r\n"), "the only server cannot be connected to"


def test_sips_without_a_secure_service_goes_nowhere(asking, name_server, invite):
    domain = name_server.add("far.test", '@ NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp\n_sip._udp SRV 0 1 9 gw\n'
                             "gw A 127.0.0.1")  # fmt: skip
    answer = invite(f"sips:bob@{domain}").read_until(b"\r\n\r\n").decode()
    final = re.findall(r"(?m)^SIP/2.0 ([2-6]\d\d)", answer)
    assert final in (["478"], ["480"]), answer


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_call_from_ipv4_to_a_server_that_has_an_ipv6_address_only(new_server, name_server, sipp, transport):
    server = new_server({"dns": {"servers": [name_server.address]}, "media": {"mode": "never"}})
    server.settings["server"]["listen"] += [f"{each}:[{HOST6}]:{server.port}" for each in ("udp", "tcp")]
    server.write_config()
    server.start()
    port = free_port()
    domain = name_server.add("far.test", f"_sip._{transport} SRV 0 1 {port} gw\ngw AAAA ::1")
    remote = sipp("callee_answers", values={"ring_ms": 50}, port=port, transport=transport, host=HOST6)
    values = {
        "user": "alice",
        "password": server.password("alice"),
        "domain": server.domain,
        "callee": "bob",
        "callee_domain": domain,
        "hold_ms": 100,
    }
    sipp("caller_hangs_up", target=server.address, values=values).wait()
    remote.wait()
    came = remote.messages()
    assert re.search(rf"(?m)^Via: SIP/2.0/{transport.upper()} \[{HOST6}\]:{server.port};", came)
    assert re.search(rf"(?m)^Record-Route: <sip:\[{HOST6}\]:{server.port};", came)
    assert json.dumps(server.cdrs()).count('"code": 200') == 1
