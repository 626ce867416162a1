"""The watch: the proxy's own view of the calls that pass through it.

Here: how calls begin, change and end by the messages that pass. The application feeds it what it forwards;
it sends nothing. Not here: what a call is (`_call`), what is told of it (`_facts`).

Source: RFC 3261 §12, §14, §15, as seen from a proxy that stays on the path
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, Request, Response
from trunkline.sip_proxy.core import Branch
from trunkline.sip_transaction import Flow

from ._call import Call, CallState, Leg, Side
from ._facts import CallAnswered, CallEnded, CallFailed, CallRinging, CallStarted, Fact
from ._limits import Limits
from ._sessions import Sessions

# To read a member from the class of an enum takes ten times as long as to read a name of the module.
_EARLY: Final = CallState.EARLY
_CONFIRMED: Final = CallState.CONFIRMED
_ENDED: Final = CallState.ENDED
_CALLER: Final = Side.CALLER
_CALLEE: Final = Side.CALLEE
_PROXY: Final = Side.PROXY

# How many callees may ring, and how many more may answer; who has more is making tags up.
_MOST_LEGS = 64

# Requests whose 2xx may move an endpoint. Source: RFC 3261 §14, RFC 3311 §5.2.
_REFRESHING = frozenset({"INVITE", "UPDATE"})


class Place(NamedTuple):
    """Where a request within a call belongs."""

    call: Call
    leg: Leg
    sender: Side
    """CALLER or CALLEE."""


def _place(call: Call, leg: Leg, sender: Side) -> Place:
    """Make a place in half the time that `Place` takes for it."""
    return tuple.__new__(Place, (call, leg, sender))


class CallWatch:
    """Know the calls that pass, and tell each beginning, answer and end once."""

    __slots__ = ("_by_callee", "_calls", "_limits", "_max_duration", "_sessions")

    def __init__(self, *, max_duration: float | None = None) -> None:
        """Make a watch that knows no call.

        Args:
            max_duration: seconds an answered call may last; None: as long as it likes. `Call.max_duration`
                goes before it.
        """
        self._max_duration = max_duration
        self._calls: dict[tuple[str, str], Call] = {}
        self._by_callee: dict[tuple[str, str], Call] = {}
        self._limits: Limits[Call] = Limits()
        self._sessions = Sessions()

    # What passes.

    def invite(self, request: Request, *, at: datetime, flow: Flow | None = None) -> list[Fact]:
        """Take an INVITE without To tag that is being forwarded.

        One that comes by again on a spiral, or with the caller's credentials while the call is still known,
        belongs to the same call.

        Args:
            request: as received, Contact mended where that is done.
            at: when, by the wall clock.
            flow: the way it came.

        Returns:
            CallStarted for a new call.

        Raises:
            RemoteProtocolError: From, To or CSeq cannot be read; never after `ProxyCore.validate`.
        """
        caller = request.from_
        key = request.call_id, caller.params.get("tag") or ""
        call = self._calls.get(key)
        number = request.cseq.number
        if call is not None:
            call.laps += 1
            call.caller_cseq = max(call.caller_cseq, number)
            return []
        call = Call(
            key[0],
            key[1],
            str(caller.uri),
            str(request.to.uri),
            request.uri,
            at,
            _EARLY,
            None,
            _contact(request),
            tuple(request.headers.values("record-route")),
            number,
            flow,
        )
        self._calls[key] = call
        return [CallStarted(call, at)]

    def response(
        self,
        request: Request,
        response: Response,
        *,
        at: datetime,
        now: float,
        branch: Branch | None = None,
        call: Call | None = None,
    ) -> list[Fact]:
        """Take a response to an INVITE or UPDATE that is being relayed to who sent the request.

        Args:
            request: what it answers, as received.
            response: as relayed.
            at: when, by the wall clock.
            now: monotonic seconds, for the longest duration and the session's.
            branch: the branch it came by, which tells the callee's flow and which Record-Routes are ours.
            call: the call that the request began, where that is known; None: it is looked for.

        Returns:
            CallRinging for the first of each provisional status, CallAnswered for the first 2xx, CallFailed
            for a failure; CallStarted and CallAnswered for a 2xx that comes when the call has failed; nothing
            for what belongs to no call.
        """
        status = response.status
        if call is None or call.state is _ENDED:
            if request.to_tag is not None:
                if 200 <= status < 300 and request.method in _REFRESHING:
                    self._refresh(request, response, at, now)
                return []
            if status == 100 or request.method != "INVITE":
                return []
            call = self._calls.get((request.call_id, request.from_tag or ""))
            if call is None:
                return self._late_answer(request, response, at, now, branch)
        elif status == 100:
            return []
        try:
            to_tag = response.to_tag or ""
        except RemoteProtocolError:
            to_tag = ""
        if status >= 300:
            return self._failure(call, request, to_tag, response, at)
        leg = self._leg(call, to_tag, response, branch) if to_tag or status >= 200 else None
        if status < 200:
            if status in call.codes or call.state is not _EARLY:
                return []
            call.codes += (status,)
            return [CallRinging(call, at, status, to_tag)]
        return self._answer(call, leg, request, response, at, now)

    def in_dialog(
        self, request: Request, *, at: datetime, flow: Flow | None = None, place: Place | None = None
    ) -> list[Fact]:
        """Take a request with a To tag that is being forwarded, the ACK included.

        A BYE ends the call when it passes, because who sent it has already left. One that is older than what
        its sender sent before is nobody's goodbye and does nothing.

        Args:
            request: as received.
            at: when, by the wall clock.
            flow: the way it came.
            place: what `find` said of it earlier; None: it is looked for.

        Returns:
            CallEnded for the BYE that ends a call.

        Raises:
            RemoteProtocolError: a tag or CSeq cannot be read; never after `ProxyCore.validate`.
        """
        if place is None or not _still_holds(place):
            place = self.find(request)
            if place is None:
                return []
        is_stale = _note(place, request.cseq.number, flow)
        if request.method == "ACK":
            place[0].is_acknowledged = True
        elif request.method == "BYE" and not is_stale and place[1].is_confirmed:
            return self._goodbye(*place, at)
        return []

    def acknowledge(self, place: Place, number: int, flow: Flow) -> None:
        """Take an ACK as `in_dialog` does, for who has found its place just now; nothing is to be told.

        Args:
            place: what `find` or `place` said of it.
            number: of its CSeq.
            flow: the way it came.
        """
        _note(place, number, flow)
        place[0].is_acknowledged = True

    def hang_up(self, place: Place, number: int, flow: Flow, *, at: datetime) -> list[Fact]:
        """Take a BYE as `in_dialog` does, for who has found its place just now.

        Args:
            place: what `find` or `place` said of it.
            number: of its CSeq.
            flow: the way it came.
            at: when, by the wall clock.

        Returns:
            CallEnded when it ends the call.
        """
        if _note(place, number, flow) or not place[1].is_confirmed:
            return []
        return self._goodbye(*place, at)

    # What the application decides.

    def end(self, call: Call, *, by: Side, cause: str, at: datetime, code: int = 500) -> list[Fact]:
        """End a call that no message will end: media stopped, the caller vanished, an administrator said so.

        Args:
            call: the call; one that is over already is left alone.
            by: who is to be named.
            cause: for CallEnded, or as the reason of CallFailed.
            at: when, by the wall clock.
            code: the status of CallFailed, for a call that was not answered.

        Returns:
            CallEnded or CallFailed, or nothing.
        """
        if call.state is _ENDED:
            return []
        was_confirmed = call.state is _CONFIRMED
        self._forget(call)
        if was_confirmed:
            return [CallEnded(call, at, by, cause)]
        return [CallFailed(call, at, call.to_tag, code, cause)]

    def limit(self, call: Call, seconds: float, *, now: float) -> None:
        """Let an answered call last for so many seconds from now, whatever was set before."""
        if call.state is _CONFIRMED:
            self._limits.set(call, now + seconds)

    def restore(self, call: Call, *, at: datetime, now: float) -> None:
        """Watch a call read from a journal.

        What is left of its longest duration runs on; its session, when it expires, begins anew.

        Raises:
            LocalProtocolError: the call is over, or is watched already.
        """
        if call.state is _ENDED or call.key in self._calls:
            raise LocalProtocolError(f"expected a live call that is not watched yet, got {call!r}")
        self._calls[call.key] = call
        for leg in call.legs.values():
            self._by_callee[call.call_id, leg.to_tag] = call
        longest = self._max_duration if call.max_duration is None else call.max_duration
        if call.answered_at is not None and longest is not None:
            elapsed = (at - call.answered_at).total_seconds()
            self._limits.set(call, now + longest - max(elapsed, 0.0))
        self._sessions.restore(call, at=at, now=now)

    # What is known.

    def get(self, call_id: str, from_tag: str) -> Call | None:
        """Find a call by its Call-ID and the caller's tag."""
        return self._calls.get((call_id, from_tag))

    def find(self, request: Request) -> Place | None:
        """Find the call a request within a dialog belongs to, and who of the two sent it.

        Raises:
            RemoteProtocolError: a tag cannot be read.
        """
        return self.place(request.call_id, request.from_tag or "", request.to_tag or "")

    def place(self, call_id: str, sender: str, receiver: str) -> Place | None:
        """Find what `find` does, by Call-ID and the tags of From and To; "" where there is none."""
        call = self._calls.get((call_id, sender))
        if call is not None:
            leg = call.legs.get(receiver)
            if leg is not None:
                return _place(call, leg, _CALLER)
        call = self._by_callee.get((call_id, sender))
        if call is not None and call.from_tag == receiver:
            return _place(call, call.legs[sender], _CALLEE)
        return None

    def calls(self) -> Iterator[Call]:
        """Give every call watched, oldest first. Do not change the watch meanwhile."""
        return iter(self._calls.values())

    def __len__(self) -> int:
        """Count the calls watched."""
        return len(self._calls)

    # Time.

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`: absolute, in the seconds of `now`; None when nothing waits."""
        limit, session = self._limits.next(), self._sessions.next()
        if limit is None or session is None:
            return session if limit is None else limit
        return min(limit, session)

    def handle_timeout(self, *, now: float, at: datetime) -> list[Fact]:
        """End the calls that have lasted too long, or were not refreshed; calling early returns [].

        Returns:
            CallEnded by the proxy, cause `maximum length`, or `session timer` as of the moment it did: both
            sides are still to be told with `make_bye`.

        Source: RFC 4028 §8.3
        """
        facts: list[Fact] = []
        for call, leg in self._sessions.take_due(now):
            facts += self._goodbye(call, leg, _PROXY, leg.session_expires_at or at, "session timer")
        for call in self._limits.take_due(now):
            facts += self.end(call, by=_PROXY, cause="maximum length", at=at)
        return facts

    # How a call changes.

    def _leg(self, call: Call, to_tag: str, response: Response, branch: Branch | None) -> Leg | None:
        leg = call.legs.get(to_tag)
        if leg is None:
            if response.status < 200:
                if len(call.legs) >= _MOST_LEGS or call.state is not _EARLY:
                    return None
            elif len(call.legs) >= 2 * _MOST_LEGS:
                return None
            leg = call.legs[to_tag] = Leg(to_tag)
            self._by_callee[call.call_id, to_tag] = call
        if not leg.is_confirmed:
            # A 2xx says it anew and for good. Source: RFC 3261 §13.2.2.4.
            leg.contact = _contact(response) or leg.contact
            if branch is not None:
                leg.flow = branch.target.flow
                leg.route_set = _beyond_us(response, branch)
        return leg

    def _answer(
        self, call: Call, leg: Leg | None, request: Request, response: Response, at: datetime, now: float
    ) -> list[Fact]:
        if leg is None:
            return []
        leg.is_confirmed = True
        self._sessions.refresh(call, leg, _CALLER, request.cseq.number, response, at=at, now=now)
        if call.state is _CONFIRMED:
            return []
        call.state = _CONFIRMED
        call.codes = ()
        call.answered_at = at
        call.to_tag = leg.to_tag
        if len(call.legs) > 1:
            for other in [other for other in call.legs.values() if not other.is_confirmed]:
                self._drop_leg(call, other)
        longest = self._max_duration if call.max_duration is None else call.max_duration
        if longest is not None:
            self._limits.set(call, now + longest)
        return [CallAnswered(call, at, leg.to_tag, response.status, response.reason)]

    def _late_answer(
        self, request: Request, response: Response, at: datetime, now: float, branch: Branch | None
    ) -> list[Fact]:
        """Take the first 2xx of a callee whose call has failed already: it answers when nobody waits for it.

        It goes up all the same, and may make a dialog: that is a call of its own. A 2xx that is repeated when
        the call is over is none. Source: RFC 3261 §9.1, §16.7 step 5
        """
        if branch is None or not 200 <= response.status < 300:
            return []
        context = branch.context
        if context.relayed < 300:
            return []
        if context.accepted and context.accepted.get(response.headers.get("to") or "") is not None:
            return []
        facts = self.invite(request, at=at, flow=context.transaction.flow)
        return facts + self.response(request, response, at=at, now=now, branch=branch)

    def _failure(
        self, call: Call, request: Request, to_tag: str, response: Response, at: datetime
    ) -> list[Fact]:
        if call.state is not _EARLY:
            return []
        failure = to_tag, response.status, response.reason
        if call.laps > 1:
            # One lap of a spiral has failed; the others may still go on elsewhere.
            call.laps -= 1
            if request.uri == call.request_uri and request.cseq.number == call.caller_cseq:
                call.caller_told = failure
            return []
        self._forget(call)
        return [CallFailed(call, at, *(call.caller_told or failure))]

    def _refresh(self, request: Request, response: Response, at: datetime, now: float) -> None:
        """Move the endpoints and the session's end where a re-INVITE or UPDATE was accepted.

        Source: RFC 3261 §12.2.1.2, §12.2.2, RFC 4028 §8.2
        """
        place = self.find(request)
        if place is None:
            return
        call, leg, sender = place
        asking, answering = _contact(request), _contact(response)
        if sender is _CALLER:
            call.caller_contact = asking or call.caller_contact
            leg.contact = answering or leg.contact
        else:
            leg.contact = asking or leg.contact
            call.caller_contact = answering or call.caller_contact
        if leg.is_confirmed:
            number = request.cseq.number
            self._sessions.refresh(call, leg, sender, number, response, at=at, now=now)

    def _goodbye(self, call: Call, leg: Leg, by: Side, at: datetime, cause: str = "bye") -> list[Fact]:
        other = None
        if len(call.legs) > 1:
            answered = (other for other in call.legs.values() if other.is_confirmed)
            other = next((other for other in answered if other is not leg), None)
        if other is None:
            self._forget(call)
            return [CallEnded(call, at, by, cause)]
        # Several had answered and the caller lets all but one go; the call is over with the last.
        self._drop_leg(call, leg)
        if call.to_tag == leg.to_tag:
            call.to_tag = other.to_tag
        return []

    def _drop_leg(self, call: Call, leg: Leg) -> None:
        del call.legs[leg.to_tag]
        self._sessions.drop(call, leg)
        self._by_callee.pop((call.call_id, leg.to_tag), None)

    def _forget(self, call: Call) -> None:
        call.state = _ENDED
        call_id = call.call_id
        self._calls.pop((call_id, call.from_tag), None)
        for to_tag, leg in call.legs.items():
            self._by_callee.pop((call_id, to_tag), None)
            if leg.session_expires_at is not None:
                self._sessions.drop(call, leg)
        self._limits.clear(call)


def _note(place: Place, number: int, flow: Flow | None) -> bool:
    """Take up the CSeq number and the way of a request; tells whether a higher number came before."""
    call, leg, sender = place
    if sender is _CALLER:
        if flow is not None:
            call.caller_flow = flow
        if number < call.caller_cseq:
            return True
        call.caller_cseq = number
    else:
        if flow is not None:
            leg.flow = flow
        if number < leg.cseq:
            return True
        leg.cseq = number
    return False


def _still_holds(place: Place) -> bool:
    """Tell whether no other message has ended the call meanwhile, or let that callee go."""
    call, leg, _ = place
    return call.state is not _ENDED and call.legs.get(leg.to_tag) is leg


def _contact(message: Request | Response) -> str:
    """Give the URI of a Contact; one that cannot be read is nothing the watch could use, so it is none."""
    try:
        contact = message.first_contact
    except RemoteProtocolError:
        return ""
    return "" if contact is None else str(contact.uri)


def _beyond_us(response: Response, branch: Branch) -> tuple[str, ...]:
    """Give the Record-Routes added after us, nearest first: in a response they stand above ours. §16.6"""
    ours = len(branch.recorded)
    if ours == 1 and response.headers.only_value("record-route") is not None:
        return ()  # the only one is ours
    recorded = response.headers.count("record-route")
    beyond = recorded - ours - branch.context.request.headers.count("record-route") if recorded else 0
    return tuple(reversed(response.headers.values("record-route")[:beyond])) if beyond > 0 else ()
