"""A caller's and a callee's layer over a simulated link, in virtual time.

The link loses, doubles, delays and reorders what the random numbers of one seed say. Both users behave as
RFC 3261 asks of them: the callee repeats its 2xx until the ACK, the caller acknowledges each 2xx and gives up
after timer C. Not here: what must hold in the end (the tests).
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from trunkline.sip_parser import Request, make_response, parse_datagram
from trunkline.sip_transaction import (
    AckReceived,
    CancelReceived,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    StrayResponse,
    Terminated,
    TimedOut,
    TransactionLayer,
    TransportFailed,
)

CALLER, CALLEE = 0, 1
ADDRESSES = (("192.0.2.1", 5060), ("192.0.2.2", 5060))
TIMER_C = 180.0
# Copies later than this could reach a server transaction that has rightly forgotten the request.
MAX_DELAY = 0.4


@attrs.define
class Plan:
    """One request and what becomes of it."""

    method: str = "INVITE"
    start: float = 0.0
    answers: list[tuple[float, int]] = attrs.field(factory=list)
    """When after its arrival the callee's user gives which status."""
    cancel_after: float | None = None
    """When after its start the caller's user cancels it."""


@attrs.define
class Outcome:
    """What the users saw of one plan."""

    requests: int = 0
    statuses: list[int] = attrs.field(factory=list)
    ends: list[str] = attrs.field(factory=list)
    acks: int = 0


class Simulation:
    def __init__(
        self,
        plans: list[Plan],
        *,
        seed: int = 0,
        transport: str = "UDP",
        loss: float = 0.0,
        doubling: float = 0.0,
        cut_at: float | None = None,
    ) -> None:
        self.plans = plans
        self.random = random.Random(seed)
        self.loss, self.doubling, self.cut_at = loss, doubling, cut_at
        self.transport = transport
        connection = 0 if transport == "UDP" else 1
        self.layers = [TransactionLayer(token=self.random.randbytes) for _ in ADDRESSES]
        self.flows = [Flow(transport, ADDRESSES[side], ADDRESSES[1 - side], connection) for side in (0, 1)]
        self.now = 0.0
        self.steps = 0
        self.sent: Counter[bytes] = Counter()
        self.outcomes = [Outcome() for _ in plans]
        self.terminated: Counter[Any] = Counter()
        self.made: set[Any] = set()
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self._last_arrival = [0.0, 0.0]
        self._transactions: dict[int, Any] = {}
        self._acked: set[Any] = set()
        self._cut = False

    # The clock.

    def at(self, moment: float, do: Callable[..., None], *arguments: Any) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (moment, self._order, do, arguments))

    def run(self, max_steps: int = 5000) -> Simulation:
        for number, plan in enumerate(self.plans):
            self.at(plan.start, self._call, number)
        if self.cut_at is not None:
            self.at(self.cut_at, self._cut_connection)
        while True:
            moments = [m for layer in self.layers if (m := layer.next_timeout()) is not None]
            if self._agenda:
                moments.append(self._agenda[0][0])
            if not moments:
                return self
            self.steps += 1
            assert self.steps < max_steps, "this goes on for ever"
            self.now = max(self.now, min(moments))
            while self._agenda and self._agenda[0][0] <= self.now:
                _, _, do, arguments = heapq.heappop(self._agenda)
                do(*arguments)
            for side in (CALLER, CALLEE):
                self.act(side, self.layers[side].handle_timeout(now=self.now))

    # The link.

    def act(self, side: int, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._send(side, effect)
            elif side == CALLER:
                self._caller(effect)
            else:
                self._callee(effect)

    def _send(self, side: int, send: Send) -> None:
        self.sent[send.data] += 1
        peer = 1 - side
        if self.transport == "UDP":
            if self.random.random() < self.loss:
                return
            copies = 2 if self.random.random() < self.doubling else 1
            for _ in range(copies):
                arrival = self.now + self.random.uniform(0, MAX_DELAY)
                self.at(arrival, self._arrive, peer, send.data, self.flows[peer])
        elif self._cut and send.flow.connection == 1:
            failed = self.layers[side].transport_failed
            self.act(side, failed(send.key, "cut", now=self.now))
        else:
            arrival = max(self._last_arrival[peer], self.now + self.random.uniform(0, MAX_DELAY))
            self._last_arrival[peer] = arrival
            connection = 2 if self._cut else 1
            flow = Flow(self.transport, ADDRESSES[peer], ADDRESSES[side], connection)
            self.at(arrival, self._arrive, peer, send.data, flow)

    def _arrive(self, side: int, data: bytes, flow: Flow) -> None:
        if self._cut and flow.connection == 1:
            return  # it was on its way when the connection broke
        self.act(side, self.layers[side].receive(parse_datagram(data), flow, now=self.now))

    def _cut_connection(self) -> None:
        self._cut = True
        for side in (CALLER, CALLEE):
            self.act(side, self.layers[side].flow_failed(self.flows[side], "cut", now=self.now))

    # The caller's user.

    def _call(self, number: int) -> None:
        plan = self.plans[number]
        request = self._request(plan.method, number, self.layers[CALLER].new_branch())
        flow = self.flows[CALLER]
        if self._cut:
            flow = Flow(flow.transport, flow.local, flow.remote)
        transaction, effects = self.layers[CALLER].send_request(request, flow, now=self.now)
        transaction.user = number
        self.made.add(transaction)
        self._transactions[number] = transaction
        self.act(CALLER, effects)
        if plan.method == "INVITE":
            if plan.cancel_after is not None:
                self.at(self.now + plan.cancel_after, self._cancel, number)
            self.at(self.now + TIMER_C, self._cancel, number)

    def _cancel(self, number: int) -> None:
        self.act(CALLER, self.layers[CALLER].cancel(self._transactions[number], now=self.now))

    def _caller(self, effect: Any) -> None:
        if isinstance(effect, StrayResponse):
            return  # later than timers D, K or M
        transaction = effect.transaction
        assert not self.terminated[transaction], "an effect after the last"
        outcome = self.outcomes[transaction.user]
        if isinstance(effect, ResponseReceived):
            outcome.statuses.append(effect.response.status)
            if transaction.method == "INVITE" and 200 <= effect.response.status < 300:
                ack = self._request("ACK", transaction.user, f"z9hG4bKack{transaction.user}")
                self.act(CALLER, [self.layers[CALLER].send_ack(ack, transaction.flow)])
        elif isinstance(effect, TimedOut | TransportFailed):
            outcome.ends.append(type(effect).__name__)
        elif isinstance(effect, Terminated):
            self.terminated[transaction] += 1
        else:
            raise AssertionError(effect)

    # The callee's user.

    def _callee(self, effect: Any) -> None:
        if isinstance(effect, RequestReceived):
            self.made.add(effect.transaction)
            self._serve(effect)
        elif isinstance(effect, AckReceived):
            number = int(effect.request.call_id)
            self.outcomes[number].acks += 1
            self._acked.add(number)
        elif isinstance(effect, CancelReceived):
            self._respond(effect.transaction, effect.transaction.request, 487)
        elif isinstance(effect, Terminated):
            assert not self.terminated[effect.transaction]
            self.terminated[effect.transaction] += 1
        else:
            assert isinstance(effect, TimedOut | TransportFailed), effect
            assert not self.terminated[effect.transaction]

    def _serve(self, effect: RequestReceived) -> None:
        transaction = effect.transaction
        number = transaction.user = int(effect.request.call_id)
        if transaction.method == "CANCEL":
            self._respond(transaction, effect.request, 481)
            return
        self.outcomes[number].requests += 1
        for delay, status in self.plans[number].answers:
            self.at(self.now + delay, self._respond, transaction, effect.request, status)

    def _respond(
        self, transaction: Any, request: Request, status: int, interval: float = 0.5, until: float = 0.0
    ) -> None:
        response = make_response(request, status, to_tag=f"t{transaction.user}")
        effects = self.layers[CALLEE].respond(transaction, response, now=self.now)
        self.act(CALLEE, effects)
        accepted = effects and transaction.method == "INVITE" and 200 <= status < 300
        until = until or self.now + 32
        if accepted and transaction.user not in self._acked and self.now + interval < until:
            again = min(2 * interval, 4.0)
            self.at(self.now + interval, self._repeat, transaction, status, again, until)

    def _repeat(self, transaction: Any, status: int, interval: float, until: float) -> None:
        if transaction.user not in self._acked:
            self._respond(transaction, transaction.request, status, interval, until)

    def _request(self, method: str, number: int, branch: str) -> Request:
        to_tag = f";tag=t{number}" if method == "ACK" else ""
        return Request(
            method,
            "sip:callee@192.0.2.2",
            [
                ("Via", f"SIP/2.0/{self.transport} 192.0.2.1:5060;branch={branch}"),
                ("Max-Forwards", "70"),
                ("From", "<sip:caller@192.0.2.1>;tag=f"),
                ("To", f"<sip:callee@192.0.2.2>{to_tag}"),
                ("Call-ID", str(number)),
                ("CSeq", f"1 {method}"),
            ],
        )


@pytest.fixture(scope="session")
def simulate() -> Callable[..., Simulation]:
    """Run plans over a link to the very end."""

    def simulate(plans: list[dict[str, Any]], **options: Any) -> Simulation:
        return Simulation([Plan(**plan) for plan in plans], **options).run()

    return simulate
