"""A simulated provider node: the real stack, and what carries out its effects in virtual time.

Here: what `trunkline.provider.node` does on sockets, threads and processes, done on the agenda; and the end
by kill -9, after which only the database is left. Not here: what the provider decides.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, cast

from trunkline.provider.assembly import Assembly, assemble
from trunkline.provider.config import Settings
from trunkline.provider.node import DATABASE_PATIENCE, EXPIRY_EVERY, HEARTBEAT
from trunkline.provider.stack import (
    AskDns,
    AskRelay,
    AskSubscribers,
    BadMessage,
    Barrier,
    Effect,
    Stack,
    Write,
)
from trunkline.provider.store import Store
from trunkline.provider.transports import ListenPoint
from trunkline.sip_parser import Message, RemoteProtocolError
from trunkline.sip_transaction import Flow, Send

from ._agenda import Agenda, Alarm
from ._connections import Connections
from ._database import Database, Disk, Report
from ._media import RelayEnd, RelayHost
from ._names import Names
from ._network import Address, Network

DNS_LOOKUP = 0.2
"Seconds that DNS takes to answer, at most."
LOOKUP = 0.004
"Seconds that the database takes to find a subscriber, at most."


class Server:
    """One node of a provider, which may be killed and started again.

    Args:
        agenda: the time.
        network: where it listens.
        random: its own chances; the scenario has others.
        settings: as a real server's.
        address: where it listens for UDP and TCP.
        database: what outlives it.
        report: told of broken invariants.
        latency: seconds that a write to disk takes at most.
    """

    def __init__(
        self,
        agenda: Agenda,
        network: Network,
        random: Random,
        *,
        settings: Settings,
        address: Address,
        database: Database,
        report: Report,
        latency: float,
    ) -> None:
        self.agenda = agenda
        self.network = network
        self.settings = settings
        self.address = address
        self.database = database
        self.process: Process | None = None
        self.refusals: list[tuple[float, float]] = []
        "Periods in which the database takes no writes and answers nothing."
        self.downs: list[list[float]] = []
        "Periods in which no process ran; the last may be open."
        self.latency = latency
        self.names = Names()
        "What DNS says."
        self.random = random
        self.report = report
        self.after_send: Callable[[bytes], None] | None = None
        "Called with each message after it was sent, before the next effect is carried out."
        self.bad_messages = 0
        "Messages that were no SIP, or wrong."
        self.media: list[RelayHost] = []
        "Relays of all lives."

    @property
    def live(self) -> Process:
        """Give the process that runs."""
        if self.process is None:
            raise LookupError("the server is down")
        return self.process

    def start(self) -> None:
        """Start the process on what the database holds."""
        if self.process is not None:
            return
        if self.downs:
            self.downs[-1][1] = self.agenda.now
        self.network.trace.note(f"! {self.address[0]} starts")
        self.process = Process(self)
        self.process.begin()

    def kill(self) -> None:
        """End the process where it stands, between two effects."""
        process, self.process = self.process, None
        if process is not None:
            self.network.trace.note(f"! {self.address[0]} is killed")
            self.downs.append([self.agenda.now, float("inf")])
            process.end()

    def refuses(self) -> bool:
        """Tell whether the database refuses now."""
        now = self.agenda.now
        return any(start <= now < end for start, end in self.refusals)

    def was_down(self, start: float, end: float) -> bool:
        """Tell whether the server was down at any time between two moments, these included."""
        return any(down <= end and up >= start for down, up in self.downs)

    def was_refused(self, start: float, end: float) -> bool:
        """Tell whether the database refused at any time between two moments."""
        return any(begin <= end and over >= start for begin, over in self.refusals)


class Process:
    """One life of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._agenda = agenda = server.agenda
        self._network = network = server.network
        self._dead = False
        settings, address = server.settings, server.address
        self._datagram_flows: dict[Address, Flow] = {}
        self.connections = Connections(
            agenda,
            network,
            host=address[0],
            local=address,
            message=self._message,
            garbage=self._garbage,
            lost=self._flow_lost,
        )
        points = [ListenPoint(transport, address, cast(Any, None)) for transport in ("UDP", "TCP")]
        self.disk = Disk(
            agenda,
            server.database,
            server.random,
            interval=settings.database.commit_interval_ms / 1000,
            latency=server.latency,
        )
        self.disk.refuses = server.refuses
        self.assembly: Assembly = assemble(
            settings,
            cast(Store, server.database),
            points,
            token=server.random.randbytes,
            clock=agenda.clock,
            now=agenda.now,
            connection_open=self.connections.is_open,
        )
        self.stack: Stack = self.assembly.stack
        self._alarm = Alarm(agenda, self.stack, self._timeout)
        self.media: RelayHost | None = None
        self.control: RelayEnd | None = None
        if settings.media.mode != "never":
            control = RelayEnd(agenda, self._to_relay, self._noticed)
            self.control = control
            self.media = RelayHost(
                agenda,
                network,
                server.random,
                host=address[0],
                ports=settings.media.ports,
                timeout=settings.media.timeout,
                reply=control.received,
            )
            server.media.append(self.media)
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

    def begin(self) -> None:
        """Listen."""
        self._network.bind(self._server.address, self._datagram, self._unreachable)
        self._network.listen(self._server.address, self.connections)
        self._agenda.after(EXPIRY_EVERY, self._expire)
        self._agenda.after(HEARTBEAT, self._heartbeat)
        self._alarm.set()

    def end(self) -> None:
        """Be killed: the kernel closes what was open."""
        self._dead = True
        self._alarm.cancel()
        self._network.unbind(self._server.address, closed=True)
        self._network.unlisten(self._server.address)
        self.disk.kill()
        if self.media is not None and self.control is not None:
            self.media.kill()
            self.control.kill()
        self.connections.end(silently=False)

    # -- input

    def _datagram(self, data: bytes, source: Address) -> None:
        flow = self._datagram_flows.get(source)
        if flow is None:
            flow = self._datagram_flows[source] = Flow("UDP", self._server.address, source)
        self._do(lambda: self.stack.datagram(data, flow, now=self._agenda.now), data)

    def _message(self, message: Message, flow: Flow) -> None:
        self._do(lambda: self.stack.message(message, flow, now=self._agenda.now), b"")

    def _garbage(self, error: RemoteProtocolError, flow: Flow) -> None:
        self._do(lambda: self.stack.garbage(error, flow, now=self._agenda.now), b"")

    def _flow_lost(self, flow: Flow, reason: str) -> None:
        self._do(lambda: self.stack.flow_lost(flow, reason, now=self._agenda.now), b"")

    def _unreachable(self, quoted: bytes, reason: str) -> None:
        self._do(lambda: self.stack.unreachable(quoted, reason, now=self._agenda.now), quoted)

    def _noticed(self, notice: dict[str, Any]) -> None:
        if notice.get("command") == "timeout":
            call_id = str(notice.get("call-id"))
            self._do(partial(self.stack.media_timed_out, call_id, now=self._agenda.now), b"")

    # -- time

    def _timeout(self) -> None:
        if not self._dead:
            self._do(lambda: self.stack.handle_timeout(now=self._agenda.now), b"")

    def _expire(self) -> None:
        if not self._dead:
            self._agenda.after(EXPIRY_EVERY, self._expire)
            self.stack.storing = self.disk.groups.healthy
            self._do(self.stack.expire_bindings, b"")

    def _heartbeat(self) -> None:
        if not self._dead:
            self._agenda.after(HEARTBEAT, self._heartbeat)
            self._do(self.stack.heartbeat, b"")

    # -- effects

    def _do(self, ask: Callable[[], list[Effect]], data: bytes) -> None:
        if self._dead:
            return
        try:
            for effect in ask():
                self._carry_out[type(effect)](effect)
                if self._dead:
                    return
        except Exception:
            trace = traceback.format_exc(limit=-6)
            self._server.report("no exception", f"{data[:300]!r}\n{trace}")
        self._alarm.set()

    def _send(self, effect: Send) -> None:
        flow, data = effect.flow, effect.data
        if flow.transport == "UDP":
            self._network.datagram(data, self._server.address, flow.remote)
        else:
            self.connections.send(data, flow)
        if self._server.after_send is not None:
            self._server.after_send(data)

    def _write(self, effect: Write) -> None:
        getattr(self.disk.groups.batch, effect.method)(*effect.arguments)
        self.disk.touch()

    def _barrier(self, effect: Barrier) -> None:
        self.disk.groups.when_written(partial(self._resume, effect))
        self.disk.touch()

    def _ask_relay(self, effect: AskRelay) -> None:
        if self.control is None:
            self._resume(effect, {"result": "error", "error-reason": "media.mode is never"})
        else:
            self.control.command(effect.command, effect.fields, partial(self._resume, effect))

    def _to_relay(self, data: bytes) -> None:
        if self.media is not None:
            self.media.control(data)

    def _ask_subscribers(self, effect: AskSubscribers) -> None:
        if self._server.refuses():
            self._agenda.after(DATABASE_PATIENCE, self._resume, effect, False)
        else:
            self._agenda.after(self._server.random.random() * LOOKUP, self._load_subscribers, effect)

    def _load_subscribers(self, effect: AskSubscribers) -> None:
        if self._dead:
            return
        for name in effect.names:
            found = self._server.database.subscriber(*name)
            self.stack.directory.learn(name, found, now=self._agenda.now)
        self._resume(effect, True)

    def _ask_dns(self, effect: AskDns) -> None:
        server = self._server
        answer = server.names.answer(effect.question, server.random)
        self._agenda.after(server.random.random() * DNS_LOOKUP, self._resume, effect, answer)

    def _note_bad_message(self, effect: BadMessage) -> None:
        self._server.bad_messages += 1

    def _resume(self, effect: Any, answer: Any) -> None:
        self._do(lambda: self.stack.resume(effect, answer, now=self._agenda.now), b"")
