"""Rows of the tables `acc` and `missed_calls`.

One row tells of one transaction, with the columns OpenSIPS gives them. When a row is due is decided
in `_ledger`; how it is stored is not this package's business.
"""

from datetime import datetime

import attrs

REASON_WIDTH = 32
"Width of the column sip_reason; the rest of a longer phrase is cut off."


@attrs.define
class AccRow:
    """One transaction, as the tables acc (version 6, and 7 with ms_duration) and missed_calls hold it."""

    method: str
    "method of the request"

    from_tag: str
    "From tag of that request: in the row of a BYE, the tag of who hung up"

    to_tag: str
    "To tag of that request or its response"

    callid: str
    "Call-ID"

    sip_code: str
    "final status as text; empty in the row of a BYE when the server ended the call by itself"

    sip_reason: str
    "reason phrase, at most 32 characters; why, when the server ended the call by itself"

    time: datetime
    "when the transaction was finished (UTC, milliseconds)"

    duration: int = 0
    "row of a BYE: whole seconds from answer to end"

    setuptime: int = 0
    "whole seconds from the request to its final response"

    created: datetime | None = None
    "when the call was begun (UTC, milliseconds); rows of other systems may leave it out"

    ms_duration: int = 0
    "row of a BYE: milliseconds from answer to end"

    extra: dict[str, str] = attrs.Factory(dict)
    "columns beyond the classic ones, as given when the call was started"
