"""A call as the proxy sees it: who talks to whom, since when, and how each side is reached.

Here: the values and their journal records. Not here: how they change (`_watch`), the BYE of them (`_bye`).

Source: RFC 3261 §12 (what a dialog is made of)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import attrs

from trunkline.sip_parser import LocalProtocolError
from trunkline.sip_transaction import Flow

Record = dict[str, Any]
"""JSON types only: str, int, float, bool, None, list and dict."""


class CallState(Enum):
    """How far a call has come."""

    EARLY = "Early"
    """Forwarded, not yet answered."""
    CONFIRMED = "Confirmed"
    """Answered."""
    ENDED = "Ended"
    """Over, and no longer watched."""


class Side(Enum):
    """Who of the two, or neither."""

    __hash__ = object.__hash__  # members are equal to nothing else, and Enum hashes by name

    CALLER = "caller"
    CALLEE = "callee"
    PROXY = "proxy"


@attrs.define(slots=True, eq=False)
class Leg:
    """One callee of a call: an INVITE that was forked may ring several, and more than one may answer."""

    to_tag: str
    """The callee's tag."""
    contact: str = ""
    """URI of the callee's Contact; empty until known."""
    route_set: tuple[str, ...] = ()
    """Route values from us to the callee, nearest first."""
    cseq: int = 0
    """Highest CSeq number seen from the callee; 0 before any."""
    flow: Flow | None = None
    """The way to the callee's side."""
    is_confirmed: bool = False
    """Whether it has answered."""
    session_interval: int | None = None
    """Seconds the session lasts without a refresh; None: it does not expire. Source: RFC 4028 §4"""
    session_expires_at: datetime | None = None
    """When it is over unless it is refreshed; None: never."""
    refreshed_by_caller: int = -1
    """CSeq number of the caller's last INVITE or UPDATE that was accepted."""
    refreshed_by_callee: int = -1
    """CSeq number of the callee's last INVITE or UPDATE that was accepted."""


@attrs.define(slots=True, eq=False, repr=False)
class Call:
    """One call passing through."""

    call_id: str
    from_tag: str
    """The caller's tag."""
    caller: str
    """URI of From."""
    callee: str
    """URI of To."""
    request_uri: str
    """The Request-URI as received."""
    started_at: datetime
    """When its INVITE was forwarded."""
    state: CallState = CallState.EARLY
    answered_at: datetime | None = None
    """When the first 2xx came."""
    caller_contact: str = ""
    """URI of the caller's Contact."""
    caller_route_set: tuple[str, ...] = ()
    """Route values from us to the caller, nearest first."""
    caller_cseq: int = 0
    """Highest CSeq number seen from the caller."""
    caller_flow: Flow | None = None
    """The way to the caller's side."""
    legs: dict[str, Leg] = attrs.Factory(dict)
    """The callees by their tags: those ringing, or those that answered."""
    to_tag: str = ""
    """The tag of the callee who answered first and has not hung up; empty before."""
    is_acknowledged: bool = False
    """Whether an ACK has passed."""
    max_duration: float | None = None
    """Seconds it may last from the answer; None: as the watch is configured."""
    laps: int = 1
    """How often its INVITE is passing through now: more than once when it spirals."""
    caller_told: tuple[str, int, str] | None = None
    """To tag, status and reason of the failure that the caller has heard, while laps of a spiral go on."""
    codes: tuple[int, ...] = ()
    """Provisional statuses already told, while it is early: none is told later."""
    user: Any = None
    """Whatever the application wants to find here again; not in the record."""

    @property
    def key(self) -> tuple[str, str]:
        """Call-ID and the caller's tag, by which it is found."""
        return self.call_id, self.from_tag

    @property
    def leg(self) -> Leg | None:
        """The callee talked to; None before the answer."""
        return self.legs.get(self.to_tag)

    @property
    def callee_contact(self) -> str:
        """URI of the Contact of the callee talked to; empty before the answer."""
        leg = self.leg
        return "" if leg is None else leg.contact

    @property
    def callee_route_set(self) -> tuple[str, ...]:
        """Route values from us to the callee talked to, nearest first."""
        leg = self.leg
        return () if leg is None else leg.route_set

    @property
    def callee_cseq(self) -> int:
        """Highest CSeq number seen from the callee talked to."""
        leg = self.leg
        return 0 if leg is None else leg.cseq

    @property
    def callee_flow(self) -> Flow | None:
        """The way to the side of the callee talked to."""
        leg = self.leg
        return None if leg is None else leg.flow

    def to_record(self) -> Record:
        """Give the call as a dict of JSON types, for a journal; what has its default is left out."""
        record: Record = {
            "call_id": self.call_id,
            "from_tag": self.from_tag,
            "caller": self.caller,
            "callee": self.callee,
            "request_uri": self.request_uri,
            "state": self.state.value,
            "started_at": self.started_at.isoformat(),
        }
        if self.to_tag:
            record["to_tag"] = self.to_tag
        if self.answered_at is not None:
            record["answered_at"] = self.answered_at.isoformat()
        return record | self.path_record()

    def path_record(self) -> Record:
        """Give the part of the record that tells how each side is reached and what was seen of it.

        For a journal that knows the rest: Call-ID, tags, parties, state and times.
        """
        record: Record = {"legs": [_leg_to_record(leg) for leg in self.legs.values()]}
        if self.caller_contact:
            record["caller_contact"] = self.caller_contact
        if self.caller_route_set:
            record["caller_route_set"] = list(self.caller_route_set)
        if self.caller_cseq:
            record["caller_cseq"] = self.caller_cseq
        if self.caller_flow is not None:
            record["caller_flow"] = _flow_to_record(self.caller_flow)
        if self.is_acknowledged:
            record["is_acknowledged"] = True
        if self.max_duration is not None:
            record["max_duration"] = self.max_duration
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Call:
        """Read a call back from its record; connections of its flows are forgotten, as they do not survive.

        Raises:
            LocalProtocolError: something is missing or cannot be read.
        """
        try:
            answered_at = record.get("answered_at")
            return cls(
                call_id=record["call_id"],
                from_tag=record["from_tag"],
                to_tag=record.get("to_tag", ""),
                caller=record["caller"],
                callee=record["callee"],
                request_uri=record["request_uri"],
                state=CallState(record["state"]),
                started_at=datetime.fromisoformat(record["started_at"]),
                answered_at=None if answered_at is None else datetime.fromisoformat(answered_at),
                caller_contact=record.get("caller_contact", ""),
                caller_route_set=tuple(record.get("caller_route_set", ())),
                caller_cseq=record.get("caller_cseq", 0),
                caller_flow=_flow_from_record(record.get("caller_flow")),
                is_acknowledged=record.get("is_acknowledged", False),
                max_duration=record.get("max_duration"),
                legs={leg["to_tag"]: _leg_from_record(leg) for leg in record.get("legs", ())},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LocalProtocolError(
                f"call record: expected what Call.to_record gives, got {type(error).__name__} at {error}"
            ) from None

    def __repr__(self) -> str:
        return f"<Call {self.call_id} {self.caller} -> {self.callee} {self.state.value}>"


def _leg_to_record(leg: Leg) -> Record:
    record: Record = {"to_tag": leg.to_tag}
    if leg.contact:
        record["contact"] = leg.contact
    if leg.route_set:
        record["route_set"] = list(leg.route_set)
    if leg.cseq:
        record["cseq"] = leg.cseq
    if leg.flow is not None:
        record["flow"] = _flow_to_record(leg.flow)
    if leg.is_confirmed:
        record["is_confirmed"] = True
    if leg.session_interval is not None:
        record["session_interval"] = leg.session_interval
    return record


def _leg_from_record(record: Mapping[str, Any]) -> Leg:
    return Leg(
        to_tag=record["to_tag"],
        contact=record.get("contact", ""),
        route_set=tuple(record.get("route_set", ())),
        cseq=record.get("cseq", 0),
        flow=_flow_from_record(record.get("flow")),
        is_confirmed=record.get("is_confirmed", False),
        session_interval=record.get("session_interval"),
    )


def _flow_to_record(flow: Flow) -> list[Any]:
    return [flow.transport, *flow.local, *flow.remote]


def _flow_from_record(record: list[Any] | None) -> Flow | None:
    if record is None:
        return None
    transport, local_host, local_port, remote_host, remote_port = record
    return Flow(transport, (local_host, local_port), (remote_host, remote_port))
