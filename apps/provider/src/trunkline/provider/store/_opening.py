"""Opening a database: is it one, is it ours, is it of this version.

Here: the engine, SQLite's settings, and the decision whether the schema must be made or moved on. Alembic is
imported only when it must.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from trunkline.provider.store._errors import (
    StoreError,
    check_sqlite_file,
    database_url,
    explain,
    sqlite_path,
)

HEAD = "0003"
"The newest revision; a test holds it to the migrations."
KNOWN = ("0001", "0002", "0003")
"Every revision of this and earlier versions, the oldest first."

BUSY_SECONDS = 5.0
STATEMENTS = 512
"Statements that the SQLite driver keeps compiled: a hot one has a text for every number of rows."
CACHE_KB = 500
"Pages that SQLite keeps for a connection; the system has all of the file, and more here saves no time."


def open_engine(url: URL, *, create: bool) -> Engine:
    """Open a database with its schema at HEAD.

    Args:
        url: as `database_url` gives it.
        create: whether a missing SQLite file may be made.

    Raises:
        StoreError: one line with the remedy.
    """
    path = sqlite_path(url)
    if path is not None:
        check_sqlite_file(path, create=create)
    try:
        engine = _make_engine(url)
        with engine.connect() as connection:
            revision = _revision(connection, url)
        if revision != HEAD:
            _move_on(engine, url)
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(explain(error, url)) from error
    return engine


def check_database(url: str) -> str:
    """Look at a database without changing it.

    Args:
        url: as in the configuration.

    Returns:
        where it is and what opening it would do, for a person.

    Raises:
        StoreError: it could not be opened; one line with the remedy.
    """
    parsed = database_url(url)
    path = sqlite_path(parsed)
    name = parsed.render_as_string()
    if path is not None:
        check_sqlite_file(path, create=True)
        name = str(path.absolute())
        if not path.exists():
            return f"{name} (will be created)"
    try:
        engine = _make_engine(parsed)
        with engine.connect() as connection:
            revision = _revision(connection, parsed)
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(explain(error, parsed)) from error
    return f"{name} ({'ready' if revision == HEAD else 'its tables will be made or brought up to date'})"


def writing(engine: Engine) -> Engine:
    """Give the engine whose transactions write: SQLite takes its lock at the start, not in the middle."""
    return engine.execution_options(writing=True)


@contextmanager
def sqlite_transaction(engine: Engine) -> Iterator[PoolProxiedConnection]:
    """Write in a transaction of the SQLite driver's own: SQLAlchemy's costs as much as twenty rows.

    Raises:
        DBAPIError: as SQLAlchemy would; nothing was written.
    """
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("BEGIN IMMEDIATE")
        yield connection
        connection.commit()
    except sqlite3.Error as error:
        raise DBAPIError.instance("", (), error, sqlite3.Error, dialect=engine.dialect) from error
    finally:
        connection.close()  # the pool rolls back what was not committed


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "cached_statements": STATEMENTS})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, record: object) -> None:
    # The driver's own transactions begin too late, and not at all before CREATE TABLE.
    connection.isolation_level = None
    _begin_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"cache_size=-{CACHE_KB}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_wal(connection: Any) -> None:
    """Choose the write-ahead log; SQLite waits for no lock while it changes to it, so that we do."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _revision(connection: Connection, url: URL) -> str | None:
    """Read the schema's revision; None when there is no schema of ours yet.

    Raises:
        StoreError: it is of a newer version, or the database is not for us.
    """
    inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        _refuse_strangers(connection, set(inspector.get_table_names()), url)
        return None
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is not None and revision not in KNOWN:
        raise StoreError(
            f"the database {url.render_as_string()} was made by a newer Trunkline (schema {revision}, this "
            f"one knows up to {HEAD}); install the newer version again, or restore the backup made before it"
        )
    return str(revision) if revision is not None else None


def _refuse_strangers(connection: Connection, tables: set[str], url: URL) -> None:
    """Keep our tables out of another program's database, and out of OpenSIPS databases of other versions."""
    if not tables:
        return
    name = url.render_as_string()
    if "version" not in tables or "subscriber" not in tables:
        some = ", ".join(sorted(tables)[:3])
        raise StoreError(
            f"the database {name} belongs to another program (tables {some}); name another in [database] url"
        )
    if "location" in tables:
        columns = {column["name"] for column in inspect(connection).get_columns("location")}
        if "id" not in columns:
            found = connection.scalar(text("SELECT table_version FROM version WHERE table_name = 'location'"))
            raise StoreError(
                f"the table location of {name} is of another OpenSIPS (version {found}, expected 1005 of "
                f"OpenSIPS 1.6); rename that table, phones register again by themselves"
            )


def _move_on(engine: Engine, url: URL) -> None:
    from trunkline.provider.store.migrations import upgrade

    with writing(engine).connect() as connection, connection.begin():
        # Another process may have done it while we waited for the lock.
        if _revision(connection, url) != HEAD:
            upgrade(connection)
