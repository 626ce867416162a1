"""Table live_calls: found by a number that the server gives, so that no index is kept up for every call."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME as MYSQL_DATETIME

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SQLite's own key of a row is called INTEGER, and has 64 bits
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MILLISECONDS = sa.DateTime().with_variant(MYSQL_DATETIME(fsp=3), "mysql", "mariadb")
_ROWS = sa.table("live_calls", *map(sa.column, ("id", "record", "updated", "callid", "from_tag")))


def upgrade() -> None:
    """Make the table anew: who called whom stands in the record."""
    rows = _read()
    op.drop_table("live_calls")
    op.create_table(
        "live_calls",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("updated", MILLISECONDS, nullable=False),
    )
    if rows:
        op.bulk_insert(_ROWS, rows)


def downgrade() -> None:
    """Make the table as it was."""
    rows = _read()
    op.drop_table("live_calls")
    op.create_table(
        "live_calls",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("callid", sa.String(255), nullable=False, server_default=""),
        sa.Column("from_tag", sa.String(128), nullable=False, server_default=""),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("updated", MILLISECONDS, nullable=False),
        sa.UniqueConstraint("callid", "from_tag", name="live_calls_idx"),
    )
    for number, row in enumerate(rows, 1):
        call = json.loads(row["record"]).get("call", {})
        key = {"callid": call.get("call_id", "")[:255], "from_tag": call.get("from_tag", "")[:128]}
        op.bulk_insert(_ROWS, [{**row, "id": number, **key}])


def _read() -> list[dict[str, Any]]:
    columns = _ROWS.c.id, _ROWS.c.record, _ROWS.c.updated
    return [dict(row) for row in op.get_bind().execute(sa.select(*columns)).mappings()]
