"""Calls in progress, journalled so that a crash closes their records too: table live_calls."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Integer, Text
from sqlmodel import Field

from trunkline.provider.store.models.base import MILLISECONDS, Table, utc_now

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"64 bits; SQLite's own key of a row, which is called INTEGER there, needs no index beside it."


class LiveCall(Table, table=True):
    """Table live_calls: one row per call that has begun and not ended."""

    __tablename__ = "live_calls"

    id: int = Field(primary_key=True, sa_type=NUMBER, sa_column_kwargs={"autoincrement": False})
    """Given by the server that watches the call."""
    record: str = Field(sa_type=Text)
    updated: datetime = Field(default_factory=utc_now, sa_type=MILLISECONDS)
