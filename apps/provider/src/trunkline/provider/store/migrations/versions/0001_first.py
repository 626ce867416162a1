"""The first schema; an OpenSIPS 1.6 database is taken over as it is, with the columns that it lacks added.

The tables are spelled out here and not taken from the models: a migration describes the schema of its day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_sqlite_datetime = cast(Callable[..., sa.DateTime], sqlite.DATETIME)
_mysql_datetime = cast(Callable[..., sa.DateTime], mysql.DATETIME)
SECONDS = sa.DateTime().with_variant(_sqlite_datetime(truncate_microseconds=True), "sqlite")
MILLISECONDS = sa.DateTime().with_variant(_mysql_datetime(fsp=3), "mysql", "mariadb")
METADATA = sa.MetaData()
VERSIONS = {"version": 1, "subscriber": 7, "location": 1005, "domain": 2, "acc": 6, "missed_calls": 4}


def _char(name: str, width: int, default: str | None = "", **kwargs: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.String(width), nullable=default is None, server_default=default, **kwargs)


def _number(name: str, default: int | None = 0, kind: type[sa.Integer] = sa.Integer) -> sa.Column[Any]:
    server_default = None if default is None else str(default)
    return sa.Column(name, kind, nullable=default is None, server_default=server_default)


def _time(name: str, kind: Any, default: str | None = None, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, server_default=default)


def _id() -> sa.Column[Any]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _transaction_columns() -> list[sa.Column[Any]]:
    return [
        _id(),
        _char("method", 16),
        _char("from_tag", 64),
        _char("to_tag", 64),
        _char("callid", 64),
        _char("sip_code", 3),
        _char("sip_reason", 32),
        _time("time", MILLISECONDS),
    ]


VERSION = sa.Table(
    "version",
    METADATA,
    sa.Column("table_name", sa.String(32), primary_key=True),
    _number("table_version"),
)

sa.Table(
    "subscriber",
    METADATA,
    _id(),
    _char("username", 64),
    _char("domain", 64),
    _char("password", 25),
    _char("email_address", 64),
    _char("ha1", 64),
    _char("ha1b", 64),
    _char("rpid", 64, None),
    _char("ha1_sha256", 64, None),
    _char("ha1_sha512t256", 64, None),
    sa.UniqueConstraint("username", "domain", name="account_idx"),
    sa.Index("username_idx", "username"),
)

sa.Table(
    "domain",
    METADATA,
    _id(),
    _char("domain", 64),
    _time("last_modified", SECONDS, "1900-01-01 00:00:01"),
    sa.UniqueConstraint("domain", name="domain_idx"),
)

sa.Table(
    "location",
    METADATA,
    _id(),
    _char("username", 64),
    _char("domain", 64, None),
    _char("contact", 255),
    _char("received", 128, None),
    _char("path", 128, None),
    _time("expires", SECONDS, "2020-05-28 21:32:15"),
    sa.Column("q", sa.Float, nullable=False, server_default="1.0"),
    _char("callid", 255, "Default-Call-ID"),
    _number("cseq", 13),
    _time("last_modified", SECONDS, "1900-01-01 00:00:01"),
    _number("flags"),
    _number("cflags"),
    _char("user_agent", 255),
    _char("socket", 64, None),
    _number("methods", None),
    _char("sip_instance", 255, None),
    _number("reg_id", None),
    sa.Index("account_contact_idx", "username", "domain", "contact"),
)

sa.Table(
    "acc",
    METADATA,
    *_transaction_columns(),
    _number("duration"),
    _number("setuptime"),
    _time("created", MILLISECONDS, nullable=True),
    _number("ms_duration"),
    sa.Index("acc_callid_idx", "callid"),
)

sa.Table("missed_calls", METADATA, *_transaction_columns(), sa.Index("missed_calls_callid_idx", "callid"))

sa.Table(
    "cdrs",
    METADATA,
    sa.Column("cdr_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    _time("call_start_time", MILLISECONDS),
    _number("duration"),
    _char("sip_call_id", 128),
    _char("sip_from_tag", 128),
    _char("sip_to_tag", 128),
    _time("created", MILLISECONDS),
    _char("caller", 255),
    _char("callee", 255),
    _char("request_uri", 255),
    _time("answer_time", MILLISECONDS, nullable=True),
    _time("end_time", MILLISECONDS, nullable=True),
    _number("duration_ms", 0, sa.BigInteger),
    _number("setup_ms", 0, sa.BigInteger),
    _char("released_by", 16),
    _char("cause", 64),
    _char("sip_code", 3),
    _char("sip_reason", 128),
    sa.Index("cdrs_start_idx", "call_start_time"),
    sa.Index("cdrs_call_id_idx", "sip_call_id"),
)

sa.Table(
    "live_calls",
    METADATA,
    _id(),
    _char("callid", 255),
    _char("from_tag", 128),
    sa.Column("record", sa.Text, nullable=False),
    _time("updated", MILLISECONDS),
    sa.UniqueConstraint("callid", "from_tag", name="live_calls_idx"),
)

sa.Table(
    "administrators",
    METADATA,
    _id(),
    _char("name", 64, unique=True),
    _char("password_hash", 255),
    _char("role", 32, "global"),
    _time("created", SECONDS),
)


def upgrade() -> None:
    """Create each table, or add what an existing one lacks; never change or drop a column of theirs."""
    connection = op.get_bind()
    inspector = sa.inspect(connection)
    existing = set(inspector.get_table_names())
    for table in METADATA.sorted_tables:
        if table.name not in existing:
            table.create(connection)
            continue
        present = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                lacking = sa.Column(
                    column.name, column.type, nullable=column.nullable, server_default=column.server_default
                )
                op.add_column(table.name, lacking)
    recorded = set(connection.scalars(sa.select(VERSION.c.table_name)))
    missing = [
        {"table_name": name, "table_version": number}
        for name, number in VERSIONS.items()
        if name not in recorded
    ]
    if missing:
        connection.execute(sa.insert(VERSION), missing)


def downgrade() -> None:
    """Drop the tables that are empty; one that holds rows is kept, for it may be somebody's only copy."""
    connection = op.get_bind()
    existing = set(sa.inspect(connection).get_table_names())
    kept = set()
    for table in reversed(METADATA.sorted_tables):
        if table is VERSION or table.name not in existing:
            continue
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is None:
            table.drop(connection)
        else:
            kept.add(table.name)
    gone = [name for name in VERSIONS if name not in kept and name != "version"]
    connection.execute(sa.delete(VERSION).where(VERSION.c.table_name.in_(gone)))
    if connection.scalar(sa.select(sa.func.count()).where(VERSION.c.table_name != "version")) == 0:
        VERSION.drop(connection)
