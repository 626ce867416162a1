"""What is written of a call at each of its steps: rows of acc and missed_calls, and its record.

Holds no calls: whoever follows each call itself, and tells each step once and in order, needs no more than
this. `_ledger` does that for those who cannot.
"""

from datetime import datetime
from typing import NamedTuple

import attrs

from ._cdr import CALLEE, SERVER, Cdr, OpenCall, close_call, elapsed_ms, failure_cause, failure_side
from ._rows import REASON_WIDTH, AccRow

CHALLENGES = frozenset({401, 407})
"The same call goes on with credentials after these: not missed, and no call detail record."


class Entries(NamedTuple):
    """What is to be written of one step of a call."""

    acc: AccRow | None = None
    "row of the table acc: a transaction is finished"

    missed: AccRow | None = None
    "row of the table missed_calls"

    cdr: Cdr | None = None
    "the call's record: it is over"


@attrs.frozen
class Rules:
    """Which rows and records a call leaves.

    The times given are UTC, cut to milliseconds (`milliseconds`).
    """

    failed_rows: bool = True
    "transactions that failed get an acc row too (OpenSIPS: failed_transaction_flag)"

    missed: bool = True
    "calls that were not answered get a missed_calls row"

    unanswered: bool = True
    "they get a call detail record too, with no answer and a duration of 0"

    def answered(self, call: OpenCall, at: datetime, to_tag: str, code: int, reason: str) -> Entries:
        """Note the first 2xx in the call.

        Args:
            call: a call that rings; changed in place.
            at: when.
            to_tag: the callee's tag.
            code: 200 to 299.
            reason: its reason phrase.
        """
        call.answer = at
        call.to_tag = to_tag
        call.code = code
        call.reason = reason
        return Entries(_final_row(call, at, to_tag, code, reason))

    def failed(self, call: OpenCall, at: datetime, to_tag: str, code: int, reason: str) -> Entries:
        """Note a final response of 300 or more in a call that nobody answered.

        Args:
            call: a call that rings; changed in place. It is over.
            at: when.
            to_tag: the To tag of the response.
            code: 300 to 699.
            reason: its reason phrase.
        """
        call.to_tag = to_tag
        row = _final_row(call, at, to_tag, code, reason)
        acc = row if self.failed_rows else None
        if call.method != "INVITE" or code in CHALLENGES:
            return Entries(acc)
        cdr = None
        if self.unanswered:
            cdr = close_call(call, at, failure_side(code), failure_cause(code), code, reason)
        return Entries(acc, row if self.missed else None, cdr)

    def ended(self, call: OpenCall, at: datetime, by: str, cause: str) -> Entries:
        """Close a call.

        Args:
            call: a call that was answered, or one that is given up while it rings.
            at: when.
            by: `caller`, `callee` or `server`.
            cause: `bye`, `media timeout`, `maximum length`, ...
        """
        if call.answer is None and not self.unanswered:
            return Entries()
        cdr = close_call(call, at, by, cause, call.code, call.reason)
        return Entries(None if call.answer is None else _end_row(call, cdr), None, cdr)


def _final_row(call: OpenCall, at: datetime, to_tag: str, code: int, reason: str) -> AccRow:
    """Make the row of the transaction that began the call."""
    return AccRow(
        call.method,
        call.from_tag,
        to_tag,
        call.call_id,
        str(code),
        reason[:REASON_WIDTH],
        at,
        0,
        elapsed_ms(call.start, at) // 1000,
        call.start,
        0,
        call.extra,
    )


def _end_row(call: OpenCall, cdr: Cdr) -> AccRow:
    """Make the row of the transaction that ended an answered call: the tags tell who sent the BYE."""
    by_server = cdr.released_by == SERVER
    from_tag, to_tag = call.from_tag, call.to_tag
    if cdr.released_by == CALLEE:
        from_tag, to_tag = to_tag, from_tag
    return AccRow(
        "BYE",
        from_tag,
        to_tag,
        call.call_id,
        "" if by_server else "200",
        cdr.cause[:REASON_WIDTH] if by_server else "OK",
        cdr.end,
        cdr.duration_ms // 1000,
        cdr.setup_ms // 1000,
        call.start,
        cdr.duration_ms,
        call.extra,
    )
