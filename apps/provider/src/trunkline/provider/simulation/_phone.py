"""A phone: a user agent made of the transaction layer, dialogs and the client's digest.

Here: its power, its ways to the network, and which part of it a message is for. Registering is
`_registering`, calls are `_calling`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

import attrs

from trunkline.sip_parser import (
    Message,
    NameAddr,
    RemoteProtocolError,
    Request,
    Response,
    Uri,
    make_response,
    parse_datagram,
    parse_uri,
)
from trunkline.sip_transaction import (
    AckReceived,
    CancelReceived,
    ClientAuthenticator,
    ClientTransaction,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    ServerTransaction,
    StrayResponse,
    TimedOut,
    TransactionLayer,
    TransportFailed,
)

from ._agenda import Agenda, Alarm
from ._connections import Connections
from ._network import Address, Network
from ._records import CallSeen, Confirmed, DialogSeen

PASSWORD = "correct horse"


@attrs.define
class Habits:
    """What a phone's owner is like; chances are 0 to 1."""

    answers: float = 0.6
    rejects: float = 0.15
    "What is left rings in vain."
    silent: float = 0.05
    "Of the last: without even ringing."
    cancels: float = 0.15
    reinvites: float = 0.25
    late_offers: float = 0.05
    knows_timers: bool = False
    "Whether it shows that its calls are up, and ends those that are not shown to be (RFC 4028)."
    talks: float = 12.0
    "Seconds, on average."
    patience: float = 40.0
    "Seconds until a caller gives up."


class Observer(Protocol):
    """Keeps what the phones see."""

    def call_started(self, call: CallSeen) -> None: ...

    def answered(self, dialog: DialogSeen) -> None: ...

    def confirmed(self, registration: Confirmed) -> None: ...

    def report(self, invariant: str, what: str) -> None: ...

    def was_restarted(self, since: float) -> bool: ...


class User(Protocol):
    """Who waits for the responses to a request of ours."""

    def response(self, transaction: ClientTransaction, response: Response) -> None: ...

    def failed(self, transaction: ClientTransaction, status: int) -> None: ...


class Phone:
    """One phone.

    Args:
        agenda: the time.
        network: where it hangs.
        random: its own chances.
        observer: told what it sees.
        name: its user.
        domain: the user's domain.
        node: number of the provider node it registers at.
        server: where that is.
        outside: its address on the network.
        inside: the address it believes to have; another one behind a NAT.
        transport: UDP or TCP.
        habits: what its owner is like.
        is_program: it loses no power but is quit, and its host says so to whoever still sends to it.
    """

    def __init__(
        self,
        agenda: Agenda,
        network: Network,
        random: Random,
        observer: Observer,
        *,
        name: str,
        domain: str,
        node: int,
        server: Address,
        outside: Address,
        inside: Address,
        transport: str,
        habits: Habits,
        is_program: bool = False,
    ) -> None:
        from ._calling import Calling
        from ._registering import Registering

        self.agenda = agenda
        self.network = network
        self.random = random
        self.observer = observer
        self.name = name
        self.domain = domain
        self.node = node
        self.server = server
        self.outside = outside
        self.inside = inside
        self.transport = transport
        self.habits = habits
        self.is_program = is_program
        self.is_on = False
        self.off_periods: list[list[float]] = []
        "When it had no power; the last one may be open."
        self.layer = TransactionLayer(token=random.randbytes)
        self.authenticator = ClientAuthenticator(name, PASSWORD)
        self.connections = self._make_connections()
        self.registering = Registering(self)
        self.calling = Calling(self)
        self._alarm = Alarm(agenda, self.layer, self._timeout)
        self._life = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            RequestReceived: self._request_received,
            ResponseReceived: self._response_received,
            AckReceived: self._ack_received,
            CancelReceived: self._cancel_received,
            TimedOut: self._timed_out,
            TransportFailed: self._transport_failed,
            StrayResponse: self._stray_response,
        }

    @property
    def aor(self) -> str:
        """Give its user's address of record."""
        return f"{self.name}@{self.domain}"

    @property
    def contact_uri(self) -> str:
        """Give the URI it wants to be reached at."""
        suffix = ";transport=tcp" if self.transport == "TCP" else ""
        return f"sip:{self.name}@{self.inside[0]}:{self.inside[1]}{suffix}"

    # -- power

    def power_on(self) -> None:
        """Begin a life: nothing is known of the one before."""
        if self.is_on:
            return
        self.is_on = True
        if self.off_periods:
            self.off_periods[-1][1] = self.agenda.now
        self.network.bind(self.outside, self._datagram, self._unreachable)
        if self.inside == self.outside:
            self.network.listen(self.outside, self.connections)
        self.registering.start()

    def power_off(self) -> None:
        """End without a word to anybody."""
        if not self.is_on:
            return
        self.is_on = False
        self.off_periods.append([self.agenda.now, float("inf")])
        self._life += 1
        self.network.unbind(self.outside, closed=self.is_program)
        self.network.unlisten(self.outside)
        self.calling.power_lost()
        self.registering.power_lost()
        self.connections.end(silently=True)
        self._alarm.cancel()
        self.layer = TransactionLayer(token=self.random.randbytes)
        self._alarm = Alarm(self.agenda, self.layer, self._timeout)
        self.connections = self._make_connections()
        self.authenticator = ClientAuthenticator(self.name, PASSWORD)

    def was_off(self, start: float, end: float) -> bool:
        """Tell whether it was without power at any time between two moments."""
        return any(off <= end and on >= start for off, on in self.off_periods)

    def later(self, delay: float, action: Callable[..., None], *arguments: Any) -> None:
        """Do something later, in this life only."""
        self.agenda.after(delay, self._if_alive, self._life, action, arguments)

    def _if_alive(self, life: int, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if life == self._life and self.is_on:
            action(*arguments)

    # -- ways out

    def flow_to(self, transport: str, remote: Address) -> Flow:
        """Give the flow to a host."""
        if transport == "TCP":
            return self.connections.open(remote)
        return Flow("UDP", self.inside, remote)

    def server_flow(self, server: Address | None = None) -> Flow:
        """Give the flow to its own provider, or another."""
        return self.flow_to(self.transport, server or self.server)

    def via(self, flow: Flow) -> str:
        """Write a Via with a new branch."""
        return self.via_with(flow, self.layer.new_branch())

    def via_with(self, flow: Flow, branch: str) -> str:
        """Write a Via."""
        return f"SIP/2.0/{flow.transport} {self.inside[0]}:{self.inside[1]};branch={branch};rport"

    def flow_of_uri(self, text: str) -> Flow | None:
        """Give the flow to a URI with a numeric host."""
        try:
            uri = NameAddr.parse(text).uri if "<" in text else parse_uri(text)
        except RemoteProtocolError:
            return None
        if not isinstance(uri, Uri):
            return None
        return self.flow_to(uri.transport.upper(), (uri.host, uri.port or 5060))

    def request(self, request: Request, flow: Flow, user: User) -> ClientTransaction:
        """Send a request whose responses go to `user`."""
        transaction, effects = self.layer.send_request(request, flow, now=self.agenda.now)
        transaction.user = user
        self.perform(effects)
        return transaction

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        """Send a response."""
        self.perform(self.layer.respond(transaction, response, now=self.agenda.now))

    def answer(self, transaction: ServerTransaction, status: int) -> None:
        """Send a response that needs nothing but its status."""
        self.respond(transaction, make_response(transaction.request, status, to_tag=self.tag()))

    def tag(self) -> str:
        """Make a tag."""
        return self.random.randbytes(5).hex()

    # -- what comes in

    def _make_connections(self) -> Connections:
        return Connections(
            self.agenda,
            self.network,
            host=self.outside[0],
            local=self.inside,
            message=self._message,
            garbage=self._garbage,
            lost=self._flow_lost,
        )

    def _datagram(self, data: bytes, source: Address) -> None:
        flow = Flow("UDP", self.inside, source)
        try:
            message = parse_datagram(data)
        except RemoteProtocolError as error:
            self._garbage(error, flow)
            return
        self._message(message, flow)

    def _message(self, message: Message, flow: Flow) -> None:
        if not message.is_request:
            self.calling.saw(message)
        self.perform(self.layer.receive(message, flow, now=self.agenda.now))

    def _garbage(self, error: RemoteProtocolError, flow: Flow) -> None:
        self.observer.report("only good messages", f"{self.aor} got what it cannot read: {error}")

    def _flow_lost(self, flow: Flow, reason: str) -> None:
        self.perform(self.layer.flow_failed(flow, reason, now=self.agenda.now))
        if flow.remote == self.server:
            self.registering.flow_lost()

    def _unreachable(self, quoted: bytes, reason: str) -> None:
        self.perform(self.layer.unreachable(quoted, reason, now=self.agenda.now))

    def _timeout(self) -> None:
        self.perform(self.layer.handle_timeout(now=self.agenda.now))

    # -- effects

    def perform(self, effects: list[Any]) -> None:
        """Carry out effects of the layer, in order."""
        handlers = self._handlers
        for effect in effects:
            handler = handlers.get(type(effect))
            if handler is not None:
                handler(effect)
        self._alarm.set()

    def _send(self, effect: Send) -> None:
        if not self.is_on:
            return
        if effect.flow.transport == "UDP":
            self.network.datagram(effect.data, self.outside, effect.flow.remote)
        else:
            self.connections.send(effect.data, effect.flow)

    def _request_received(self, effect: RequestReceived) -> None:
        self.calling.request_received(effect.transaction, effect.request)

    def _response_received(self, effect: ResponseReceived) -> None:
        effect.transaction.user.response(effect.transaction, effect.response)

    def _ack_received(self, effect: AckReceived) -> None:
        self.calling.ack_received(effect.request)

    def _cancel_received(self, effect: CancelReceived) -> None:
        self.calling.cancel_received(effect.transaction)

    def _timed_out(self, effect: TimedOut) -> None:
        if isinstance(effect.transaction, ClientTransaction):
            effect.transaction.user.failed(effect.transaction, 408)

    def _transport_failed(self, effect: TransportFailed) -> None:
        if isinstance(effect.transaction, ClientTransaction):
            effect.transaction.user.failed(effect.transaction, 503)

    def _stray_response(self, effect: StrayResponse) -> None:
        self.calling.stray_response(effect.response)
