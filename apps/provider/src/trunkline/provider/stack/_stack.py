"""The stack: transaction layer, proxy core, registrar, policy and accounting in one row.

This file carries things from layer to layer. How a call's media and accounting go along is in
`_calls`, how a target is found in `_ways`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import blake2s
from typing import Any

from trunkline.provider.directory import Directory, Name
from trunkline.provider.policy import (
    DefaultPolicy,
    Domains,
    Forward,
    RequestContext,
)
from trunkline.sip_parser import (
    Message,
    RemoteProtocolError,
    Request,
    Response,
    Uri,
    make_response,
    parse_datagram,
)
from trunkline.sip_proxy import (
    Authenticator,
    Binding,
    Branch,
    Location,
    Place,
    ProxyCore,
    Redirection,
    Registrar,
    Rejection,
    ResponseReady,
    Routed,
    Target,
    consume_credentials,
    nat_tests,
)
from trunkline.sip_transaction import (
    AckReceived,
    Dropped,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    ServerTransaction,
    StrayResponse,
    TransactionLayer,
)

from ._calls import Calls, Leg
from ._decisions import Decisions
from ._dialogs import SETTLED, Dialogs
from ._effects import Ask, AskSubscribers, BadMessage, Effect, Write
from ._flows import unmarked
from ._locating import Locating
from ._paths import Paths
from ._redirections import Redirections
from ._registrations import Registrations
from ._statistics import StackOptions, Statistics
from ._stun import binding_response
from ._ways import SECURE, Ways

NAT_TESTS = 1 | 2 | 16 | 32
"Contact private, Via host and port not the source's, Contact host not the source's: the classic choice."
NAT_TESTS_OF_CONTACT = 1 | 32
"The same for a response, whose Via is our own."
NAT_TESTS_OF_CONNECTION = 1 | 2 | 32
"The same without the port, which is another one than the phone listens on in any case."

PATH_MARK = "did"
"The parameter of our Record-Route that proves it ours; the classic proxies keep their dialog's id there."


class Stack:
    """The provider without I/O; `now` is monotonic seconds, wall-clock time comes from `clock`.

    Every method returns effects in the order they are to be carried out.
    """

    def __init__(
        self,
        *,
        layer: TransactionLayer,
        core: ProxyCore,
        registrar: Registrar,
        location: Location,
        authenticator: Authenticator,
        policy: DefaultPolicy,
        domains: Domains,
        directory: Directory,
        ways: Ways,
        locating: Locating,
        calls: Calls,
        clock: Callable[[], datetime],
        token: Callable[[int], bytes],
        options: StackOptions,
        secret: bytes,
    ) -> None:
        self.layer = layer
        self.core = core
        self.registrar = registrar
        self.location = location
        self.authenticator = authenticator
        self.policy = policy
        self.domains = domains
        self.directory = directory
        self.ways = ways
        self.locating = locating
        locating.emit = self.emit
        self.calls = calls
        self.redirections = Redirections(self)
        self._paths = Paths(location, domains)
        self.statistics = Statistics()
        self.storing = True
        "False while the database refuses writes: registrations are then refused at once."
        self._clock = clock
        self._token = token
        self._marker = blake2s(key=secret[:32], digest_size=6)
        self.options = options
        self.server_header = (("Server", options.user_agent),) if options.user_agent else ()
        self._out: list[Effect] = []
        self._on_layer: dict[type, Callable[[Any, float], None]] = {
            RequestReceived: self._request_received,
            ResponseReceived: self._response_received,
            AckReceived: self._ack_received,
            StrayResponse: self._stray_response,
            Dropped: self._dropped,
        }
        self.registrations = Registrations(self)
        self._decisions = Decisions(self)
        self._dialogs = Dialogs(self)

    # -- input

    def datagram(self, data: bytes, flow: Flow, *, now: float) -> list[Effect]:
        """Take one datagram; keep-alives and noise are counted and left unanswered."""
        # empty, CRLF or four zero bytes: a phone keeps its NAT pinhole open; a STUN request wants an answer
        if data[:1] in b"\r\n\0":
            answer = binding_response(data, flow.remote)
            if answer is not None or not data.strip(b"\r\n\0"):
                self.statistics.keepalives += 1
                return [] if answer is None else [Send(answer, flow, None)]
        try:
            message = parse_datagram(
                data,
                max_head=self.options.max_message,
                max_headers=self.options.max_headers,
                read_ahead=True,
            )
            if len(data) > self.options.max_message:
                raise RemoteProtocolError(
                    f"expected at most {self.options.max_message} bytes, got {len(data)}",
                    513,
                    "RFC 3261 §21.5.7",
                    message=message,
                )
        except RemoteProtocolError as error:
            return self.garbage(error, flow, now=now)
        return self.message(message, flow, now=now)

    def message(self, message: Message, flow: Flow, *, now: float) -> list[Effect]:
        """Take one parsed message."""
        if message.is_request:
            self.statistics.rcv_requests += 1
        else:
            self.statistics.rcv_replies += 1
        self.carry_on(self.layer.receive(message, flow, now=now), now)
        return self._take()

    def garbage(self, error: RemoteProtocolError, flow: Flow, *, now: float) -> list[Effect]:
        """Take what could not be parsed: answered where RFC 3261 wants it, else dropped."""
        if isinstance(error.message, Response):
            self.statistics.err_replies += 1
        else:
            self.statistics.err_requests += 1
        self._out.append(BadMessage(str(error), flow))
        if error.status_hint == 513:
            if "header lines" in error.reason:
                self.statistics.too_many_headers += 1
            else:
                self.statistics.too_large_messages += 1
        self.carry_on(self.layer.receive_error(error, flow, now=now), now)
        return self._take()

    def resume(self, ask: Ask, answer: Any, *, now: float) -> list[Effect]:
        """Go on with the answer to a question."""
        if ask.resume is not None:
            ask.resume(answer, now)
        return self._take()

    def send_failed(self, key: object, reason: str, *, now: float) -> list[Effect]:
        """Take the news that a message could not be sent."""
        if key is not None:
            self.carry_on(self.layer.transport_failed(key, reason, now=now), now)
        return self._take()

    def unreachable(self, data: bytes, reason: str, *, now: float) -> list[Effect]:
        """Take the network's word that a datagram did not arrive; `data` is what it quotes of it (ICMP)."""
        self.carry_on(self.layer.unreachable(data, reason, now=now), now)
        return self._take()

    def flow_lost(self, flow: Flow, reason: str, *, now: float) -> list[Effect]:
        """Take the news that a connection ended."""
        self.ways.lost(flow, now)
        for binding in self.ways.flows.lost(flow):
            self.statistics.failed_flows += 1
            self.registrations.write_as_held(binding)
        self.carry_on(self.layer.flow_failed(flow, reason, now=now), now)
        return self._take()

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is next needed, monotonic seconds; None = nothing waits."""
        earliest = self.layer.next_timeout()
        for other in (self.core.next_timeout(), self.calls.next_timeout()):
            if other is not None and (earliest is None or other < earliest):
                earliest = other
        return earliest

    def handle_timeout(self, *, now: float) -> list[Effect]:
        """Let every layer act on the timers that are due."""
        self.carry_on(self.layer.handle_timeout(now=now), now)
        self._core(self.core.handle_timeout(now=now), now)
        self.calls.handle_timeout(now)
        return self._take()

    def expire_bindings(self) -> list[Effect]:
        """Drop the bindings whose time is over; to be called every few seconds."""
        for change in self.location.expire(self._clock()):
            self._out.append(Write("remove_binding", (change.binding,)))
        return self._take()

    def heartbeat(self) -> list[Effect]:
        """Mark a live call as seen alive, so that after a crash its moment is known."""
        number = self.calls.any_journalled()
        if number is not None:
            self._out.append(Write("call_alive", (number, self._clock())))
        return self._take()

    def media_timed_out(self, call_id: str, *, now: float) -> list[Effect]:
        """Take the relay's news that it heard nothing on a call for too long."""
        self.calls.media_timed_out(call_id, now)
        return self._take()

    # -- between the layers

    def emit(self, effect: Effect) -> None:
        """Add an effect to those of the input at hand; for the parts of the stack."""
        self._out.append(effect)

    def _take(self) -> list[Effect]:
        out, self._out = self._out, []
        return out

    def carry_on(self, effects: list[Any], now: float) -> None:
        """Take what the transaction layer says."""
        out = self._out
        handlers = self._on_layer
        for effect in effects:
            kind = type(effect)
            if kind is Send:
                out.append(effect)
                continue
            handler = handlers.get(kind)
            if handler is None:
                self._core(self.core.receive(effect, now=now), now)
                continue
            try:
                handler(effect, now)
            except RemoteProtocolError as error:
                self._unreadable(effect, error, now)

    def _core(self, effects: list[Any], now: float) -> None:
        out = self._out
        for effect in effects:
            kind = type(effect)
            if kind is Send:
                out.append(effect)
            elif kind is ResponseReady:
                if effect.response.status // 100 == 3 and self.redirections.follow(effect, now):
                    continue
                branch = effect.branch
                if branch is not None and branch.status == 503 and is_phone_gone(branch):
                    request = effect.context.transaction.request
                    effect.response = make_response(request, 480, to_tag=self._token(6).hex())
                self.calls.response_ready(effect.context, effect.response, branch, now)

    def send_upstream(self, context: Any, response: Response, now: float) -> None:
        """Relay a response of a context towards the caller."""
        self.statistics.fwd_replies += 1
        effects = self.core.relay(context, response, now=now)
        if len(effects) == 1 and type(effects[0]) is Send:
            self._out.append(effects[0])
        else:
            self._core(effects, now)

    def fork(self, context: Any, targets: list[Target], followed: list[Redirection], now: float) -> None:
        """Take a request to the places that redirections named."""
        self._core(self.core.fork(context, targets, now=now, followed=followed), now)

    # -- what the layer tells

    def _request_received(self, effect: RequestReceived, now: float) -> None:
        transaction, request = effect.transaction, effect.request
        flow = effect.flow
        if request.method in SETTLED and self._dialogs.forward(transaction, request, flow, now):
            return
        routed = self.core.admit(request, flow)
        if isinstance(routed, Rejection):
            if routed.status == 400:
                self._out.append(BadMessage(routed.reason, flow))
            self.answer(transaction, routed.status, routed.reason, routed.headers, now)
            return
        secure = request.uri[:5].lower() == "sips:"
        if secure and flow.transport not in SECURE:
            # whoever sent it has broken what the caller was promised; going on would hide that
            self.answer(transaction, 403, "SIPS Needs TLS On Every Hop", (), now)
            return
        within = routed.loose and request.to_tag is not None
        place = self.calls.watch.find(request) if within else None
        context = RequestContext(
            request,
            flow,
            routed,
            self.domains,
            self.directory,
            self.location,
            self.authenticator,
            self.ways.locate,
            self.ways.secure_binding_targets if secure else self.ways.binding_targets,
            on_our_path=within and self._is_on_our_path(request, routed, flow, place),
            nated=self._is_nated,
            at=self._clock(),
            place=place,
        )
        wanted = self.policy.wants(context)
        missing = self.directory.missing(wanted, now=now) if wanted else None
        if missing:
            self._load(missing, transaction, context)
        else:
            self._decisions.take(transaction, context, now)

    def _load(self, names: list[Name], transaction: ServerTransaction, context: RequestContext) -> None:
        """Ask for subscribers before the policy decides about a request."""

        def loaded(known: bool, later: float) -> None:
            if transaction.user is not None:
                return  # cancelled meanwhile, and answered
            if known:
                self._decisions.take(transaction, context, later)
            else:
                self.answer(transaction, 500, "Database Unavailable", (("Retry-After", "5"),), later)

        self._out.append(AskSubscribers(names, loaded))

    def _is_nated(self, request: Request, flow: Flow) -> bool:
        """Tell whether a request that says where its sender is comes from behind a NAT.

        What another proxy brings has its Via on top, and says nothing of the phone. A connection always
        comes from another port than the one that the phone listens on.
        """
        if "contact" not in request.headers or len(request.vias) > 1:
            return False
        return bool(nat_tests(request, flow, NAT_TESTS_OF_CONNECTION if flow.reliable else NAT_TESTS))

    def _is_on_our_path(self, request: Request, routed: Routed, flow: Flow, place: Place | None) -> bool:
        """Tell whether a Route of ours was written by us for this very dialog, and not by somebody who wants
        a relay: the call is known, or it carries our mark; and it goes to a party of that dialog."""
        next_hop = routed.next_hop
        if next_hop is None:
            return False
        if place is None:
            uri = routed.record_route_params
            mark = None if uri is None else uri.params.get(PATH_MARK)
            if mark != self._path_mark(request.call_id):
                return False
        return self._paths.permits(request, next_hop, flow, place)

    def _path_mark(self, call_id: str) -> str:
        marker = self._marker.copy()
        marker.update(call_id.encode("utf-8", "surrogateescape"))
        return marker.hexdigest()

    def _response_received(self, effect: ResponseReceived, now: float) -> None:
        response, flow = effect.response, effect.flow
        # one whose parties cannot be read counts as none: the transaction's timer deals with that
        response.read_parties()
        if response.status < 300 and (
            response.first_contact is not None
            if flow.connection
            else nat_tests(response, flow, NAT_TESTS_OF_CONTACT)
        ):
            branch = effect.transaction.user
            if isinstance(branch, Branch) and is_straight(branch, response):
                self.ways.mend_contact(response, flow)
        self._core(self.core.response_received(effect, now), now)

    def _ack_received(self, effect: AckReceived, now: float) -> None:
        request = effect.request
        if self._dialogs.acknowledge(request, effect.flow):
            return
        routed = self.core.admit(request, effect.flow)
        if isinstance(routed, Rejection):
            self.statistics.drop_requests += 1
            return
        next_hop = routed.next_hop if routed.loose else None
        place = None if next_hop is None else self.calls.watch.find(request)
        if next_hop is None or not self._is_on_our_path(request, routed, effect.flow, place):
            self.statistics.drop_requests += 1
            return
        request.uri = unmarked(request.uri)
        self.keep_credentials(request)

        def found(flow: Flow | None, later: float) -> None:
            if flow is None:
                self.statistics.drop_requests += 1
                return
            try:
                self.calls.acknowledge(request, effect.flow, flow, place, later)
            except RemoteProtocolError as error:
                self._unreadable(effect, error, later)

        flow = self.ways.locate(next_hop)
        if flow is None:
            self.locating.way(next_hop, found, now)
        else:
            found(flow, now)

    def forward_ack(self, request: Request, target: Any) -> None:
        """Send an ACK of a 2xx on; it belongs to no transaction (RFC 3261 §16.6)."""
        self.statistics.fwd_requests += 1
        self._core(self.core.forward_ack(request, target), 0.0)

    def send_own(self, request: Request, flow: Flow, now: float) -> None:
        """Send a request of our own within somebody's dialog; its response is of no consequence."""
        way = flow
        if "route" in request.headers:
            way = self.ways.locate(request.routes[0].uri) or flow
        elif flow.reliable:
            way = self.ways.locate(request.parsed_uri) or flow
            request.uri = unmarked(request.uri)
        host, port = way.local
        host = f"[{host}]" if ":" in host else host
        via = f"SIP/2.0/{way.transport} {host}:{port};branch={self.layer.new_branch()};rport"
        request.headers.prepend("Via", via)
        _, effects = self.layer.send_request(request, way, now=now)
        self.carry_on(effects, now)

    def _stray_response(self, effect: StrayResponse, now: float) -> None:
        # RFC 6026 §7.3 has these dropped; but the caller of a call that outlived a restart of ours waits for
        # them. Only where a call is up: else we could be used as a reflector, or one branch of a fork could
        # speak for all
        response = effect.response
        is_wanted = response.cseq.method == "INVITE" and self.calls.is_up(response)  # RFC 4320 §4.2
        stateless = self.core.forward_response(response) if is_wanted else None
        if stateless is None:
            self.statistics.drop_replies += 1
            return

        def found(flow: Flow | None, _: float) -> None:
            if flow is None:
                self.statistics.drop_replies += 1
            else:
                self._out.append(Send(stateless.data, flow, None))

        flow = self.ways.response_way(stateless.via)
        if flow is None:
            self.locating.response_way(stateless.via, found, now)
        else:
            found(flow, now)

    def _dropped(self, effect: Dropped, now: float) -> None:
        self._count_dropped(effect.message)

    def _unreadable(self, effect: Any, error: RemoteProtocolError, now: float) -> None:
        """Go on after a header that turned out to be no good when it was needed."""
        if type(effect) is RequestReceived:
            self.answer(effect.transaction, error.status_hint, None, (), now)
        else:
            self._count_dropped(effect.request if type(effect) is AckReceived else effect.response)

    def _count_dropped(self, message: Message | None) -> None:
        if isinstance(message, Response):
            self.statistics.drop_replies += 1
        else:
            self.statistics.drop_requests += 1

    # -- for the parts of the stack

    def keep_credentials(self, request: Request) -> None:
        """Take out what a phone goes on showing us within a dialog: the other side has no use for it.

        Source: RFC 3261 §22.3
        """
        if "proxy-authorization" in request.headers:
            sender = request.from_.uri
            realm = self.domains.canonical(sender.host) if isinstance(sender, Uri) else None
            if realm is not None:
                consume_credentials(request, realm, proxy=True)

    def answer(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str | None,
        headers: tuple[tuple[str, str], ...],
        now: float,
    ) -> None:
        """Answer a request by ourselves, unless it has been answered."""
        if transaction.last_status >= 200:
            return
        response = make_response(
            transaction.request,
            status,
            reason,
            to_tag=self._token(6).hex(),
            headers=headers + self.server_header,
        )
        self.carry_on(self.layer.respond(transaction, response, now=now), now)

    def send_on(
        self,
        transaction: ServerTransaction,
        request: Request,
        decision: Forward,
        targets: list[Target],
        leg: Leg,
        now: float,
    ) -> None:
        """Forward a request whose targets are located and whose media, if any, are settled."""
        record_route, params = None, ""
        if decision.in_dialog:
            record_route = False
            for target in targets:
                target.uri = unmarked(target.uri)
        else:
            params = f";{PATH_MARK}={self._path_mark(request.call_id)}"
        self._core(
            self.core.forward(
                transaction,
                targets,
                now=now,
                request=request,
                record_route=record_route,
                record_route_params=params,
                user=leg,
            ),
            now,
        )


def is_straight(branch: Branch, response: Response) -> bool:
    """Tell whether a response comes straight from a phone, and not from a server or by way of a proxy."""
    sent = branch.context.request.headers
    if branch.target.failover is not None or branch.target.route or "route" in sent:
        return False  # it is a server that was located by its name, or a proxy that the request went by
    recorded = len(response.headers.get_all("record-route"))
    # with more Record-Routes than we sent, a proxy stands between the phone and us
    return recorded <= len(branch.recorded) + len(sent.get_all("record-route"))


def is_phone_gone(branch: Branch) -> bool:
    """Tell whether a registered phone could not be reached at all, which is no fault of this server."""
    return branch.response is None and isinstance(branch.target.user, Binding)
