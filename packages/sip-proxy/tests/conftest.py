"""What the tests of the core and the watch share: a bench for single steps, and a world in virtual time.

The bench is a layer and a core without a network: messages go in one by one and what comes out is looked at.
The world is a network that loses, repeats and reorders datagrams, a proxy made of the real layer and core,
and phones made of the real layer. Nothing here sleeps, and nothing is random that the seed does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

import attrs
import pytest

from trunkline.sip_parser import (
    Message,
    RemoteProtocolError,
    Request,
    Response,
    Uri,
    make_response,
    parse_datagram,
)
from trunkline.sip_proxy.core import Effect, ProxyCore, ResponseReady, Target
from trunkline.sip_proxy.watch import Call, CallEnded, CallWatch, Fact, SessionTimers, Side, make_bye
from trunkline.sip_transaction import (
    AckReceived,
    CancelReceived,
    ClientTransaction,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    ServerTransaction,
    StrayResponse,
    Terminated,
    TimedOut,
    TransactionLayer,
)

LOCAL = ("192.0.2.1", 5060)
DOMAIN = "example.test"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def token_from(seed: int) -> Callable[[int], bytes]:
    return Random(seed).randbytes


def is_local(host: str, port: int | None) -> bool:
    return host == DOMAIN or (host in (LOCAL[0], "2001:db8::1") and port in (None, 5060, 5061))


def udp(number: int, port: int = 5060) -> Flow:
    """The flow from us to phone `number`."""
    return Flow("UDP", LOCAL, (f"198.51.100.{number}", port))


def tcp(number: int) -> Flow:
    return Flow("TCP", LOCAL, (f"198.51.100.{number}", 5060), number)


def write_request(
    method: str = "INVITE",
    uri: str = "sip:bob@example.test",
    *,
    flow: Flow | None = None,
    branch: str = "z9hG4bKfirst",
    from_tag: str = "alice",
    to_tag: str | None = None,
    call_id: str = "call-1@phone",
    cseq: int = 1,
    max_forwards: int | None = 70,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Request:
    """Write a request as a phone at `flow` would send it."""
    host, port = (flow or udp(1)).remote
    host = f"[{host}]" if ":" in host else host
    transport = (flow or udp(1)).transport
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {host}:{port};branch={branch}",
        f"From: <sip:alice@example.test>;tag={from_tag}",
        "To: <sip:bob@example.test>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:alice@{host}:{port}>",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if max_forwards is not None:
        lines.append(f"Max-Forwards: {max_forwards}")
    data = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    message = parse_datagram(data)
    assert isinstance(message, Request)
    return message


class Bench:
    """A layer and a core, driven step by step."""

    def __init__(self, *, relays: bool = True, **options: Any) -> None:
        self.layer = TransactionLayer(token=token_from(1))
        self.core = ProxyCore(self.layer, is_local=is_local, token=token_from(2), **options)
        self.now = 0.0
        self.relays = relays
        self.sends: list[Send] = []
        self.sent: list[tuple[Message, Flow]] = []
        self.ready: list[ResponseReady] = []
        self.others: list[Effect] = []

    def give(self, message: Message, flow: Flow) -> None:
        """Let a message arrive."""
        received = parse_datagram(message.to_bytes())
        self.take(self.layer.receive(received, flow, now=self.now))

    def take(self, effects: Iterable[Effect]) -> None:
        """Act on what the layer says."""
        for effect in effects:
            if isinstance(effect, Send | ResponseReady):
                self.act([effect])
            else:
                self.act(self.core.receive(effect, now=self.now))

    def act(self, effects: Iterable[Effect]) -> None:
        """Act on what the core says."""
        for effect in effects:
            if isinstance(effect, Send):
                # The same object comes again when the layer retransmits; the tests here do not count those.
                if not any(effect is send for send in self.sends):
                    self.sends.append(effect)
                    self._note(effect)
            elif isinstance(effect, ResponseReady):
                self.ready.append(effect)
                if self.relays:
                    self.act(self.core.relay(effect.context, effect.response, now=self.now))
            else:
                self.others.append(effect)

    def _note(self, send: Send) -> None:
        try:
            self.sent.append((parse_datagram(send.data), send.flow))
        except RemoteProtocolError:
            # An answer to nonsense repeats the nonsense.
            assert send.key is None

    def receive(self, request: Request, flow: Flow | None = None) -> ServerTransaction:
        """Let a new request arrive, and give its transaction."""
        self.give(request, flow or udp(1))
        effect = self.others.pop()
        assert isinstance(effect, RequestReceived)
        return effect.transaction

    def forward(self, request: Request, *targets: Target, flow: Flow | None = None, **options: Any) -> Any:
        """Let a request arrive and go on to the targets; give its context."""
        transaction = self.receive(request, flow)
        self.core.route(transaction.request)
        self.act(self.core.forward(transaction, targets, now=self.now, **options))
        return transaction.user

    def answer(
        self,
        request: Request,
        status: int,
        *,
        to_tag: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        flow: Flow | None = None,
    ) -> None:
        """Let the response of a phone to a request we sent arrive."""
        via_flow = flow or next(flow for sent, flow in reversed(self.sent) if sent is request)
        tag = to_tag or f"tag{via_flow.remote[0][-1]}"
        response = make_response(request, status, to_tag=tag, headers=headers)
        self.give(response, via_flow)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and timers fire when they are due."""
        until = self.now + seconds
        while True:
            times = [t for t in (self.layer.next_timeout(), self.core.next_timeout()) if t is not None]
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
            self.take(self.layer.handle_timeout(now=self.now))
            self.act(self.core.handle_timeout(now=self.now))
        self.now = until

    def requests(self, method: str | None = None) -> list[Request]:
        """Give the requests sent, oldest first."""
        return [
            message
            for message, _ in self.sent
            if isinstance(message, Request) and method in (None, message.method)
        ]

    def statuses(self) -> list[int]:
        """Give the statuses sent, oldest first."""
        return [message.status for message, _ in self.sent if isinstance(message, Response)]

    def is_idle(self) -> bool:
        """Tell whether nothing lives and nothing waits."""
        return not (self.layer.len_client or self.layer.len_server or self.core.next_timeout() is not None)


class Network:
    """Virtual time, and datagrams that may be lost, repeated and overtaken."""

    def __init__(
        self, seed: int = 0, *, loss: float = 0.0, duplication: float = 0.0, jitter: float = 0.0
    ) -> None:
        self.random = Random(seed)
        self.loss, self.duplication, self.jitter = loss, duplication, jitter
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._hosts: dict[tuple[str, int], Callable[[bytes, tuple[str, int]], None]] = {}
        self.wire: list[tuple[float, tuple[str, int], tuple[str, int], bytes]] = []

    def listen(self, address: tuple[str, int], receive: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._hosts[address] = receive

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heappush(self._events, (max(moment, self.now), next(self._numbers), action))

    def send(self, data: bytes, source: tuple[str, int], destination: tuple[str, int]) -> None:
        self.wire.append((self.now, source, destination, data))
        copies = 2 if self.random.random() < self.duplication else 1
        for _ in range(copies):
            if self.random.random() >= self.loss:
                delay = 0.001 + self.random.random() * self.jitter
                self.at(self.now + delay, lambda: self._arrive(data, source, destination))

    def _arrive(self, data: bytes, source: tuple[str, int], destination: tuple[str, int]) -> None:
        receive = self._hosts.get(destination)
        if receive is not None:
            receive(data, source)

    def run(self, until: float = 1e9, *, most: int = 200_000) -> None:
        for _ in range(most):
            if not self._events or self._events[0][0] > until:
                return
            self.now, _, action = heappop(self._events)
            action()
        raise AssertionError("the world does not come to rest")


class Node:
    """Something with a transaction layer on the network."""

    def __init__(self, network: Network, address: tuple[str, int], seed: int) -> None:
        self.network = network
        self.address = address
        self.token = token_from(seed)
        self.layer = TransactionLayer(token=self.token)
        self._wake: float | None = None
        network.listen(address, self._receive)

    def _receive(self, data: bytes, source: tuple[str, int]) -> None:
        flow = Flow("UDP", self.address, source)
        self.act(self.layer.receive(parse_datagram(data), flow, now=self.network.now))

    def act(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.network.send(effect.data, self.address, effect.flow.remote)
            else:
                self.handle(effect)
        self._schedule()

    def handle(self, effect: Effect) -> None:
        raise NotImplementedError

    def timeouts(self) -> list[float]:
        return [t for t in (self.layer.next_timeout(),) if t is not None]

    def fire(self) -> None:
        self.act(self.layer.handle_timeout(now=self.network.now))

    def _schedule(self) -> None:
        times = self.timeouts()
        if times and (self._wake is None or min(times) < self._wake):
            moment = self._wake = min(times)

            def wake() -> None:
                if self._wake == moment:
                    self._wake = None
                self.fire()
                self._schedule()

            self.network.at(moment, wake)


@attrs.define
class Plan:
    """What a phone does with an INVITE: each moment is seconds after it came, None: never.

    After 200 seconds any phone gives up.
    """

    ring_after: float | None = 0.1
    final_after: float | None = 1.0
    status: int = 200
    retransmit_2xx: bool = True


class Phone(Node):
    """A user agent: it answers as planned, and calls."""

    def __init__(
        self, network: Network, number: int, plan: Plan | None = None, *, proxy: tuple[str, int] = LOCAL
    ) -> None:
        super().__init__(network, (f"198.51.100.{number}", 5060), 1000 + number)
        self.name = f"phone{number}"
        self.plan = plan or Plan()
        self.proxy = proxy
        self.finals: list[Response] = []
        self.provisionals: list[Response] = []
        self.acked: set[str] = set()
        self.byes = 0
        self.cancelled = False
        self.timed_out = False
        self.answered: list[str] = []
        self.call: ClientTransaction | None = None
        self.on_answer: Callable[[Response], None] | None = None

    # As the callee.

    def handle(self, effect: Effect) -> None:
        now = self.network.now
        if isinstance(effect, RequestReceived):
            transaction, request = effect.transaction, effect.request
            if request.method in ("INVITE", "MESSAGE"):
                self._ring(transaction)
            else:
                if request.method == "BYE":
                    self.byes += 1
                response = make_response(request, 200, to_tag=self.name)
                self.act(self.layer.respond(transaction, response, now=now))
        elif isinstance(effect, CancelReceived):
            self.cancelled = True
            self._finish(effect.transaction, 487)
        elif isinstance(effect, AckReceived):
            self.acked.add(effect.request.to_tag or "")
        elif isinstance(effect, ResponseReceived):
            self._response(effect)
        elif isinstance(effect, TimedOut) and effect.transaction is self.call:
            self.timed_out = True
        else:
            assert isinstance(effect, Terminated | StrayResponse | TimedOut), effect

    def _ring(self, transaction: ServerTransaction) -> None:
        network, plan = self.network, self.plan
        if plan.ring_after is not None:
            network.at(network.now + plan.ring_after, lambda: self._respond(transaction, 180))
        if plan.final_after is not None:
            network.at(network.now + plan.final_after, lambda: self._finish(transaction, plan.status))
        network.at(network.now + 200.0, lambda: self._finish(transaction, 480))

    def _respond(self, transaction: ServerTransaction, status: int) -> None:
        if transaction.last_status < 200:
            headers = [("Contact", f"<sip:{self.name}@{self.address[0]}:{self.address[1]}>")]
            headers += [("Record-Route", v) for v in transaction.request.headers.get_all("record-route")]
            tag = f"{self.name}x{transaction.key[0][-4:]}"
            response = make_response(transaction.request, status, to_tag=tag, headers=headers)
            self.act(self.layer.respond(transaction, response, now=self.network.now))
            if 200 <= status < 300 and transaction.method == "INVITE":
                self.answered.append(tag)
                if self.plan.retransmit_2xx:
                    self._repeat(transaction, response, tag, 0.5, self.network.now + 32)

    def _repeat(
        self, transaction: ServerTransaction, response: Response, tag: str, interval: float, until: float
    ) -> None:
        """Send a 2xx again until its ACK comes. Source: RFC 3261 §13.3.1.4"""

        def again() -> None:
            if tag not in self.acked and self.network.now < until:
                self.act(self.layer.respond(transaction, response, now=self.network.now))
                self._repeat(transaction, response, tag, min(2 * interval, 4.0), until)

        self.network.at(self.network.now + interval, again)

    def _finish(self, transaction: ServerTransaction, status: int) -> None:
        self._respond(transaction, status)

    # As the caller.

    def call_up(self, uri: str, *, call_id: str = "call-1@world", method: str = "INVITE") -> None:
        flow = Flow("UDP", self.address, self.proxy)
        source = Flow("UDP", self.proxy, self.address)
        branch = self.layer.new_branch()
        request = write_request(method, uri, flow=source, branch=branch, call_id=call_id)
        self.call, effects = self.layer.send_request(request, flow, now=self.network.now)
        self.act(effects)

    def cancel(self) -> None:
        assert self.call is not None
        self.act(self.layer.cancel(self.call, now=self.network.now))

    def _response(self, effect: ResponseReceived) -> None:
        response = effect.response
        if response.status < 200:
            self.provisionals.append(response)
            return
        if effect.transaction is not self.call:
            return
        if response.status < 300 and response.cseq.method == "INVITE":
            known = any(final.to_tag == response.to_tag for final in self.finals)
            ack = self.in_dialog("ACK", response, 1)
            self.act([self.layer.send_ack(ack, Flow("UDP", self.address, self.proxy))])
            if known:
                return
            if self.on_answer is not None:
                self.on_answer(response)
        self.finals.append(response)

    def in_dialog(self, method: str, response: Response, cseq: int) -> Request:
        """Write a request within the dialog a 2xx has made."""
        routes = [("Route", value) for value in reversed(response.headers.values("record-route"))]
        return write_request(
            method,
            str(response.contacts[0].uri),
            flow=Flow("UDP", self.proxy, self.address),
            branch=self.layer.new_branch(),
            to_tag=response.to_tag,
            call_id=response.call_id,
            cseq=cseq,
            headers=routes,
        )

    def bye(self, response: Response) -> None:
        request = self.in_dialog("BYE", response, 2)
        flow = Flow("UDP", self.address, self.proxy)
        _, effects = self.layer.send_request(request, flow, now=self.network.now)
        self.act(effects)


class Proxy(Node):
    """A proxy: the layer, the core, the watch, and the least an application can be."""

    def __init__(
        self,
        network: Network,
        targets: Callable[[Request], list[Target]],
        *,
        think: float = 0.0,
        relay_after: float = 0.0,
        fallback: list[Target] | None = None,
        session_timers: SessionTimers | None = None,
        max_duration: float | None = None,
        **options: Any,
    ) -> None:
        """Make a proxy.

        `think` is the seconds before a request is forwarded, `relay_after` before a response goes up, as if
        databases and media relays were asked; `fallback` is tried once when a request has failed. Calls are
        ended from here when their session expires or they last longer than `max_duration` seconds.
        """
        super().__init__(network, LOCAL, 7)
        self.core = ProxyCore(self.layer, is_local=is_local, token=self.token, **options)
        self.watch = CallWatch(max_duration=max_duration)
        self.session_timers = session_timers
        self.facts: list[Fact] = []
        self.targets = targets
        self.think, self.relay_after, self.fallback = think, relay_after, fallback
        self.ready: list[ResponseReady] = []
        self.contexts: list[Any] = []
        self.heard: list[tuple[float, int, str, str]] = []
        "What the branches of INVITEs said: when, status, To tag and the branch."
        self.cancelled_at: float | None = None

    def timeouts(self) -> list[float]:
        parts = (self.layer, self.core, self.watch)
        return [t for t in (part.next_timeout() for part in parts) if t is not None]

    def fire(self) -> None:
        self.act(self.layer.handle_timeout(now=self.network.now))
        self.act(self.core.handle_timeout(now=self.network.now))
        for fact in self.watch.handle_timeout(now=self.network.now, at=self.at()):
            self.facts.append(fact)
            if isinstance(fact, CallEnded):
                self._hang_up(fact.call)

    def _hang_up(self, call: Call) -> None:
        for leg in call.legs.values():
            for side in (Side.CALLER, Side.CALLEE):
                bye = make_bye(call, side, leg=leg)
                via = f"SIP/2.0/UDP {LOCAL[0]}:{LOCAL[1]};branch={self.layer.new_branch()}"
                bye.headers.prepend("Via", via)
                self.act(self.layer.send_request(bye, self._next(bye).flow, now=self.network.now)[1])

    def handle(self, effect: Effect) -> None:
        now, core = self.network.now, self.core
        if isinstance(effect, ResponseReady):
            self.ready.append(effect)
            self._later(self.relay_after, lambda: self._relay(effect))
        elif isinstance(effect, RequestReceived):
            self._request(effect.transaction, effect.request)
        elif isinstance(effect, AckReceived):
            if core.validate(effect.request) is None and core.route(effect.request).loose:
                self._watch_in_dialog(effect.request)
                self.act(core.forward_ack(effect.request, self._next(effect.request)))
        else:
            if isinstance(effect, ResponseReceived) and effect.response.cseq.method == "INVITE":
                response = effect.response
                branch = effect.transaction.key[0]
                self.heard.append((now, response.status, response.to_tag or "", branch))
            elif isinstance(effect, CancelReceived):
                self.cancelled_at = now
            followed = core.receive(effect, now=now)
            if followed != [effect]:
                self.act(followed)

    def _relay(self, ready: ResponseReady) -> None:
        now, context, response = self.network.now, ready.context, ready.response
        if response.status >= 300 and self.fallback and context.user is None:
            context.user = "fallback"
            self.act(self.core.fork(context, self.fallback, now=now))
            return
        request = context.transaction.request
        if request.method in ("INVITE", "UPDATE"):
            if self.session_timers is not None and response.status // 100 == 2:
                self.session_timers.answer(request, response)
            self.facts += self.watch.response(request, response, at=self.at(), now=now, branch=ready.branch)
        self.act(self.core.relay(context, response, now=now))

    def _request(self, transaction: ServerTransaction, request: Request) -> None:
        now, core = self.network.now, self.core
        rejection = core.validate(request)
        if rejection is not None:
            response = make_response(
                request, rejection.status, rejection.reason, to_tag="proxy", headers=rejection.headers
            )
            self.act(self.layer.respond(transaction, response, now=now))
        elif (smallest := self._smallest_interval(request)) is not None:
            refusal = make_response(request, 422, to_tag="proxy", headers=[("Min-SE", str(smallest))])
            self.act(self.layer.respond(transaction, refusal, now=now))
        elif core.route(request).loose:
            self._watch_in_dialog(request)
            self.act(core.forward_in_dialog(transaction, self._next(request), now=now))
        else:
            self._later(self.think, lambda: self._forward(transaction, request))

    def _smallest_interval(self, request: Request) -> int | None:
        if self.session_timers is None or request.method not in ("INVITE", "UPDATE"):
            return None
        return self.session_timers.ask(request)

    def _forward(self, transaction: ServerTransaction, request: Request) -> None:
        effects = self.core.forward(transaction, self.targets(request), now=self.network.now)
        if effects and request.method == "INVITE":
            self.facts += self.watch.invite(request, at=self.at(), flow=transaction.flow)
        self.act(effects)
        self.contexts.append(transaction.user)

    def _watch_in_dialog(self, request: Request) -> None:
        self.facts += self.watch.in_dialog(request, at=self.at())

    def _next(self, request: Request) -> Target:
        uri = request.parsed_uri
        assert isinstance(uri, Uri)
        return Target(request.uri, Flow("UDP", LOCAL, (uri.host, uri.port or 5060)))

    def at(self) -> datetime:
        """The wall clock."""
        return NEW_YEAR + timedelta(seconds=self.network.now)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        if seconds:
            self.network.at(self.network.now + seconds, action)
        else:
            action()


class Kit:
    """Everything above, for tests to reach through one fixture."""

    Bench = Bench
    Network = Network
    Phone = Phone
    Plan = Plan
    Proxy = Proxy
    LOCAL = LOCAL
    NEW_YEAR = NEW_YEAR
    udp = staticmethod(udp)
    tcp = staticmethod(tcp)
    request = staticmethod(write_request)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def bench() -> Bench:
    return Bench()
