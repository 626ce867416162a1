"""What all tables share: one MetaData, and OpenSIPS's table of table versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import DateTime, MetaData
from sqlalchemy.dialects.mysql import DATETIME as MYSQL_DATETIME
from sqlalchemy.dialects.sqlite import DATETIME as SQLITE_DATETIME
from sqlmodel import Field, SQLModel

_sqlite_datetime = cast(Callable[..., DateTime], SQLITE_DATETIME)
_mysql_datetime = cast(Callable[..., DateTime], MYSQL_DATETIME)
SECONDS = DateTime().with_variant(_sqlite_datetime(truncate_microseconds=True), "sqlite")
"A time in whole seconds: OpenSIPS reads no more."
MILLISECONDS = DateTime().with_variant(_mysql_datetime(fsp=3), "mysql", "mariadb")

TABLE_VERSIONS = {
    "version": 1,
    "subscriber": 7,
    "location": 1005,
    "domain": 2,
    "acc": 6,
    "missed_calls": 4,
}
"The numbers OpenSIPS 1.6 looks for when it starts; columns that were added do not change them."


class Table(SQLModel):
    """A table of this schema."""

    metadata = MetaData()


def utc_now() -> datetime:
    """Give the time as columns hold it: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def char(width: int, default: str | None = "", **kwargs: Any) -> Any:
    """Declare a column CHAR(width), empty unless said; with default None it may be NULL."""
    if default is None:
        return Field(default=None, max_length=width, **kwargs)
    return Field(default=default, max_length=width, sa_column_kwargs={"server_default": default}, **kwargs)


def number(default: int, **kwargs: Any) -> Any:
    """Declare a column INT with a default that other programs get too."""
    return Field(default=default, sa_column_kwargs={"server_default": str(default)}, **kwargs)


class TableVersion(Table, table=True):
    """Table version: what schema each table has."""

    __tablename__ = "version"

    table_name: str = Field(primary_key=True, max_length=32)
    table_version: int = number(0)
