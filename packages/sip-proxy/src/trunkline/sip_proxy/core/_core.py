"""The proxy core: all that RFC 3261 §16 asks of a proxy, between the transaction layer and the policy.

Here: what an application may ask for. Not here: how it is done (`_validation`, `_route_processing`,
`_forwarding`, `_forking`, `_response_processing`, `_stateless`), nor any decision where a request should go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from trunkline.sip_parser import (
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    Response,
    read_within_dialog,
)
from trunkline.sip_transaction import Effect as LayerEffect
from trunkline.sip_transaction import Flow, ResponseReceived, Send, ServerTransaction, State, TransactionLayer

from ._breadth import MAX_BREADTH
from ._events import Effect, StatelessResponse
from ._forking import Forking
from ._forwarding import RECORD_ROUTED_METHODS, Forwarding
from ._loop_detection import LoopMarks
from ._own_addresses import OwnAddresses, is_one_of_two
from ._recursion import Redirection, follow, redirections
from ._response_context import ResponseContext
from ._response_processing import ResponseProcessing
from ._route_processing import Routed, RouteProcessing
from ._stateless import Stateless
from ._statistics import CoreStatistics
from ._targets import Rejection, Target
from ._validation import Validation, unreadable

_TERMINATED: Final = State.TERMINATED


class ProxyCore:
    """Forward requests to one target or many, and bring back what must go upstream."""

    __slots__ = (
        "_forking",
        "_handlers",
        "_layer",
        "_marks",
        "_own",
        "_record_route",
        "_responses",
        "_routes",
        "_stateless",
        "_validation",
        "response_received",
        "statistics",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        *,
        is_local: Callable[[str, int | None], bool],
        token: Callable[[int], bytes],
        record_route: bool = True,
        timer_c: float = 181.0,
        default_ring_timeout: float | None = None,
        cancel_wait: float = 5.0,
        loop_secret: bytes = b"",
        via_address: Callable[[Flow], tuple[str, int]] | None = None,
        proxy_require: Sequence[str] = (),
        by_stream: Callable[[Target, float], Flow | None] | None = None,
        most_by_datagram: int = 1300,
        max_breadth: int = MAX_BREADTH,
    ) -> None:
        """Make a core without any request under way.

        Args:
            layer: the transaction layer it sends by.
            is_local: tells whether a host (lower case, no brackets) and port (None when not given) is us.
            token: gives that many random bytes.
            record_route: whether requests that make dialogs get a Record-Route where `forward` does not say.
            timer_c: seconds an INVITE may stay without any news; more than 180 by the RFC.
            default_ring_timeout: seconds until an INVITE's branch is given up however it rings, in place of
                timer C; None: timer C alone.
            cancel_wait: seconds a branch told to stop may take to answer before it counts without an answer.
            loop_secret: keeps others from predicting how we recognise our own requests; the same after a
                restart and on no other node.
            via_address: gives the address by which the peer of a flow reaches us; None: the flow's own.
            proxy_require: option tags that a Proxy-Require may hold.
            by_stream: gives, at a monotonic second, the flow by TCP to a target whose request is too large
                for its datagrams, None when there is none; None: requests are never moved.
            most_by_datagram: bytes of the largest request that goes as a datagram.
            max_breadth: branches that one request may have at one time, here and further down, 1 or more;
                a request that asks for less gets less.

        Source: RFC 3261 §16
        """
        self.statistics = CoreStatistics()
        self._layer = layer
        self._record_route = record_route
        own = self._own = OwnAddresses(via_address)
        self._marks = LoopMarks(loop_secret)
        self._routes = RouteProcessing(is_local, own)
        extensions = frozenset(tag.lower() for tag in proxy_require)
        self._validation = Validation(is_local, self._routes, self._marks, own, extensions)
        forwarding = Forwarding(own)
        self._stateless = Stateless(forwarding, own, is_local, loop_secret)
        self._forking = Forking(
            layer,
            forwarding,
            token,
            self.statistics,
            timer_c=timer_c,
            ring_timeout=default_ring_timeout,
            cancel_wait=cancel_wait,
            by_stream=by_stream,
            most_by_datagram=most_by_datagram,
            max_breadth=max_breadth,
        )
        self._responses = ResponseProcessing(layer, self._forking)
        self._handlers = self._responses.handlers()
        self.response_received: Callable[[ResponseReceived, float], list[Effect]] = (
            self._responses.response_received
        )
        """Do what `receive` does, given the moment, with a response at hand: there are three to a call."""

    # A request comes in.

    def validate(self, request: Request) -> Rejection | None:
        """Check a request before anything is decided about it.

        A request with Max-Forwards 0 that is addressed to this server itself (REGISTER, OPTIONS without a
        user part) passes. An OPTIONS for somebody else is refused with 483, which the application may answer
        as it likes.

        Returns:
            None when it may be forwarded, else what to answer it with. An ACK is then dropped, not answered.

        Source: RFC 3261 §16.3, RFC 5393 §4.2
        """
        rejection = self._validation.check(request)
        if rejection is not None:
            self._refused(rejection)
        return rejection

    def _refused(self, rejection: Rejection) -> Rejection:
        rejected = self.statistics.rejected
        rejected[rejection.status] = rejected.get(rejection.status, 0) + 1
        return rejection

    def admit(self, request: Request, flow: Flow | None = None) -> Routed | Rejection:
        """Validate a request and take out what of its route is about us: `validate` and `route` in one.

        For what comes within a dialog this is the shorter way.

        Args:
            request: changed in place, unless it is refused.
            flow: the way it came.

        Returns:
            What `route` gives; or what to answer it with, as `validate` says.

        Source: RFC 3261 §16.3, §16.4
        """
        routes = self._routes
        try:
            begins = request.to_tag is None
        except RemoteProtocolError as error:
            return self._refused(unreadable(error))
        if begins:
            rejection = self._validation.check_beginning(request)
        else:
            routed = routes.within(request)
            if routed is not None:
                return routed
            rejection = self._validation.check_in_dialog(request)
        return routes.route(request, flow) if rejection is None else self._refused(rejection)

    def route(self, request: Request, flow: Flow | None = None) -> Routed:
        """Take out of a request what of its route is about us; the request is changed in place.

        Undone is what a strict router did, removed a maddr that is us and the topmost Route if it is ours,
        with its companion where a double Record-Route was made.

        Args:
            request: validated.
            flow: the way it came, which must be the one that a maddr names; None: any.

        Raises:
            RemoteProtocolError: Request-URI or Route cannot be read; never after `validate`.

        Source: RFC 3261 §16.4, RFC 5658
        """
        return self._routes.route(request, flow)

    def settled(self, request: Request) -> tuple[str, str, str, int] | None:
        """Look in one go at a request within a dialog, as nearly all are: one Route, and that is ours.

        It passes `validate`, and `route` would take out that Route and nothing else, unless its Request-URI
        has an lr or a maddr; it has hops left. The request stays as it is: `forward_settled` and
        `forward_settled_ack` send it on without the Route.

        Returns:
            Call-ID, the tags of From ("" when it has none) and To, and the number of its CSeq; None for any
            other request, for which there are `validate` and `route`.
        """
        within = read_within_dialog(request)
        if within is None:
            return None
        own = self._own.route(within[4])
        return None if own is None or is_one_of_two(own) else within[:4]

    def forward(
        self,
        transaction: ServerTransaction,
        targets: Sequence[Target],
        *,
        now: float,
        request: Request | None = None,
        record_route: bool | None = None,
        record_route_params: str = "",
        user: Any = None,
    ) -> list[Effect]:
        """Forward a request: at once to the targets of the highest q, to the others when these have failed.

        `transaction.user` becomes the response context. When the request was cancelled or answered while the
        application was thinking, nothing is sent.

        Args:
            transaction: the request's server transaction.
            targets: at least one.
            now: monotonic seconds.
            request: what to forward in place of the request received, such as a changed copy of it.
            record_route: whether to stay on the path of the dialog; None: as configured, for requests that
                make dialogs.
            record_route_params: parameters for our Record-Route, each with its `;` before it; they come back
                at `Routed.record_route_params`.
            user: for `ResponseContext.user`.

        Returns:
            What to send; ResponseReady when nothing could be sent to anybody.

        Raises:
            LocalProtocolError: no target, or the request was forwarded already.

        Source: RFC 3261 §16.6
        """
        if not targets:
            raise LocalProtocolError("expected at least one target; without any, respond 404 or 480")
        context = transaction.user
        if isinstance(context, ResponseContext):
            if context.is_cancelled:
                return []
            raise LocalProtocolError(f"{transaction.method} was forwarded before: fork() takes more targets")
        if transaction.last_status >= 200 or transaction.state is _TERMINATED:
            return []
        context = self._forking.open(transaction, request or transaction.request)
        context.user = user
        received = transaction.request
        method = transaction.method
        begins = received.to_tag is None
        if record_route is None:
            record_route = (
                self._record_route and method in RECORD_ROUTED_METHODS and (begins or method == "NOTIFY")
            )
        context.record_route = record_route
        context.record_route_params = record_route_params
        effects: list[Effect] = []
        if received.max_forwards == 0:
            effects.append(self._forking.verdict(context, None, 483))
        else:
            if begins:
                context.breadth = self._forking.granted(received)
                context.loop_mark = self._marks.mark(received)
            if len(targets) == 1:
                self._forking.send_alone(context, targets[0], now, effects)
            else:
                self._forking.search(context, targets, now, effects)
        return effects

    def forward_in_dialog(
        self, transaction: ServerTransaction, target: Target, *, now: float, request: Request | None = None
    ) -> list[Effect]:
        """Forward a request within a dialog: to one target, without a Record-Route. See `forward`."""
        return self.forward(transaction, (target,), now=now, request=request, record_route=False)

    def forward_settled(
        self, transaction: ServerTransaction, target: Target, *, now: float, user: Any = None
    ) -> list[Effect]:
        """Forward a request that is `settled` to its Request-URI, which is the target's. See `forward`."""
        request = transaction.request
        request.headers.drop_top("route")
        if transaction.user is not None or transaction.last_status or transaction.state is _TERMINATED:
            return self.forward(transaction, (target,), now=now, record_route=False, user=user)
        forking = self._forking
        context = forking.open(transaction, request)
        context.user = user
        effects: list[Effect] = []
        forking.send_alone(context, target, now, effects)
        return effects

    def forward_settled_ack(self, request: Request, flow: Flow) -> Send:
        """Forward an ACK that is `settled` to its Request-URI, by that flow. See `forward_ack`."""
        self.statistics.acks += 1
        return Send(self._stateless.settled_ack(request, flow), flow, None)

    def forward_ack(self, request: Request, target: Target) -> list[Effect]:
        """Forward an ACK for a 2xx, which has no transaction.

        Returns:
            One Send, or nothing when its Max-Forwards is used up or it cannot be read.

        Source: RFC 3261 §16.11
        """
        ack = self._stateless.ack(request, target)
        if ack is None:
            return []
        self.statistics.acks += 1
        return [self._layer.send_ack(ack, target.flow)]

    def forward_response(self, response: Response) -> StatelessResponse | None:
        """Forward a response whose transaction is gone, or was another process's; our Via is taken off.

        RFC 6026 wants a stateful proxy to drop these, so do this only where calls must survive a restart.

        Returns:
            The response and the Via it goes to; None when it was not sent to us, or ends here.

        Source: RFC 3261 §16.11, RFC 6026 §7.3
        """
        stateless = self._stateless.response(response)
        if stateless is not None:
            self.statistics.stray_responses += 1
        return stateless

    # What the layer says.

    def receive(self, effect: LayerEffect, *, now: float) -> list[Effect]:
        """Take an effect of the transaction layer.

        Returns:
            What follows from it when it is about a request that was forwarded (or about an INVITE cancelled
            before it was); otherwise the effect itself.
        """
        handler = self._handlers.get(type(effect))
        return [effect] if handler is None else handler(effect, now)

    # The application goes on.

    def relay(self, context: ResponseContext, response: Response, *, now: float) -> list[Effect]:
        """Send a response upstream: the one of a ResponseReady, or the application's own in its place.

        A final response ends the search: what still rings is cancelled. What has been overtaken (a
        provisional response after a final one, a failure after a 2xx or after another failure) is not sent.

        Args:
            context: the request it answers.
            response: without our Via.
            now: monotonic seconds.

        Source: RFC 3261 §16.7 steps 5, 9 and 10
        """
        transaction = context.transaction
        status = response.status
        if status < 200:
            if context.relayed:
                return []
            self.statistics.relayed[1] += 1
            sent: list[Any] = self._layer.respond(transaction, response, now=now)
            return sent
        if status < 300 and context.is_invite:
            return self._relay_answer(context, response, now)
        if context.relayed or (status >= 300 and context.is_answered and response is context.announced):
            return []
        context.relayed = status
        self.statistics.relayed[status // 100] += 1
        if not context.is_invite:
            context.release()  # before the answer: the layer keeps little of what interests nobody
        effects: list[Any] = self._layer.respond(transaction, response, now=now)
        if context.pending or context.groups:
            self._forking.stop(context, now, effects, reason=None)
        return effects

    def _relay_answer(self, context: ResponseContext, response: Response, now: float) -> list[Effect]:
        """Send a 2xx to an INVITE upstream, which must never be lost."""
        transaction = context.transaction
        context.is_answered = True
        self.statistics.relayed[2] += 1
        effects: list[Any] = []
        if context.relayed < 300:
            effects = self._layer.respond(transaction, response, now=now)
        sent = None
        for effect in effects:
            if type(effect) is Send:
                sent = effect
                break
        is_late = sent is None and (context.relayed >= 300 or transaction.state is _TERMINATED)
        if is_late:
            # The transaction would not have it any more.
            sent = Send(response.to_bytes(), transaction.response_flow, None)
            effects.append(sent)
        # what is sent again when the callee repeats its 2xx
        context.accept(response.headers.get("to") or "", sent)
        if not is_late:
            context.relayed = context.relayed or response.status
            if context.pending or context.groups:
                self._forking.stop(context, now, effects, reason=None)
        return effects

    def fork(
        self,
        context: ResponseContext,
        targets: Sequence[Target],
        *,
        now: float,
        request: Request | None = None,
        followed: Iterable[Redirection] | None = None,
    ) -> list[Effect]:
        """Try further targets: in place of relaying a failure, or beside the branches still under way.

        Where a failure was announced, 3xx responses count as followed and are no candidates any more; other
        failures remain ones.

        Args:
            context: the request to forward.
            targets: at least one; those not yet tried keep their turn among them.
            now: monotonic seconds.
            request: what to forward from now on in place of what was forwarded before.
            followed: which `redirections` the targets are for: these are taken out of the 3xx responses,
                which go on counting where they name other places; None: whatever they name.

        Returns:
            What to send; nothing when a final response is on its way up; ResponseReady with 487 when the
            caller has given up in the meantime.

        Raises:
            LocalProtocolError: no target.

        Source: RFC 3261 §16.7 steps 4 and 6
        """
        if not targets:
            raise LocalProtocolError("expected at least one target; without any, relay the failure")
        if context.is_answered or context.relayed:
            return []
        effects: list[Effect] = []
        if context.is_cancelled:
            if context.announced is not None:
                effects.append(self._forking.verdict(context, None, 487))
            return effects
        if context.announced is not None:
            context.announced = None
            if followed is not None:
                follow(context, followed)
            else:
                for branch in context.branches:
                    if 300 <= branch.status < 400:
                        branch.is_redirected = True
        if request is not None:
            context.request = request
        self._forking.search(context, targets, now, effects)
        return effects

    def redirections(self, context: ResponseContext) -> list[Redirection]:
        """Give the places that the 3xx responses of a request name and it was not taken to yet.

        For when a 3xx is announced. Check each as if it had been asked for: who redirects may name any place,
        and the caller may not be one who may be taken there. Then `fork` with the targets, and `relay` the
        3xx when there are none.

        Returns:
            The most wanted first; at most 10 over the life of a request, each once, none that was tried; of
            a request to a `sips` URI only `sips` ones. None once the request is cancelled or answered.

        Source: RFC 3261 §16.7 step 4
        """
        return redirections(context)

    def cancel(self, context: ResponseContext, *, now: float, reason: str | None = None) -> list[Effect]:
        """Cancel every branch and try no further target; the failure that results is announced as ever.

        Args:
            context: the request.
            now: monotonic seconds.
            reason: value of the Reason header in each CANCEL. Source: RFC 3326.
        """
        effects: list[Effect] = []
        self._forking.stop(context, now, effects, reason=reason)
        return effects

    # Time.

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`: absolute, in the seconds of `now`; None when nothing waits.

        The layer's own timers are not among these.
        """
        return self._forking.deadlines.next()

    def handle_timeout(self, *, now: float) -> list[Effect]:
        """Let timer C and the ring timeouts fire whose time has come; calling early returns []."""
        return self._responses.handle_timeout(now)
