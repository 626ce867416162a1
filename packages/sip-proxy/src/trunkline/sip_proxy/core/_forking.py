"""Forking: what happens to the branches of a request, from the first one sent to the response that goes up.

Strategy: a branch is open until it counts for something, a response or an assumption (408 when it was
silent for too long). Whoever closes the last open branch of a group starts the next group or announces the
result. A 2xx or 6xx ends the search at once; the branches still open are then told to stop, and a 6xx waits
for them because one of them may just have answered.

Here: the decisions. Not here: the request that goes out (`_forwarding`), which failure is the best
(`_best_response`), what the application may ask for (`_core`).

Source: RFC 3261 §16.6 to §16.10
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, Request, Response, make_response
from trunkline.sip_transaction import (
    CancelReceived,
    ResponseReceived,
    ServerTransaction,
    State,
    Terminated,
    TimedOut,
    TransactionLayer,
    TransportFailed,
)

from ._best_response import best_branch, response_of
from ._deadlines import Deadlines
from ._events import Effect, ResponseReady
from ._forwarding import Forwarding
from ._response_context import Branch, BranchState, ResponseContext
from ._statistics import CoreStatistics
from ._targets import Target

_CALLING: Final = BranchState.CALLING
_PROCEEDING: Final = BranchState.PROCEEDING
_COMPLETED: Final = BranchState.COMPLETED

ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
"""Reason of a CANCEL to those who did not answer first: they show no missed call. Source: RFC 3326 §2."""


class Forking:
    """Run the branches of every request being forwarded."""

    __slots__ = (
        "_cancel_wait",
        "_deadlines",
        "_forwarding",
        "_layer",
        "_ring_timeout",
        "_timer_c",
        "_token",
        "statistics",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        forwarding: Forwarding,
        token: Callable[[int], bytes],
        statistics: CoreStatistics,
        *,
        timer_c: float,
        ring_timeout: float | None,
        cancel_wait: float,
    ) -> None:
        self._layer = layer
        self._forwarding = forwarding
        self._token = token
        self._timer_c = timer_c
        self._ring_timeout = ring_timeout
        self._cancel_wait = cancel_wait
        self._deadlines: Deadlines[Branch] = Deadlines()
        self.statistics = statistics

    def open(self, transaction: ServerTransaction, request: Request) -> ResponseContext:
        """Make the context of a request."""
        self.statistics.contexts += 1
        context = ResponseContext(transaction, request, transaction.method == "INVITE")
        transaction.user = context
        return context

    # Towards the targets.

    def search(
        self, context: ResponseContext, targets: Sequence[Target], now: float, effects: list[Effect]
    ) -> None:
        """Try these targets: the highest q at once, the others in their turn. Source: RFC 3261 §16.6"""
        if len(targets) == 1:
            self._send_group(context, targets, now, effects)
            return
        groups: dict[float, list[Target]] = {}
        for target in targets:
            groups.setdefault(target.q, []).append(target)
        first = groups.pop(max(groups))
        for waiting in context.groups:
            groups.setdefault(waiting[0].q, []).extend(waiting)
        context.groups = [groups[q] for q in sorted(groups)]
        self._send_group(context, first, now, effects)

    def _send_group(
        self, context: ResponseContext, group: Sequence[Target], now: float, effects: list[Effect]
    ) -> None:
        branches = [Branch(context, target) for target in group]
        context.branches += branches
        # Counted before the first is sent, so that one failing at once is not taken for the last.
        context.pending += len(branches)
        for branch in branches:
            self._send(branch, now, effects)

    def _send(self, branch: Branch, now: float, effects: list[Effect]) -> None:
        context, target = branch.context, branch.target
        try:
            request = branch.request = self._forwarding.write(
                context.request,
                target,
                self._layer.new_branch() + context.loop_mark,
                record_route_for=context.transaction.flow if context.record_route else None,
                record_route_params=context.record_route_params,
            )
            transaction, sent = self._layer.send_request(request, target.flow, now=now)
        except (LocalProtocolError, RemoteProtocolError):
            # A target that cannot be written is one that cannot be reached; the others still may.
            branch.is_over = True
            self._close(branch, 500, None, now, effects)
            return
        self.statistics.branches += 1
        branch.transaction = transaction
        transaction.user = branch
        effects += sent
        limit = target.ring_timeout
        if context.is_invite:
            if limit is None:
                limit = self._ring_timeout
            if limit is None or limit > self._timer_c:
                limit = self._timer_c
        if limit is not None:
            branch.deadline = self._deadlines.start(limit, branch, now)

    def cancel(
        self, branch: Branch, now: float, effects: list[Effect], *, reason: str | None, counts_as: int = 0
    ) -> None:
        """Tell an open branch to stop; it stays open until it answers or the wait for that is over. §16.10"""
        if branch.state is _COMPLETED or branch.is_cancelled:
            return
        branch.is_cancelled = True
        branch.counts_as = counts_as
        if branch.deadline is not None:
            branch.deadline.owner = None
        self.statistics.cancelled_branches += 1
        if not branch.context.is_invite:
            # Nothing stops a non-INVITE (§9.1), so nobody waits for it either.
            self._close(branch, counts_as or 487, None, now, effects)
            return
        branch.deadline = self._deadlines.start(self._cancel_wait, branch, now)
        self._cancel_transaction(branch, now, effects, reason)

    def _cancel_transaction(
        self, branch: Branch, now: float, effects: list[Effect], reason: str | None
    ) -> None:
        if branch.transaction is not None and not branch.is_over:
            headers = () if reason is None else (("Reason", reason),)
            effects += self._layer.cancel(branch.transaction, now=now, headers=headers)

    def stop(
        self, context: ResponseContext, now: float, effects: list[Effect], *, reason: str | None
    ) -> None:
        """Try no further target, and tell every open branch to stop."""
        context.groups.clear()
        if context.pending:
            for branch in context.branches:
                if branch.state is not _COMPLETED:
                    self.cancel(branch, now, effects, reason=reason)

    # From the branches.

    def response_received(self, effect: ResponseReceived, now: float) -> list[Effect]:
        """Take a response. Source: RFC 3261 §16.7"""
        branch = effect.transaction.user
        if not isinstance(branch, Branch):
            return [effect]
        response = effect.response
        headers = response.headers
        headers.pop_value("via")
        status = response.status
        if "via" not in headers:
            # Somebody downstream lost the Vias: there is no way up for it, so only its status can count.
            return self._headless(branch, status, now)
        effects: list[Effect] = []
        if status >= 300:
            if branch.state is not _COMPLETED:
                if branch.counts_as and status == 487:
                    self._close(branch, branch.counts_as, None, now, effects)
                else:
                    self._close(branch, status, response, now, effects)
        elif status >= 200:
            self._success(branch, response, now, effects)
        else:
            self._provisional(branch, response, now, effects)
        return effects

    def _headless(self, branch: Branch, status: int, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if status >= 200 and branch.state is not _COMPLETED:
            self._close(branch, 502 if status < 300 else status, None, now, effects)
        return effects

    def _provisional(self, branch: Branch, response: Response, now: float, effects: list[Effect]) -> None:
        if branch.state is _COMPLETED:
            return
        branch.state = _PROCEEDING
        context = branch.context
        # Only an INVITE has provisional responses worth telling (RFC 4320 §4.1).
        if (
            response.status == 100
            or not context.is_invite
            or branch.is_cancelled
            or context.is_cancelled
            or context.is_decided
        ):
            return
        deadline = branch.deadline
        # Timer C begins anew with every provisional response but 100 (§16.7 step 2); a ring timeout does not.
        if deadline is not None and self._limit(branch) == self._timer_c:
            deadline.owner = None
            branch.deadline = self._deadlines.start(self._timer_c, branch, now)
        effects.append(ResponseReady(context, response, branch))

    def _limit(self, branch: Branch) -> float:
        limit = branch.target.ring_timeout
        if limit is None:
            limit = self._ring_timeout
        return self._timer_c if limit is None or limit > self._timer_c else limit

    def _success(self, branch: Branch, response: Response, now: float, effects: list[Effect]) -> None:
        context = branch.context
        if not context.is_invite:
            if branch.state is not _COMPLETED:
                is_first = not context.is_decided
                context.is_answered = context.is_answered or is_first
                branch.response = response
                self._complete(branch, response.status)
                if is_first:
                    context.groups.clear()
                    effects.append(ResponseReady(context, response, branch))
            return
        # A 2xx is repeated until its ACK arrives; only what the application has not seen goes to it, and
        # what it has relayed goes up again as it made it.
        to = response.headers.get("to") or ""
        accepted = context.accepted
        if to in accepted:
            relayed = accepted[to]
            if relayed is not None:
                self.statistics.repeated += 1
                effects += self._layer.respond(context.transaction, relayed, now=now)
            return
        accepted[to] = None
        context.is_answered = True
        if branch.state is not _COMPLETED:
            branch.response = response
            self._complete(branch, response.status)
        effects.append(ResponseReady(context, response, branch))
        if context.pending or context.groups:
            self.stop(context, now, effects, reason=ELSEWHERE)

    def timed_out(self, effect: TimedOut, now: float) -> list[Effect]:
        """Take a client transaction's timeout, which counts as 408. Source: RFC 3261 §16.7 step 1, §16.9"""
        return self._no_response(effect, 408, now)

    def transport_failed(self, effect: TransportFailed, now: float) -> list[Effect]:
        """Take a transport error, which counts as 503. Source: RFC 3261 §16.9"""
        context = effect.transaction.user
        if isinstance(context, ResponseContext):
            effects: list[Effect] = [effect]
            if context.is_invite and not context.relayed:
                # The caller is out of reach: nobody is there to talk to whoever might still answer.
                context.is_cancelled = True
                self.stop(context, now, effects, reason=None)
            return effects
        return self._no_response(effect, 503, now)

    def _no_response(self, effect: TimedOut | TransportFailed, status: int, now: float) -> list[Effect]:
        branch = effect.transaction.user
        if not isinstance(branch, Branch):
            return [effect]
        effects: list[Effect] = []
        if branch.state is not _COMPLETED:
            if branch.is_cancelled:
                status = branch.counts_as or 487
            self._close(branch, status, None, now, effects)
        return effects

    def terminated(self, effect: Terminated, now: float) -> list[Effect]:
        """Take the end of a transaction."""
        transaction = effect.transaction
        user = transaction.user
        if isinstance(user, Branch):
            effects: list[Effect] = []
            user.is_over = True
            transaction.user = None
            if user.state is not _COMPLETED:
                self._close(user, 408, None, now, effects)
            self._release(user.context)
            return effects
        if isinstance(user, ResponseContext):
            self._release(user)
        return [effect]

    def _release(self, context: ResponseContext) -> None:
        """Undo the circles of references once nothing can come any more, to spare the garbage collector."""
        transaction = context.transaction
        if transaction.state is State.TERMINATED and all(branch.is_over for branch in context.branches):
            context.branches.clear()
            transaction.user = None

    def cancel_received(self, effect: CancelReceived, now: float) -> list[Effect]:
        """Take the caller's CANCEL. Source: RFC 3261 §16.10"""
        transaction = effect.transaction
        context = transaction.user
        if context is None and transaction.last_status < 200:
            # Nothing was forwarded yet: the context is there to be relayed through, and to tell `forward`.
            context = self.open(transaction, transaction.request)
        if not isinstance(context, ResponseContext):
            return [effect]
        effects: list[Effect] = []
        if not context.is_cancelled:
            self.statistics.cancels += 1
            context.is_cancelled = True
            self.stop(context, now, effects, reason=effect.request.headers.get("reason"))
            if not context.pending and not context.is_decided:
                self._announce(context, effects)
        return effects

    def handlers(self) -> dict[type, Callable[[Any, float], list[Effect]]]:
        """Give who takes which effect of the layer."""
        return {
            ResponseReceived: self.response_received,
            TimedOut: self.timed_out,
            TransportFailed: self.transport_failed,
            Terminated: self.terminated,
            CancelReceived: self.cancel_received,
        }

    # Time.

    def next_timeout(self) -> float | None:
        """Tell when the earliest deadline of a branch comes."""
        return self._deadlines.next()

    def handle_timeout(self, now: float) -> list[Effect]:
        """Give up the branches whose time is over. Source: RFC 3261 §16.8"""
        effects: list[Effect] = []
        for deadline in self._deadlines.take_due(now):
            branch = deadline.owner
            if branch is None:
                continue
            if branch.is_cancelled:
                self._close(branch, branch.counts_as or 487, None, now, effects)
                continue
            self.statistics.timeouts += 1
            if branch.state is _PROCEEDING and branch.context.is_invite:
                self.cancel(branch, now, effects, reason=None, counts_as=408)
            else:
                # Nothing has come from there, so nothing will come soon; a CANCEL waits for a sign of life.
                if branch.context.is_invite:
                    self._cancel_transaction(branch, now, effects, None)
                self._close(branch, 408, None, now, effects)
        return effects

    # The result.

    def _complete(self, branch: Branch, status: int) -> None:
        branch.state = _COMPLETED
        branch.status = status
        branch.context.pending -= 1
        if branch.deadline is not None:
            branch.deadline.owner = None
            branch.deadline = None

    def _close(
        self, branch: Branch, status: int, response: Response | None, now: float, effects: list[Effect]
    ) -> None:
        """Let a branch count as failed, and go on to the next group or to the result when it was the last."""
        branch.response = response
        self._complete(branch, status)
        context = branch.context
        if status >= 600:
            self.stop(context, now, effects, reason=None)
        if context.pending or context.is_decided:
            return
        if context.groups and not context.is_cancelled:
            self._send_group(context, context.groups.pop(), now, effects)
        else:
            self._announce(context, effects)

    def _announce(self, context: ResponseContext, effects: list[Effect]) -> None:
        """Offer the best failure to the application. Source: RFC 3261 §16.7 step 6"""
        best = best_branch(context.branches, is_cancelled=context.is_cancelled)
        effects.append(self.verdict(context, best))

    def verdict(self, context: ResponseContext, best: Branch | None, status: int = 487) -> ResponseReady:
        """Make the final response of a branch, or one of that status when no branch has any."""
        request = context.transaction.request
        if best is None:
            response = make_response(request, status, to_tag=self.new_tag())
        else:
            response = response_of(best, context.branches, request, self.new_tag)
        context.announced = response
        return ResponseReady(context, response, best)

    def new_tag(self) -> str:
        """Make a To tag."""
        return self._token(5).hex()
