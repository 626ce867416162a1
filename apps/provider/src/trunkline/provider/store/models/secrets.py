"""What this installation keeps to itself, drawn once and never shown: table secrets."""

from __future__ import annotations

from sqlmodel import Field

from trunkline.provider.store.models.base import Table, char


class SecretRow(Table, table=True):
    """Table secrets: one row per purpose; nodes that share a database share it."""

    __tablename__ = "secrets"

    name: str = Field(primary_key=True, max_length=32)
    value: str = char(64)
