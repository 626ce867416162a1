"""The same call in four languages: the watch's, accounting's, the journal's, and the operator's listing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any

from trunkline import acct
from trunkline.provider.store import Account
from trunkline.sip_parser import RemoteProtocolError, Uri, parse_uri
from trunkline.sip_proxy import Call, CallState

if TYPE_CHECKING:
    from trunkline.sip_proxy.watch import Leg
    from trunkline.sip_transaction import Flow

_NO_EXTRA: dict[str, str] = {}
"Our accounting rows have no further columns: one for all calls, never changed."
_as_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def party(uri: str) -> str:
    """Write a party as it stands in a call record: user@host, or the URI where it has none."""
    try:
        parsed = parse_uri(uri)
    except RemoteProtocolError:
        return uri
    return parsed.address_of_record if isinstance(parsed, Uri) and parsed.user else uri


def open_call(call: Call) -> Account:
    """Say in accounting's words what has begun."""
    flow = call.caller_flow
    return Account(
        call.call_id,
        call.from_tag,
        acct.milliseconds(call.started_at, "CallStarted"),
        party(call.caller),
        party(call.callee),
        call.request_uri,
        "" if flow is None else f"{flow.transport.lower()}:{flow.remote[0]}:{flow.remote[1]}",
        extra=_NO_EXTRA,
    ).open()


def journal_text(call: Call, opened: acct.OpenCall, *, relayed: bool) -> str:
    """Write an answered call down as JSON, so that after a crash the next server can go on and close it.

    What accounting and the watch both know stands in accounting's part, which is also what operators are
    shown while the server is down. The text is that of `OpenCall.to_record` and `Call.path_record`, put
    together without them: two dicts and a walk through them, for each call, cost several times as much.
    """
    call_id, from_tag, caller, callee, request_uri, source, method, to_tag, reason, uri, other, contact = (
        _escaped(
            opened.call_id, opened.from_tag, opened.caller, opened.callee, opened.request_uri, opened.source,
            opened.method, opened.to_tag, opened.reason, call.caller, call.callee, call.caller_contact,
        )
    )  # fmt: skip
    ringing = "null" if opened.ringing is None else f'"{_time_text(opened.ringing)}"'
    answer = "null" if opened.answer is None else f'"{_time_text(opened.answer)}"'
    extra = _as_json(opened.extra) if opened.extra else "{}"
    legs = ",".join([_leg_text(leg) for leg in call.legs.values()])
    flow = "null" if call.caller_flow is None else _flow_text(call.caller_flow)
    more = ""
    if call.caller_route_set:
        more = f',"caller_route_set":{_as_json(call.caller_route_set)}'
    if call.is_acknowledged:
        more += ',"is_acknowledged":true'
    if call.max_duration is not None:
        more += f',"max_duration":{_as_json(call.max_duration)}'
    return (
        f'{{"call":{{"call_id":"{call_id}","from_tag":"{from_tag}","start":"{_time_text(opened.start)}",'
        f'"caller":"{caller}","callee":"{callee}","request_uri":"{request_uri}","source":"{source}",'
        f'"method":"{method}","ringing":{ringing},"answer":{answer},"to_tag":"{to_tag}",'
        f'"code":{opened.code},"reason":"{reason}","extra":{extra}}},'
        f'"watched":{{"caller":"{uri}","callee":"{other}","legs":[{legs}],"caller_contact":"{contact}",'
        f'"caller_cseq":{call.caller_cseq},"caller_flow":{flow}{more}}},'
        f'"relayed":{"true" if relayed else "false"}}}'
    )


def _leg_text(leg: Leg) -> str:
    flow = "null" if leg.flow is None else _flow_text(leg.flow)
    more = ""
    if leg.cseq:
        more = f',"cseq":{leg.cseq}'
    if leg.is_confirmed:
        more += ',"is_confirmed":true'
    if leg.session_interval is not None:
        more += f',"session_interval":{leg.session_interval}'
    if leg.route_set:
        more += f',"route_set":{_as_json(leg.route_set)}'
    return f'{{"to_tag":{_quoted(leg.to_tag)},"contact":{_quoted(leg.contact)},"flow":{flow}{more}}}'


def _flow_text(flow: Flow) -> str:
    here, there = flow.local, flow.remote
    return f'["{flow.transport}",{_quoted(here[0])},{here[1]},{_quoted(there[0])},{there[1]}]'


def _escaped(*texts: str) -> tuple[str, ...]:
    """Give texts as they stand within the quotes of JSON: nearly always as they are, which one look tells."""
    whole = "".join(texts)
    if len(_quoted(whole)) == len(whole) + 2:
        return texts
    return tuple([_quoted(text)[1:-1] for text in texts])


def _time_text(at: datetime) -> str:
    """Write a time down as `isoformat` does, in UTC."""
    since = at - _EPOCH
    second, odd = _second(since.days * 86400 + since.seconds), since.microseconds
    return f"{second}.{str(odd).zfill(6)}+00:00" if odd else f"{second}+00:00"


@lru_cache(maxsize=1024)
def _second(number: int) -> str:
    """Write down a second; many calls begin, ring and are answered in it."""
    return (_EPOCH + timedelta(seconds=number)).isoformat()[:19]


def from_journal(record: Mapping[str, Any]) -> tuple[Call, bool]:
    """Read an answered call back, and whether its media were relayed.

    Raises:
        AcctError, LocalProtocolError: it is none.
    """
    opened = Account.from_record(record["call"]).open()
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
