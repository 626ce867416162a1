"""The fold from facts about calls to rows, open calls and call detail records.

The strategy: one open call per (Call-ID, caller's tag); each fact moves it one step, and a fact that
does not fit the step the call is at has either been told before or come too late, so it is passed
over. A caller that is challenged further down sends its INVITE again under the same Call-ID and tag;
that is why a fact older than the call's own start is known to be an echo of the attempt before.

Stores nothing and tells no time. What is written at each step is in `_rules`; rebuilding from what was
stored is in `_rebuild`.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from ._cdr import Cdr, OpenCall
from ._events import CallAnswered, CallEnded, CallFailed, CallRinging, CallStarted, Event
from ._records import milliseconds
from ._rows import AccRow
from ._rules import Entries, Rules

_Key = tuple[str, str]


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
        self._rules = Rules(failed_rows, missed, unanswered)
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
        effects = _effects(self._rules.answered(call, at, event.to_tag, event.code, event.reason))
        if call.method == "INVITE":
            effects.append(CallOpened(call))
        else:
            self._close(call, at)
        return effects

    def _failed(self, event: CallFailed, at: datetime) -> list[Effect]:
        call = self._current(event, at)
        if call is None or call.answer is not None:
            return []
        self._close(call, at)
        return _effects(self._rules.failed(call, at, event.to_tag, event.code, event.reason))

    def _ended(self, event: CallEnded, at: datetime) -> list[Effect]:
        call = self._current(event, at)
        if call is None or (event.to_tag and call.to_tag and event.to_tag != call.to_tag):
            return []
        self._close(call, at)
        return _effects(self._rules.ended(call, at, event.by, event.cause))

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


def _effects(entries: Entries) -> list[Effect]:
    effects: list[Effect] = []
    if entries.acc is not None:
        effects.append(AccRowReady(entries.acc))
    if entries.missed is not None:
        effects.append(MissedCallReady(entries.missed))
    if entries.cdr is not None:
        effects.append(CallClosed(entries.cdr))
    return effects
