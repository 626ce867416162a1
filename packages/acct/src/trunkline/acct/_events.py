"""The facts of a call that accounting is told.

Each event says what happened on one call, named by its Call-ID and the caller's tag, and when.
What follows from them is in `_ledger`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from ._errors import RecordError
from ._records import Record, from_record, to_record


@attrs.define
class CallEvent:
    """What every event carries."""

    call_id: str
    "the Call-ID, as received"

    from_tag: str
    "the caller's tag: the From tag of the INVITE that started the call"

    at: datetime
    "when it happened, with a zone; kept to the millisecond"

    def to_record(self) -> Record:
        """Give the event as a flat dict of JSON types; `event` names its kind."""
        return {"event": type(self).__name__, **to_record(self)}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "Event":
        """Read an event of any kind back from its record.

        Raises:
            RecordError: the kind is unknown, or a key is missing or of the wrong type.
        """
        name = record.get("event")
        kind = _KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise RecordError(f"event: expected one of {', '.join(_KINDS)}, got {name!r}", "event")
        return from_record(kind, record)


@attrs.define
class CallStarted(CallEvent):
    """A request that is accounted was accepted and is on its way."""

    caller: str = ""
    "who calls: address of record or URI, as it should appear in the call detail record"

    callee: str = ""
    "who was called: the To URI or what the policy made of it"

    request_uri: str = ""
    "where the request was sent to, as received"

    source: str = ""
    "where the request came from, `transport:address:port`"

    method: str = "INVITE"
    "another method gets its accounting row, but is no call: no missed call, no call detail record"

    extra: dict[str, str] = attrs.Factory(dict)
    "further columns for the accounting rows of this call"


@attrs.define
class CallRinging(CallEvent):
    """A provisional response that tells of progress has come from the callee."""

    code: int = 180
    "its status, 101 to 199"


@attrs.define
class CallAnswered(CallEvent):
    """A 2xx response has come."""

    to_tag: str = ""
    "the callee's tag: the first one to answer makes the call"

    code: int = 200
    "its status, 200 to 299"

    reason: str = "OK"
    "its reason phrase"


@attrs.define
class CallFailed(CallEvent):
    """A final response of 300 or more went to the caller."""

    to_tag: str = ""
    "the To tag of that response"

    code: int = 500
    "its status, 300 to 699"

    reason: str = ""
    "its reason phrase"


@attrs.define
class CallEnded(CallEvent):
    """The call is over: a BYE has come, or the server gave it up."""

    to_tag: str = ""
    "the callee's tag; empty ends whatever dialog there is"

    by: str = "caller"
    "who ended it: `caller`, `callee` or `server`"

    cause: str = "bye"
    "why: `bye`, `media timeout`, `maximum length`, `session timer`, `server restart`, ..."


Event = CallStarted | CallRinging | CallAnswered | CallFailed | CallEnded

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (CallStarted, CallRinging, CallAnswered, CallFailed, CallEnded)
}
