"""What no phone sends: the server answers or passes over it, and goes on serving the others."""

import contextlib
import os
import random
import re
import socket

import pytest

WEDGES = (b"\r\n", b"\0", b'"', b"<", b">", b";", b",", b":", b"%", b"@")


def assert_serves(server, wire):
    """The server answers OPTIONS over UDP and TCP."""
    for transport in ("udp", "tcp"):
        probe = wire(server, transport=transport)
        reply = probe.ask(probe.request("OPTIONS", f"sip:{server.domain}"))
        assert reply is not None, f"no answer to OPTIONS over {transport}\n{server.log()}"
        assert reply.status == 200


@pytest.fixture
def asked(server, wire):
    """Send one damaged request over UDP and give the final answer, if any; the server serves on."""

    def send(change, method="OPTIONS", **more):
        probe = wire(server)
        request = probe.request(method, f"sip:{server.domain}", **more)
        reply = probe.ask(change(request), seconds=1)
        assert_serves(server, wire)
        return reply

    return send


def test_garbage_is_passed_over(server, wire):
    probe = wire(server)
    chance = random.Random(1)
    for size in (0, 1, 2, 3, 4, 8, 28, 100, 1000, 9000, 60000):
        probe.send(chance.randbytes(size))
    for line in (b"\r\n\r\n", b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0", b"INVITE", b"\xff" * 200):
        probe.send(line)
    assert_serves(server, wire)


def test_every_truncation_of_a_request_is_survived(server, wire):
    probe = wire(server)
    whole = probe.request("INVITE", f"sip:bob@{server.domain}", body=b"v=0\r\n")
    for size in range(1, len(whole), 7):
        probe.send(whole[:size])
    assert_serves(server, wire)


def test_oversized_datagram_is_survived(server, wire):
    probe = wire(server)
    many = tuple(f"X-Filler-{number}: {'x' * 200}" for number in range(250))
    request = probe.request("OPTIONS", f"sip:{server.domain}", headers=many)
    assert 50_000 < len(request) < 65_000
    reply = probe.ask(request, seconds=2)
    assert reply is None or reply.status in (200, 400, 413, 513)
    assert_serves(server, wire)


def test_body_shorter_than_it_says_is_refused(asked):
    reply = asked(lambda request: request.replace(b"Content-Length: 0", b"Content-Length: 99"))
    assert reply is not None
    assert reply.status == 400


@pytest.mark.parametrize("header", [b"Call-ID", b"CSeq", b"From", b"To"])
def test_request_without_a_mandatory_header_is_refused_or_dropped(asked, header):
    def without(request):
        lines = request.split(b"\r\n")
        return b"\r\n".join(line for line in lines if not line.startswith(header + b":"))

    reply = asked(without)
    assert reply is None or reply.status == 400


def test_any_header_may_be_empty(server, wire):
    """Each in turn, in requests of every kind, with and without a dialog: nothing but answers comes of it."""
    probe = wire(server)
    before = server.ask("stats")["mishaps"]
    more = ("Contact", "Route", "Record-Route", "Path", "Require", "Proxy-Require", "Supported", "Expires")
    more += ("Authorization", "Proxy-Authorization", "Session-Expires", "Min-SE", "Content-Type", "Date")
    more += ("Max-Breadth", "Reason", "Replaces", "Refer-To", "Event", "RSeq", "RAck", "Content-Length")
    methods = ("OPTIONS", "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "MESSAGE", "PRACK", "UPDATE", "REFER")
    for method in methods:
        for tag in (b"", b";tag=theirs"):
            for name in more:
                request = probe.request(method, f"sip:bob@{server.domain}", headers=(f"{name}:",))
                probe.send(re.sub(rb"\r\n(To:[^\r]*)", rb"\r\n\1" + tag, request))
            for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Max-Forwards"):
                request = probe.request(method, f"sip:bob@{server.domain}")
                probe.send(re.sub(rb"\r\n(%s:)[^\r]*" % name, rb"\r\n\1", request))
        assert_serves(server, wire)
    assert server.ask("stats")["mishaps"] == before, server.log()


def test_method_in_cseq_that_does_not_match_is_refused(asked):
    reply = asked(lambda request: request.replace(b"1 OPTIONS", b"1 REGISTER"))
    assert reply is not None
    assert reply.status == 400


def test_other_version_is_refused(asked):
    reply = asked(lambda request: request.replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1))
    assert reply is not None
    assert reply.status == 505


def test_unknown_scheme_is_refused(asked, server):
    uri = f"sip:{server.domain} SIP".encode()
    reply = asked(lambda request: request.replace(uri, b"nosuch:thing SIP", 1))
    assert reply is not None
    assert reply.status == 416


def test_too_many_hops_are_refused(asked, server):
    def spent(request):
        return request.replace(b"Max-Forwards: 70", b"Max-Forwards: 0")

    reply = asked(spent, method="INVITE", to=f"sip:bob@{server.domain}")
    assert reply is not None
    assert reply.status == 483


def test_unknown_extension_is_refused(asked):
    reply = asked(
        lambda request: request.replace(b"Max-Forwards", b"Proxy-Require: levitation\r\nMax-Forwards")
    )
    assert reply is not None
    assert reply.status == 420
    assert "levitation" in reply.header("Unsupported")


def test_other_domain_is_not_relayed_for_strangers(asked, server, wire):
    probe = wire(server)
    stranger, target = "sip:me@elsewhere.invalid", "sip:someone@elsewhere.invalid"
    reply = probe.ask(probe.request("INVITE", target, sender=stranger))
    assert reply is not None
    assert reply.status in (403, 407)
    assert_serves(server, wire)


def test_nobody_registers_for_someone_else(server, sipp):
    values = {
        "user": "bob",
        "auth_user": "alice",
        "domain": server.domain,
        "password": server.password("alice"),
        "contact_port": 5999,
        "expires": 60,
        "status": 403,
    }
    sipp("registers_for_another", target=server.address, values=values).wait()
    assert "5999" not in str(server.ask("location", "show"))


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff" * 5000,
        b"OPTIONS\r\n\r\n",
        b"A" * 200_000,
        b"INVITE sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n",
    ],
    ids=["bytes", "bare", "endless", "negative", "huge"],
)
def test_damaged_stream_is_closed_and_others_go_on(server, wire, bad):
    probe = wire(server, transport="tcp")
    with contextlib.suppress(OSError):
        probe.send(bad)
        for _ in range(5):
            if probe.receive(1) is None:
                break
    assert_serves(server, wire)


def test_request_comes_byte_by_byte_and_two_come_at_once_over_tcp(server, wire):
    probe = wire(server, transport="tcp")
    probe.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in probe.request("OPTIONS", f"sip:{server.domain}"):
        probe.send(bytes([byte]))
    reply = probe.receive()
    assert reply is not None
    assert reply.status == 200
    two = b"".join(probe.request("OPTIONS", f"sip:{server.domain}", sequence=n) for n in (1, 2))
    probe.send(two)
    got = b""
    while got.count(b"SIP/2.0 200") < 2:
        reply = probe.receive()
        assert reply is not None, got
        got += reply.data


def test_ping_on_a_stream_is_answered(server, wire):
    probe = wire(server, transport="tcp")
    probe.send(b"\r\n\r\n")
    reply = probe.receive()
    assert reply is not None
    assert reply.data == b"\r\n"


def test_many_idle_connections_do_not_keep_others_out(server, wire):
    for _ in range(100):
        wire(server, transport="tcp")
    assert_serves(server, wire)


def test_mutations_of_real_requests_are_survived(server, wire):
    """Flip, cut, double: a thousand requests with one wound each, from a fixed seed."""
    chance = random.Random(os.environ.get("INTEROP_SEED", "trunkline"))
    probe = wire(server)
    for number in range(1000):
        method = chance.choice(("OPTIONS", "REGISTER", "INVITE", "BYE", "ACK", "CANCEL", "MESSAGE"))
        data = bytearray(
            probe.request(
                method,
                f"sip:bob@{server.domain}",
                headers=("Contact: <sip:me@127.0.0.1:9>", "Expires: 60", "Route: <sip:127.0.0.1;lr>"),
            )
        )
        place = chance.randrange(len(data))
        wound = chance.randrange(4)
        if wound == 0:
            data[place] = chance.randrange(256)
        elif wound == 1:
            del data[place : place + chance.randrange(1, 40)]
        elif wound == 2:
            data[place:place] = data[place : place + chance.randrange(1, 40)] * chance.randrange(1, 5)
        else:
            data[place:place] = chance.choice(WEDGES)
        probe.send(bytes(data))
        if number % 100 == 99:
            assert_serves(server, wire)
