"""Response processing: what the transaction layer says of the branches, and of who waits for their result.

Here: responses, timeouts, failures and ends of transactions, the caller's CANCEL, and the core's own time.
Not here: what a branch that closes leads to (`_forking`).

Source: RFC 3261 §16.7 to §16.10
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from trunkline.sip_parser import Response
from trunkline.sip_transaction import (
    CancelReceived,
    ResponseReceived,
    Terminated,
    TimedOut,
    TransactionLayer,
    TransportFailed,
)

from ._early_dialogs import heard
from ._events import Effect, ResponseReady
from ._forking import FLOW_FAILED, Forking
from ._response_context import Branch, BranchState, ResponseContext

_CALLING: Final = BranchState.CALLING
_PROCEEDING: Final = BranchState.PROCEEDING
_COMPLETED: Final = BranchState.COMPLETED

ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
"""Reason of a CANCEL to those who did not answer first: they show no missed call. Source: RFC 3326 §2."""


class ResponseProcessing:
    """Take what is about a branch or a context; hand on what is not."""

    __slots__ = ("_forking", "_layer")

    def __init__(self, layer: TransactionLayer, forking: Forking) -> None:
        self._layer = layer
        self._forking = forking

    def handlers(self) -> dict[type, Callable[[Any, float], list[Effect]]]:
        """Give who takes which effect of the layer."""
        return {
            ResponseReceived: self.response_received,
            TimedOut: self.timed_out,
            TransportFailed: self.transport_failed,
            Terminated: self.terminated,
            CancelReceived: self.cancel_received,
        }

    # Responses.

    def response_received(self, effect: ResponseReceived, now: float) -> list[Effect]:
        """Take a response. Source: RFC 3261 §16.7"""
        branch = effect.transaction.user
        if not isinstance(branch, Branch):
            return [effect]
        response = effect.response
        status = response.status
        context = branch.context
        if status >= 200 and not context.is_invite:
            # Whatever comes after it is not heard of (§17.1.2.2): the transaction lingers without us.
            branch.is_over = True
            effect.transaction.user = None
            if context.relayed:
                context.release()
        if not response.headers.drop_top("via"):
            # Somebody downstream lost the Vias: there is no way up for it, so only its status can count.
            return self._headless(branch, status, now)
        effects: list[Effect] = []
        if status >= 300:
            if branch.state is not _COMPLETED:
                if status == FLOW_FAILED:
                    # for us alone: whoever called has to hear that the callee is out of reach. RFC 5626 §11.5
                    if not self._forking.give_way(branch, status, None, now, effects):
                        self._forking.close(branch, 480, None, now, effects)
                elif branch.counts_as and status == 487:
                    self._forking.close(branch, branch.counts_as, None, now, effects)
                elif status != 503 or not self._forking.give_way(branch, status, response, now, effects):
                    self._forking.close(branch, status, response, now, effects)
            elif status >= 600 and branch.was_given_up and not context.is_decided:
                # From one whom we had given up: that no call is wanted holds for all others. §16.7 step 5
                branch.status, branch.response = status, response
                self._forking.stop(context, now, effects, reason=None)
        elif status >= 200:
            if context.is_invite:
                self._answered(branch, response, now, effects)
            else:
                self._succeeded(branch, response, effects)
        else:
            self._provisional(branch, response, now, effects)
        return effects

    def _headless(self, branch: Branch, status: int, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if status >= 200 and branch.state is not _COMPLETED:
            self._forking.close(branch, 502 if status < 300 else status, None, now, effects)
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
            or context.is_answered
            or context.announced is not None
            or context.relayed
        ):
            return
        if branch.deadline is not None:
            self._forking.renew_timer_c(branch, now)
        if len(context.branches) > 1 or context.groups:
            heard(branch, response)
        effects.append(ResponseReady(context, response, branch))

    def _answered(self, branch: Branch, response: Response, now: float, effects: list[Effect]) -> None:
        """Take a 2xx to an INVITE, of which every new one goes up. Source: RFC 3261 §16.7 step 5

        A 2xx is repeated until its ACK arrives; only what the application has not seen goes to it, and what
        it has relayed goes up again as it made it.
        """
        context = branch.context
        if branch.state is not _COMPLETED:
            self._forking.complete(branch, response.status)
        to = response.headers.get("to") or ""
        accepted = context.accepted
        if accepted is not None and to in accepted:
            relayed = accepted[to]
            if relayed is not None:
                self._forking.statistics.repeated += 1
                effects.append(relayed)
            return
        context.accept(to, None)
        context.is_answered = True
        effects.append(ResponseReady(context, response, branch))
        if context.pending or context.groups:
            self._forking.stop(context, now, effects, reason=ELSEWHERE)

    def _succeeded(self, branch: Branch, response: Response, effects: list[Effect]) -> None:
        """Take a 2xx to a non-INVITE, of which only the first goes up. Source: RFC 3261 §16.7 step 5"""
        if branch.state is _COMPLETED:
            return
        context = branch.context
        is_first = not (context.is_answered or context.announced is not None or context.relayed)
        self._forking.complete(branch, response.status)
        if is_first:
            context.is_answered = True
            context.groups = ()
            effects.append(ResponseReady(context, response, branch))

    # What comes in place of a response.

    def timed_out(self, effect: TimedOut, now: float) -> list[Effect]:
        """Take a client transaction's timeout, which counts as 408. Source: RFC 3261 §16.9"""
        return self._no_response(effect, 408, now)

    def transport_failed(self, effect: TransportFailed, now: float) -> list[Effect]:
        """Take a transport error, which counts as 503. Source: RFC 3261 §16.9"""
        context = effect.transaction.user
        if isinstance(context, ResponseContext):
            effects: list[Effect] = [effect]
            if context.is_invite and not context.relayed:
                # The caller is out of reach: nobody is there to talk to whoever might still answer.
                context.is_cancelled = True
                self._forking.stop(context, now, effects, reason=None)
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
            if branch.state is not _CALLING or not self._forking.give_way(branch, status, None, now, effects):
                self._forking.close(branch, status, None, now, effects)
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
                self._forking.close(user, 408, None, now, effects)
            user.context.release()
            return effects
        if isinstance(user, ResponseContext):
            user.release()
        return [effect]

    # Who waits for the result.

    def cancel_received(self, effect: CancelReceived, now: float) -> list[Effect]:
        """Take the caller's CANCEL. Source: RFC 3261 §16.10"""
        transaction = effect.transaction
        context = transaction.user
        if context is None and transaction.last_status < 200:
            # Nothing was forwarded yet: the context is there to be relayed through, and to tell `forward`.
            context = self._forking.open(transaction, transaction.request)
        if not isinstance(context, ResponseContext):
            return [effect]
        effects: list[Effect] = []
        if not context.is_cancelled:
            self._forking.statistics.cancels += 1
            context.is_cancelled = True
            for branch in context.branches:
                branch.counts_as = 0
            self._forking.stop(context, now, effects, reason=effect.request.headers.get("reason"))
            if not context.pending and not context.is_decided:
                self._forking.announce(context, effects)
        return effects

    # Time.

    def handle_timeout(self, now: float) -> list[Effect]:
        """Give up the branches whose time is over. Source: RFC 3261 §16.8"""
        effects: list[Effect] = []
        forking = self._forking
        for branch in forking.deadlines.take_due(now):
            line = branch.deadline
            if line is None or branch in line:  # stopped meanwhile, or begun anew
                continue
            if branch.is_cancelled:
                forking.close(branch, branch.counts_as or 487, None, now, effects)
                continue
            forking.statistics.timeouts += 1
            if branch.context.is_invite:
                if branch.state is _PROCEEDING:
                    forking.cancel(branch, now, effects, reason=None, counts_as=408)
                    continue
                # Nothing has come from there, so nothing will come soon: the CANCEL waits for a sign of life.
                forking.cancel_transaction(branch, now, effects, reason=None)
            forking.close(branch, 408, None, now, effects)
        return effects
