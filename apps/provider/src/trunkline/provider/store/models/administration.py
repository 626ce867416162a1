"""Who may run the service: table administrators."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from trunkline.provider.store.models.base import SECONDS, Table, char, utc_now


class Administrator(Table, table=True):
    """Table administrators: names and argon2 hashes of those who may use the panel."""

    __tablename__ = "administrators"

    id: int | None = Field(default=None, primary_key=True)
    name: str = char(64, unique=True)
    password_hash: str = char(255)
    role: str = char(32, "global")
    created: datetime = Field(default_factory=utc_now, sa_type=SECONDS)
