"""The node: one process that drives the stack on sockets, a database, a relay and a clock.

This file only wires. What a message means is decided in `stack` and `policy`; how bytes travel, in
`transports`; when rows are on disk, in `commits`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
import trio

from trunkline.sip_parser import Message, RemoteProtocolError
from trunkline.sip_proxy import Answer, Outcome
from trunkline.sip_transaction import Flow, Send

from .assembly import Assembly, assemble
from .bad_messages import BadMessages
from .commits import GroupCommit
from .config import Settings
from .garbage import Garbage
from .relay import RelayClient, RelayProcess
from .resolver import Resolver
from .stack import AskDns, AskRelay, AskSubscribers, BadMessage, Barrier, Effect, Write
from .store import Store, StoreError
from .transports import (
    Admission,
    Certificates,
    Limits,
    ListenPoint,
    TcpTransport,
    TransportStatistics,
    UdpTransport,
)

log = structlog.get_logger("node")

EXPIRY_EVERY = 5.0
"Seconds between two looks for expired bindings."
HEARTBEAT = 1.0
"Seconds between two marks that tell, after a crash, until when the server was alive."
TIMER_SLACK = 0.01
"""Seconds that a timer may be late. A busy server has one that is due nearly always: each on its own would
wake it, which costs more than what is then done."""
COMMIT_EARLY = 0.003
"Seconds by which a commit may come before its time, when we are awake: to be woken for it costs more."
MISHAPS_LOGGED = 100
"Internal errors that are written out; later ones are only counted."
DATABASE_PATIENCE = 5.0
"Seconds after which a question to the database counts as unanswered."


class Node:
    """One running server.

    Args:
        settings: the configuration.
        store: the open database.
        points: bound listening points.
        certificates: for the listening points of TLS.
        transport_statistics: what the transports, and whoever made the certificates, count.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        points: list[ListenPoint],
        certificates: Certificates | None = None,
        transport_statistics: TransportStatistics | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.points = points
        self.started_at = datetime.now(UTC)
        self.commits = GroupCommit(store, settings.database.commit_interval_ms / 1000, told=self._drained)
        self.relay: RelayClient | None = None
        self.resolver = Resolver(settings.dns.servers, settings.dns.timeout)
        self.transport_statistics = transport_statistics or TransportStatistics()
        self._certificates = certificates
        self.mishaps = 0
        "Messages that our own mistakes left unhandled."
        self.bad_messages = BadMessages(log.warning)
        self._now = trio.lowlevel.current_clock().current_time  # what trio.current_time() asks, after a while
        self._garbage_looks = Garbage(self._now())
        self._udp: dict[tuple[str, int], UdpTransport] = {}
        self._tcp: dict[tuple[str, int], TcpTransport] = {}
        self._committing = trio.CancelScope(shield=True)
        self._timer = trio.CancelScope()
        self._timer_due = float("inf")
        self._loading = trio.CapacityLimiter(4)
        self._tasks: trio.Nursery | None = None
        self.assembly: Assembly = assemble(
            settings,
            store,
            points,
            token=Tokens(os.urandom).take,
            clock=wall_clock,
            now=trio.current_time(),
            connection_open=self._connection_open,
        )
        self.stack = self.assembly.stack
        self._carry_out: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            Write: self._write,
            Barrier: self._barrier,
            AskRelay: self._ask_relay,
            AskSubscribers: self._ask_subscribers,
            AskDns: self._ask_dns,
            BadMessage: self._note_bad_message,
        }

    # -- life

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled; then stop taking messages, and commit what is still to be written."""
        async with trio.open_nursery() as writing:
            writing.start_soon(self._commit)
            try:
                async with trio.open_nursery() as tasks:
                    self._tasks = tasks
                    await self._start(tasks)
                    ready()
                    self._garbage_looks.settle()
            finally:
                self._tasks = None
                self._committing.cancel()

    def _begin(self, task: Callable[..., Awaitable[object]], *arguments: object) -> None:
        """Do something beside; not at the end, when the last commit frees answers that nobody can send."""
        if self._tasks is not None:
            self._tasks.start_soon(task, *arguments)

    async def _commit(self) -> None:
        # shielded: the last commit comes after the last message, whoever ends the server
        with self._committing:
            await self.commits.run()

    async def _start(self, tasks: trio.Nursery) -> None:
        if self.settings.media.mode != "never":
            process = RelayProcess(self.settings.media, os.urandom, self._relay_noticed)
            await tasks.start(process.run)
            self.relay = process.client
        self._start_transports(tasks)
        tasks.start_soon(self._tick)
        tasks.start_soon(self._expire)
        tasks.start_soon(self._heartbeat)

    def _start_transports(self, tasks: trio.Nursery) -> None:
        limits, statistics = Limits(**self.settings.limits.model_dump()), self.transport_statistics
        numbers, admission = itertools.count(1), Admission(limits, statistics)
        for point in self.points:
            if point.transport == "UDP":
                udp = UdpTransport(
                    point,
                    self._datagram,
                    self._send_failed,
                    self._drained,
                    self._unreachable,
                    limits=limits,
                    statistics=statistics,
                )
                self._udp[point.address] = udp
                tasks.start_soon(udp.run)
                continue
            tcp = TcpTransport(
                point,
                self._message_of_a_proved_peer if self._heeds_alias(point) else self._message,
                self._garbage,
                self._send_failed,
                self._flow_lost,
                self._drained,
                numbers,
                limits=limits,
                admission=admission,
                statistics=statistics,
                security=self._certificates if point.transport == "TLS" else None,
            )
            self._tcp[point.address] = tcp
            tasks.start_soon(tcp.run)
        if self._certificates is not None:
            tasks.start_soon(self._certificates.watch)

    # -- input

    def _datagram(self, data: bytes, flow: Flow) -> None:
        try:
            self._perform(self.stack.datagram(data, flow, now=self._now()))
        except Exception:
            self._mishap(flow, data)

    def _message(self, message: Message, flow: Flow) -> None:
        try:
            self._perform(self.stack.message(message, flow, now=trio.current_time()))
        except Exception:
            self._mishap(flow, message.to_bytes())

    def _heeds_alias(self, point: ListenPoint) -> bool:
        return point.transport == "TLS" and self.settings.tls.verify != "none"

    def _message_of_a_proved_peer(self, message: Message, flow: Flow) -> None:
        """Take a message of who may want requests to go by the connection that he opened (RFC 5923)."""
        if message.is_request:
            try:
                via = message.top_via
            except RemoteProtocolError:
                pass
            else:
                if "alias" in via.params:
                    self._tcp[flow.local].alias(flow, via.port or 5061)
        self._message(message, flow)

    def _attempt(self, ask: Callable[[], list[Effect]], flow: Flow | None = None, data: bytes = b"") -> None:
        """Let the stack take something that is no message, and carry out what follows."""
        try:
            self._perform(ask())
        except Exception:
            self._mishap(flow, data)

    def _mishap(self, flow: Flow | None, data: bytes) -> None:
        """Log our own mistake about one message; all other calls go on."""
        self.mishaps += 1
        if self.mishaps <= MISHAPS_LOGGED:
            log.exception(
                "a message could not be handled: please report this", flow=str(flow), data=repr(data[:2000])
            )

    def _garbage(self, error: RemoteProtocolError, flow: Flow) -> None:
        data = b"" if error.message is None else error.message.to_bytes()
        self._attempt(lambda: self.stack.garbage(error, flow, now=trio.current_time()), flow, data)

    def _flow_lost(self, flow: Flow, reason: str) -> None:
        if reason.startswith("TLS: "):
            peer = flow.server_name or flow.remote[0]
            log.warning("a peer cannot be spoken to by TLS", peer=peer, port=flow.remote[1], reason=reason)
        self._attempt(
            lambda: self.stack.flow_lost(flow, reason, now=trio.current_time()), flow, reason.encode()
        )

    def _unreachable(self, data: bytes, reason: str) -> None:
        # may come from inside a send, as `_send_failed` does
        self._begin(self._report_unreachable, data, reason)

    async def _report_unreachable(self, data: bytes, reason: str) -> None:
        self._attempt(lambda: self.stack.unreachable(data, reason, now=trio.current_time()), None, data)
        self._drained()

    def _send_failed(self, key: object, flow: Flow, reason: str) -> None:
        # not from inside the send: the stack is still handing out the effects of this very input
        self._begin(self._report_send_failed, key, reason)

    async def _report_send_failed(self, key: object, reason: str) -> None:
        self._attempt(lambda: self.stack.send_failed(key, reason, now=trio.current_time()))
        self._drained()

    def _drained(self) -> None:
        """Act on timers that have been due for a while, and set the alarm for the rest, after some input.

        A busy server is here every few milliseconds, and needs no alarm; nor do its commits.
        """
        self.commits.look(self._now(), early=COMMIT_EARLY)
        due = self.stack.next_timeout()
        if due is None:
            return
        alarm = due + TIMER_SLACK
        if alarm < self._timer_due:
            self._timer_due = self._timer.deadline = alarm
        elif due + TIMER_SLACK / 2 <= self._now():
            self._act_on_timers()
            self._timer.deadline = self._timer_due

    def _act_on_timers(self) -> None:
        self._attempt(self._timers_due)
        due = self.stack.next_timeout()
        self._timer_due = float("inf") if due is None else due + TIMER_SLACK

    def _timers_due(self) -> list[Effect]:
        return self.stack.handle_timeout(now=self._now())

    def _relay_noticed(self, notice: dict[str, Any]) -> None:
        if notice.get("command") == "timeout":
            self._attempt(
                lambda: self.stack.media_timed_out(str(notice.get("call-id")), now=trio.current_time())
            )
            self._drained()

    # -- time

    async def _tick(self) -> None:
        while True:
            self._act_on_timers()
            with trio.CancelScope(deadline=self._timer_due) as self._timer:
                await trio.sleep_forever()

    async def _expire(self) -> None:
        while True:
            await trio.sleep(EXPIRY_EVERY)
            self.stack.storing = self.commits.healthy
            self._attempt(self.stack.expire_bindings)

    async def _heartbeat(self) -> None:
        while True:
            await trio.sleep(HEARTBEAT)
            self._attempt(self.stack.heartbeat)
            now = trio.current_time()
            self.bad_messages.sum_up(now=now)
            counted = self.stack.statistics
            self._garbage_looks.beat(counted.rcv_requests + counted.rcv_replies, now=now)

    # -- effects

    def _perform(self, effects: list[Effect]) -> None:
        carry_out = self._carry_out
        for effect in effects:
            carry_out[type(effect)](effect)

    def _send(self, effect: Send) -> None:
        flow = effect.flow
        transport = self._tcp.get(flow.local) if flow.reliable else self._udp.get(flow.local)
        if transport is None:
            self._send_failed(effect.key, flow, f"no listening point for {flow.transport}")
        else:
            transport.send(effect.data, flow, effect.key)

    def _connection_open(self, flow: Flow) -> bool:
        tcp = self._tcp.get(flow.local)
        return tcp is not None and tcp.is_open(flow)

    def _write(self, effect: Write) -> None:
        getattr(self.commits.batch, effect.method)(*effect.arguments)
        self.commits.touch()

    def _barrier(self, effect: Barrier) -> None:
        self.commits.when_written(partial(self._resume_of_group, effect))

    def _resume_of_group(self, effect: Barrier, on_disk: bool) -> None:
        try:
            self._perform(self.stack.resume(effect, on_disk, now=self._now()))
        except Exception:
            self._mishap(None, b"")

    def _note_bad_message(self, effect: BadMessage) -> None:
        self.bad_messages.note(effect, now=trio.current_time())

    def _ask_relay(self, effect: AskRelay) -> None:
        if self.relay is None:
            self._resume(effect, {"result": "error", "error-reason": "media.mode is never"})
        else:
            self.relay.command(effect.command, effect.fields, partial(self._resume, effect))

    def _ask_subscribers(self, effect: AskSubscribers) -> None:
        self._begin(self._load_subscribers, effect)

    def _ask_dns(self, effect: AskDns) -> None:
        self._begin(self._look_up, effect)

    async def _look_up(self, effect: AskDns) -> None:
        try:
            answer = await self.resolver.lookup(effect.question)
        except Exception:
            log.exception("a name could not be looked up: please report this", question=repr(effect.question))
            answer = Answer(Outcome.SERVFAIL)
        self._resume(effect, answer)

    async def _load_subscribers(self, effect: AskSubscribers) -> None:
        known = True
        try:
            with trio.fail_after(DATABASE_PATIENCE):
                for name in effect.names:
                    subscriber = await trio.to_thread.run_sync(
                        self.store.subscriber, *name, limiter=self._loading, abandon_on_cancel=True
                    )
                    self.stack.directory.learn(name, subscriber, now=trio.current_time())
        except (StoreError, trio.TooSlowError) as error:
            log.error(
                "a subscriber could not be looked up", error=str(error) or "the database does not answer"
            )
            known = False
        except Exception:
            log.exception("a subscriber could not be looked up: please report this", names=repr(effect.names))
            known = False
        self._resume(effect, known)

    def _resume(self, effect: Any, answer: Any) -> None:
        self._attempt(lambda: self.stack.resume(effect, answer, now=trio.current_time()))
        self._drained()


class Tokens:
    """Random bytes, drawn from the system in blocks: asking it costs as much as parsing a header."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw
        self._block = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        """Return that many bytes, none of them ever given before."""
        used = self._used
        if used + count > len(self._block):
            self._block = self._draw(max(4096, count))
            used = 0
        self._used = used + count
        return self._block[used : used + count]


wall_clock: Callable[[], datetime] = partial(datetime.now, UTC)
"Returns the time, aware and in UTC."
