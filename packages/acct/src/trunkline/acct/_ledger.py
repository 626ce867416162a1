"""The fold from facts about calls to rows, open calls and call detail records.

The strategy: one open call per (Call-ID, caller's tag); each fact moves it one step, and a fact that
does not fit the step the call is at has either been told before or come too late, so it is passed
over. A caller that is challenged further down sends its INVITE again under the same Call-ID and tag;
that is why a fact older than the call's own start is known to be an echo of the attempt before.

Stores nothing and tells no time. Rebuilding from what was stored is in `_rebuild`.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from ._cdr import CALLEE, SERVER, Cdr, OpenCall, close_call, elapsed_ms, failure_cause, failure_side
from ._events import CallAnswered, CallEnded, CallFailed, CallRinging, CallStarted, Event
from ._records import milliseconds
from ._rows import REASON_WIDTH, AccRow

_Key = tuple[str, str]
CHALLENGES = frozenset({401, 407})
"The same call goes on with credentials after these: not missed, and no call detail record."


@attrs.define
class AccRowReady:
    """A transaction is finished: add the row to the table acc."""

    row: AccRow


@attrs.define
class MissedCallReady:
    """A call was not answered: add the row to the table missed_calls."""

    row: AccRow


@attrs.define
class CallOpened:
    """A call was answered: write it down, so that it can be closed after a crash."""

    call: OpenCall


@attrs.define
class CallClosed:
    """A call is over: keep its record, and strike the call itself from the journal."""

    cdr: Cdr


Effect = AccRowReady | MissedCallReady | CallOpened | CallClosed


class Ledger:
    """Accounting of all calls of one server.

    Args:
        failed_rows: transactions that failed get an acc row too (OpenSIPS: failed_transaction_flag).
        missed: calls that were not answered get a missed_calls row.
        unanswered: they get a call detail record too, with no answer and a duration of 0.
        remember: how long the start of a closed call is kept to know a repeated fact by; None for ever.
    """

    def __init__(
        self,
        *,
        failed_rows: bool = True,
        missed: bool = True,
        unanswered: bool = True,
        remember: timedelta | None = timedelta(minutes=5),
    ) -> None:
        self._failed_rows = failed_rows
        self._missed = missed
        self._unanswered = unanswered
        self._remember = remember
        self._open: dict[_Key, OpenCall] = {}
        self._closed: dict[_Key, datetime] = {}
        self._forgetting: deque[tuple[datetime, _Key, datetime]] = deque()
        self._steps: dict[type, Callable[[Any, datetime], list[Effect]]] = {
            CallStarted: self._started,
            CallRinging: self._ringing,
            CallAnswered: self._answered,
            CallFailed: self._failed,
            CallEnded: self._ended,
        }

    def receive(self, event: Event) -> list[Effect]:
        """Take in one fact and give what follows from it.

        Facts of one call come in the order they happened; a fact told again, at any later time, has
        no effect. How the facts of different calls are mixed does not matter.

        Args:
            event: what happened.

        Returns:
            Rows before the call they belong to is opened or closed. The caller stores them.

        Raises:
            LocalProtocolError: the event's time has no zone.
        """
        at = milliseconds(event.at, type(event).__name__)
        if self._forgetting and self._forgetting[0][0] < at:
            self._forget(at)
        return self._steps[type(event)](event, at)

    def open_calls(self) -> list[OpenCall]:
        """Give the calls that have begun and not ended, oldest first."""
        return sorted(self._open.values(), key=lambda call: call.start)

    def restore(self, call: OpenCall) -> None:
        """Take a call up again that was written down before a restart; a known one is left alone."""
        self._open.setdefault((call.call_id, call.from_tag), call)

    def __len__(self) -> int:
        return len(self._open)

    def _started(self, event: CallStarted, at: datetime) -> list[Effect]:
        key = event.call_id, event.from_tag
        last_start = self._closed.get(key)
        if key in self._open or (last_start is not None and at <= last_start):
            return []
        self._open[key] = OpenCall(
            call_id=event.call_id,
            from_tag=event.from_tag,
            start=at,
            caller=event.caller,
            callee=event.callee,
            request_uri=event.request_uri,
            source=event.source,
            method=event.method,
            extra=dict(event.extra),
        )
        return []

    def _ringing(self, event: CallRinging, at: datetime) -> list[Effect]:
        call = self._current(event, at)
        if call is not None and call.answer is None and call.ringing is None:
            call.ringing = at
        return []

    def _answered(self, event: CallAnswered, at: datetime) -> list[Effect]:
        call = self._current(event, at)
        if call is None or call.answer is not None:
            return []
        call.answer = at
        call.to_tag, call.code, call.reason = event.to_tag, event.code, event.reason
        row = AccRowReady(_final_row(call, at, event))
        if call.method != "INVITE":
            self._close(call, at)
            return [row]
        return [row, CallOpened(call)]

    def _failed(self, event: CallFailed, at: datetime) -> list[Effect]:
        call = self._current(event, at)
        if call is None or call.answer is not None:
            return []
        self._close(call, at)
        call.to_tag = event.to_tag
        code = event.code
        effects: list[Effect] = []
        row = _final_row(call, at, event)
        if self._failed_rows:
            effects.append(AccRowReady(row))
        if call.method != "INVITE" or code in CHALLENGES:
            return effects
        if self._missed:
            effects.append(MissedCallReady(row))
        if self._unanswered:
            cdr = close_call(call, at, failure_side(code), failure_cause(code), code, event.reason)
            effects.append(CallClosed(cdr))
        return effects

    def _ended(self, event: CallEnded, at: datetime) -> list[Effect]:
        call = self._current(event, at)
        if call is None or (event.to_tag and call.to_tag and event.to_tag != call.to_tag):
            return []
        self._close(call, at)
        effects: list[Effect] = []
        if call.answer is not None:
            effects.append(AccRowReady(_end_row(call, event, at)))
        elif not self._unanswered:
            return []
        cdr = close_call(call, at, event.by, event.cause, call.code, call.reason)
        effects.append(CallClosed(cdr))
        return effects

    def _current(self, event: Event, at: datetime) -> OpenCall | None:
        """Give the open call the event is about, unless it tells of an earlier attempt."""
        call = self._open.get((event.call_id, event.from_tag))
        return None if call is None or at < call.start else call

    def _close(self, call: OpenCall, at: datetime) -> None:
        key = call.call_id, call.from_tag
        del self._open[key]
        self._closed[key] = call.start
        if self._remember is not None:
            self._forgetting.append((at + self._remember, key, call.start))

    def _forget(self, at: datetime) -> None:
        forgetting = self._forgetting
        while forgetting and forgetting[0][0] < at:
            _, key, start = forgetting.popleft()
            if self._closed.get(key) == start:
                del self._closed[key]


def _final_row(call: OpenCall, at: datetime, event: CallAnswered | CallFailed) -> AccRow:
    """Make the row of the transaction that began the call."""
    return AccRow(
        method=call.method,
        from_tag=call.from_tag,
        to_tag=call.to_tag,
        callid=call.call_id,
        sip_code=str(event.code),
        sip_reason=event.reason[:REASON_WIDTH],
        time=at,
        setuptime=elapsed_ms(call.start, at) // 1000,
        created=call.start,
        extra=call.extra,
    )


def _end_row(call: OpenCall, event: CallEnded, at: datetime) -> AccRow:
    """Make the row of the transaction that ended the call: the tags tell who sent the BYE."""
    answer = call.answer or at
    lasted = elapsed_ms(answer, at)
    by_server = event.by == SERVER
    from_tag, to_tag = call.from_tag, call.to_tag
    if event.by == CALLEE:
        from_tag, to_tag = to_tag, from_tag
    return AccRow(
        method="BYE",
        from_tag=from_tag,
        to_tag=to_tag,
        callid=call.call_id,
        sip_code="" if by_server else "200",
        sip_reason=event.cause[:REASON_WIDTH] if by_server else "OK",
        time=at,
        duration=lasted // 1000,
        setuptime=elapsed_ms(call.start, answer) // 1000,
        created=call.start,
        ms_duration=lasted,
        extra=call.extra,
    )
