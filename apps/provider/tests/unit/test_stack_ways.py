"""How a phone is reached: by its own address, through its NAT, over its connection, along its path."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import DOMAIN, SERVER, Phone, World, sdp

from trunkline.sip_parser import NameAddr, Via, parse_uri
from trunkline.sip_proxy import Binding
from trunkline.sip_transaction import Flow

HOME = ("10.0.0.5", 5060)
PINHOLE = ("203.0.113.5", 40000)
EDGE = ("203.0.113.60", 5060)


def test_phone_behind_a_nat_is_reached_where_it_was_heard_from(world: World) -> None:
    alice, _ = world.phones("alice", "bob")
    carol = Phone(world, "carol", PINHOLE, own=HOME)
    assert (carol.register().headers.get("Contact") or "").startswith(carol.contact)
    assert world.rows("select contact, received from location where username='carol'") == [
        (f"sip:carol@{HOME[0]}:{HOME[1]}", f"sip:{PINHOLE[0]}:{PINHOLE[1]};transport=udp")
    ]
    alice.invite("carol")
    assert carol.received("INVITE").uri == carol.contact.strip("<>")


def test_phone_behind_a_nat_is_still_reached_after_a_restart(world: World) -> None:
    [alice] = world.phones("alice")
    carol = Phone(world, "carol", PINHOLE, own=HOME)
    carol.register()
    world.restarted()
    alice.invite("carol")
    carol.received("INVITE")


def test_others_are_told_an_address_that_leads_through_the_nat(world: World) -> None:
    [alice] = world.phones("alice")
    carol = Phone(world, "carol", PINHOLE, own=HOME)
    carol.register()
    reachable = f"<sip:carol@{PINHOLE[0]}:{PINHOLE[1]}>"
    alice.invite("carol")
    carol.reply(carol.received("INVITE"), 200)
    assert alice.response(200).headers.get("Contact") == reachable
    carol.invite("alice")
    assert alice.received("INVITE").headers.get("Contact") == reachable


def test_media_are_relayed_where_a_nat_is_in_the_way_and_only_there(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    carol = Phone(world, "carol", PINHOLE, own=HOME)
    carol.register()
    alice.invite("bob")
    assert alice.own[0].encode() in bob.received("INVITE").body
    alice.invite("carol")
    assert f"c=IN IP4 {SERVER[0]}".encode() in carol.received("INVITE").body
    carol.invite("bob")
    assert f"c=IN IP4 {SERVER[0]}".encode() in bob.received("INVITE").body


def test_relay_can_be_forbidden(new_world: Callable[..., World]) -> None:
    world = new_world(media={"mode": "never"})
    [alice] = world.phones("alice")
    carol = Phone(world, "carol", PINHOLE, own=HOME)
    carol.register()
    alice.invite("carol")
    assert carol.received("INVITE").body == sdp(alice.own[0])


def test_phone_on_tcp_is_reached_over_its_connection(world: World) -> None:
    [alice] = world.phones("alice")
    carol = Phone(world, "carol", ("198.51.100.40", 51000), own=("198.51.100.40", 5060), connection=7)
    carol.register()
    alice.invite("carol")
    assert world.sent[-1].flow == Flow("TCP", SERVER, ("198.51.100.40", 51000), 7)
    inner, outer = (route.uri.params for route in carol.received("INVITE").record_routes)
    assert (inner["transport"], outer["transport"]) == ("tcp", "udp")


def test_phone_whose_connection_is_gone_is_reached_at_its_contact(world: World) -> None:
    [alice] = world.phones("alice")
    carol = Phone(world, "carol", ("198.51.100.40", 51000), own=("198.51.100.40", 51000), connection=7)
    carol.register()
    world.open_connections.clear()
    alice.invite("carol")
    assert world.sent[-1].flow == Flow("TCP", SERVER, ("198.51.100.40", 51000), 0)


def test_call_between_udp_and_tcp_goes_through_both_ways(world: World) -> None:
    [alice] = world.phones("alice")
    carol = Phone(world, "carol", ("198.51.100.40", 51000), own=("198.51.100.40", 51000), connection=7)
    carol.register()
    call = world.call(alice, carol)
    alice.send(alice.within(call.caller, "INFO"))
    carol.reply(carol.received("INFO"), 200)
    alice.response(200)
    carol.send(carol.within(call.callee, "BYE"))
    alice.reply(alice.received("BYE"), 200)
    carol.response(200)


def test_connection_lost_before_an_answer_fails_the_call_at_once(world: World) -> None:
    [alice] = world.phones("alice")
    carol = Phone(world, "carol", ("198.51.100.40", 51000), own=("198.51.100.40", 51000), connection=7)
    carol.register()
    alice.invite("carol")
    world.perform(world.stack.flow_lost(carol.flow, "closed by the peer", now=world.now))
    assert alice.response().status == 480  # the phone is gone; a 503 would speak of this server
    assert world.cdrs("sip_code") == [("480",)]


def test_datagram_that_cannot_be_sent_fails_the_call_at_once(world: World) -> None:
    alice, _ = world.phones("alice", "bob")
    alice.invite("bob")
    failed = world.sent[-1]
    world.perform(world.stack.send_failed(failed.key, "Network is unreachable", now=world.now))
    assert alice.response().status == 480


def test_failed_send_that_nobody_waits_for_changes_nothing(world: World) -> None:
    assert world.stack.send_failed(None, "Network is unreachable", now=world.now) == []


@pytest.mark.parametrize(
    "path", ["<sip:203.0.113.60;lr>", "<sip:203.0.113.60:5060;lr>;ob", '"Edge" <sip:203.0.113.60;lr>']
)
def test_phone_behind_an_edge_proxy_is_reached_along_its_path(world: World, path: str) -> None:
    [alice] = world.phones("alice")
    edge = Phone(world, "carol", EDGE, own=EDGE)
    edge.contact = "<sip:carol@10.9.9.9:5060>"
    edge.register(Path=path, Supported="path")
    alice.invite("carol")
    arrived = edge.received("INVITE")
    assert arrived.headers.values("Route") == [path]
    assert arrived.uri == "sip:carol@10.9.9.9:5060"


def test_contact_that_came_through_another_proxy_is_left_alone(world: World) -> None:
    _, bob = world.phones("alice", "bob")
    edge = Phone(world, "eve", EDGE)
    edge.contact = "<sip:eve@10.9.9.9:5060>"
    invite = edge.request("INVITE", bob.uri, sender="sip:eve@elsewhere.test")
    invite.headers.add("Via", "SIP/2.0/UDP 10.9.9.9:5060;branch=z9hG4bKbehind")
    edge.send(invite)
    assert bob.received("INVITE").headers.get("Contact") == edge.contact


def test_contact_of_an_answer_from_behind_another_proxy_is_left_alone(world: World) -> None:
    [alice] = world.phones("alice")
    edge = Phone(world, "carol", EDGE)
    edge.register(Path="<sip:203.0.113.60;lr>")
    edge.contact = "<sip:carol@10.9.9.9:5060>"
    alice.invite("carol")
    edge.reply(edge.received("INVITE"), 200)
    assert alice.response(200).headers.get("Contact") == edge.contact


def test_contact_of_an_answer_from_another_domain_is_left_alone(world: World) -> None:
    [alice] = world.phones("alice")
    far = Phone(world, "someone", EDGE)
    world.plug_in(far)
    far.contact = "<sip:someone@10.9.9.9:5060>"
    world.addresses["elsewhere.test"] = EDGE[0]
    alice.invite("sip:someone@elsewhere.test:5060")
    far.reply(far.received("INVITE"), 200)
    assert alice.response(200).headers.get("Contact") == far.contact


# -- the parts


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:bob@198.51.100.2", Flow("UDP", SERVER, ("198.51.100.2", 5060))),
        ("sip:bob@198.51.100.2:5070", Flow("UDP", SERVER, ("198.51.100.2", 5070))),
        ("sip:bob@198.51.100.2;transport=TCP", Flow("TCP", SERVER, ("198.51.100.2", 5060))),
        ("sip:bob@host.test;maddr=198.51.100.9", Flow("UDP", SERVER, ("198.51.100.9", 5060))),
        ("sip:bob@host.test", None),
        ("sips:bob@198.51.100.2", None),
        ("sip:bob@198.51.100.2;transport=ws", None),
        ("sip:bob@[2001:db8::1]", None),
        ("tel:+4930123456", None),
        ("urn:service:sos", None),
    ],
)
def test_way_to_a_uri(world: World, uri: str, expected: Flow | None) -> None:
    assert world.stack.ways.locate(parse_uri(uri)) == expected


def test_binding_that_cannot_be_reached_makes_its_user_unavailable(world: World) -> None:
    [alice] = world.phones("alice")
    for contact in ("sip:carol@host.test;transport=ws", "carol at home"):
        binding = Binding(f"carol@{DOMAIN}", contact, expires=0.0)
        world.stack.location.put(binding)
    world.forget_subscribers()
    alice.invite("carol")
    alice.response(480)


def test_way_of_a_response_is_where_the_request_was_heard_from(world: World) -> None:
    ways = world.stack.ways
    via = Via.parse("SIP/2.0/UDP 10.0.0.5:5060;received=203.0.113.5;rport=40000;branch=z9hG4bKx")
    assert ways.response_way(via) == Flow("UDP", SERVER, ("203.0.113.5", 40000))
    assert ways.response_way(Via.parse("SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKx")) == Flow(
        "UDP", SERVER, ("10.0.0.5", 5060)
    )
    assert ways.response_way(Via.parse("SIP/2.0/UDP phone.test;branch=z9hG4bKx")) is None


def test_contact_with_a_name_is_mended_too(world: World) -> None:
    phone = Phone(world, "alice", ("198.51.100.1", 5060))
    phone.contact = "<sip:alice@phone.local>"
    phone.register()
    [binding] = world.stack.location.get(f"alice@{DOMAIN}")
    assert NameAddr.parse(phone.contact).uri == parse_uri(binding.contact)
    assert world.stack.ways.binding_flow(binding) == phone.flow
