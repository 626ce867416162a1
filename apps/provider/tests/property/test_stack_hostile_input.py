"""Nothing that comes in makes the stack raise, hang on to memory, or answer what must not be answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import DOMAIN, SERVER, Phone, World, cancel_of, sdp

from trunkline.sip_parser import Message, Response
from trunkline.sip_parser.testing import message_bytes, mutated_bytes
from trunkline.sip_transaction import Flow

FLOWS = (Flow("UDP", SERVER, ("198.51.100.1", 5060)), Flow("UDP", SERVER, ("203.0.113.66", 40000)))
datagrams = st.tuples(st.sampled_from(FLOWS), mutated_bytes() | message_bytes())
wounds = st.lists(
    st.tuples(st.integers(0, 9999), st.integers(0, 30), st.binary(max_size=4)), min_size=1, max_size=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def quiet_down(world: World) -> None:
    """Let every timer end; nothing may be left of what was not a call."""
    world.advance(400)
    assert world.stack.layer.len_server == 0
    assert world.stack.layer.len_client == 0
    assert world.stack.core.next_timeout() is None
    assert not any(listed["state"] == "early" for listed in world.stack.calls.listing())
    world.close()


@settings(max_examples=20, deadline=None)
@given(datagrams=st.lists(datagrams, max_size=12))
def test_any_bytes_are_survived(
    datagrams: list[tuple[Flow, bytes]], folder: Path, template: Path
) -> None:
    world = World(folder, template, auth={"challenge": False}, media={"mode": "always"})
    for flow, data in datagrams:
        before = len(world.sent)
        world.perform(world.stack.datagram(data, flow, now=world.now))
        assert len(world.sent) - before <= 4
        world.advance(0.1)
    quiet_down(world)


def talk(world: World) -> list[tuple[Message, Flow]]:
    """Play a call with everything in it; gives what the phones sent."""
    alice, bob = world.phones("alice", "bob")
    said: list[tuple[Message, Flow]] = []
    for phone in (alice, bob):
        send = phone.send
        phone.send = lambda message, p=phone, s=send: (said.append((message.copy(), p.flow)), s(message))  # type: ignore[assignment, misc]
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "INVITE", body=sdp(alice.own[0], 4100)))
    bob.reply(bob.received("INVITE"), 200, body=sdp(bob.own[0], 4102))
    alice.response(200)
    alice.send(alice.within(call.caller, "ACK"))
    bob.received("ACK")
    bob.send(bob.within(call.callee, "UPDATE", body=sdp(bob.own[0], 4104)))
    alice.reply(alice.received("UPDATE"), 488)
    bob.response(488)
    cancelled = bob.invite("alice")
    bob.send(cancel_of(cancelled))
    alice.inbox.clear()
    alice.register()
    bob.send(bob.within(call.callee, "BYE"))
    return said


@settings(max_examples=20, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 40), wounds), min_size=1, max_size=6))
def test_any_damage_to_a_conversation_is_survived(
    damage: list[tuple[int, list[tuple[int, int, bytes]]]], folder: Path, template: Path
) -> None:
    sections = {"auth": {"challenge": False}, "media": {"mode": "always"}}
    said = talk(World(folder, template, **sections))
    world = World(folder, template, **sections)
    for phone in world.phones("alice", "bob"):
        phone.inbox.clear()
    wounded = dict(damage)
    for number, (message, flow) in enumerate(said):
        data = message.to_bytes()
        for place, length, what in wounded.get(number, ()):
            start = place % len(data)
            data = data[:start] + what + data[start + length :]
        world.perform(world.stack.datagram(data, flow, now=world.now))
        world.advance(0.05)
    quiet_down(world)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_answer_to_an_invite_lets_the_call_come_to_an_end(
    data: st.DataObject, folder: Path, template: Path
) -> None:
    world = World(folder, template, auth={"challenge": False})
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    response = bob.reply(bob.received("INVITE"), 100)
    for _ in range(data.draw(st.integers(1, 4))):
        response.status = data.draw(st.sampled_from([180, 183, 200, 202, 302, 401, 486, 503, 600, 699]))
        raw = bytearray(response.to_bytes())
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=6))
        world.perform(world.stack.datagram(bytes(raw), bob.flow, now=world.now))
    world.advance(140)
    assert any(isinstance(message, Response) and message.status >= 200 for message in alice.inbox)
    quiet_down(world)


def test_scan_for_accounts_costs_one_question_each_and_no_memory(folder: Path, template: Path) -> None:
    world = World(folder, template)
    scanner = Phone(world, "scanner", ("203.0.113.9", 5060))
    for number in range(200):
        scanner.send(scanner.request("INVITE", f"sip:{number}@{DOMAIN}", sender="sip:x@elsewhere.test"))
        assert scanner.response(404)
    assert len(world.stack.directory) == 200
    quiet_down(world)
