"""Calls on their way through: their media by the relay, their facts to accounting, and the journal.

A transaction that was sent on is followed by a `Leg`. While the relay is asked about one of its
responses, those that come after wait in line, so that a 200 never overtakes its 180. What the facts
are and where they go is in `_records`.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import structlog

from trunkline import acct
from trunkline.provider.directory import Name
from trunkline.provider.policy import Forward, Refuse, RequestContext
from trunkline.provider.store import Account
from trunkline.sip_parser import Message, RemoteProtocolError, Request, Response, SipError, make_response
from trunkline.sip_proxy import (
    Branch,
    Call,
    CallAnswered,
    CallEnded,
    CallFailed,
    CallRinging,
    CallStarted,
    CallState,
    CallWatch,
    Fact,
    Place,
    ResponseContext,
    SessionTimers,
    Side,
    Target,
    make_bye,
)
from trunkline.sip_transaction import Flow, ServerTransaction

from ._dialogs import SETTLED
from ._effects import AskRelay, Barrier, Write
from ._media import MediaRules, family_of, has_sdp, put_sdp, sdp_family
from ._records import call_listing, from_journal, journal_text, open_call

if TYPE_CHECKING:
    from ._stack import Stack

log = structlog.get_logger("calls")

OFFER_METHODS = frozenset({"INVITE", "UPDATE"})
"Requests whose SDP is an offer and whose 2xx has the answer (RFC 3264, RFC 3311)."
WATCHED_METHODS = frozenset({"INVITE", "UPDATE", "BYE"})
"Requests within a call that change or end it."


@attrs.define(eq=False)
class Leg:
    """One forwarded transaction of a call."""

    method: str
    initial: bool
    "It began the call."
    relayed: bool
    "The call's media are relayed."
    came_by: Flow
    "The flow of the request; of no matter where no media are relayed."
    identity: Name | None = None
    "The subscriber in whose name the request was made; None for a stranger's."
    family: str = ""
    "IP4 or IP6, as the SDP of its request says; empty when it has none."
    offered: bool = False
    "Its request carried an SDP offer that went through the relay."
    waiting: deque[tuple[ResponseContext, Response, Branch | None]] | None = None
    "Responses behind one that the relay is asked about; None = nothing is asked."
    call: Call | None = None
    "What the watch has told of last, of a transaction that began a call; None = nothing yet."


_NOWHERE = Flow("UDP", ("", 0), ("", 0))
_UNRELAYED = {method: Leg(method, False, False, _NOWHERE) for method in SETTLED}
"One for all requests within calls whose media are not relayed: nothing in them ever changes."


class Calls:
    """Follows the calls.

    Args:
        watch: the proxy's view of the calls.
        rules: what accounting writes of a call.
        media: when to relay.
        clock: wall-clock time.
        session_timers: have the phones show that a call is still up; None = leave that to them.
        first_number: calls are journalled under this number and those after it. Servers that share a
            database must not meet: let each draw one of 56 bits.
    """

    def __init__(
        self,
        *,
        watch: CallWatch,
        rules: acct.Rules,
        media: MediaRules,
        clock: Callable[[], datetime],
        session_timers: SessionTimers | None = None,
        first_number: int,
    ) -> None:
        self.watch = watch
        self.rules = rules
        self.media = media
        self.session_timers = session_timers
        self.relayed: set[str] = set()
        "Call-IDs whose media go through the relay."
        self.processed = 0
        self.failed = 0
        self.expired = 0
        self._clock = clock
        self._stack: Stack
        self._on_fact: dict[type, Callable[[Any], None]] = {
            CallStarted: self._started,
            CallRinging: self._ringing,
            CallAnswered: self._answered,
            CallFailed: self._failed,
            CallEnded: self._ended,
        }
        self._next_number = itertools.count(first_number)
        self._recovered: list[tuple[Call, datetime]] = []
        self._give_up_recovered: float | None = None

    def bind(self, stack: Stack) -> None:
        """Join the stack that this object is a part of."""
        self._stack = stack

    def __len__(self) -> int:
        return len(self.watch)

    def counts(self) -> dict[str, int]:
        """Count the calls, in the names of the classic group `dialog`."""
        early = sum(call.state is CallState.EARLY for call in self.watch.calls())
        return {
            "active_dialogs": len(self.watch) - early,
            "early_dialogs": early,
            "processed_dialogs": self.processed,
            "expired_dialogs": self.expired,
            "failed_dialogs": self.failed,
        }

    def is_up(self, message: Message) -> bool:
        """Tell whether a response belongs to a dialog that was answered and goes on."""
        call = self.watch.get(message.call_id, message.from_tag or "")
        leg = None if call is None else call.legs.get(message.to_tag or "")
        return leg is not None and leg.is_confirmed

    def any_journalled(self) -> int | None:
        """Return the number of some call that is in the journal, or None."""
        return next((call.user.number for call in self.watch.calls() if call.user.number is not None), None)

    def listing(self) -> list[dict[str, Any]]:
        """List the calls as JSON types, oldest first."""
        return [call_listing(call, call.call_id in self.relayed) for call in self.watch.calls()]

    # -- requests

    def forward(
        self, transaction: ServerTransaction, context: RequestContext, decision: Forward, now: float
    ) -> None:
        """Send a request on: its servers are located, then its SDP goes through the relay if it is to."""
        request = context.request
        if self.session_timers is not None and request.method in OFFER_METHODS:
            smallest = self.session_timers.ask(request)
            if smallest is not None:  # who is told so tries again at once: that will be the call
                self._stack.answer(transaction, 422, None, (("Min-SE", str(smallest)),), now)
                return
        leg = Leg(request.method, False, False, context.flow, context.identity)
        if request.method == "INVITE" and not decision.in_dialog:
            leg.initial = True
            facts = self.watch.invite(request, at=context.at, flow=context.flow)
            if facts:
                leg.call = facts[0].call
                self._tell(facts)
        targets: list[Target] = []
        for target in decision.targets:
            if not isinstance(target, Target):
                self._locate(transaction, context, decision, leg, now)
                return
            targets.append(target)
        self._forward_to(targets, transaction, context, decision, leg, now)

    def within(self, request: Request, flow: Flow, place: Place, number: int) -> Leg:
        """Take a request within a watched call that offers no media and goes straight to the other party.

        Args:
            request: as received.
            flow: the way it came.
            place: of the call, found just now.
            number: of its CSeq.
        """
        call_id = place.call.call_id
        relayed = bool(self.relayed) and call_id in self.relayed
        if request.method == "BYE":
            facts = self.watch.hang_up(place, number, flow, at=self._clock())
            if relayed:
                self._release_media_of_bye(request, facts)
            if facts:
                self._tell(facts)
                relayed = relayed and call_id in self.relayed
        if not relayed:
            return _UNRELAYED[request.method]
        leg = Leg(request.method, False, True, flow)
        leg.family = sdp_family(request)
        return leg

    def _locate(
        self,
        transaction: ServerTransaction,
        context: RequestContext,
        decision: Forward,
        leg: Leg,
        now: float,
    ) -> None:
        """Find the servers that a request is to go to, and send it on."""

        def located(found: list[Target], refusal: Refuse, later: float) -> None:
            if transaction.user is not None:
                return  # cancelled meanwhile, and answered
            if found:
                try:
                    self._forward_to(found, transaction, context, decision, leg, later)
                except RemoteProtocolError as error:  # a header that is no good
                    self._stack.answer(transaction, error.status_hint, None, (), later)
                return
            status, reason = refusal.status, refusal.reason
            if leg.initial:
                refused = make_response(context.request, status, reason)
                self._account(context.request, refused, None, later)
            self._stack.answer(transaction, status, reason, refusal.headers, later)

        self._stack.locating.targets(decision.targets, located, now)

    def _forward_to(
        self,
        targets: list[Target],
        transaction: ServerTransaction,
        context: RequestContext,
        decision: Forward,
        leg: Leg,
        now: float,
    ) -> None:
        request = context.request
        method = leg.method
        relayed = bool(self.relayed) and request.call_id in self.relayed
        if leg.initial:
            if not relayed and self._wants_relay(context, targets):
                self.relayed.add(request.call_id)
                relayed = True
        elif decision.in_dialog and method in WATCHED_METHODS:
            facts = self.watch.in_dialog(request, at=context.at, flow=context.flow, place=context.place)
            if method == "BYE" and relayed:
                self._release_media_of_bye(request, facts)
            if facts:
                self._tell(facts)
                relayed = request.call_id in self.relayed
        if relayed:
            leg.relayed = True
            leg.family = sdp_family(request)
            if method in OFFER_METHODS and has_sdp(request):
                self._offer_and_send_on(targets, transaction, context, decision, leg)
                return
        self._stack.send_on(transaction, request, decision, targets, leg, now)

    def _offer_and_send_on(
        self,
        targets: list[Target],
        transaction: ServerTransaction,
        context: RequestContext,
        decision: Forward,
        leg: Leg,
    ) -> None:
        """Have the relay put its own address into an offer before it goes on."""
        request = context.request
        leg.offered = True

        def offered(reply: Mapping[str, Any], later: float) -> None:
            if transaction.user is not None:  # cancelled meanwhile, and answered
                self._release_media(request)
            elif put_sdp(request, reply):
                # media of a call that was taken up are set up anew: it is watched like any other again
                call_id = request.call_id
                self._recovered = [pair for pair in self._recovered if pair[0].call_id != call_id]
                self._stack.send_on(transaction, request, decision, targets, leg, later)
            else:
                reason = reply.get("error-reason")
                log.error("the media relay takes no offer", call_id=request.call_id, reason=reason)
                self._fail(transaction, request, leg, later)

        fields = self._offer(request, request.from_tag, context.flow, targets[0].flow.local[0])
        self._stack.emit(AskRelay("offer", fields, offered))

    def _fail(self, transaction: ServerTransaction, request: Request, leg: Leg, now: float) -> None:
        if leg.initial:
            self._account(request, make_response(request, 503, "Media Relay Unavailable"), None, now)
        self._stack.answer(transaction, 503, "Media Relay Unavailable", (("Retry-After", "5"),), now)

    def acknowledge(
        self, request: Request, came_by: Flow, way: Flow, place: Place | None, now: float
    ) -> None:
        """Send the ACK of a 2xx on; it holds the answer when the 2xx held the offer."""
        facts = self.watch.in_dialog(request, at=self._clock(), flow=came_by, place=place)
        if facts:
            self._tell(facts)
        target = Target(request.uri, way)
        if request.call_id not in self.relayed or not has_sdp(request):
            self._stack.forward_ack(request, target)
            return

        def answered(reply: Mapping[str, Any], later: float) -> None:
            if put_sdp(request, reply):
                self._stack.forward_ack(request, target)

        # the offer was the callee's: an answer names the offerer's tag first
        fields = self._offer(request, request.to_tag, came_by, way.local[0])
        self._stack.emit(AskRelay("answer", {**fields, "to-tag": request.from_tag or ""}, answered))

    def refused(self, context: RequestContext, status: int, reason: str | None, now: float) -> None:
        """Account for a call that was refused to a known caller."""
        request = context.request
        self._tell(self.watch.invite(request, at=context.at, flow=context.flow))
        self._account(request, make_response(request, status, reason), None, now)

    # -- responses

    def response_ready(
        self, context: ResponseContext, response: Response, branch: Branch | None, now: float
    ) -> None:
        """Take a response that is to go upstream."""
        leg: Leg | None = context.user
        if leg is None:  # cancelled before it was sent on
            self._account(context.request, response, branch, now)
            self._stack.send_upstream(context, response, now)
        elif leg.waiting is not None:
            leg.waiting.append((context, response, branch))
        elif leg.initial and not leg.relayed and response.status < 300:
            # nearly every answer to an INVITE: as `_respond` has it
            if response.status >= 200 and self.session_timers is not None:
                self.session_timers.answer(context.request, response)
            facts = self.watch.response(
                context.request, response, at=self._clock(), now=now, branch=branch, call=leg.call
            )
            if facts:
                leg.call = facts[0].call
                self._tell(facts)
            self._stack.send_upstream(context, response, now)
            if response.status >= 200:
                # both stay until its transactions are over, for 32 seconds; hardly anything comes of them
                leg.call = None
                context.request.pack()
        else:
            self._respond(leg, context, response, branch, now)

    def _respond(
        self, leg: Leg, context: ResponseContext, response: Response, branch: Branch | None, now: float
    ) -> None:
        status = response.status
        if leg.method in OFFER_METHODS:
            if self.session_timers is not None and 200 <= status < 300:
                self.session_timers.answer(context.request, response)
            self._account(context.request, response, branch, now)
            if leg.relayed and status < 300 and has_sdp(response):
                self._answer_through_relay(leg, context, response, branch)
                return
            if leg.relayed and leg.initial and status >= 300 and not self._goes_on(context.request):
                self._release_media(context.request)
                self.relayed.discard(context.request.call_id)
        elif leg.method == "BYE" and status >= 200:
            # the end of a call is confirmed when its record is on disk
            self._stack.emit(Barrier(partial(self._confirm, context, response)))
            return
        self._stack.send_upstream(context, response, now)
        if status >= 200 and leg.initial:
            context.request.pack()

    def _confirm(self, context: ResponseContext, response: Response, _: Any, now: float) -> None:
        self._stack.send_upstream(context, response, now)

    def _answer_through_relay(
        self, leg: Leg, context: ResponseContext, response: Response, branch: Branch | None
    ) -> None:
        leg.waiting = deque()
        answered_by = leg.came_by if branch is None else branch.target.flow
        if leg.offered:
            fields = self._offer(
                response, response.from_tag, answered_by, leg.came_by.local[0], family=leg.family
            )
            ask = AskRelay("answer", {**fields, "to-tag": response.to_tag or ""}, None)
        else:
            ask = AskRelay(
                "offer", self._offer(response, response.to_tag, answered_by, leg.came_by.local[0]), None
            )

        def answered(reply: Mapping[str, Any], later: float) -> None:
            if not put_sdp(response, reply):
                log.error(
                    "the media relay takes no answer",
                    call_id=response.call_id,
                    reason=reply.get("error-reason"),
                )
            self._stack.send_upstream(context, response, later)
            waiting, leg.waiting = leg.waiting, None
            while waiting:
                self.response_ready(*waiting.popleft(), later)
                if leg.waiting is not None:  # that one asks the relay too: the rest go on waiting
                    leg.waiting.extend(waiting)
                    return

        ask.resume = answered
        self._stack.emit(ask)

    def _account(self, request: Request, response: Response, branch: Branch | None, now: float) -> None:
        facts = self.watch.response(request, response, at=self._clock(), now=now, branch=branch)
        if facts:
            self._tell(facts)

    def _goes_on(self, request: Request) -> bool:
        """Tell whether the call of an INVITE that failed is there still: it was one lap of a spiral."""
        return self.watch.get(request.call_id, request.from_tag or "") is not None

    # -- media

    def _wants_relay(self, context: RequestContext, targets: Iterable[Target]) -> bool:
        if self.media.mode == "auto":
            return context.nated or any(target.user is not None and target.user.nated for target in targets)
        return self.media.mode == "always"

    def _offer(
        self, message: Message, from_tag: str | None, came_by: Flow, towards: str, *, family: str = ""
    ) -> dict[str, Any]:
        address, family = self.media.towards(towards, family)
        return {
            "call-id": message.call_id,
            "from-tag": from_tag or "",
            "sdp": message.body,
            "replace": ["origin"],
            "media address": address,
            "address family": family,
            "received from": [family_of(came_by.remote[0]), came_by.remote[0]],
            "supports": ["timeout notice"],
        }

    def _release_media(self, request: Request) -> None:
        self._delete(request.call_id, request.from_tag or "")

    def _release_media_of_bye(self, request: Request, facts: Sequence[Fact]) -> None:
        if facts:
            # a relay started anew may know others of the call than whoever hung up; an offer that was the
            # callee's and has no answer is known by his tag only
            for tag in dict.fromkeys((facts[0].call.from_tag, request.from_tag or "")):
                self._delete(request.call_id, tag)
        elif self.watch.find(request) is None:  # one of several callees was let go
            self._delete(request.call_id, request.from_tag or "", request.to_tag or "")

    def _delete(self, call_id: str, from_tag: str, to_tag: str = "") -> None:
        fields = {"call-id": call_id, "from-tag": from_tag, "to-tag": to_tag}
        self._stack.emit(AskRelay("delete", fields, None))

    def media_timed_out(self, call_id: str, now: float) -> None:
        """End a call on which the relay has heard nothing for so long that it gave it up."""
        at = self._clock() - timedelta(seconds=self.media.timeout)
        for call in [call for call in self.watch.calls() if call.call_id == call_id]:
            self.end(call, "media timeout", max(at, call.answered_at or at), now)

    # -- facts

    def _tell(self, facts: Iterable[Fact]) -> None:
        """Let accounting have its part of each fact; the watch tells each once, those of a call in order."""
        for fact in facts:
            self._on_fact[type(fact)](fact)

    def _started(self, fact: CallStarted) -> None:
        fact.call.user = open_call(fact.call)

    def _ringing(self, fact: CallRinging) -> None:
        account: Account = fact.call.user
        if account.ringing is None:
            account.ringing = acct.milliseconds(fact.at, "CallRinging")

    def _answered(self, fact: CallAnswered) -> None:
        call = fact.call
        account: Account = call.user
        account.answer = acct.milliseconds(fact.at, "CallAnswered")
        account.to_tag, account.code, account.reason = fact.to_tag, fact.code, fact.reason
        account.number = next(self._next_number)
        self.processed += 1
        record = journal_text(call, account, relayed=call.call_id in self.relayed)
        self._stack.emit(Write("call_answered", (account, record)))

    def _failed(self, fact: CallFailed) -> None:
        at = acct.milliseconds(fact.at, "CallFailed")
        entries = self.rules.failed(fact.call.user, at, fact.to_tag, fact.code, fact.reason)
        if entries.cdr is not None:
            self.failed += 1
            self.relayed.discard(fact.call.call_id)
        self._stack.emit(Write("call_failed", entries))

    def _ended(self, fact: CallEnded) -> None:
        # whichever of several callees hung up, the call is the caller's one call
        at = acct.milliseconds(fact.at, "CallEnded")
        side = fact.by
        by = "caller" if side is Side.CALLER else "callee" if side is Side.CALLEE else "server"
        self.relayed.discard(fact.call.call_id)
        self._stack.emit(Write("call_ended", (fact.call.user, at, by, fact.cause)))

    # -- ends that nobody asked for

    def end(self, call: Call, cause: str, at: datetime, now: float) -> None:
        """End a call from here: its record is closed as of `at`, and both sides are told."""
        facts = self.watch.end(call, by=Side.PROXY, cause=cause, at=at)
        self._hang_up(call, cause, now)
        self._tell(facts)

    def _hang_up(self, call: Call, cause: str, now: float) -> None:
        self.expired += 1
        if call.call_id in self.relayed:
            self._delete(call.call_id, call.from_tag)
        reason = f'SIP;cause=480;text="{cause}"'
        for leg in call.legs.values():
            if not leg.is_confirmed:
                continue
            for side, flow in ((Side.CALLER, call.caller_flow), (Side.CALLEE, leg.flow)):
                if flow is None:
                    continue
                try:
                    self._stack.send_own(make_bye(call, side, leg=leg, reason=reason), flow, now)
                except SipError as error:  # a route that cannot be read; the other is told all the same
                    log.warning("no BYE sent", call_id=call.call_id, side=side.value, reason=str(error))

    def next_timeout(self) -> float | None:
        """Return when a call reaches its limit, or a recovered one its end."""
        due, other = self.watch.next_timeout(), self._give_up_recovered
        return min(due, other) if due is not None and other is not None else due if other is None else other

    def handle_timeout(self, now: float) -> None:
        """End the calls that reached their limit, or whose session expired."""
        at = self._clock()
        for fact in self.watch.handle_timeout(now=now, at=at):
            if isinstance(fact, CallEnded):
                self._hang_up(fact.call, fact.cause, now)
            self._tell([fact])
        if self._give_up_recovered is not None and now >= self._give_up_recovered:
            self._give_up_recovered = None
            recovered, self._recovered = self._recovered, []
            for call, seen in recovered:
                if call.state is not CallState.ENDED:
                    self.end(call, "server restart", seen, now)

    # -- restarts

    def recover(self, records: Mapping[int, Mapping[str, Any]], seen: datetime, now: float) -> None:
        """Take up the calls that were up when the server before this one ended.

        Args:
            records: what `call_answered` was given, read, by number.
            seen: when that server was last known to be alive.
            now: monotonic seconds.

        A call whose media went through the relay, which ended with its server, gets as long as any
        silent call to say BYE; then it ends as of `seen`. Others go on.
        """
        for number, record in records.items():
            if record.get("watched") is None:
                continue
            call, relayed = from_journal(record)
            call.user.number = number
            self.watch.restore(call, at=self._clock(), now=now)
            if relayed:
                self.relayed.add(call.call_id)
                self._recovered.append((call, max(seen, call.answered_at or seen)))
                self._give_up_recovered = now + self.media.timeout
        if len(self.watch):
            log.warning("calls taken up that were up when the server ended", calls=len(self.watch))
