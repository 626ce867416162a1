"""Media through the relay: offers and answers, in whatever message they travel, and in the right order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import SERVER, Phone, RealRelay, ScriptedRelay, World, sdp

from trunkline.provider.stack import AskRelay
from trunkline.sip_parser import Response
from trunkline.sip_transaction import Dialog

MakeWorld = Callable[..., World]


@pytest.fixture
def relay() -> ScriptedRelay:
    """A relay that marks each SDP with the command that it came by."""
    return ScriptedRelay()


@pytest.fixture
def world(new_world: MakeWorld, relay: ScriptedRelay) -> World:
    """A provider that relays every call through the scripted relay."""
    return new_world(media={"mode": "always"}, relay=relay)


def test_offer_and_answer_go_through_the_relay(world: World, relay: ScriptedRelay) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    assert arrived.body == sdp(alice.own[0]) + b"a=x-offer\r\n"
    bob.reply(arrived, 200, body=sdp(bob.own[0]))
    answer = alice.response(200)
    assert answer.body == sdp(bob.own[0]) + b"a=x-answer\r\n"
    assert answer.content_length == len(answer.body)
    assert relay.names == ["offer", "answer"]
    offered, answered = (fields for _, fields in relay.commands)
    assert offered["received from"] == ["IP4", alice.flow.remote[0]]
    assert answered["received from"] == ["IP4", bob.flow.remote[0]]
    assert (answered["from-tag"], answered["to-tag"]) == ("alice-tag", "bob-tag")
    assert offered["media address"] == answered["media address"] == SERVER[0]


def test_configured_media_address_is_what_phones_are_told(new_world: MakeWorld) -> None:
    relay = ScriptedRelay()
    world = new_world(media={"mode": "always", "address": "203.0.113.1"}, relay=relay)
    world.call(*world.phones("alice", "bob"))
    assert {fields["media address"] for _, fields in relay.commands} == {"203.0.113.1"}


def test_both_phones_are_shown_open_ports_of_the_relay_which_carry_audio(new_world: MakeWorld) -> None:
    relay = RealRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    invite = alice.invite("bob")
    arrived = bob.received("INVITE")
    bob.reply(arrived, 200, body=sdp(bob.own[0], 4002))
    to_bob, to_alice = media_port(arrived.body), media_port(alice.response(200).body)
    assert {to_bob, to_alice} <= relay.ports
    assert relay.hear(to_alice, (alice.own[0], 4000), world.now) == (bob.own[0], 4002)
    assert relay.hear(to_bob, (bob.own[0], 4002), world.now) == (alice.own[0], 4000)
    assert invite.call_id in world.stack.calls.relayed


def media_port(body: bytes) -> int:
    """The port of the only stream, at the server's address."""
    text = body.decode()
    assert f"c=IN IP4 {SERVER[0]}" in text
    return int(text.partition("m=audio ")[2].split()[0])


def test_responses_wait_in_line_while_the_relay_is_asked(world: World, relay: ScriptedRelay) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    world.hold = {AskRelay}
    bob.reply(arrived, 183, body=sdp(bob.own[0]))
    bob.reply(arrived, 180)
    bob.reply(arrived, 200, body=sdp(bob.own[0], 4002))
    assert not alice.inbox
    world.release()
    assert alice.start_lines == ["183 Session Progress", "180 Ringing"]
    world.release()
    assert alice.start_lines == ["183 Session Progress", "180 Ringing", "200 OK"]
    assert [message.body.endswith(b"a=x-answer\r\n") for message in alice.inbox] == [True, False, True]


def test_answer_repeated_while_the_relay_is_asked_goes_up_once(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    arrived = bob.received("INVITE")
    world.hold = {AskRelay}
    answer = bob.reply(arrived, 200, body=sdp(bob.own[0]))
    bob.send(answer)
    world.release()
    assert alice.start_lines == ["200 OK"]
    bob.send(answer)
    assert alice.start_lines == ["200 OK"] * 2
    assert len({message.body for message in alice.inbox}) == 1


def test_caller_hears_100_when_the_relay_takes_its_time(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    world.hold = {AskRelay}
    alice.invite("bob")
    world.advance(0.3)
    alice.response(100)
    world.release()
    bob.received("INVITE")


def test_late_offer_is_answered_in_the_ack(world: World, relay: ScriptedRelay) -> None:
    alice, bob = world.phones("alice", "bob")
    call = late_offer_call(alice, bob)
    assert call.body == sdp(bob.own[0]) + b"a=x-offer\r\n"
    ack = bob.received("ACK")
    assert ack.body == sdp(alice.own[0]) + b"a=x-answer\r\n"
    offer, answer = (fields for _, fields in relay.commands)
    assert offer["from-tag"] == "bob-tag"
    assert (answer["from-tag"], answer["to-tag"]) == ("bob-tag", "alice-tag")


def late_offer_call(alice: Phone, bob: Phone) -> Response:
    """Let alice call without an SDP, and bob offer; gives the 200 as alice saw it."""
    invite = alice.invite("bob", body=b"")
    bob.reply(bob.received("INVITE"), 200, body=sdp(bob.own[0]))
    answer = alice.response(200)
    alice.send(alice.within(Dialog.from_uac(invite, answer), "ACK", body=sdp(alice.own[0])))
    return answer


def test_late_offer_works_with_the_real_relay(new_world: MakeWorld) -> None:
    relay = RealRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    to_alice = media_port(late_offer_call(alice, bob).body)
    to_bob = media_port(bob.received("ACK").body)
    assert relay.hear(to_alice, (alice.own[0], 4000), world.now) == (bob.own[0], 4000)
    assert relay.hear(to_bob, (bob.own[0], 4000), world.now) == (alice.own[0], 4000)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_offer_within_the_call_goes_through_the_relay_too(
    world: World, relay: ScriptedRelay, method: str, who: str
) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    asker, asked = (alice, bob) if who == "caller" else (bob, alice)
    dialog = call.caller if who == "caller" else call.callee
    del relay.commands[:]
    asker.send(asker.within(dialog, method, body=sdp(asker.own[0], direction="sendonly")))
    arrived = asked.received(method)
    assert arrived.body.endswith(b"a=x-offer\r\n")
    asked.reply(arrived, 200, body=sdp(asked.own[0], direction="recvonly"))
    assert asker.response(200).body.endswith(b"a=x-answer\r\n")
    tags = [fields["from-tag"] for _, fields in relay.commands]
    assert tags == [f"{asker.user}-tag"] * 2


def test_refused_offer_within_the_call_leaves_the_media_alone(world: World, relay: ScriptedRelay) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "INVITE", body=sdp(alice.own[0], 4100)))
    bob.reply(bob.received("INVITE"), 488)
    alice.response(488)
    assert "delete" not in relay.names
    assert len(world.stack.calls) == 1


def test_other_requests_within_the_call_do_not_ask_the_relay(world: World, relay: ScriptedRelay) -> None:
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "INFO", body=sdp(alice.own[0])))
    assert bob.received("INFO").body == sdp(alice.own[0])
    assert relay.names == ["offer", "answer"]


def test_body_that_is_no_sdp_is_left_alone(world: World, relay: ScriptedRelay) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", body=b"hello", **{"Content-Type": "text/plain"})
    assert bob.received("INVITE").body == b"hello"
    assert relay.names == []


def test_relay_that_takes_no_offer_fails_the_call_with_503(new_world: MakeWorld) -> None:
    world = new_world(media={"mode": "always"}, relay=ScriptedRelay(lambda *_: {"result": "error"}))
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    response = alice.response(503)
    assert response.headers.get("Retry-After") == "5"
    assert not bob.inbox
    assert world.cdrs("sip_code", "cause", "released_by") == [("503", "failed", "server")]
    assert not world.stack.calls.relayed


def test_relay_that_takes_no_new_offer_leaves_the_call_up(new_world: MakeWorld) -> None:
    relay = ScriptedRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    relay._answer = lambda *_: {"result": "error", "error-reason": "no ports"}
    alice.send(alice.within(call.caller, "INVITE", body=sdp(alice.own[0], 4100)))
    alice.response(503)
    assert not bob.inbox
    assert len(world.stack.calls) == 1


@pytest.mark.parametrize("status", [404, 486, 603])
def test_failed_call_releases_the_relay(new_world: MakeWorld, status: int) -> None:
    relay = RealRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    assert relay.ports
    bob.reply(bob.received("INVITE"), status)
    assert not relay.ports
    assert not world.stack.calls.relayed


@pytest.mark.parametrize("status", [401, 407])
def test_challenge_of_the_callee_releases_the_relay_until_the_next_attempt(
    new_world: MakeWorld, status: int
) -> None:
    relay = RealRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    bob.reply(bob.received("INVITE"), status)
    assert not relay.ports
    assert not world.stack.calls.relayed


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_bye_releases_the_relay(new_world: MakeWorld, who: str) -> None:
    relay = RealRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    phone, dialog = (alice, call.caller) if who == "caller" else (bob, call.callee)
    phone.send(phone.within(dialog, "BYE"))
    assert not relay.ports
    assert not world.stack.calls.relayed


def test_old_bye_does_not_stop_the_media_of_the_call(new_world: MakeWorld) -> None:
    relay = RealRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    call.caller.local_cseq = 0
    alice.send(alice.within(call.caller, "BYE"))
    bob.reply(bob.received("BYE"), 500)
    assert len(world.stack.calls) == 1
    assert relay.ports


def test_caller_lets_one_of_two_callees_go_and_keeps_the_media_of_the_other(new_world: MakeWorld) -> None:
    relay = RealRelay()
    world = new_world(media={"mode": "always"}, relay=relay)
    alice, bob = world.phones("alice", "bob")
    other = Phone(world, "bob", ("198.51.100.77", 5060))
    other.register()
    invite = alice.invite("bob")
    first, second = bob.received("INVITE"), other.received("INVITE")
    bob.reply(first, 200, body=sdp(bob.own[0], 4002), tag="first")
    other.reply(second, 200, body=sdp(other.own[0], 4004), tag="second")
    _, late = alice.response(200), alice.response(200)
    alice.send(alice.within(Dialog.from_uac(invite, late), "BYE"))
    assert len(world.stack.calls) == 1
    assert relay.ports
    assert world.cdrs("cause") == []


def test_media_go_with_the_call_though_the_relay_knows_another_of_its_callees(new_world: MakeWorld) -> None:
    world = new_world(media={"mode": "always"}, relay=RealRelay())
    alice, bob = world.phones("alice", "bob")
    other = Phone(world, "bob", ("198.51.100.77", 5060))
    other.register()
    invite = alice.invite("bob")
    offers = bob.received("INVITE"), other.received("INVITE")
    told = bob.reply(offers[0], 200, body=sdp(bob.own[0]), tag="first")
    told_too = other.reply(offers[1], 200, body=sdp(other.own[0]), tag="second")
    for answer in (alice.response(200), alice.response(200)):
        alice.send(alice.within(Dialog.from_uac(invite, answer), "ACK"))
    world = world.restarted()  # with a relay that knows no call, and the first answer on record
    assert isinstance(world.relay, RealRelay)
    other.send(other.within(Dialog.from_uas(offers[1], told_too), "UPDATE", body=sdp(other.own[0])))
    alice.reply(alice.received("UPDATE"), 200, body=sdp(alice.own[0]))
    assert world.relay.ports
    bob.send(bob.within(Dialog.from_uas(offers[0], told), "BYE"))
    assert len(world.stack.calls) == 0
    assert not world.relay.ports
    world.close()
