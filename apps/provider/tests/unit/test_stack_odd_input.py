"""Whatever arrives, something sensible happens to it, and the others are served as before."""

from __future__ import annotations

from itertools import product

import pytest
from simulated import DOMAIN, SERVER, Phone, World, sdp

from trunkline.sip_parser import Message, Response
from trunkline.sip_transaction import Dialog

NASTY = ("<nonsense", "<sip:>", "sip:a b@c", '"<sip:x>', "<sip:a@b", "\x00", "\xff", ",")


@pytest.fixture
def alice(world: World) -> Phone:
    """Alice's phone, registered."""
    [phone] = world.phones("alice")
    return phone


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"])
def test_keepalives_are_counted_and_not_answered(world: World, alice: Phone, data: bytes) -> None:
    before = len(world.sent)
    world.deliver(data, alice.flow)
    assert world.stack.statistics.keepalives == 1
    assert len(world.sent) == before


def test_empty_lines_before_a_request_are_passed_over(world: World, alice: Phone) -> None:
    world.deliver(b"\r\n" + alice.request("OPTIONS", f"sip:{DOMAIN}").to_bytes(), alice.flow)
    alice.response(200)


@pytest.mark.parametrize(
    "data",
    [b"hello", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 9, b"SIP/2.0 200 OK\r\n\r\n", b"\0\1\0\0\x21\x12"],
)
def test_garbage_is_dropped_and_counted(world: World, alice: Phone, data: bytes) -> None:
    world.deliver(data, alice.flow)
    assert not alice.inbox
    assert world.stack.statistics.err_requests + world.stack.statistics.err_replies == 1
    assert [bad.flow for bad in world.bad_messages] == [alice.flow]


def test_request_cut_short_is_refused(world: World, alice: Phone) -> None:
    request = alice.request("INVITE", f"sip:bob@{DOMAIN}", body=sdp(alice.own[0]))
    world.deliver(request.to_bytes()[:-10], alice.flow)
    alice.response(400)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b" SIP/2.0\r\n", b" SIP/7.0\r\n"), 505),
        ((b"INVITE sip:bob@", b"INVITE nosuch:bob@"), 416),
        ((b"Max-Forwards: 70", b"Max-Forwards: 0"), 483),
        ((b"Max-Forwards: 70", b"Max-Forwards: seventy"), 400),
        ((b"Max-Forwards: 70", b"Max-Forwards: 70\r\nProxy-Require: levitation"), 420),
        ((b"1 INVITE", b"1 REGISTER"), 400),
        ((b"1 INVITE", b"4294967296 INVITE"), 400),
        ((b"Contact: <", b"Contact: <<"), 400),
        ((b"Max-Forwards: 70", b"Max-Forwards: 70\r\nRoute: <nonsense"), 400),
        ((b"Max-Forwards: 70", b"Max-Forwards: 70\r\nRecord-Route: <nonsense"), 400),
        ((b"sip:bob@example.test SIP", b"sip:bob@example.test?Route=x SIP"), 400),
    ],
)
def test_request_that_breaks_the_rules_is_refused(
    world: World, alice: Phone, change: tuple[bytes, bytes], status: int
) -> None:
    data = alice.request("INVITE", f"sip:bob@{DOMAIN}").to_bytes()
    assert change[0] in data
    world.deliver(data.replace(*change, 1), alice.flow)
    alice.response(status)


def damaged(message: Message, header: str, value: str) -> bytes:
    """Write a message with another value of a header."""
    message.headers.remove(header)
    line = f"\r\n{header}: {value}\r\n".encode("latin-1")
    return message.to_bytes().replace(b"\r\n", line, 1)


@pytest.mark.parametrize("header", ["Route", "Contact", "Content-Type", "Record-Route", "Max-Forwards"])
def test_odd_header_within_a_call_does_no_harm(world: World, header: str) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    for number, (value, method) in enumerate(product(NASTY, ["BYE", "INVITE", "ACK", "UPDATE"])):
        dialog = Dialog.from_uac(call.invite, call.answer)
        request = alice.within(dialog, method, body=sdp(alice.own[0]))
        world.deliver(damaged(request, header, value), alice.flow)
        alice.inbox.clear()
        bob.inbox.clear()
        fine = Dialog.from_uac(call.invite, call.answer)
        fine.local_cseq = 50 + number
        alice.send(alice.within(fine, "INFO"))
        bob.reply(bob.received("INFO"), 200)
        alice.response(200)


@pytest.mark.parametrize("header", ["Contact", "To", "Record-Route", "Content-Type"])
@pytest.mark.parametrize("status", [180, 200, 486])
def test_odd_header_in_a_response_does_not_leave_the_caller_waiting(
    world: World, header: str, status: int
) -> None:
    alice, bob = world.phones("alice", "bob")
    bob.register(expires=7200)
    for value in NASTY:
        alice.inbox.clear()
        bob.inbox.clear()
        alice.invite("bob")
        arrived = bob.received("INVITE")
        response = bob.reply(arrived, 100, headers=[("X-Mark", "x")], body=sdp(bob.own[0]))
        response.status = status
        world.deliver(damaged(response, header, value), bob.flow)
        if status == 180:
            bob.reply(arrived, 486)
        world.advance(130)  # the ring timeout, where nothing but a 100 was understood
        assert any(message.status >= 200 for message in alice.inbox if isinstance(message, Response))


def test_response_out_of_the_blue_is_dropped(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    response = bob.reply(bob.received("INVITE"), 486)
    alice.inbox.clear()
    response.headers.replace_top("Via", f"SIP/2.0/UDP {SERVER[0]}:{SERVER[1]};branch=z9hG4bKmadeup")
    bob.send(response)
    for name in ("From", "To", "Via", "CSeq", "Call-ID"):
        broken = response.copy()
        broken.headers.set(name, "<nonsense")
        world.deliver(broken.to_bytes(), bob.flow)
    assert not alice.inbox
    assert world.stack.statistics.drop_replies == 6


def test_answer_that_goes_past_its_transaction_does_not_make_a_call(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    bob.reply(arrived, 180)
    alice.response(180)
    via = arrived.headers.values("Via")[0].replace("z9hG4bK", "z9hG4bKx")
    arrived.headers.replace_top("Via", via)
    bob.reply(arrived, 200, body=sdp(bob.own[0]))
    assert not alice.inbox


def test_answer_whose_contact_cannot_be_read_counts_as_none(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    answer = bob.reply(arrived, 183)
    alice.response(183)
    answer.status = 200
    answer.headers.set("Contact", "<nonsense")
    bob.send(answer)
    assert not alice.inbox
    world.advance(33)
    assert alice.start_lines[0] == "408 Request Timeout"
    assert world.cdrs("sip_code") == [("408",)]


@pytest.mark.parametrize("user", ["b%FFb", "b%00b", "%", "bob%40x", "\udcff", "b%C3%B6b", "🦊", "'; drop x"])
def test_user_names_that_are_none_are_not_found(world: World, alice: Phone, user: str) -> None:
    data = alice.request("INVITE", "sip:USER@example.test", sender="sip:e@elsewhere.test").to_bytes()
    name = user.replace(" ", "%20").encode("utf-8", "surrogateescape")
    world.deliver(data.replace(b"USER", name), alice.flow)
    assert alice.response().status in (400, 404)


@pytest.mark.parametrize("user", ["al%FFice", "al%00ice", "alice%40x", "\udcff", "%C3%A4", "🦊"])
def test_user_names_that_are_none_cannot_register(world: World, user: str) -> None:
    phone = Phone(world, "mallory", ("198.51.100.9", 5060))
    phone.authenticator.username = user.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    request = phone.request("REGISTER", f"sip:{DOMAIN}", to="sip:USER@example.test")
    data = request.to_bytes().replace(b"USER", user.encode("utf-8", "surrogateescape"))
    world.deliver(data, phone.flow)
    response = phone.response()
    if response.status == 401:
        phone.send(phone.authenticator.authorize(request, response, world.token))
        assert phone.response().status in (401, 403)
    else:
        assert response.status == 400
    assert world.contacts() == []


def test_credentials_with_a_name_that_is_no_utf_8_ask_nobody(world: World, alice: Phone) -> None:
    name = b'Digest username="\xff\xfe", realm="example.test", nonce="n", uri="sip:x", response="r"'
    credentials = b"Authorization: " + name
    data = alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri).to_bytes()
    world.database_is_away = True
    world.deliver(data.replace(b"Max-Forwards", credentials + b"\r\nMax-Forwards"), alice.flow)
    alice.response(401)


def test_escaped_user_is_who_they_are(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite(f"sip:%62ob@{DOMAIN}")
    bob.received("INVITE")


def test_register_with_a_to_tag_is_a_register(world: World, alice: Phone) -> None:
    world.forget_subscribers()
    request = alice.request(
        "REGISTER", f"sip:{DOMAIN}", headers=[("To", f"<{alice.uri}>;tag=x"), ("Call-ID", "new")]
    )
    assert alice.ask(request).status == 200
