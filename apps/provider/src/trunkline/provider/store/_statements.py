"""The statements of the hot path: light tables, text made once per engine, rows as plain tuples.

Here: which columns the server writes and reads while it runs. `models` is the schema; a test holds the two
together. The columns have no type, and the values are what the driver takes: converting them row by row in
SQLAlchemy costs more than the database does. The rows are made in `_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import attrs
from sqlalchemy import (
    Connection,
    Delete,
    Dialect,
    Insert,
    PoolProxiedConnection,
    TableClause,
    Update,
    and_,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]


def _table(name: str, columns: str) -> TableClause:
    return table(name, *(column(column_name) for column_name in columns.split()))


LOCATION = _table(
    "location",
    "username domain contact received path expires q callid cseq last_modified flags cflags user_agent "
    "socket methods sip_instance reg_id",
)
ACC = _table(
    "acc",
    "method from_tag to_tag callid sip_code sip_reason time duration setuptime created ms_duration",
)
MISSED_CALLS = _table("missed_calls", "method from_tag to_tag callid sip_code sip_reason time")
CDRS = _table(
    "cdrs",
    "sip_call_id sip_from_tag sip_to_tag call_start_time duration created caller callee request_uri "
    "answer_time end_time duration_ms setup_ms released_by cause sip_code sip_reason",
)
LIVE_CALLS = _table("live_calls", "id record updated")
SUBSCRIBER = _table("subscriber", "username domain password email_address ha1 ha1b ha1_sha256 ha1_sha512t256")
DOMAIN = _table("domain", "id domain")
ADMINISTRATORS = _table("administrators", "id name password_hash")

HOT_TABLES = (LOCATION, ACC, MISSED_CALLS, CDRS, LIVE_CALLS, SUBSCRIBER, DOMAIN)


@attrs.frozen(eq=False)
class Statement:
    """A statement that is run with many rows at a time."""

    table: str
    """The table it writes."""
    executable: Insert | Delete | Update
    names: tuple[str, ...]
    """What stands at each place of a row."""


def _insert(target: TableClause) -> Statement:
    return Statement(target.name, insert(target), tuple(column.name for column in target.columns))


def _delete(target: TableClause, *names: str) -> Statement:
    # Rows of other systems may have NULL for the domain.
    conditions = [
        (func.coalesce(target.c.domain, literal_column("''")) if name == "domain" else target.c[name])
        == bindparam(f"b_{name}")
        for name in names
    ]
    return Statement(
        target.name, delete(target).where(and_(*conditions)), tuple(f"b_{name}" for name in names)
    )


# A location row has no unique key in OpenSIPS's schema, so that storing it is removing and adding.
DELETE_BINDING = _delete(LOCATION, "username", "domain", "contact")
INSERT_BINDING = _insert(LOCATION)
# Where a phone only registers again, most of its row and all of the index stay as they are.
_REFRESH_BINDINGS = (
    "UPDATE location SET expires = v.column4, callid = v.column5, cseq = v.column6, last_modified = v.column7"
    " FROM (VALUES {rows}) AS v WHERE location.username = v.column1"
    " AND coalesce(location.domain, '') = v.column2 AND location.contact = v.column3"
)
_MOST_REFRESHED = 32
TOUCH_CALL = Statement(
    LIVE_CALLS.name,
    update(LIVE_CALLS).values(updated=bindparam("b_updated")).where(LIVE_CALLS.c.id == bindparam("b_id")),
    ("b_updated", "b_id"),
)
DELETE_CALL = _delete(LIVE_CALLS, "id")
INSERT_CALL = _insert(LIVE_CALLS)
INSERT_ACC = _insert(ACC)
INSERT_MISSED = _insert(MISSED_CALLS)
CDR_KEY_LENGTH = 4
DELETE_CDR = _delete(CDRS, "sip_call_id", "sip_from_tag", "sip_to_tag", "call_start_time")
INSERT_CDR = _insert(CDRS)

HOT_STATEMENTS = (
    DELETE_BINDING,
    INSERT_BINDING,
    TOUCH_CALL,
    DELETE_CALL,
    INSERT_CALL,
    INSERT_ACC,
    INSERT_MISSED,
    DELETE_CDR,
    INSERT_CDR,
)

UNEXPIRED = or_(LOCATION.c.expires > bindparam("now"), LOCATION.c.expires == bindparam("never"))
SELECT_BINDINGS = select(LOCATION).where(UNEXPIRED)
SELECT_ALIVE = select(func.max(LIVE_CALLS.c.updated))
SELECT_CALLS = select(LIVE_CALLS.c.id, LIVE_CALLS.c.record).order_by(LIVE_CALLS.c.updated)
SELECT_SUBSCRIBER = select(SUBSCRIBER).where(
    SUBSCRIBER.c.username == bindparam("b_username"), SUBSCRIBER.c.domain == bindparam("b_domain")
)
SELECT_SUBSCRIBERS = select(SUBSCRIBER).order_by(SUBSCRIBER.c.domain, SUBSCRIBER.c.username)
SELECT_ADMINISTRATOR = select(ADMINISTRATORS.c.id).limit(1)
SELECT_DOMAINS = select(DOMAIN.c.domain).order_by(DOMAIN.c.id)


class Prepared:
    """The hot statements as text for one engine.

    Args:
        dialect: the engine's.
        widths: where text is cut, by table and column; empty for SQLite, which keeps text of any length.
    """

    def __init__(self, dialect: Dialect, widths: dict[str, dict[str, int]]) -> None:
        self._texts: dict[Statement, list[str]] = {}
        self._cuts: dict[Statement, list[tuple[int, int]]] = {}
        self._dialect = dialect
        self._refreshes: list[str] = []
        if dialect.name == "sqlite" and dialect.loaded_dbapi.sqlite_version_info >= (3, 33):
            one = "(?, ?, ?, ?, ?, ?, ?)"
            sizes = range(1, _MOST_REFRESHED + 1)
            self._refreshes = [_REFRESH_BINDINGS.format(rows=", ".join([one] * size)) for size in sizes]
        for statement in HOT_STATEMENTS:
            compiled = str(statement.executable.compile(dialect=dialect, column_keys=list(statement.names)))
            sizes = range(1, _most(statement) + 1 if dialect.positional else 2)
            self._texts[statement] = [_repeated(compiled, size) for size in sizes]
            limits = widths.get(statement.table, {})
            self._cuts[statement] = [
                (place, limits[name.removeprefix("b_")])
                for place, name in enumerate(statement.names)
                if name.removeprefix("b_") in limits
            ]

    def run(
        self, connection: Connection | PoolProxiedConnection, statement: Statement, rows: Sequence[Row]
    ) -> None:
        """Run a statement for all rows, with as few steps of the driver as can be.

        The SQLite driver gives the interpreter away and wants it back at every step, which with a busy
        thread beside it costs more than the step; so that many rows are one statement there, and the
        driver's own cursor runs it.

        Raises:
            DBAPIError: the database will not, or cannot.
        """
        if not rows:
            return
        if cuts := self._cuts[statement]:
            rows = [_cut(row, cuts) for row in rows]
        texts = self._texts[statement]
        if isinstance(connection, Connection):
            if not self._dialect.positional:
                named = [dict(zip(statement.names, row, strict=True)) for row in rows]
                connection.exec_driver_sql(texts[0], named)
                return
            connection = connection.connection
        driver = self._dialect.loaded_dbapi
        self._execute(connection, driver, texts, rows)

    def refresh(self, connection: Connection | PoolProxiedConnection, rows: Sequence[Row]) -> bool:
        """Change what is new in the rows of bindings, where the engine can do so for many at once.

        Returns:
            False when that is not done for every one: it cannot, or one has no row, or several.

        Raises:
            DBAPIError: the database will not, or cannot.
        """
        driver = self._dialect.loaded_dbapi
        if not self._refreshes or isinstance(connection, Connection):
            return False
        return self._execute(connection, driver, self._refreshes, rows) == len(rows)

    def _execute(
        self, connection: PoolProxiedConnection, driver: Any, texts: Sequence[str], rows: Sequence[Row]
    ) -> int:
        """Run a statement, given for one row, for two and so on; says how many rows it changed."""
        cursor = connection.cursor()
        text, changed = "", 0
        try:
            for start in range(0, len(rows), len(texts)):
                some = rows[start : start + len(texts)]
                text = texts[len(some) - 1]
                cursor.execute(text, tuple(chain.from_iterable(some)))
                changed += cursor.rowcount
        except driver.Error as error:
            raise DBAPIError.instance(text, (), error, driver.Error, dialect=self._dialect) from error
        finally:
            cursor.close()
        return changed


def _most(statement: Statement) -> int:
    """Tell for how many rows at the most a statement is written."""
    if isinstance(statement.executable, Update):
        return 1
    return 16 if isinstance(statement.executable, Delete) else 64


def _repeated(text: str, times: int) -> str:
    """Write a statement for one row as one for several."""
    if times == 1:
        return text
    if text.startswith("DELETE"):
        head, _, condition = text.partition(" WHERE ")
        return f"{head} WHERE " + " OR ".join([f"({condition})"] * times)
    head, _, values = text.partition(" VALUES ")
    return f"{head} VALUES " + ", ".join([values] * times)


def _cut(row: Row, cuts: Iterable[tuple[int, int]]) -> Row:
    values = list(row)
    for place, width in cuts:
        if isinstance(values[place], str):
            values[place] = values[place][:width]
    return tuple(values)
