"""Calls while they are up and the record each leaves behind.

Holds the two values and the words used for who ended a call and why. The rules that make one from
the other are in `_ledger` (live) and `_rebuild` (from rows).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self

import attrs

from ._records import Record, from_record, to_record

_MILLISECOND = timedelta(milliseconds=1)

CALLER = "caller"
CALLEE = "callee"
SERVER = "server"

_CAUSES = {
    401: "authentication",
    403: "refused",
    404: "not found",
    407: "authentication",
    408: "no answer",
    480: "unavailable",
    486: "busy",
    487: "cancelled",
    600: "busy",
    603: "refused",
    604: "not found",
}


def failure_cause(code: int) -> str:
    """Say in a word or two why a call that ended with this final status did not come about."""
    cause = _CAUSES.get(code)
    if cause is not None:
        return cause
    if code < 400:
        return "redirected"
    return "rejected" if code < 500 else "failed"


def failure_side(code: int) -> str:
    """Say who ended a call that was never answered, as far as its final status tells.

    487 is what a CANCEL leads to, so the caller; statuses that a server gives in the callee's
    place (nobody there, nobody answers, too many hops, server errors) are the server's.
    """
    if code == 487:
        return CALLER
    if code in (404, 408, 483) or 500 <= code < 600:
        return SERVER
    return CALLEE


def elapsed_ms(start: datetime, end: datetime) -> int:
    """Count the milliseconds from start to end; 0 when the clock was set back between them."""
    count = (end - start) // _MILLISECOND
    return count if count > 0 else 0


@attrs.define
class OpenCall:
    """A call that has begun and not ended."""

    call_id: str
    from_tag: str

    start: datetime
    "when the request was accepted"

    caller: str = ""
    callee: str = ""
    request_uri: str = ""

    source: str = ""
    "where the request came from"

    method: str = "INVITE"

    ringing: datetime | None = None
    "first sign of life from the callee's side"

    answer: datetime | None = None
    "first 2xx; None while it rings"

    to_tag: str = ""
    "tag of the callee that answered"

    code: int = 0
    "status it was answered with; 0 while it rings"

    reason: str = ""

    extra: dict[str, str] = attrs.Factory(dict)
    "further columns for the accounting rows"

    def to_record(self) -> Record:
        """Give the call as a flat dict of JSON types, for a journal."""
        return to_record(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a call back from its record.

        Raises:
            RecordError: a key is missing or of the wrong type.
        """
        return from_record(cls, record)


@attrs.define
class Cdr:
    """A call detail record: what is known of one call once it is over."""

    call_id: str
    from_tag: str
    to_tag: str
    caller: str
    callee: str
    request_uri: str

    start: datetime
    "the request was accepted (UTC, milliseconds)"

    answer: datetime | None
    "the first 2xx came; None when nobody answered"

    end: datetime
    "the BYE came or the server gave the call up; when unanswered, the final response"

    duration_ms: int
    "answer to end; 0 when unanswered"

    setup_ms: int
    "start to answer; when unanswered, start to end"

    released_by: str
    "`caller`, `callee` or `server`"

    cause: str
    "why it ended: `bye`, `busy`, `no answer`, `cancelled`, `media timeout`, `server restart`, ..."

    code: int
    "final status of the INVITE; 0 when there was none"

    reason: str
    "its reason phrase"

    def to_record(self) -> Record:
        """Give the record as a flat dict of JSON types."""
        return to_record(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Cdr":
        """Read a call detail record back from its flat dict.

        Raises:
            RecordError: a key is missing or of the wrong type.
        """
        return from_record(cls, record)


def close_call(call: OpenCall, end: datetime, released_by: str, cause: str, code: int, reason: str) -> Cdr:
    """Make the call detail record of a call that is now over.

    Args:
        call: the call as it was last known.
        end: when it ended, UTC to the millisecond.
        released_by: `caller`, `callee` or `server`.
        cause: why it ended.
        code: final status of the INVITE, 0 when there was none.
        reason: reason phrase of that status.
    """
    answer = call.answer
    return Cdr(
        call.call_id,
        call.from_tag,
        call.to_tag,
        call.caller,
        call.callee,
        call.request_uri,
        call.start,
        answer,
        end,
        0 if answer is None else elapsed_ms(answer, end),
        elapsed_ms(call.start, end if answer is None else answer),
        released_by,
        cause,
        code,
        reason,
    )
