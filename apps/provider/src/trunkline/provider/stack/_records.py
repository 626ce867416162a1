"""The same call in three languages: the watch's facts, accounting's events, the operator's listing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trunkline import acct
from trunkline.sip_parser import RemoteProtocolError, Uri, parse_uri
from trunkline.sip_proxy import (
    Call,
    CallAnswered,
    CallEnded,
    CallFailed,
    CallRinging,
    CallStarted,
    Fact,
    Side,
)

BY = {Side.CALLER: "caller", Side.CALLEE: "callee", Side.PROXY: "server"}


def to_event(fact: Fact) -> acct.Event:
    """Say a fact of the watch in accounting's words."""
    return _EVENTS[type(fact)](fact)


def party(uri: str) -> str:
    """Write a party as it stands in a call record: user@host, or the URI where it has none."""
    try:
        parsed = parse_uri(uri)
    except RemoteProtocolError:
        return uri
    return parsed.address_of_record if isinstance(parsed, Uri) and parsed.user else uri


def _started(fact: CallStarted) -> acct.Event:
    call = fact.call
    flow = call.caller_flow
    source = "" if flow is None else f"{flow.transport.lower()}:{flow.remote[0]}:{flow.remote[1]}"
    return acct.CallStarted(
        call.call_id, call.from_tag, fact.at,
        caller=party(call.caller), callee=party(call.callee), request_uri=call.request_uri, source=source,
    )  # fmt: skip


def _ringing(fact: CallRinging) -> acct.Event:
    return acct.CallRinging(fact.call.call_id, fact.call.from_tag, fact.at, code=fact.code)


def _answered(fact: CallAnswered) -> acct.Event:
    return acct.CallAnswered(
        fact.call.call_id, fact.call.from_tag, fact.at, to_tag=fact.to_tag, code=fact.code, reason=fact.reason
    )


def _failed(fact: CallFailed) -> acct.Event:
    return acct.CallFailed(
        fact.call.call_id, fact.call.from_tag, fact.at, to_tag=fact.to_tag, code=fact.code, reason=fact.reason
    )


def _ended(fact: CallEnded) -> acct.Event:
    # whichever of several callees hung up, the call is the caller's one call
    return acct.CallEnded(fact.call.call_id, fact.call.from_tag, fact.at, by=BY[fact.by], cause=fact.cause)


_EVENTS: dict[type, Callable[[Any], acct.Event]] = {
    CallStarted: _started,
    CallRinging: _ringing,
    CallAnswered: _answered,
    CallFailed: _failed,
    CallEnded: _ended,
}


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
