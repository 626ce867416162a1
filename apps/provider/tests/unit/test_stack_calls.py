"""One subscriber calls another: who may, where it goes, and what stands on the wire on either side."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import DOMAIN, SERVER, Phone, World, failure_ack

from trunkline.sip_parser import Request


def others(request: Request, *names: str) -> list[str | None]:
    """The values of some headers."""
    return [request.headers.get(name) for name in names]


def test_call_is_challenged_then_reaches_the_contact_of_the_callee(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.request("INVITE", bob.uri)
    alice.send(invite)
    challenge = alice.response(407)
    assert f'realm="{DOMAIN}"' in (challenge.headers.get("Proxy-Authenticate") or "")
    alice.send(failure_ack(invite, challenge))
    assert not bob.inbox
    alice.send(alice.authenticator.authorize(invite, challenge, world.token))
    arrived = bob.received("INVITE")
    assert arrived.uri == bob.contact.strip("<>")
    assert others(arrived, "From", "To", "Call-ID", "Contact") == others(
        invite, "From", "To", "Call-ID", "Contact"
    )


def test_forwarded_invite_has_our_via_a_record_route_and_one_hop_less(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    ours, hers = arrived.vias
    assert (ours.host, ours.port) == SERVER
    assert hers.sent_by == alice.flow.remote
    [route] = arrived.record_routes
    assert (route.uri.host, route.uri.port) == SERVER
    assert route.uri.is_lr
    assert arrived.max_forwards == 69


def test_credentials_for_us_do_not_go_on(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    other = 'Digest username="a", realm="elsewhere.test", nonce="n", uri="sip:b", response="r"'
    alice.invite("bob", **{"Proxy-Authorization": other})
    assert bob.received("INVITE").headers.get_all("Proxy-Authorization") == [other]


@pytest.mark.parametrize("method", ["ACK", "BYE", "INFO"])
def test_credentials_that_a_phone_repeats_within_a_call_do_not_go_on(world: World, method: str) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    ours = f'Digest username="alice", realm="{DOMAIN}", nonce="n", uri="sip:b", response="r"'
    theirs = ours.replace(DOMAIN, "elsewhere.test")
    request = alice.within(call.caller, method)
    for value in (ours, theirs):
        request.headers.add("Proxy-Authorization", value)
    alice.send(request)
    assert bob.received(method).headers.get_all("Proxy-Authorization") == [theirs]


def test_responses_come_back_in_order_and_the_ack_goes_through(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    assert call.answer.headers.get("Contact") == bob.contact
    assert len(call.answer.vias) == 1
    assert not alice.inbox
    assert not bob.inbox


def test_bye_of_either_side_goes_to_the_other_by_the_recorded_route(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    for one, other in ((alice, bob), (bob, alice)):
        call = world.call(alice, bob)
        one.send(one.within(call.caller if one is alice else call.callee, "BYE"))
        bye = other.received("BYE")
        assert bye.uri == other.contact.strip("<>")
        assert "route" not in bye.headers
        other.reply(bye, 200)
        one.response(200)


def test_unknown_callee_is_not_found(world: World) -> None:
    [alice] = world.phones("alice")
    alice.invite("nobody")
    alice.response(404)


def test_callee_without_a_phone_is_unavailable(world: World) -> None:
    [alice] = world.phones("alice")
    alice.invite("carol")
    alice.response(480)


def test_callee_whose_registration_ended_is_unavailable(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    bob.register(expires=60)
    world.advance(61)
    alice.invite("bob")
    alice.response(480)


def test_foreign_places_are_for_subscribers_alone(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    world.addresses["elsewhere.test"] = bob.flow.remote[0]
    stranger = Phone(world, "eve", ("198.51.100.66", 5060))
    stranger.send(stranger.request("INVITE", "sip:someone@elsewhere.test", sender="sip:eve@far.test"))
    stranger.response(403)
    assert not bob.inbox
    alice.invite("sip:someone@elsewhere.test:5060")
    assert bob.received("INVITE").uri == "sip:someone@elsewhere.test:5060"


def test_outbound_calls_can_be_forbidden(new_world: Callable[..., World]) -> None:
    world = new_world(proxy={"outbound": False})
    [alice] = world.phones("alice")
    alice.invite("sip:someone@elsewhere.test")
    alice.response(403)


def test_request_without_a_user_is_incomplete(world: World) -> None:
    [alice] = world.phones("alice")
    alice.invite(f"sip:{DOMAIN}")
    alice.response(484)


def test_telephone_number_has_no_route(world: World) -> None:
    [alice] = world.phones("alice")
    alice.send(alice.request("INVITE", "tel:+4930123456"))
    alice.response(404)


def test_call_in_somebody_elses_name_is_forbidden(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    assert alice.ask(alice.request("INVITE", bob.uri, sender=f"sip:carol@{DOMAIN}")).status == 403
    assert not bob.inbox


def test_stranger_may_call_a_subscriber(world: World) -> None:
    _, bob = world.phones("alice", "bob")
    stranger = Phone(world, "eve", ("203.0.113.9", 5060))
    stranger.send(stranger.request("INVITE", bob.uri, sender="sip:eve@elsewhere.test"))
    bob.received("INVITE")


def test_busy_callee_is_told_and_acknowledged_hop_by_hop(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    bob.reply(bob.received("INVITE"), 486)
    bob.received("ACK")
    alice.send(failure_ack(invite, alice.response(486)))
    world.advance(40)
    assert not alice.inbox
    assert not bob.inbox


def test_all_phones_of_a_callee_ring_and_the_first_to_answer_has_the_call(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    other = Phone(world, "bob", ("198.51.100.77", 5060))
    other.register()
    alice.invite("bob")
    first, second = bob.received("INVITE"), other.received("INVITE")
    bob.reply(first, 180, tag="first")
    other.reply(second, 180, tag="second")
    other.reply(second, 200, tag="second")
    assert alice.start_lines == ["180 Ringing", "180 Ringing", "200 OK"]
    bob.reply(bob.received("CANCEL"), 200)
    bob.reply(first, 487, tag="first")
    bob.received("ACK")
    assert len(alice.inbox) == 3


def test_phone_that_does_not_answer_the_invite_counts_as_408(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    world.advance(32.1)
    assert set(bob.start_lines) == {f"INVITE {bob.contact.strip('<>')}"}
    assert alice.start_lines == ["100 Trying", "408 Request Timeout"]


def test_retransmitted_invite_is_answered_from_memory(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    bob.reply(bob.received("INVITE"), 180)
    alice.send(invite)
    assert alice.start_lines == ["180 Ringing", "180 Ringing"]
    assert not bob.inbox


def test_message_outside_of_a_call_reaches_the_callee(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    message = alice.request("MESSAGE", bob.uri, headers=[("Content-Type", "text/plain")])
    alice.send(message)
    alice.send(alice.authenticator.authorize(message, alice.response(407), world.token))
    arrived = bob.received("MESSAGE")
    assert "record-route" not in arrived.headers
    bob.reply(arrived, 200)
    alice.response(200)


@pytest.mark.parametrize("uri", [f"sip:{DOMAIN}", f"sip:{SERVER[0]}", f"sip:{SERVER[0]}:{SERVER[1]}"])
def test_options_to_us_are_answered(world: World, uri: str) -> None:
    phone = Phone(world, "probe", ("203.0.113.9", 5060))
    phone.send(phone.request("OPTIONS", uri, sender="sip:probe@elsewhere.test"))
    assert "INVITE" in phone.response(200).allow


def test_server_name_can_be_hidden(new_world: object) -> None:
    world = new_world(server={"user_agent": ""})  # type: ignore[operator]
    [alice] = world.phones("alice")
    alice.invite("nobody")
    assert "server" not in alice.response(404).headers


# -- routes


@pytest.mark.parametrize(
    "route", [f"<sip:{SERVER[0]}:{SERVER[1]};lr>", f"<sip:{SERVER[0]};lr>", f"<sip:{DOMAIN};lr>"]
)
def test_route_that_names_only_us_is_a_phones_outbound_proxy(world: World, route: str) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", Route=route)
    assert "route" not in bob.received("INVITE").headers


@pytest.mark.parametrize(
    "route", [f"<sip:{SERVER[0]};lr>, <sip:203.0.113.66;lr>", "<sip:203.0.113.66;lr>", "<sip:gw.test;lr>"]
)
def test_route_that_goes_on_is_refused(world: World, route: str) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", Route=route)
    assert alice.response().reason == "Preloaded Route Refused"
    assert not bob.inbox


@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "UPDATE"])
def test_request_in_a_dialog_whose_path_is_not_ours_is_refused(world: World, method: str) -> None:
    alice, bob = world.phones("alice", "bob")
    request = alice.request(method, bob.contact.strip("<>"), headers=[("To", f"<{bob.uri}>;tag=b")])
    alice.send(request)
    alice.response(481)
    request.headers.add("Route", f"<sip:{SERVER[0]}:{SERVER[1]};lr>, <sip:203.0.113.66;lr>")
    request.headers.replace_top("Via", alice.via())
    alice.send(request)
    alice.response(481)
    assert not bob.inbox


def test_ack_that_belongs_to_nothing_is_dropped(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    ack = alice.request("ACK", bob.contact.strip("<>"), headers=[("To", f"<{bob.uri}>;tag=b")])
    before = len(world.sent)
    alice.send(ack)
    assert len(world.sent) == before
    assert world.stack.statistics.drop_requests == 1


def test_request_in_a_dialog_to_a_name_goes_to_where_dns_says(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    call.caller.remote_target = "sip:bob@phone.elsewhere.test"
    world.addresses["phone.elsewhere.test"] = bob.flow.remote[0]
    alice.send(alice.within(call.caller, "INFO"))
    bob.reply(bob.received("INFO"), 200)
    alice.response(200)


def test_ack_to_a_name_goes_to_where_dns_says_and_is_dropped_where_it_knows_nothing(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    call.caller.remote_target = "sip:bob@phone.elsewhere.test"
    alice.send(alice.within(call.caller, "ACK"))
    assert not bob.inbox
    assert world.stack.statistics.drop_requests == 1
    world.addresses["phone.elsewhere.test"] = bob.flow.remote[0]
    world.advance(3600.0)
    alice.send(alice.within(call.caller, "ACK"))
    bob.received("ACK")
    assert world.stack.statistics.drop_requests == 1


def test_request_in_a_dialog_to_a_name_that_does_not_exist_fails(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    call.caller.remote_target = "sip:bob@phone.elsewhere.test"
    alice.send(alice.within(call.caller, "INFO"))
    assert alice.response().status == 478
    assert not bob.inbox
