"""A user with several phones: what the caller hears of them, and what is written down."""

from __future__ import annotations

from simulated import DOMAIN, Phone, World, sdp

from trunkline.sip_parser import Message, Request, Response


def second_phone(world: World, user: str, *, q: str = "1.0") -> Phone:
    phone = Phone(world, user, ("198.51.100.77", 5060))
    phone.contact += f";q={q}"
    assert phone.register().status == 200
    phone.contact = phone.contact.partition(">")[0] + ">"
    return phone


def test_a_caller_who_wants_to_know_is_told_which_phone_refused(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    other = second_phone(world, "bob")
    alice.invite("bob", Supported="199")
    at_desk, at_home = bob.received("INVITE"), other.received("INVITE")
    bob.reply(at_desk, 180, tag="desk")
    other.reply(at_home, 180, tag="home")
    bob.reply(at_desk, 486, tag="desk")
    other.reply(at_home, 200, tag="home", body=sdp(other.own[0]))
    told = [alice.response() for _ in range(4)]
    assert [(each.status, each.to_tag) for each in told] == [
        (180, "desk"),
        (180, "home"),
        (199, "desk"),
        (200, "home"),
    ]
    [call] = world.stack.calls.listing()
    assert call["state"] == "confirmed"


def test_phones_of_lower_q_ring_after_the_others_have_failed(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    other = second_phone(world, "bob", q="0.5")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    assert not other.inbox
    bob.reply(arrived, 486)
    other.reply(other.received("INVITE"), 603)
    assert alice.response().status == 603
    assert world.cdrs("sip_code") == [("603",)]


def test_more_phones_than_the_caller_lets_ring_are_not_rung(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    other = second_phone(world, "bob")
    alice.invite("bob", **{"Max-Breadth": "1"})
    assert alice.response().status == 440
    assert not bob.inbox
    assert not other.inbox
    assert world.cdrs("sip_code") == [("440",)]


def stranger_calls(world: World, callee: Phone) -> None:
    """Let a user of another domain call: his calls are not challenged when they come by again."""
    eve = Phone(world, "eve", ("203.0.113.66", 5060))
    eve.send(eve.request("INVITE", callee.uri, sender="sip:eve@elsewhere.test", body=sdp("203.0.113.66")))


def test_a_call_that_comes_back_as_it_left_is_a_loop(world: World) -> None:
    [bob] = world.phones("bob")
    stranger_calls(world, bob)
    lap: Message = bob.received("INVITE")
    laps = 0
    while isinstance(lap, Request):
        laps += 1
        lap.uri = f"sip:bob@{DOMAIN}"
        lap.headers.prepend("Via", bob.via())
        bob.send(lap)
        lap = bob.take()
    assert isinstance(lap, Response)
    assert lap.status == 482
    assert laps == 2, "it came from the caller first, and from bob the second time"


def test_a_call_that_is_sent_on_to_somebody_else_is_no_loop(world: World) -> None:
    bob, carol = world.phones("bob", "carol")
    stranger_calls(world, bob)
    spiral = bob.received("INVITE")
    spiral.uri = carol.uri
    spiral.headers.prepend("Via", bob.via())
    bob.send(spiral)
    assert carol.received("INVITE").max_forwards == 68


def test_a_phone_behind_a_proxy_is_called_along_its_path(world: World) -> None:
    """RFC 3327: what the proxy wrote at the registration becomes the Route of the call."""
    [alice] = world.phones("alice")
    edge = Phone(world, "bob", ("198.51.100.50", 5060), own=("10.0.0.7", 5060))
    path = "<sip:edge@198.51.100.50:5060;lr>"
    assert edge.register(Path=path, Supported="path").headers.get("path") == path
    alice.invite("bob")
    arrived = edge.received("INVITE")
    assert arrived.uri == "sip:bob@10.0.0.7:5060"
    assert arrived.headers.values("route") == [path]
