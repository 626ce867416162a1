"""Call detail records from what was stored: from the facts, or from the rows of the table acc.

Both give what the ledger gave when the calls were live. Rows written by OpenSIPS will do as well;
what they do not hold (parties, milliseconds) is then left empty.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from ._cdr import CALLEE, CALLER, SERVER, Cdr, OpenCall, close_call, failure_cause, failure_side
from ._events import Event
from ._ledger import CallClosed, Ledger
from ._records import milliseconds
from ._rows import AccRow
from ._rules import CHALLENGES

_Dialog = tuple[str, str, str]


def rebuild(events: Iterable[Event], *, unanswered: bool = True) -> list[Cdr]:
    """Give the call detail records of the calls that these facts tell of.

    Args:
        events: facts; those of one call in the order they happened, repetitions anywhere later.
        unanswered: calls that nobody answered get a record too.

    Returns:
        Records in the order in which the calls ended. Calls still up give none.
    """
    ledger = Ledger(unanswered=unanswered, remember=None)
    return [
        effect.cdr for event in events for effect in ledger.receive(event) if isinstance(effect, CallClosed)
    ]


def cdrs_from_acc_rows(rows: Iterable[AccRow], *, unanswered: bool = True) -> list[Cdr]:
    """Join the rows of table acc to call detail records, as the classic stored procedure does.

    To every answered INVITE belongs the earliest BYE with the same Call-ID and the same two tags,
    either way round; an INVITE without one is still up and gives nothing. Two things the procedure
    gets wrong are put right: a re-INVITE that was accounted belongs to the call it is part of, and
    an INVITE that failed is a call that nobody answered.

    Args:
        rows: rows in any order, repeated or not. When `extra` holds caller, callee and request_uri,
            they are taken over.
        unanswered: calls that nobody answered get a record too; challenges (401, 407) never do.

    Returns:
        Records in the order in which the calls ended.
    """
    invites: dict[_Dialog, AccRow] = {}
    byes: dict[_Dialog, AccRow] = {}
    failed: list[AccRow] = []
    for row in sorted(rows, key=_finished):
        if row.method == "BYE":
            byes.setdefault((row.callid, row.from_tag, row.to_tag), row)
        elif row.method != "INVITE":
            continue
        elif 200 <= (code := _status(row)) < 300:
            reverse = row.callid, row.to_tag, row.from_tag
            if reverse not in invites:
                invites.setdefault((row.callid, row.from_tag, row.to_tag), row)
        elif unanswered and code >= 300 and code not in CHALLENGES:
            failed.append(row)
    cdrs = [
        _answered(invite, bye)
        for dialog, invite in invites.items()
        if (bye := _earliest_bye(dialog, byes)) is not None
    ]
    cdrs.extend(_unanswered(failed, invites))
    return sorted(cdrs, key=lambda cdr: cdr.end)


def _earliest_bye(dialog: _Dialog, byes: Mapping[_Dialog, AccRow]) -> AccRow | None:
    call_id, from_tag, to_tag = dialog
    found = [bye for key in (dialog, (call_id, to_tag, from_tag)) if (bye := byes.get(key)) is not None]
    return min(found, key=_finished, default=None)


def _answered(invite: AccRow, bye: AccRow) -> Cdr:
    call = _open_call(invite)
    call.answer = _finished(invite)
    if bye.sip_code == "":
        side, cause = SERVER, bye.sip_reason
    else:
        side, cause = (CALLER if bye.from_tag == invite.from_tag else CALLEE), "bye"
    return close_call(call, _finished(bye), side, cause, call.code, call.reason)


def _unanswered(failed: Iterable[AccRow], invites: Mapping[_Dialog, AccRow]) -> list[Cdr]:
    """Make the records of calls that failed, once each; a refused re-INVITE is not a call."""
    cdrs = {}
    for row in failed:
        forth, back = (row.callid, row.from_tag, row.to_tag), (row.callid, row.to_tag, row.from_tag)
        answered = invites.get(forth) or invites.get(back)
        if answered is not None and answered.time <= row.time:
            continue
        code = _status(row)
        side, cause = failure_side(code), failure_cause(code)
        cdr = close_call(_open_call(row), _finished(row), side, cause, code, row.sip_reason)
        cdrs[forth, row.time] = cdr
    return list(cdrs.values())


def _finished(row: AccRow) -> datetime:
    return milliseconds(row.time, "AccRow.time")


def _status(row: AccRow) -> int:
    """Give the final status of a row, 0 when what is stored there is not one."""
    return int(row.sip_code) if row.sip_code.isdecimal() else 0


def _open_call(invite: AccRow) -> OpenCall:
    return OpenCall(
        call_id=invite.callid,
        from_tag=invite.from_tag,
        start=milliseconds(invite.created or invite.time, "AccRow.created"),
        caller=invite.extra.get("caller", ""),
        callee=invite.extra.get("callee", ""),
        request_uri=invite.extra.get("request_uri", ""),
        to_tag=invite.to_tag,
        code=_status(invite),
        reason=invite.sip_reason,
    )
