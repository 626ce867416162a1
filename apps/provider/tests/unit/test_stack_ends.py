"""Calls end by a BYE, by silence or by their length; what they leave in accounting, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import DOMAIN, Phone, RealRelay, ScriptedRelay, World, sdp

from trunkline.sip_parser import Response
from trunkline.sip_transaction import Dialog

MakeWorld = Callable[..., World]
CDR = ("duration_ms", "setup_ms", "released_by", "cause", "sip_code")


def test_200_of_a_bye_waits_until_the_record_is_on_disk(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    world.advance(30)
    world.committing = False
    alice.send(alice.within(call.caller, "BYE"))
    bob.reply(bob.received("BYE"), 200)
    assert not alice.inbox
    assert world.cdrs("cause") == []
    world.commit()
    alice.response(200)
    assert world.cdrs("cause", "duration") == [("bye", 30)]


def test_bye_is_answered_although_the_database_is_away_and_its_record_is_kept(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    world.database_is_away = True
    alice.send(alice.within(call.caller, "BYE"))
    bob.reply(bob.received("BYE"), 200)
    alice.response(200)
    assert world.cdrs("cause") == []
    world.database_is_away = False
    world.commit()
    assert world.cdrs("cause") == [("bye",)]


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_record_of_a_call_tells_who_talked_to_whom_how_long_and_who_hung_up(world: World, who: str) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    world.advance(4.25)
    bob.reply(arrived, 180)
    world.advance(3)
    answered = bob.reply(arrived, 200, body=sdp(bob.own[0]))
    *_, answer = alice.inbox
    assert isinstance(answer, Response)
    hers, his = Dialog.from_uac(invite, answer), Dialog.from_uas(arrived, answered)
    alice.send(alice.within(hers, "ACK"))
    world.advance(61.5)
    phone, dialog = (alice, hers) if who == "caller" else (bob, his)
    phone.send(phone.within(dialog, "BYE"))
    assert world.cdrs("caller", "callee", "request_uri", *CDR) == [
        (f"alice@{DOMAIN}", f"bob@{DOMAIN}", f"sip:bob@{DOMAIN}", 61500, 7250, who, "bye", "200")
    ]
    times = world.cdrs("call_start_time", "answer_time", "end_time")
    assert times == [
        ("2030-01-01 00:00:00.000000", "2030-01-01 00:00:07.250000", "2030-01-01 00:01:08.750000")
    ]
    methods = [("INVITE", "200", 0), ("BYE", "200", 61)]
    assert world.rows("select method, sip_code, duration from acc order by id") == methods
    assert world.rows("select * from missed_calls") == []


@pytest.mark.parametrize(
    ("status", "cause", "by"),
    [
        (486, "busy", "callee"),
        (603, "refused", "callee"),
        (302, "redirected", "callee"),
        (500, "failed", "server"),
    ],
)
def test_call_that_fails_leaves_a_record_and_a_missed_call(
    world: World, status: int, cause: str, by: str
) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    world.advance(2.5)
    bob.reply(arrived, status)
    assert world.cdrs(*CDR, "answer_time") == [(0, 2500, by, cause, str(status), None)]
    assert world.rows("select sip_code from missed_calls") == [(str(status),)]


@pytest.mark.parametrize(
    ("callee", "status", "cause"), [("nobody", 404, "not found"), ("carol", 480, "unavailable")]
)
def test_call_refused_to_a_subscriber_leaves_a_record(
    world: World, callee: str, status: int, cause: str
) -> None:
    [alice] = world.phones("alice")
    alice.invite(callee)
    alice.response(status)
    assert world.cdrs("caller", "callee", "sip_code", "cause") == [
        (f"alice@{DOMAIN}", f"{callee}@{DOMAIN}", str(status), cause)
    ]


def test_challenged_call_is_no_call_yet(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.send(alice.request("INVITE", bob.uri))
    alice.response(407)
    assert world.rows("select * from acc") == []
    assert world.cdrs("cause") == []


def test_stranger_who_is_refused_leaves_no_record(world: World) -> None:
    stranger = Phone(world, "eve", ("203.0.113.9", 5060))
    stranger.send(stranger.request("INVITE", f"sip:nobody@{DOMAIN}", sender="sip:eve@elsewhere.test"))
    stranger.response(404)
    assert world.cdrs("cause") == []


def test_byes_that_cross_make_one_record(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "BYE"))
    bob.send(bob.within(call.callee, "BYE"))
    bob.reply(bob.received("BYE"), 200)
    alice.reply(alice.received("BYE"), 200)
    assert world.cdrs("released_by") == [("caller",)]


def test_bye_is_repeated_until_it_is_answered(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "BYE"))
    world.advance(2)
    assert bob.start_lines == [f"BYE {bob.contact.strip('<>')}"] * 3
    assert world.cdrs("cause") == [("bye",)]


# -- silence


def silent_call(world: World) -> tuple[Phone, Phone]:
    """Let a call be up for 20 seconds whose last packet of audio came after 5."""
    alice, bob = world.phones("alice", "bob")
    world.call(alice, bob)
    assert isinstance(world.relay, RealRelay)
    port = min(world.relay.ports)
    world.advance(5)
    world.relay.hear(port, (alice.own[0], 4000), world.now)
    world.relay.hear(port, (bob.own[0], 4002), world.now)
    world.advance(15)
    return alice, bob


def test_silent_call_is_ended_towards_both_as_of_its_last_packet(new_world: MakeWorld) -> None:
    world = new_world(media={"mode": "always", "timeout": 30})
    alice, bob = silent_call(world)
    assert not alice.inbox
    world.advance(16)
    to_alice, to_bob = alice.received("BYE"), bob.received("BYE")
    assert 'text="media timeout"' in (to_alice.headers.get("Reason") or "")
    assert to_alice.from_tag == to_bob.to_tag == "bob-tag"
    assert to_bob.from_tag == to_alice.to_tag == "alice-tag"
    assert (to_alice.cseq.number, to_bob.cseq.number) == (1, 3)
    alice.reply(to_alice, 200)
    bob.reply(to_bob, 200)
    assert world.cdrs("duration_ms", "released_by", "cause") == [(5000, "server", "media timeout")]
    assert len(world.stack.calls) == 0
    assert not world.relay.ports
    assert world.stack.calls.counts()["expired_dialogs"] == 1


def test_call_without_any_audio_is_not_counted_longer_than_it_was(new_world: MakeWorld) -> None:
    world = new_world(media={"mode": "always", "timeout": 30})
    alice, bob = world.phones("alice", "bob")
    world.call(alice, bob)
    world.advance(40)
    assert world.cdrs("duration_ms") == [(0,)]


def test_silence_of_a_call_that_is_not_known_is_nobodys_business(world: World) -> None:
    world.perform(world.stack.media_timed_out("gone", now=world.now))
    assert world.cdrs("cause") == []


def test_bye_to_the_caller_takes_the_route_it_came_by(world: World) -> None:
    _, bob = world.phones("alice", "bob")
    edge = Phone(world, "alice", ("203.0.113.50", 5060))
    route = [("Record-Route", "<sip:203.0.113.50;lr>")]
    invite = edge.request("INVITE", bob.uri, sender="sip:alice@elsewhere.test", headers=route)
    edge.send(invite)
    bob.reply(bob.received("INVITE"), 200)
    edge.response(200)
    world.perform(world.stack.media_timed_out(invite.call_id, now=world.now))
    bye = edge.received("BYE")
    assert bye.headers.values("Route") == ["<sip:203.0.113.50;lr>"]
    assert bye.uri == edge.contact.strip("<>")


def test_route_that_cannot_be_read_does_not_keep_the_other_side_from_hearing_the_end(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    bob.reply(bob.received("INVITE"), 200, headers=[("Record-Route", "<nonsense")])
    alice.inbox.clear()
    world.perform(world.stack.media_timed_out(invite.call_id, now=world.now))
    alice.received("BYE")
    assert not bob.inbox
    assert world.cdrs("cause") == [("media timeout",)]


# -- length


def test_call_ends_when_it_has_lasted_as_long_as_it_may(new_world: MakeWorld) -> None:
    world = new_world(proxy={"max_call_seconds": 100}, media={"mode": "always", "timeout": 1000})
    alice, bob = world.phones("alice", "bob")
    world.call(alice, bob)
    world.advance(99)
    assert len(world.stack.calls) == 1
    world.advance(2)
    alice.received("BYE")
    bob.received("BYE")
    assert world.cdrs("duration", "released_by", "cause") == [(100, "server", "maximum length")]
    assert not world.relay.ports  # type: ignore[union-attr]


def test_several_calls_that_reach_their_limit_together_each_get_their_record(new_world: MakeWorld) -> None:
    world = new_world(proxy={"max_call_seconds": 100})
    alice, bob = world.phones("alice", "bob")
    for _ in range(3):
        world.call(alice, bob)
    world.advance(101)
    assert world.cdrs("cause") == [("maximum length",)] * 3


# -- what is shown meanwhile


def test_calls_in_progress_are_listed_and_counted(new_world: MakeWorld) -> None:
    world = new_world(media={"mode": "always"}, relay=ScriptedRelay())
    alice, bob = world.phones("alice", "bob")
    world.call(alice, bob)
    alice.invite("bob")
    bob.reply(bob.received("INVITE"), 180)
    up, ringing = world.stack.calls.listing()
    assert (up["caller"], up["callee"], up["state"], up["relayed"]) == (
        f"alice@{DOMAIN}",
        f"bob@{DOMAIN}",
        "confirmed",
        True,
    )
    assert (ringing["state"], ringing["answer"]) == ("early", None)
    counts = world.stack.calls.counts()
    assert (counts["active_dialogs"], counts["early_dialogs"], counts["processed_dialogs"]) == (1, 1, 1)


def test_all_who_answered_are_told_that_the_call_is_over(new_world: MakeWorld) -> None:
    world = new_world(proxy={"max_call_seconds": 100})
    alice, desk, mobile = world.phones("alice", "bob", "bob")
    alice.invite("bob")
    for phone, tag in ((desk, "desk"), (mobile, "mobile")):
        phone.reply(phone.received("INVITE"), 200, tag=tag)
    alice.inbox.clear()
    world.advance(101)
    assert sorted(str(alice.received("BYE").from_tag) for _ in range(2)) == ["desk", "mobile"]
    assert [phone.inbox.pop().to_tag for phone in (desk, mobile)] == ["desk", "mobile"]
    assert world.cdrs("duration", "cause") == [(100, "maximum length")]
