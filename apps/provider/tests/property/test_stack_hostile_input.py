"""Nothing that comes in makes the stack raise, hang on to memory, or leave a caller without an answer."""

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
OPEN = {"auth": {"challenge": False}, "media": {"mode": "always"}}
datagrams = st.tuples(st.sampled_from(FLOWS), mutated_bytes() | message_bytes())
wounds = st.lists(
    st.tuples(st.integers(0, 9999), st.integers(0, 30), st.binary(max_size=4)), min_size=1, max_size=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one world after the other."""
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
@given(burst=st.lists(datagrams, max_size=12))
def test_any_bytes_are_survived(burst: list[tuple[Flow, bytes]], folder: Path, template: Path) -> None:
    world = World(folder, template, **OPEN)
    for flow, data in burst:
        before = len(world.sent)
        world.deliver(data, flow)
        assert len(world.sent) - before <= 4
        world.advance(0.1)
    quiet_down(world)


class Recorder(Phone):
    """A phone that keeps what it said."""

    said: list[tuple[bytes, Flow]]

    def send(self, message: Message) -> None:
        self.said.append((message.to_bytes(), self.flow))
        super().send(message)


def conversation(world: World) -> list[tuple[bytes, Flow]]:
    """Play a call with everything in it; gives what the phones sent."""
    alice, bob = (
        Recorder(world, user, (f"198.51.100.{n}", 5060)) for n, user in enumerate(("alice", "bob"), 1)
    )
    alice.said = bob.said = []
    alice.register()
    bob.register()
    call = world.call(alice, bob)
    alice.send(alice.within(call.caller, "INVITE", body=sdp(alice.own[0], 4100)))
    bob.reply(bob.received("INVITE"), 200, body=sdp(bob.own[0], 4102))
    alice.response(200)
    alice.send(alice.within(call.caller, "ACK"))
    bob.send(bob.within(call.callee, "UPDATE", body=sdp(bob.own[0], 4104)))
    alice.reply(alice.received("UPDATE"), 488)
    cancelled = bob.invite("alice")
    bob.send(cancel_of(cancelled))
    alice.reply(alice.received("INVITE"), 180)
    bob.send(bob.within(call.callee, "BYE"))
    return alice.said


@settings(max_examples=20, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 20), wounds), min_size=1, max_size=6))
def test_any_damage_to_a_conversation_is_survived(
    damage: list[tuple[int, list[tuple[int, int, bytes]]]], folder: Path, template: Path
) -> None:
    rehearsal = World(folder, template, **OPEN)
    said = conversation(rehearsal)
    rehearsal.close()
    world = World(folder, template, **OPEN)
    wounded = dict(damage)
    for number, (whole, flow) in enumerate(said):
        data = bytearray(whole)
        for place, length, what in wounded.get(number, ()):
            start = place % len(whole)
            data[start : start + length] = what
        world.deliver(bytes(data), flow)
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
        world.deliver(bytes(raw), bob.flow)
    world.advance(140)
    assert any(isinstance(message, Response) and message.status >= 200 for message in alice.inbox)
    quiet_down(world)


def test_scan_for_accounts_costs_one_entry_each(folder: Path, template: Path) -> None:
    world = World(folder, template)
    scanner = Phone(world, "scanner", ("203.0.113.9", 5060))
    for number in range(100):
        scanner.send(scanner.request("INVITE", f"sip:{number}@{DOMAIN}", sender="sip:x@elsewhere.test"))
        assert scanner.response(404)
    assert len(world.stack.directory) == 100
    quiet_down(world)
