"""The world around the stack: a database, a media relay, phones and a clock that moves when it is told to.

Strategy: what the stack gives back is put at the end of a line and worked off from its front, as the node's
tasks would; then what is to be written is committed and what waited for that goes on. A test that wants to
look at the moment in between holds a kind of question back (`hold`) or the commits (`committing`).
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Self

import attrs

from trunkline.provider.assembly import assemble
from trunkline.provider.config import Settings
from trunkline.provider.directory import Directory
from trunkline.provider.stack import AskDns, AskRelay, AskSubscribers, BadMessage, Barrier, Write
from trunkline.provider.store import Batch, Store
from trunkline.provider.transports import ListenPoint
from trunkline.sip_parser import RemoteProtocolError, Request, Response, parse_datagram
from trunkline.sip_proxy import Answer, LookupNeeded, Outcome
from trunkline.sip_transaction import Dialog, Flow, Send

from ._phone import DOMAIN, PASSWORD, SERVER, Phone, cancel_of, failure_ack, sdp
from ._relays import RealRelay, ScriptedRelay

NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
START = 1000.0
FILE = "trunkline.db"


def make_template(folder: Path) -> Path:
    """Make a database with alice, bob and carol, to be copied for every world."""
    path = folder / FILE
    with Store.open(f"sqlite:///{path}") as store:
        for user in ("alice", "bob", "carol"):
            store.add_subscriber(user, DOMAIN, PASSWORD)
    return path


@attrs.define
class Call:
    """A call that is up."""

    invite: Request
    answer: Response
    caller: Dialog
    callee: Dialog


class World:
    """One provider and what is around it.

    Args:
        folder: where the database is, or is to be.
        template: the database to begin with.
        relay: the media relay; None: a real one.
        now: monotonic seconds at the start.
        sections: sections of the configuration.
    """

    def __init__(
        self,
        folder: Path,
        template: Path | None = None,
        *,
        relay: RealRelay | ScriptedRelay | None = None,
        now: float = START,
        **sections: dict[str, Any],
    ) -> None:
        self.folder = folder
        path = folder / FILE
        if template is not None:
            shutil.copy(template, path)
        self.store = Store.open(f"sqlite:///{path}", create=False)
        self.sections = sections
        server = {"listen": [f"udp:{SERVER[0]}:{SERVER[1]}"], "domains": [DOMAIN]}
        self.settings = Settings(**{**sections, "server": {**server, **sections.get("server", {})}})
        self.relay = relay or RealRelay(timeout=self.settings.media.timeout)
        self.now = now
        self.token: Callable[[int], bytes] = Random(now).randbytes
        self.open_connections: set[int] = set()
        self.sent: list[Send] = []
        self.bad_messages: list[BadMessage] = []
        self.hold: set[type] = set()
        "Kinds of questions (AskSubscribers, AskRelay, AskDns) that are to wait for `release`."
        self.held: deque[AskSubscribers | AskRelay | AskDns] = deque()
        self.addresses: dict[str, str] = {}
        "What DNS knows: names and their IPv4 addresses."
        self.committing = True
        self.database_is_away = False
        self.batch = Batch()
        self.kept: list[Batch] = []
        self.barriers: list[Barrier] = []
        self._phones: dict[tuple[str, int], Phone] = {}
        self._heir: Self | None = None
        self._line: deque[Any] = deque()
        self._busy = False
        points = [ListenPoint(transport, SERVER, None) for transport in ("UDP", "TCP")]  # type: ignore[arg-type]
        self.stack = assemble(
            self.settings,
            self.store,
            points,
            token=self.token,
            clock=self.clock,
            now=now,
            connection_open=lambda flow: flow.connection in self.open_connections,
        ).stack

    def clock(self) -> datetime:
        """Tell the wall-clock time."""
        return NEW_YEAR + timedelta(seconds=self.now - START)

    def forget_subscribers(self) -> None:
        """Let the next request load whom it names."""
        self.stack.directory = Directory()

    def close(self) -> None:
        self.store.close()
        if self._heir is not None:
            self._heir.close()

    def restarted(self, *, after: float = 1.0, **sections: dict[str, Any]) -> Self:
        """Crash, and start again: what was in memory is lost, the phones stay plugged in."""
        self.close()
        world = self._heir = type(self)(self.folder, now=self.now + after, **(sections or self.sections))
        for phone in self._phones.values():
            phone.world = world
            world.plug_in(phone)
        return world

    # -- phones

    def plug_in(self, phone: Phone) -> None:
        self._phones[phone.flow.remote] = phone
        if phone.flow.connection:
            self.open_connections.add(phone.flow.connection)

    def phones(self, *users: str) -> Iterator[Phone]:
        """Give registered phones of these users, at addresses of their own."""
        for user in users:
            phone = Phone(self, user, (f"198.51.100.{len(self._phones) + 1}", 5060))
            assert phone.register().status == 200
            yield phone

    def call(self, caller: Phone, callee: Phone, **more: Any) -> Call:
        """Let one phone call another, who answers."""
        invite = caller.invite(callee.user, **more)
        arrived = callee.received("INVITE")
        callee.reply(arrived, 180)
        caller.response(180)
        sent = callee.reply(arrived, 200, body=sdp(callee.own[0], 4002))
        answer = caller.response(200)
        call = Call(arrived, answer, Dialog.from_uac(invite, answer), Dialog.from_uas(arrived, sent))
        caller.send(caller.within(call.caller, "ACK"))
        callee.received("ACK")
        return call

    # -- input

    def deliver(self, data: bytes, flow: Flow) -> None:
        """Take bytes from the network, a datagram or one framed message."""
        if flow.reliable:
            self.perform(self.stack.message(parse_datagram(data), flow, now=self.now))
        else:
            self.perform(self.stack.datagram(data, flow, now=self.now))

    def advance(self, seconds: float) -> None:
        """Let time pass, every timer at its own time."""
        end = self.now + seconds
        while (due := self._next_timeout()) is not None and due <= end:
            self.now = max(self.now, due)
            self.perform(self.stack.handle_timeout(now=self.now))
            for notice in self.relay.handle_timeout(self.now):
                assert notice["command"] == "timeout"
                self.perform(self.stack.media_timed_out(notice["call-id"], now=self.now))
        self.now = end

    def _next_timeout(self) -> float | None:
        times = [time for time in (self.stack.next_timeout(), self.relay.next_timeout()) if time is not None]
        return min(times, default=None)

    # -- effects

    def perform(self, effects: list[Any]) -> None:
        """Carry out effects and all that follows from them."""
        self._line.extend(effects)
        if self._busy:
            return
        self._busy = True
        try:
            while self._line or self._must_commit():
                while self._line:
                    self._carry_out(self._line.popleft())
                if self._must_commit():
                    self.commit()
        finally:
            self._busy = False

    def _must_commit(self) -> bool:
        return self.committing and bool(len(self.batch) or self.barriers)

    def _carry_out(self, effect: Any) -> None:
        kind = type(effect)
        if kind is Send:
            self._send(effect)
        elif kind is Write:
            getattr(self.batch, effect.method)(*effect.arguments)
        elif kind is Barrier:
            self.barriers.append(effect)
        elif kind is BadMessage:
            self.bad_messages.append(effect)
        elif kind in self.hold:
            self.held.append(effect)
        else:
            self._answer(effect)

    def _send(self, effect: Send) -> None:
        self.sent.append(effect)
        phone = self._phones.get(effect.flow.remote)
        if phone is None:
            return
        try:
            phone.inbox.append(parse_datagram(effect.data))
        except RemoteProtocolError as error:  # an answer to what lacks a header lacks it too
            if error.message is None:
                raise
            phone.inbox.append(error.message)

    def release(self, answer: Any = None) -> None:
        """Answer the question that was held back the longest, with what the world says or with `answer`."""
        self._answer(self.held.popleft(), answer)

    def _answer(self, ask: Any, answer: Any = None) -> None:
        if answer is None and isinstance(ask, AskRelay):
            answer = self.relay.command(ask.command, ask.fields, self.now)
        elif answer is None and isinstance(ask, AskDns):
            answer = self._look_up(ask.question)
        elif answer is None:
            answer = not self.database_is_away
            for name in ask.names if answer else ():
                self.stack.directory.learn(name, self.store.subscriber(*name), now=self.now)
        self.perform(self.stack.resume(ask, answer, now=self.now))

    def _look_up(self, question: LookupNeeded) -> Answer:
        address = self.addresses.get(question.name)
        if address is None:
            return Answer(Outcome.NXDOMAIN)
        return Answer(Outcome.FOUND, (address,), 60) if question.type == "A" else Answer(Outcome.NO_DATA)

    def commit(self) -> None:
        """Commit what was written, as `GroupCommit` does it."""
        batch, self.batch = self.batch, Batch()
        barriers, self.barriers = self.barriers, []
        if self.database_is_away:
            self.kept.append(batch)
            barriers.reverse()
        else:
            for each in (*self.kept, batch):
                assert not len(each) or self.store.write(each) == ()
            self.kept.clear()
        for barrier in barriers:
            self.perform(self.stack.resume(barrier, not self.database_is_away, now=self.now))

    # -- what is on disk

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database file itself."""
        with closing(sqlite3.connect(self.folder / FILE)) as connection:
            return connection.execute(query).fetchall()

    def cdrs(self, *columns: str) -> list[tuple[Any, ...]]:
        """Give columns of every call detail record, oldest first."""
        return self.rows(f"select {', '.join(columns)} from cdrs order by cdr_id")

    def contacts(self) -> list[str]:
        """Give the contacts on disk."""
        return [contact for (contact,) in self.rows("select contact from location order by contact")]


__all__ = ["DOMAIN", "PASSWORD", "SERVER", "Call", "World", "cancel_of", "failure_ack", "make_template"]
