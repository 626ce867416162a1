"""The same call in four languages: the watch's, accounting's, the journal's, and the operator's listing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any

from trunkline import acct
from trunkline.sip_parser import RemoteProtocolError, Uri, parse_uri
from trunkline.sip_proxy import Call, CallState, Side

if TYPE_CHECKING:
    from trunkline.sip_proxy.watch import Leg
    from trunkline.sip_transaction import Flow

BY = {Side.CALLER: "caller", Side.CALLEE: "callee", Side.PROXY: "server"}
_NO_EXTRA: dict[str, str] = {}
"Our accounting rows have no further columns: one for all calls, never changed."
_as_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_CALL = (
    '{"call":{"call_id":%s,"from_tag":%s,"start":"%s","caller":%s,"callee":%s,"request_uri":%s,"source":%s,'
    '"method":%s,"ringing":%s,"answer":%s,"to_tag":%s,"code":%d,"reason":%s,"extra":%s},'
    '"watched":{"caller":%s,"callee":%s,"legs":[%s],"caller_contact":%s%s,"caller_cseq":%d,"caller_flow":%s%s%s},'
    '"relayed":%s}'
)
_LEG = '{"to_tag":%s,"contact":%s,"cseq":%d,"flow":%s,"is_confirmed":%s,"session_interval":%s'


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


def journal_text(call: Call, opened: acct.OpenCall, *, relayed: bool) -> str:
    """Write an answered call down as JSON, so that after a crash the next server can go on and close it.

    What accounting and the watch both know stands in accounting's part, which is also what operators are
    shown while the server is down. The text is that of `OpenCall.to_record` and `Call.path_record`, put
    together without them: two dicts and a walk through them, for each call, cost several times as much.
    """
    ringing, answer, extra, legs = opened.ringing, opened.answer, opened.extra, call.legs
    return _CALL % (
        _quoted(opened.call_id),
        _quoted(opened.from_tag),
        opened.start.isoformat(),
        _quoted(opened.caller),
        _quoted(opened.callee),
        _quoted(opened.request_uri),
        _quoted(opened.source),
        _quoted(opened.method),
        "null" if ringing is None else f'"{ringing.isoformat()}"',
        "null" if answer is None else f'"{answer.isoformat()}"',
        _quoted(opened.to_tag),
        opened.code,
        _quoted(opened.reason),
        _as_json(extra) if extra else "{}",
        _quoted(call.caller),
        _quoted(call.callee),
        ",".join([_leg_text(leg) for leg in legs.values()]) if len(legs) != 1 else _leg_text(*legs.values()),
        _quoted(call.caller_contact),
        f',"caller_route_set":{_as_json(call.caller_route_set)}' if call.caller_route_set else "",
        call.caller_cseq,
        "null" if call.caller_flow is None else _flow_text(call.caller_flow),
        ',"is_acknowledged":true' if call.is_acknowledged else "",
        "" if call.max_duration is None else f',"max_duration":{_as_json(call.max_duration)}',
        "true" if relayed else "false",
    )


def _leg_text(leg: Leg) -> str:
    text = _LEG % (
        _quoted(leg.to_tag),
        _quoted(leg.contact),
        leg.cseq,
        "null" if leg.flow is None else _flow_text(leg.flow),
        "true" if leg.is_confirmed else "false",
        "null" if leg.session_interval is None else leg.session_interval,
    )
    return f'{text},"route_set":{_as_json(leg.route_set)}}}' if leg.route_set else text + "}"


def _flow_text(flow: Flow) -> str:
    local, remote = flow.local, flow.remote
    return f'["{flow.transport}",{_quoted(local[0])},{local[1]},{_quoted(remote[0])},{remote[1]}]'


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
