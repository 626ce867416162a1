"""The server crashes while calls are up: they go on, and each leaves the record that it should."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from simulated import Call, Phone, World, sdp

MakeWorld = Callable[..., World]
RELAYED = {"mode": "always", "timeout": 30}


def call_up(world: World) -> tuple[Phone, Phone, Call]:
    """Let alice and bob talk for 100 seconds, the server's heart beating every ten."""
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    for _ in range(10):
        world.advance(10)
        world.perform(world.stack.heartbeat())
        keep_talking(world)
    return alice, bob, call


def keep_talking(world: World) -> None:
    """Let audio come to every port of the relay."""
    for port in world.relay.ports:  # type: ignore[union-attr]
        world.relay.hear(port, ("198.51.100.1", 4000), world.now)  # type: ignore[union-attr]


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_bye_after_a_restart_goes_through_and_closes_the_record(world: World, who: str) -> None:
    alice, bob, call = call_up(world)
    again = world.restarted(after=5)
    assert [listed["state"] for listed in again.stack.calls.listing()] == ["confirmed"]
    again.advance(20)
    (phone, dialog), other = ((alice, call.caller), bob) if who == "caller" else ((bob, call.callee), alice)
    phone.send(phone.within(dialog, "BYE"))
    other.reply(other.received("BYE"), 200)
    phone.response(200)
    assert again.cdrs("duration", "released_by", "cause") == [(125, who, "bye")]
    assert again.rows("select * from live_calls") == []


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_bye_after_a_restart_finds_the_new_connection_of_a_phone_behind_a_nat(world: World, who: str) -> None:
    """What says which phone is meant was marked by the server before this one."""
    phones = [
        Phone(world, user, (f"203.0.113.{number}", 40_000), own=(f"10.0.0.{number}", 5060), connection=number)
        for number, user in enumerate(("alice", "bob"), 1)
    ]
    for phone in phones:
        assert phone.register().status == 200
    alice, bob = phones
    call = world.call(alice, bob)
    again = world.restarted()
    for number, phone in enumerate(phones, 1):
        phone.flow = attrs.evolve(phone.flow, remote=(f"203.0.113.{number}", 41_000), connection=3 - number)
        again.plug_in(phone)
        assert phone.register().status == 200
    (phone, dialog), other = ((alice, call.caller), bob) if who == "caller" else ((bob, call.callee), alice)
    phone.send(phone.within(dialog, "BYE"))
    assert "flow=" not in other.received("BYE").uri
    assert again.cdrs("released_by", "cause") == [(who, "bye")]


def test_relayed_call_that_says_nothing_more_ends_as_of_the_last_heartbeat(new_world: MakeWorld) -> None:
    alice, bob, _ = call_up(new_world(media=RELAYED))
    world = alice.world.restarted(after=7)
    world.advance(29)
    assert world.cdrs("cause") == []
    world.advance(2)
    alice.received("BYE")
    bob.received("BYE")
    assert world.cdrs("duration", "released_by", "cause") == [(100, "server", "server restart")]
    assert world.rows("select * from live_calls") == []


def test_call_whose_media_do_not_need_us_goes_on_up_to_its_limit(new_world: MakeWorld) -> None:
    alice, _, _ = call_up(new_world(proxy={"max_call_seconds": 300}))
    world = alice.world.restarted(after=50)
    world.advance(149)
    assert len(world.stack.calls) == 1
    world.advance(2)
    assert world.cdrs("duration", "cause") == [(300, "maximum length")]


def test_call_that_sets_its_media_up_anew_after_a_restart_goes_on(new_world: MakeWorld) -> None:
    alice, bob, call = call_up(new_world(media=RELAYED))
    world = alice.world.restarted(after=5)
    alice.send(alice.within(call.caller, "INVITE", body=sdp(alice.own[0], 4200)))
    bob.reply(bob.received("INVITE"), 200, body=sdp(bob.own[0], 4202))
    alice.response(200)
    alice.send(alice.within(call.caller, "ACK"))
    assert world.relay.ports  # type: ignore[union-attr]
    for _ in range(5):
        keep_talking(world)
        world.advance(20)
    assert len(world.stack.calls) == 1
    assert world.cdrs("cause") == []


def test_call_that_only_rang_is_not_taken_up(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    bob.reply(bob.received("INVITE"), 180)
    again = world.restarted()
    assert len(again.stack.calls) == 0


def test_answer_to_an_invite_from_before_the_restart_is_dropped(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    again = world.restarted()
    bob.reply(arrived, 200)
    assert not alice.inbox
    assert again.stack.statistics.drop_replies == 1


def test_answer_repeated_over_a_restart_still_reaches_the_caller(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    answer = bob.reply(bob.received("INVITE"), 200, body=sdp(bob.own[0]))
    alice.response(200)
    world.restarted()
    bob.send(answer)
    alice.response(200)


def test_second_restart_finds_the_call_again(world: World) -> None:
    alice, _, call = call_up(world)
    again = world.restarted().restarted()
    assert len(again.stack.calls) == 1
    alice.send(alice.within(call.caller, "BYE"))
    assert again.cdrs("cause") == [("bye",)]


@pytest.mark.parametrize("auth", [{}, {"secret": "known to all runs"}], ids=["drawn", "configured"])
def test_routes_of_a_dialog_outlive_a_restart(new_world: MakeWorld, auth: dict[str, str]) -> None:
    world = new_world(auth=auth)
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "BYE"))
    world.restarted()
    bob.inbox.clear()
    bob.send(bob.within(call.callee, "INFO"))
    alice.received("INFO")


def test_another_secret_than_that_of_the_earlier_run_lets_nobody_in(new_world: MakeWorld) -> None:
    world = new_world(auth={"secret": "of today"})
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "BYE"))
    bob.reply(bob.received("BYE"), 200)
    world.restarted(auth={"secret": "of tomorrow"})
    alice.inbox.clear()
    call.caller.state = type(call.caller.state).CONFIRMED
    alice.send(alice.within(call.caller, "INFO"))
    alice.response(481)
