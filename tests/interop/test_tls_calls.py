"""TLS with programs that are not ours: baresip calls over it, openssl looks at it.

Certificates are made by an authority of the test's own.
"""

import re
import subprocess
import time

import pytest
import trustme
from peers.ports import HOST, free_port
from peers.process import find_program, wait_until
from peers.trunkline import Server

ALICE_TONE, BOB_TONE = 440.0, 1000.0
TALK = 2.0


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(tmp_path_factory, authority):
    """A server on UDP, TCP and TLS, with its certificate for localhost and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("secure")
    server = Server(folder)
    server.tls_port = free_port()
    server.tls_address = f"{HOST}:{server.tls_port}"
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issue(authority, folder / "server.pem")
    server.settings["server"]["listen"].append(f"tls:{server.tls_address}")
    server.settings["tls"] = {
        "certificate": str(folder / "server.pem"),
        "verify": "optional",
        "ca": str(folder / "ca.pem"),
    }
    server.write_config()
    try:
        server.start()
        for user in ("alice", "bob"):
            server.password(user)
        yield server
        assert not server.tracebacks()
    finally:
        server.close()


def issue(authority, path, *names):
    authority.issue_cert("localhost", HOST, *names).private_key_and_cert_chain_pem.write_to_path(str(path))


@pytest.fixture
def secure_phone(secure, new_phone):
    def make(user, transport="tls", **more):
        proxy = secure.tls_address if transport == "tls" else secure.address
        ca = secure.folder / "ca.pem"
        return new_phone(secure, user, transport=transport, proxy=proxy, authority=ca, **more)

    return make


def up(caller, callee):
    caller.dial(callee.address)
    caller.wait_for("CALL_ESTABLISHED")
    callee.wait_for("CALL_ESTABLISHED")


@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize(
    ("first", "second"), [("tls", "tls"), ("tls", "udp"), ("udp", "tls"), ("tls", "tcp")]
)
def test_call_by_tls_is_heard_and_ended_by_either_side(secure_phone, first, second, who):
    """The BYE of the other side must come by the phone's own connection: nobody else has its certificate."""
    alice = secure_phone("alice", first, tone=ALICE_TONE)
    bob = secure_phone("bob", second, tone=BOB_TONE, answer="auto")
    up(alice, bob)
    time.sleep(TALK)
    (alice if who == "caller" else bob).hang_up()
    alice.wait_for("CALL_CLOSED")
    bob.wait_for("CALL_CLOSED")
    for phone, tone in ((alice, BOB_TONE), (bob, ALICE_TONE)):
        heard = phone.recording().cut(0.6, -0.3)
        assert abs(heard.pitch() - tone) < 5
    shown = alice.process.log(10**6)
    if first == second == "tls":
        assert re.search(r"Via: SIP/2.0/TLS ", shown)


def test_phone_whose_connection_is_gone_is_not_available(secure, secure_phone):
    alice, bob = secure_phone("alice"), secure_phone("bob")
    bob.kill()
    alice.dial(bob.address)
    # it has its registration still, but nobody can connect to it: baresip has no certificate of its own
    assert alice.wait_for("CALL_CLOSED", seconds=15).text[:3] in ("480", "500", "503")


def s_client(secure, *arguments, data=b""):
    program = find_program("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    command = [program, "s_client", "-connect", secure.tls_address, *arguments]
    run = subprocess.run(command, input=data, capture_output=True, timeout=20, check=False)
    return run.stdout + run.stderr


def test_openssl_verifies_the_server(secure):
    ca = str(secure.folder / "ca.pem")
    said = s_client(secure, "-CAfile", ca, "-verify_return_error", "-verify_hostname", "localhost")
    assert b"Verify return code: 0 (ok)" in said
    assert b"TLSv1.3" in said


def test_old_protocols_are_refused(secure):
    assert b"Cipher is (NONE)" in s_client(secure, "-tls1_1")


def ask(secure, request):
    """Send a request by openssl, whose input stays open until the final answer has come."""
    command = [find_program("openssl"), "s_client", "-quiet", "-connect", secure.tls_address]
    null = subprocess.DEVNULL
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=null)
    try:
        child.stdin.write(request.replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS"))
        child.stdin.flush()
        for line in child.stdout:
            if re.match(rb"SIP/2.0 [2-6]", line):
                return line.decode()
    finally:
        child.kill()
        child.communicate()
    return ""


def test_request_by_openssl_is_answered(secure, wire):
    assert "200 OK" in ask(secure, wire(secure).request("OPTIONS", f"sips:{secure.domain}"))


def test_renewed_certificate_is_shown_without_a_restart(secure, authority):
    def shown():
        # what follows the certificates is of the session, and never the same twice
        said = s_client(secure, "-showcerts").partition(b"-----BEGIN CERTIFICATE")[2]
        return said.partition(b"-----END CERTIFICATE")[0]

    before = shown()
    assert before == shown()
    issue(authority, secure.folder / "server.pem", "renewed.test")
    wait_until("new certificate", lambda: shown() != before, seconds=15, every=0.5)
    (secure.folder / "server.pem").write_text("broken")
    wait_until("complaint", lambda: "cannot be used" in secure.log(), seconds=15, every=0.5)
    assert shown() != before
    assert secure.process.running


def test_sips_is_never_sent_over_anything_but_tls(secure, secure_phone, wire):
    """Bob is there by UDP; who asks for `sips` is told that he is not there."""
    bob = secure_phone("bob", "udp")
    uri = f"sips:bob@{secure.domain}"
    assert ask(secure, wire(secure).request("INVITE", uri)).startswith("SIP/2.0 480")
    asking = wire(secure)
    reply = asking.ask(asking.request("INVITE", uri))
    assert reply.status == 403
    bob.collect(0.5)
    assert "INVITE sip" not in bob.process.log(10**6)
