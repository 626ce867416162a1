"""The caller gives up: whatever the provider is waiting for at that moment, nobody is left ringing."""

from __future__ import annotations

import pytest
from simulated import Phone, World, cancel_of, failure_ack, sdp

from trunkline.provider.stack import AskRelay, AskSubscribers


@pytest.fixture
def relayed(new_world: object) -> World:
    """A provider that relays the media of every call."""
    return new_world(media={"mode": "always"})  # type: ignore[operator]


def give_up(phone: Phone, invite: object) -> None:
    """Cancel, and acknowledge the 487."""
    phone.send(cancel_of(invite))  # type: ignore[arg-type]
    phone.response(200)
    phone.send(failure_ack(invite, phone.response(487)))  # type: ignore[arg-type]


def test_cancel_while_ringing_stops_the_callee(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    bob.reply(arrived, 180)
    alice.response(180)
    alice.send(cancel_of(invite))
    alice.response(200)
    bob.reply(bob.received("CANCEL"), 200)
    bob.reply(arrived, 487)
    bob.received("ACK")
    alice.send(failure_ack(invite, alice.response(487)))
    columns = ("sip_code", "cause", "released_by", "duration_ms")
    assert world.cdrs(*columns) == [("487", "cancelled", "caller", 0)]
    assert len(world.stack.calls) == 0


def test_cancel_before_the_callee_answered_anything_waits_for_its_first_response(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    alice.send(cancel_of(invite))
    assert not bob.inbox
    bob.reply(arrived, 180)
    bob.received("CANCEL")
    assert alice.start_lines == ["200 OK"]


def test_answer_that_crosses_the_cancel_is_a_call(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    bob.reply(arrived, 180)
    alice.send(cancel_of(invite))
    bob.reply(arrived, 200, body=sdp("198.51.100.2"))
    assert alice.start_lines == ["180 Ringing", "200 OK", "200 OK"]
    assert world.stack.calls.counts()["active_dialogs"] == 1


def test_cancel_while_a_subscriber_is_being_loaded(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    world.forget_subscribers()
    world.hold = {AskSubscribers}
    invite = alice.invite("bob")
    assert world.held
    give_up(alice, invite)
    world.release()
    assert not alice.inbox
    assert not bob.inbox
    assert world.cdrs("sip_code") == []


def test_cancel_while_a_subscriber_is_being_loaded_and_the_database_fails(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    world.forget_subscribers()
    world.hold = {AskSubscribers}
    invite = alice.invite("bob")
    give_up(alice, invite)
    world.release(False)
    assert not alice.inbox
    assert not bob.inbox


def test_cancel_while_the_relay_is_asked_releases_its_ports(relayed: World) -> None:
    alice, bob = relayed.phones("alice", "bob")
    relayed.hold = {AskRelay}
    invite = alice.invite("bob")
    give_up(alice, invite)
    assert relayed.cdrs("sip_code", "cause") == [("487", "cancelled")]
    relayed.hold.clear()
    while relayed.held:
        relayed.release()
    assert not alice.inbox
    assert not bob.inbox
    assert not relayed.relay.ports
    assert not relayed.stack.calls.relayed


def test_cancel_while_the_relay_is_asked_about_the_ringing_goes_on_to_the_callee(relayed: World) -> None:
    alice, bob = relayed.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    relayed.hold = {AskRelay}
    bob.reply(arrived, 183, body=sdp(bob.own[0]))
    alice.send(cancel_of(invite))
    bob.reply(bob.received("CANCEL"), 200)
    bob.reply(arrived, 487)
    assert alice.start_lines == ["200 OK"]
    relayed.hold.clear()
    while relayed.held:
        relayed.release()
    assert alice.start_lines[0] == "200 OK"
    assert alice.start_lines[-1] == "487 Request Terminated"
    assert not relayed.relay.ports


def test_cancel_of_a_relayed_call_that_rings_releases_its_ports(relayed: World) -> None:
    alice, bob = relayed.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    bob.reply(arrived, 180)
    assert relayed.relay.ports
    alice.send(cancel_of(invite))
    bob.reply(arrived, 487)
    assert not relayed.relay.ports


def test_cancel_that_matches_nothing_is_refused(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.send(cancel_of(alice.request("INVITE", bob.uri)))
    alice.response(481)


def test_callee_that_rings_too_long_is_cancelled_and_the_caller_gets_408(new_world: object) -> None:
    world = new_world(proxy={"ring_timeout": 20})  # type: ignore[operator]
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    bob.reply(arrived, 180)
    alice.response(180)
    world.advance(20.1)
    bob.reply(bob.received("CANCEL"), 200)
    bob.reply(arrived, 487)
    alice.send(failure_ack(invite, alice.response(408)))
    assert world.cdrs("sip_code", "cause", "released_by") == [("408", "no answer", "server")]
    assert world.rows("select sip_code from missed_calls") == [("408",)]


def test_cancel_is_not_accounted_twice_when_it_comes_twice(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    bob.reply(arrived, 180)
    for _ in range(2):
        alice.send(cancel_of(invite))
    bob.received("CANCEL")
    bob.reply(arrived, 487)
    bob.reply(arrived, 487)
    assert len(world.cdrs("sip_code")) == 1
