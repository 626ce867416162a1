"""Session timers through the whole stack: what either phone is told, and calls whose BYE nobody ever heard.

The rules of the headers are tested in sip-proxy.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import Call, Phone, World

from trunkline.sip_parser import Request, Response
from trunkline.sip_transaction import Dialog

MakeWorld = Callable[..., World]
SHORT = {"session_expires": 120, "min_se": 90}


def talk(alice: Phone, bob: Phone, *, asked: dict[str, str], told: dict[str, str]) -> Call:
    """Let alice call bob, with these headers in her INVITE and in his 200."""
    invite = alice.invite("bob", **asked)
    arrived = bob.received("INVITE")
    sent = bob.reply(arrived, 200, headers=list(told.items()))
    answer = alice.inbox.pop()
    assert isinstance(answer, Response)
    call = Call(arrived, answer, Dialog.from_uac(invite, answer), Dialog.from_uas(arrived, sent))
    alice.send(alice.within(call.caller, "ACK"))
    bob.received("ACK")
    return call


def refresh(phone: Phone, dialog: Dialog, other: Phone, **headers: str) -> tuple[Request, Response]:
    phone.send(phone.within(dialog, "UPDATE", Supported="timer"))
    arrived = other.received("UPDATE")
    other.reply(arrived, 200, headers=list(headers.items()))
    return arrived, phone.response(200)


def test_phone_that_knows_timers_is_told_to_refresh_where_the_other_does_not(new_world: MakeWorld) -> None:
    world = new_world(proxy=SHORT)
    alice, bob = world.phones("alice", "bob")
    call = talk(alice, bob, asked={"Supported": "timer"}, told={})
    assert call.invite.headers.get("session-expires") == "120"
    assert call.answer.headers.get("session-expires") == "120;refresher=uac"
    assert call.answer.require == ["timer"]
    for _ in range(3):
        world.advance(100)
        arrived, answer = refresh(alice, call.caller, bob)
        assert arrived.headers.get("session-expires") == "120"
        assert answer.headers.get("session-expires") == "120;refresher=uac"
    assert len(world.stack.calls) == 1


def test_call_whose_bye_was_lost_ends_when_its_session_does(new_world: MakeWorld) -> None:
    world = new_world(proxy=SHORT)
    alice, bob = world.phones("alice", "bob")
    call = talk(alice, bob, asked={"Supported": "timer"}, told={"Session-Expires": "100;refresher=uac"})
    world.advance(50.25)
    refresh(alice, call.caller, bob, **{"Session-Expires": "100;refresher=uac"})
    world.advance(99)
    assert len(world.stack.calls) == 1
    world.advance(3)
    assert len(world.stack.calls) == 0
    assert world.cdrs("duration_ms", "released_by", "cause") == [(150250, "server", "session timer")]
    for phone in (alice, bob):
        bye = phone.received("BYE")
        assert bye.headers.get("reason") == 'SIP;cause=480;text="session timer"'


def test_call_of_phones_that_know_no_timers_is_left_alone(new_world: MakeWorld) -> None:
    world = new_world(proxy=SHORT)
    alice, bob = world.phones("alice", "bob")
    call = talk(alice, bob, asked={}, told={})
    assert "session-expires" not in call.answer.headers
    world.advance(4000)
    assert len(world.stack.calls) == 1


def test_too_short_an_interval_is_refused_and_is_no_call_yet(new_world: MakeWorld) -> None:
    world = new_world(proxy=SHORT)
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", Supported="timer", **{"Session-Expires": "60"})
    refusal = alice.response(422)
    assert refusal.headers.get("min-se") == "90"
    assert not bob.inbox
    assert (len(world.stack.calls), world.cdrs("cause")) == (0, [])


def test_too_short_an_interval_within_a_call_is_refused_and_changes_nothing(new_world: MakeWorld) -> None:
    world = new_world(proxy=SHORT)
    alice, bob = world.phones("alice", "bob")
    call = talk(alice, bob, asked={"Supported": "timer"}, told={})
    alice.send(alice.within(call.caller, "UPDATE", Supported="timer", Session_Expires="89"))
    alice.response(422)
    assert not bob.inbox
    world.advance(121)
    assert world.cdrs("duration", "cause") == [(120, "session timer")]


@pytest.mark.parametrize("proxy", [{"session_expires": 0}, {"record_route": False}])
def test_timers_can_be_left_to_the_phones(new_world: MakeWorld, proxy: dict[str, object]) -> None:
    world = new_world(proxy=proxy)
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", Supported="timer", **{"Session-Expires": "60"})
    arrived = bob.received("INVITE")
    assert arrived.headers.get("session-expires") == "60"


def test_session_that_cannot_be_read_is_a_bad_request(world: World) -> None:
    alice, _ = world.phones("alice", "bob")
    alice.invite("bob", **{"Session-Expires": "soon"})
    alice.response(400)


def test_session_outlives_a_restart_by_one_interval(new_world: MakeWorld) -> None:
    world = new_world(proxy=SHORT)
    alice, bob = world.phones("alice", "bob")
    talk(alice, bob, asked={"Supported": "timer"}, told={})
    world.advance(60)
    world = world.restarted(after=10)
    world.advance(119)
    assert len(world.stack.calls) == 1
    world.advance(3)
    assert world.cdrs("duration", "cause") == [(190, "session timer")]


@pytest.mark.parametrize(("seconds", "status"), [(1800, None), (0, 420)])
def test_caller_may_require_that_the_proxy_knows_timers(
    new_world: MakeWorld, seconds: int, status: int | None
) -> None:
    world = new_world(proxy={"session_expires": seconds})
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", Supported="timer", **{"Proxy-Require": "timer"})
    if status is None:
        bob.received("INVITE")
    else:
        alice.response(status)
