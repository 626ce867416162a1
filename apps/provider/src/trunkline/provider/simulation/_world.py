"""The world of one run: the scenario's providers and phones set up, set going, and watched.

Here: what happens when, and what is looked at meanwhile. What must hold at the end is `_invariants`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from trunkline.provider.store import Subscriber
from trunkline.sip_parser import ha1

from ._agenda import EPOCH, Agenda
from ._database import Database
from ._network import Network
from ._phone import PASSWORD, Phone
from ._records import CallSeen, Confirmed, DialogSeen
from ._scenario import QUIET, CallPlan, NodePlan, PhonePlan, Scenario
from ._server import Server
from ._trace import Trace

AUDIT_EVERY = 3.0
"Seconds between two looks whether what was confirmed is still there."
MAX_REPORTS = 50


class World:
    """Everything that is simulated.

    Args:
        scenario: what it is made of.
        keep: whether the messages are kept.
    """

    def __init__(self, scenario: Scenario, *, keep: bool = False) -> None:
        self.scenario = scenario
        self.agenda = agenda = Agenda()
        self.trace = Trace(keep=keep)
        self.trace.now = lambda: agenda.now
        self.network = Network(agenda, self._random("network"), self.trace)
        self.violations: list[tuple[float, str, str]] = []
        "When, which invariant, and what broke it."
        self.calls: dict[str, CallSeen] = {}
        self.strays: list[DialogSeen] = []
        "Calls answered that nobody is known to have made."
        self.confirmations = 0
        self.servers = [self._server(number, plan) for number, plan in enumerate(scenario.nodes)]
        self.phones = [self._phone(number, plan) for number, plan in enumerate(scenario.phones)]
        self._schedule()

    def _random(self, name: str) -> Random:
        return Random(f"trunkline {self.scenario.seed} {name}")

    # -- setting up

    def _server(self, number: int, plan: NodePlan) -> Server:
        database = Database([], self.report)
        names = {phone.name for phone in self.scenario.phones if phone.node == number}
        for name in sorted(names):
            secret = ha1(name, plan.domain, PASSWORD)
            database.subscribers[name, plan.domain] = Subscriber(name, plan.domain, ha1=secret)
        server = Server(
            self.agenda,
            self.network,
            self._random(f"server {number}"),
            settings=plan.settings,
            address=plan.address,
            database=database,
            report=self.report,
            latency=plan.latency,
        )
        server.refusals = plan.refusals
        for node in self.scenario.nodes:
            server.names.add_domain(node.domain, node.address)
        return server

    def _phone(self, number: int, plan: PhonePlan) -> Phone:
        node = self.scenario.nodes[plan.node]
        self.network.links[plan.outside[0]] = plan.link
        phone = Phone(
            self.agenda,
            self.network,
            self._random(f"phone {number}"),
            self,
            name=plan.name,
            domain=node.domain,
            node=plan.node,
            server=node.address,
            outside=plan.outside,
            inside=plan.inside,
            transport=plan.transport,
            habits=plan.habits,
            is_program=plan.is_program,
        )
        phone.registering.expires = plan.expires
        if plan.spirals_to and plan.spirals_to != plan.name:
            phone.registering.extra_contact = f"sip:{plan.spirals_to}@{node.address[0]}:{node.address[1]}"
        return phone

    def _schedule(self) -> None:
        at, scenario = self.agenda.at, self.scenario
        for server, node in zip(self.servers, scenario.nodes, strict=True):
            at(0.0, server.start)
            for moment, messages, down in node.kills:
                at(moment, self._doom, server, messages, down)
        for phone, plan in zip(self.phones, scenario.phones, strict=True):
            at(plan.starts_at, phone.power_on)
            for moment, off in plan.power_cuts:
                at(moment, phone.power_off)
                at(moment + off, phone.power_on)
            for moment in plan.stream_cuts:
                at(moment, self._cut, phone)
        for number, call in enumerate(scenario.calls):
            at(call.at, self._call, number, call)
        at(AUDIT_EVERY, self._audit)

    # -- what happens

    def run(self) -> None:
        """Let it happen, until all must be over."""
        agenda, active = self.agenda, self.scenario.active
        agenda.run(active)
        agenda.run(active + 100.0)
        for server in self.servers:
            server.after_send = None
            server.start()
        for phone in self.phones:
            phone.registering.stop()
        agenda.run(active + QUIET)

    def _call(self, number: int, plan: CallPlan) -> None:
        node = self.scenario.nodes[plan.node]
        after = (*self.phones[plan.phone :], *self.phones[: plan.phone])
        phone = next((phone for phone in after if phone.is_on), None)
        if phone is None:
            return
        # another phone than planned may have taken over, whose own node the callee's is
        nodes = (phone.node, plan.node) if plan.by_name and phone.node != plan.node else (plan.node,)
        is_stranger = phone.node not in nodes
        host = f"{node.address[0]}:{node.address[1]}" if is_stranger else node.domain
        phone.calling.call(
            f"sip:{plan.callee}@{host}",
            f"{plan.callee}@{node.domain}",
            self.scenario.nodes[nodes[0]].address,
            nodes,
            is_stranger=is_stranger,
            call_id=f"c{number}x{phone.random.randbytes(4).hex()}",
        )

    def _doom(self, server: Server, messages: int, down: float) -> None:
        if server.process is None or self.agenda.now > self.scenario.active + 60:
            return
        if not messages:
            self._kill(server, down)
            return
        left = [messages]

        def count(_: bytes) -> None:
            left[0] -= 1
            if not left[0]:
                self._kill(server, down)

        server.after_send = count

    def _kill(self, server: Server, down: float) -> None:
        server.after_send = None
        server.kill()
        self.agenda.after(down, self._restart, server)

    def _restart(self, server: Server) -> None:
        server.start()
        self._check_confirmed(server)

    def _cut(self, phone: Phone) -> None:
        for stream in phone.connections.streams():
            self.network.cut(stream)

    # -- what is looked at meanwhile

    def report(self, invariant: str, what: str) -> None:
        """Note that something broke that must hold."""
        if len(self.violations) < MAX_REPORTS:
            self.violations.append((self.agenda.now, invariant, what))

    def call_started(self, call: CallSeen) -> None:
        """Take a call that a phone begins."""
        self.calls[call.call_id] = call

    def answered(self, dialog: DialogSeen) -> None:
        """Take a call that a phone answers."""
        call = self.calls.get(dialog.call_id)
        if call is None:
            self.strays.append(dialog)
        else:
            call.answers.append(dialog)

    def confirmed(self, registration: Confirmed) -> None:
        """Take a registration that a phone was told is in force: it must be on disk."""
        self.confirmations += 1
        database = self.servers[registration.node].database
        until = database.expiry_of(registration.aor, registration.contact)
        if until is None or until < EPOCH.timestamp() + registration.until - 1.5:
            self.report(
                "confirmed is on disk",
                f"{registration.aor} {registration.contact} until {registration.until:.1f}, row: {until}",
            )

    def was_restarted(self, since: float) -> bool:
        """Tell whether any node was down since then; calls may touch two."""
        return any(server.was_down(since, self.agenda.now) for server in self.servers)

    def _audit(self) -> None:
        if self.agenda.now < self.scenario.active + QUIET - AUDIT_EVERY:
            self.agenda.after(AUDIT_EVERY, self._audit)
        for server in self.servers:
            self._check_confirmed(server)

    def _check_confirmed(self, server: Server) -> None:
        process = server.process
        if process is None:
            return
        now, at = self.agenda.now, self.agenda.clock()
        node = self.servers.index(server)
        for phone in self.phones:
            if phone.node != node:
                continue
            for confirmed in phone.registering.confirmed.values():
                if not confirmed.is_sure or confirmed.until < now + 1.5:
                    continue
                held = process.assembly.location.lookup(confirmed.aor, at=at)
                if all(binding.contact != confirmed.contact for binding in held):
                    self.report(
                        "no confirmed registration lost",
                        f"{confirmed.aor} {confirmed.contact}, confirmed at {confirmed.at:.3f}",
                    )
                    confirmed.is_sure = False


Observe = Callable[[World], None]
