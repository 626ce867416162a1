"""What was used: tables acc, missed_calls and cdrs. Times are UTC, with milliseconds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer
from sqlmodel import Field

from trunkline.provider.store.models.base import MILLISECONDS, Table, char, number, utc_now

_KEY = BigInteger().with_variant(Integer, "sqlite")


class Acc(Table, table=True):
    """Table acc, version 6, with ms_duration of version 7: one row per accounted transaction."""

    __tablename__ = "acc"
    __table_args__ = (Index("acc_callid_idx", "callid"),)

    id: int | None = Field(default=None, primary_key=True)
    method: str = char(16)
    from_tag: str = char(64)
    to_tag: str = char(64)
    callid: str = char(64)
    sip_code: str = char(3)
    sip_reason: str = char(32)
    time: datetime = Field(sa_type=MILLISECONDS)
    duration: int = number(0)
    setuptime: int = number(0)
    created: datetime | None = Field(default=None, sa_type=MILLISECONDS)
    ms_duration: int = number(0)


class MissedCall(Table, table=True):
    """Table missed_calls, version 4: one row per call that did not reach its callee."""

    __tablename__ = "missed_calls"
    __table_args__ = (Index("missed_calls_callid_idx", "callid"),)

    id: int | None = Field(default=None, primary_key=True)
    method: str = char(16)
    from_tag: str = char(64)
    to_tag: str = char(64)
    callid: str = char(64)
    sip_code: str = char(3)
    sip_reason: str = char(32)
    time: datetime = Field(sa_type=MILLISECONDS)


class CdrRow(Table, table=True):
    """Table cdrs: the control panel's columns, then ours. One row per call."""

    __tablename__ = "cdrs"
    __table_args__ = (Index("cdrs_start_idx", "call_start_time"), Index("cdrs_call_id_idx", "sip_call_id"))

    cdr_id: int | None = Field(default=None, primary_key=True, sa_type=_KEY)
    call_start_time: datetime = Field(sa_type=MILLISECONDS)
    duration: int = number(0)
    sip_call_id: str = char(128)
    sip_from_tag: str = char(128)
    sip_to_tag: str = char(128)
    created: datetime = Field(default_factory=utc_now, sa_type=MILLISECONDS)
    caller: str = char(255)
    callee: str = char(255)
    request_uri: str = char(255)
    answer_time: datetime | None = Field(default=None, sa_type=MILLISECONDS)
    end_time: datetime | None = Field(default=None, sa_type=MILLISECONDS)
    duration_ms: int = number(0, sa_type=BigInteger)
    setup_ms: int = number(0, sa_type=BigInteger)
    released_by: str = char(16)
    cause: str = char(64)
    sip_code: str = char(3)
    sip_reason: str = char(128)
