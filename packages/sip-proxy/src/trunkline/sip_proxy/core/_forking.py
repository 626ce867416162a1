"""Forking: the branches of a request, from the first one sent to the failure announced when all have failed.

Strategy: a branch is open until it counts for something, a response or an assumption (408 when it was
silent for too long). Whoever closes the last open branch of a group starts the next group or announces the
result. A 2xx or 6xx ends the search at once; the branches still open are then told to stop, and a 6xx waits
for them because one of them may just have answered.

A branch whose server fails gives way to a new one to the next server of the same target, in the same
group and with the time that is left of the old one: only when the last server has failed does the target
count as failed. That belongs here and not with the application, who hears of a failure when all branches of
all groups have failed, while another phone may ring for a minute.

Here: sending, cancelling, closing. Not here: what comes back (`_response_processing`), the request that goes
out (`_forwarding`), which failure is the best (`_best_response`).

Source: RFC 3261 §16.6, §16.7 steps 5 and 6, §16.10, RFC 3263 §4.3
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, Request, Response, make_response
from trunkline.sip_transaction import (
    Flow,
    ServerTransaction,
    State,
    TransactionLayer,
)

from ._best_response import best_branch, response_of
from ._breadth import divided, granted
from ._deadlines import Deadlines
from ._early_dialogs import ended
from ._events import Effect, ResponseReady
from ._forwarding import Forwarding
from ._response_context import Branch, BranchState, ResponseContext
from ._statistics import CoreStatistics
from ._targets import Target

FLOW_FAILED: Final = 430
"""The status by which a proxy says that it has lost a phone's connection. Source: RFC 5626 §11.5"""

_COMPLETED: Final = BranchState.COMPLETED


class Forking:
    """Run the branches of every request being forwarded."""

    __slots__ = (
        "_by_stream",
        "_cancel_wait",
        "_forwarding",
        "_layer",
        "_max_breadth",
        "_most_by_datagram",
        "_ring_timeout",
        "_timer_c",
        "_token",
        "deadlines",
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
        by_stream: Callable[[Target, float], Flow | None] | None,
        most_by_datagram: int,
        max_breadth: int,
    ) -> None:
        self._layer = layer
        self._forwarding = forwarding
        self._token = token
        self._timer_c = timer_c
        self._ring_timeout = ring_timeout
        self._cancel_wait = cancel_wait
        self._by_stream = by_stream
        self._most_by_datagram = most_by_datagram
        self._max_breadth = max_breadth
        self.deadlines: Deadlines[Branch] = Deadlines()
        self.statistics = statistics

    def open(self, transaction: ServerTransaction, request: Request) -> ResponseContext:
        """Make the context of a request."""
        self.statistics.contexts += 1
        context = ResponseContext(transaction, request, transaction.method == "INVITE", [])
        transaction.user = context
        return context

    def granted(self, request: Request) -> int:
        """Give how many branches a request that begins something may have at one time."""
        if "max-breadth" not in request.headers:
            return self._max_breadth
        try:
            return granted(request, self._max_breadth)
        except RemoteProtocolError:  # never after `validate`
            return 0

    # Sending.

    def search(
        self, context: ResponseContext, targets: Sequence[Target], now: float, effects: list[Effect]
    ) -> None:
        """Try these targets: the highest q at once, the others in their turn. Source: RFC 3261 §16.6"""
        if len(targets) > 1:
            groups: dict[float, list[Target]] = {}
            for target in targets:
                groups.setdefault(target.q, []).append(target)
            targets = groups.pop(max(groups))
            for waiting in context.groups:
                groups.setdefault(waiting[0].q, []).extend(waiting)
            context.groups = [groups[q] for q in sorted(groups)]
        self._send_group(context, targets, now, effects)

    def send_alone(self, context: ResponseContext, target: Target, now: float, effects: list[Effect]) -> None:
        """Try one target while no branch is open, which is what mostly happens."""
        left = context.breadth
        if left is not None and left <= 0:
            self._send_group(context, (target,), now, effects)
            return
        branch = Branch(context, target)
        if left is not None:
            branch.breadth = left - left // 2  # as `divided` has it, for one
        context.branches.append(branch)
        context.pending = 1
        self._send(branch, now, effects)

    def _send_group(
        self, context: ResponseContext, group: Sequence[Target], now: float, effects: list[Effect]
    ) -> None:
        left = self._breadth_left(context) if context.pending else context.breadth
        if len(group) == 1 and not context.pending and (left is None or left > 0):
            self.send_alone(context, group[0], now, effects)
            return
        branches = [Branch(context, target) for target in group]
        shares = [0] * len(branches) if left is None else divided(left, len(branches))
        context.branches += branches
        # Counted before the first is sent, so that one failing at once is not taken for the last.
        context.pending += len(branches)
        if not shares:
            # To ring some of those that the callee wants rung would be to choose for him. RFC 5393 §5.3.3
            context.groups = ()
            self.statistics.too_broad += 1
            for branch in branches:
                branch.is_over = True
                self.close(branch, 440, None, now, effects)
            return
        for branch, branch.breadth in zip(branches, shares, strict=True):
            self._send(branch, now, effects)

    def _breadth_left(self, context: ResponseContext) -> int | None:
        """Tell how many more branches there may be now: those that ended have given theirs back."""
        left = context.breadth
        if left is not None:
            left -= sum(branch.breadth for branch in context.branches if branch.state is not _COMPLETED)
        return left

    def _send(self, branch: Branch, now: float, effects: list[Effect], *, as_datagram: bool = False) -> None:
        context, target = branch.context, branch.target
        flow = target.flow
        name = self._layer.new_branch() + context.loop_mark
        try:
            request, routes = context.request, branch.recorded
            if context.record_route:
                came_by, params = context.transaction.flow, context.record_route_params
                routes = branch.recorded = self._forwarding.record_routes(request, came_by, flow, params)
            data = self._forwarding.write_bytes(request, target, name, routes, branch.breadth or None)
            if (
                len(data) > self._most_by_datagram
                and self._by_stream is not None
                and not flow.reliable
                and not as_datagram
                and self._move(branch, now, effects)
            ):
                return
            method = context.transaction.method
            transaction, sent = self._layer.send_written(data, method, flow, now=now, branch=name)
        except (LocalProtocolError, RemoteProtocolError):
            # A target that cannot be written is one that cannot be reached; the others still may.
            branch.is_over = True
            self.close(branch, 500, None, now, effects)
            return
        self.statistics.branches += 1
        branch.transaction = transaction
        transaction.user = branch
        effects += sent
        limit = target.ring_timeout
        if limit is None and context.is_invite:
            limit = self._ring_timeout or self._timer_c
        if limit is not None and branch.deadline is None:
            branch.deadline = self.deadlines.start(limit, branch, now)

    def _move(self, branch: Branch, now: float, effects: list[Effect]) -> bool:
        """Send a request by a stream that is too large for a datagram; False when there is no way.

        It is written anew, because Via and Record-Route depend on the transport.
        That is why it is done here, between what decides where a request goes and what sends it.
        Source: RFC 3261 §18.1.1
        """
        assert self._by_stream is not None
        target = branch.target
        flow = self._by_stream(target, now)
        if flow is None:
            return False
        self.statistics.moved_to_streams += 1
        branch.moved_from = target
        branch.target = attrs.evolve(target, flow=flow)
        self._send(branch, now, effects)
        return True

    def give_way(
        self, branch: Branch, status: int, response: Response | None, now: float, effects: list[Effect]
    ) -> bool:
        """Let another branch take the place of an open one that failed; False when there is none.

        A request that was moved to a stream which cannot be had goes as a datagram after all (RFC 3261
        §18.1.1); a server that can do nothing is followed by the target's next (RFC 3263 §4.3); a phone that
        keeps several flows is tried by the next one (RFC 5626 §7). Every try is a transaction of its own,
        with its own branch parameter, and has the time that is left of the first.
        """
        context = branch.context
        if (
            branch.is_cancelled
            or context.is_cancelled
            or context.is_decided
            or context.transaction.state is State.TERMINATED
        ):
            return False
        as_datagram = branch.moved_from is not None and status == 503 and response is None
        target = branch.moved_from if as_datagram else self._next_place(branch, status, response, now)
        if target is None:
            return False
        again = Branch(context, attrs.evolve(target, ring_timeout=branch.target.ring_timeout))
        again.breadth = branch.breadth
        line = branch.deadline
        if line is not None and branch in line:
            again.deadline = self.deadlines.hand_on(line, branch, again)
            branch.deadline = None
        branch.response = response
        branch.is_redirected = target is branch.target.otherwise or as_datagram
        self.complete(branch, status)
        if branch.early:
            self._tell_early_ends(branch, effects)
        context.branches.append(again)
        context.pending += 1
        self._send(again, now, effects, as_datagram=as_datagram)
        return True

    def _next_place(
        self, branch: Branch, status: int, response: Response | None, now: float
    ) -> Target | None:
        target = branch.target
        if target.failover is not None and status in (408, 503):
            flow = target.failover.after((branch.moved_from or target).flow, now=now)
            if flow is not None:
                self.statistics.failovers += 1
                return attrs.evolve(target, flow=flow)
        if target.otherwise is not None and (status == FLOW_FAILED or response is None):
            self.statistics.stand_ins += 1
            return target.otherwise
        return None

    def renew_timer_c(self, branch: Branch, now: float) -> None:
        """Let timer C begin anew; a ring timeout, which stands in for it, does not. §16.7 step 2"""
        line = branch.deadline
        if line is not None and branch.target.ring_timeout is None and self._ring_timeout is None:
            line.pop(branch, None)
            branch.deadline = self.deadlines.start(self._timer_c, branch, now)

    # Cancelling.

    def cancel(
        self, branch: Branch, now: float, effects: list[Effect], *, reason: str | None, counts_as: int = 0
    ) -> None:
        """Tell an open branch to stop; it stays open until it answers or the wait for that is over. §16.10"""
        if branch.state is _COMPLETED or branch.is_cancelled:
            return
        branch.is_cancelled = True
        branch.counts_as = counts_as
        if branch.deadline is not None:
            branch.deadline.pop(branch, None)
        self.statistics.cancelled_branches += 1
        if not branch.context.is_invite:
            # Nothing stops a non-INVITE (§9.1), so nobody waits for it either.
            self.close(branch, counts_as or 487, None, now, effects)
            return
        branch.deadline = self.deadlines.start(self._cancel_wait, branch, now)
        self.cancel_transaction(branch, now, effects, reason=reason)

    def cancel_transaction(
        self, branch: Branch, now: float, effects: list[Effect], *, reason: str | None
    ) -> None:
        """Send the CANCEL of a branch, or leave it with the layer until there is a provisional response."""
        if branch.transaction is not None and not branch.is_over:
            headers = () if reason is None else (("Reason", reason),)
            effects += self._layer.cancel(branch.transaction, now=now, headers=headers)

    def stop(
        self, context: ResponseContext, now: float, effects: list[Effect], *, reason: str | None
    ) -> None:
        """Try no further target, and tell every open branch to stop."""
        context.groups = ()
        if context.pending:
            for branch in context.branches:
                if branch.state is not _COMPLETED:
                    self.cancel(branch, now, effects, reason=reason)

    # Closing.

    def complete(self, branch: Branch, status: int) -> None:
        """Let a branch count for a status, and leave it at that."""
        branch.state = _COMPLETED
        branch.status = status
        branch.context.pending -= 1
        line = branch.deadline
        if line is not None:
            line.pop(branch, None)
            branch.deadline = None

    def close(
        self, branch: Branch, status: int, response: Response | None, now: float, effects: list[Effect]
    ) -> None:
        """Let a branch count as failed; after the last one go on to the next group, or to the result."""
        branch.response = response
        self.complete(branch, status)
        context = branch.context
        if status >= 600:
            self.stop(context, now, effects, reason=None)
        if branch.early and not context.is_decided and (context.pending or context.groups):
            self._tell_early_ends(branch, effects)
        if context.pending or context.is_decided:
            return
        if context.groups:
            *context.groups, group = context.groups
            self._send_group(context, group, now, effects)
        else:
            self.announce(context, effects)

    def _tell_early_ends(self, branch: Branch, effects: list[Effect]) -> None:
        """Tell a caller who waits for the others that what he heard of this branch is over. RFC 6228 §6"""
        context = branch.context
        if not context.is_cancelled:
            for response in ended(branch, context.transaction.request):
                self.statistics.early_ends += 1
                effects.append(ResponseReady(context, response, branch))

    def announce(self, context: ResponseContext, effects: list[Effect]) -> None:
        """Offer the best failure to the application. Source: RFC 3261 §16.7 step 6"""
        best = best_branch(context.branches, is_cancelled=context.is_cancelled)
        effects.append(self.verdict(context, best))

    def verdict(self, context: ResponseContext, best: Branch | None, status: int = 487) -> ResponseReady:
        """Make the final response of a branch, or one of that status when no branch has any."""
        request = context.transaction.request
        if best is None:
            response = make_response(request, status, to_tag=self._new_tag())
        else:
            response = response_of(best, context.branches, request, self._new_tag)
        context.announced = response
        return ResponseReady(context, response, best)

    def _new_tag(self) -> str:
        return self._token(5).hex()
