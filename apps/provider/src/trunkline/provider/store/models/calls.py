"""Calls in progress, journalled so that a crash closes their records too: table live_calls."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field

from trunkline.provider.store.models.base import MILLISECONDS, Table, char, utc_now


class LiveCall(Table, table=True):
    """Table live_calls: one row per call that has begun and not ended."""

    __tablename__ = "live_calls"
    __table_args__ = (UniqueConstraint("callid", "from_tag", name="live_calls_idx"),)

    id: int | None = Field(default=None, primary_key=True)
    callid: str = char(255)
    from_tag: str = char(128)
    record: str = Field(sa_type=Text)
    updated: datetime = Field(default_factory=utc_now, sa_type=MILLISECONDS)
