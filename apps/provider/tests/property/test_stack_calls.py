"""Calls at random: whoever calls, answers, hangs up, holds or crashes, the accounts are right in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulated import RealRelay, World, cancel_of, failure_ack, sdp

from trunkline.provider.stack import AskRelay, AskSubscribers
from trunkline.sip_parser import Request, Response
from trunkline.sip_transaction import Dialog, DialogState

T = TypeVar("T")
USERS = ("alice", "bob", "carol")
LONGEST = 300
OFTEN = ("call", "answer", "bye")
DEEDS = (*OFTEN, *OFTEN, "ring", "reject", "cancel", "hold", "pass", "repeat", "crash")
WEATHER = ("ask_later", "answer_asks", "database_away", "database_back")
steps = st.lists(
    st.tuples(st.sampled_from([*DEEDS, *WEATHER]), st.integers(0, 5), st.integers(0, 5)), max_size=25
)


class Town:
    """Three phones that answer by themselves what needs no decision, and remember what awaits one."""

    def __init__(self, folder: Path, template: Path) -> None:
        sections = {"media": {"mode": "always", "timeout": 60}, "proxy": {"max_call_seconds": LONGEST}}
        self.world = World(folder, template, auth={"challenge": False}, **sections)
        self.phones = list(self.world.phones(*USERS))
        self.calling: list[tuple[int, Request]] = []
        "INVITEs without a final response, by who sent them."
        self.ringing: list[tuple[int, Request]] = []
        "INVITEs that wait for their callee."
        self.dialogs: list[tuple[int, Dialog]] = []
        self.started: set[str] = set()
        self.answered: dict[str, Request] = {}
        "INVITEs to which a caller has heard a 200."
        self.cancelled: set[str] = set()

    def step(self, name: str, one: int, two: int) -> None:
        deed: Callable[[int, int], None] = getattr(self, f"{name}_" if name == "pass" else name)
        deed(one, two)
        self.settle()

    # -- deeds

    def call(self, one: int, two: int) -> None:
        caller = one % 3
        invite = self.phones[caller].invite(USERS[(caller + 1 + two % 2) % 3])
        self.calling.append((caller, invite))
        self.started.add(invite.call_id)

    def ring(self, one: int, two: int) -> None:
        for who, invite in pick(self.ringing, one):
            body = sdp(self.phones[who].own[0], 4002) if two % 2 else b""
            self.phones[who].reply(invite, 183 if body else 180, body=body)

    def answer(self, one: int, two: int) -> None:
        for who, invite in pick(self.ringing, one, take=True):
            phone = self.phones[who]
            sent = phone.reply(invite, 200, body=sdp(phone.own[0], 4002 + 2 * two))
            self.dialogs.append((who, Dialog.from_uas(invite, sent)))

    def reject(self, one: int, two: int) -> None:
        for who, invite in pick(self.ringing, one, take=True):
            self.phones[who].reply(invite, (486, 603, 302, 404, 503, 480)[two])

    def cancel(self, one: int, two: int) -> None:
        for who, invite in pick(self.calling, one):
            self.cancelled.add(invite.call_id)
            self.phones[who].send(cancel_of(invite))

    def bye(self, one: int, two: int) -> None:
        for who, dialog in pick(self.dialogs, one, take=True):
            if dialog.state is not DialogState.TERMINATED:
                self.phones[who].send(self.phones[who].within(dialog, "BYE"))

    def hold(self, one: int, two: int) -> None:
        for who, dialog in pick(self.dialogs, one):
            if dialog.state is not DialogState.TERMINATED:
                phone = self.phones[who]
                phone.send(phone.within(dialog, "UPDATE", body=sdp(phone.own[0], direction="sendonly")))

    def repeat(self, one: int, two: int) -> None:
        for who, invite in pick(self.calling, one):
            self.phones[who].send(invite)

    def pass_(self, one: int, two: int) -> None:
        self.world.advance((0.1, 0.6, 3, 12, 40, 70)[one])

    def crash(self, one: int, two: int) -> None:
        self.database_back(0, 0)
        self.world = self.world.restarted(after=1 + one)

    # -- weather

    def ask_later(self, one: int, two: int) -> None:
        self.world.hold = {AskRelay, AskSubscribers}

    def answer_asks(self, one: int, two: int) -> None:
        self.world.hold = set()
        while self.world.held:
            self.world.release()

    def database_away(self, one: int, two: int) -> None:
        self.world.database_is_away = True

    def database_back(self, one: int, two: int) -> None:
        self.world.database_is_away = False
        self.world.commit()

    # -- what phones do by themselves

    def settle(self) -> None:
        while any(phone.inbox for phone in self.phones):
            for who, phone in enumerate(self.phones):
                while phone.inbox:
                    message = phone.take()
                    if isinstance(message, Request):
                        self.asked(who, message)
                    else:
                        self.told(who, message)

    def asked(self, who: int, request: Request) -> None:
        phone = self.phones[who]
        mine = [entry for entry in self.ringing if entry[0] == who and entry[1].call_id == request.call_id]
        if request.method == "CANCEL":
            phone.reply(request, 200)
            for entry in mine:
                self.ringing.remove(entry)
                phone.reply(entry[1], 487)
        elif request.method == "INVITE":
            if not mine:
                self.ringing.append((who, request))
        elif request.method == "BYE":
            for owner, dialog in self.dialogs:
                if owner == who and dialog.call_id == request.call_id:
                    dialog.terminate()
            phone.reply(request, 200)
        elif request.method != "ACK":
            phone.reply(request, 200, body=sdp(phone.own[0]))

    def told(self, who: int, response: Response) -> None:
        if response.status < 200 or response.cseq.method != "INVITE":
            return
        phone = self.phones[who]
        for entry in self.calling:
            if entry[1].call_id == response.call_id:
                self.calling.remove(entry)
                if response.status >= 300:
                    phone.send(failure_ack(entry[1], response))
                else:
                    self.answered[response.call_id] = entry[1]
                    self.dialogs.append((who, Dialog.from_uac(entry[1], response)))
                break
        if response.status < 300 and response.call_id in self.answered:
            dialog = Dialog.from_uac(self.answered[response.call_id], response)
            phone.send(phone.within(dialog, "ACK"))

    # -- the end

    def rest(self) -> None:
        """Let everything end by itself, and look at what is left."""
        self.answer_asks(0, 0)
        self.database_back(0, 0)
        for _ in range(8):
            self.settle()
            self.world.advance(LONGEST / 4)
        world = self.world
        assert len(world.stack.calls) == 0
        assert not world.stack.calls.relayed
        assert isinstance(world.relay, RealRelay)
        assert not world.relay.ports
        assert world.stack.layer.len_client == world.stack.layer.len_server == 0
        assert world.rows("select * from live_calls") == []


def pick(entries: list[T], number: int, *, take: bool = False) -> list[T]:
    """Give one of the entries, as a list of one; nothing when there are none."""
    if not entries:
        return []
    place = number % len(entries)
    return [entries.pop(place) if take else entries[place]]


@settings(max_examples=40, deadline=None)
@given(walk=steps)
@example(walk=[("call", 0, 0), ("cancel", 0, 0), ("pass", 3, 0), ("answer", 0, 0)])
def test_every_call_leaves_its_record_and_nothing_else(
    walk: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory, template: Path
) -> None:
    town = Town(tmp_path_factory.mktemp("town"), template)
    for name, one, two in walk:
        town.step(name, one, two)
    town.rest()
    records = town.world.cdrs("sip_call_id", "duration_ms", "answer_time", "cause", "sip_code")
    calls = [call_id for call_id, *_ in records]
    assert town.answered.keys() <= set(calls) <= town.started
    if all(name != "crash" for name, _, _ in walk):
        # a callee that answers when its caller has long been told 487 makes a second record
        closed = {call_id for call_id, *_, code in records if code == "487"}
        assert sorted(calls) == sorted([*town.started, *[one for one in set(calls) if calls.count(one) == 2]])
        assert all(calls.count(one) == 1 or one in town.cancelled & closed for one in calls)
    for call_id, duration, answer, cause, code in records:
        assert (answer is not None) == (code == "200"), (call_id, code)
        assert 0 <= duration <= (LONGEST + 1) * 1000
        assert answer or not duration
        assert cause
    town.world.close()
