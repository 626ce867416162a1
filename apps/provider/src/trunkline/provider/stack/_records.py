"""The same call in four languages: the watch's, accounting's, the journal's, and the operator's listing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trunkline import acct
from trunkline.sip_parser import RemoteProtocolError, Uri, parse_uri
from trunkline.sip_proxy import Call, CallState, Side

BY = {Side.CALLER: "caller", Side.CALLEE: "callee", Side.PROXY: "server"}
_NO_EXTRA: dict[str, str] = {}
"Our accounting rows have no further columns: one for all calls, never changed."


def party(uri: str) -> str:
    """Write a party as it stands in a call record: user@host, or the URI where it has none."""
    try:
        parsed = parse_uri(uri)
    except RemoteProtocolError:
        return uri
    return parsed.address_of_record if isinstance(parsed, Uri) and parsed.user else uri


def open_call(call: Call) -> acct.OpenCall:
    """Say in accounting's words what has begun."""
    flow = call.caller_flow
    return acct.OpenCall(
        call.call_id,
        call.from_tag,
        acct.milliseconds(call.started_at, "CallStarted"),
        party(call.caller),
        party(call.callee),
        call.request_uri,
        "" if flow is None else f"{flow.transport.lower()}:{flow.remote[0]}:{flow.remote[1]}",
        extra=_NO_EXTRA,
    )


def journal_record(call: Call, opened: acct.OpenCall, *, relayed: bool) -> dict[str, Any]:
    """Write an answered call down, so that whoever comes after a crash can go on with it and close it.

    What accounting and the watch both know stands in accounting's part, which is also what operators are
    shown while the server is down.
    """
    return {
        "call": opened.to_record(),
        "watched": {"caller": call.caller, "callee": call.callee, **call.path_record()},
        "relayed": relayed,
    }


def from_journal(record: Mapping[str, Any]) -> tuple[Call, bool]:
    """Read an answered call back, and whether its media were relayed.

    Raises:
        AcctError, LocalProtocolError: it is none.
    """
    opened = acct.OpenCall.from_record(record["call"])
    known = {
        "call_id": opened.call_id,
        "from_tag": opened.from_tag,
        "to_tag": opened.to_tag,
        "request_uri": opened.request_uri,
        "state": CallState.CONFIRMED.value,
        "started_at": record["call"]["start"],
        "answered_at": record["call"].get("answer"),
    }
    # what an earlier version wrote has all of that in both parts
    call = Call.from_record({**known, **record["watched"]})
    call.user = opened
    return call, bool(record.get("relayed"))


def call_listing(call: Call, relayed: bool) -> dict[str, Any]:
    """Describe a call as JSON types."""
    return {
        "call_id": call.call_id,
        "from_tag": call.from_tag,
        "to_tag": call.to_tag,
        "caller": party(call.caller),
        "callee": party(call.callee),
        "state": call.state.value.lower(),
        "start": call.started_at.isoformat(timespec="milliseconds"),
        "answer": None if call.answered_at is None else call.answered_at.isoformat(timespec="milliseconds"),
        "relayed": relayed,
    }
