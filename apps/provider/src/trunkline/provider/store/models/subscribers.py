"""Who may use the service: tables subscriber and domain."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from trunkline.provider.store.models.base import SECONDS, Table, char, utc_now


class SubscriberRow(Table, table=True):
    """Table subscriber, version 7, with the two HA1 columns of version 8."""

    __tablename__ = "subscriber"
    __table_args__ = (
        UniqueConstraint("username", "domain", name="account_idx"),
        Index("username_idx", "username"),
    )

    id: int | None = Field(default=None, primary_key=True)
    username: str = char(64)
    domain: str = char(64)
    password: str = char(25)
    email_address: str = char(64)
    ha1: str = char(64)
    ha1b: str = char(64)
    rpid: str | None = char(64, None)
    ha1_sha256: str | None = char(64, None)
    ha1_sha512t256: str | None = char(64, None)


class DomainRow(Table, table=True):
    """Table domain, version 2."""

    __tablename__ = "domain"
    __table_args__ = (UniqueConstraint("domain", name="domain_idx"),)

    id: int | None = Field(default=None, primary_key=True)
    domain: str = char(64)
    last_modified: datetime = Field(
        default_factory=utc_now, sa_type=SECONDS, sa_column_kwargs={"server_default": "1900-01-01 00:00:01"}
    )
