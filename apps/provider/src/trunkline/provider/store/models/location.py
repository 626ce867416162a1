"""Where subscribers can be reached: table location."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, Index
from sqlmodel import Field

from trunkline.provider.store.models.base import SECONDS, Table, char, number


class LocationRow(Table, table=True):
    """Table location, version 1005, with the columns of RFC 5626 beside. Times are UTC."""

    __tablename__ = "location"
    __table_args__ = (Index("account_contact_idx", "username", "domain", "contact"),)

    id: int | None = Field(default=None, primary_key=True)
    username: str = char(64)
    domain: str | None = char(64, None)
    contact: str = char(255)
    received: str | None = char(128, None)
    path: str | None = char(128, None)
    expires: datetime = Field(sa_type=SECONDS, sa_column_kwargs={"server_default": "2020-05-28 21:32:15"})
    q: float = Field(default=1.0, sa_type=Float, sa_column_kwargs={"server_default": "1.0"})
    callid: str = char(255, "Default-Call-ID")
    cseq: int = number(13)
    last_modified: datetime = Field(
        sa_type=SECONDS, sa_column_kwargs={"server_default": "1900-01-01 00:00:01"}
    )
    flags: int = number(0)
    cflags: int = number(0)
    user_agent: str = char(255)
    socket: str | None = char(64, None)
    methods: int | None = Field(default=None)
    sip_instance: str | None = char(255, None)
    reg_id: int | None = Field(default=None)
