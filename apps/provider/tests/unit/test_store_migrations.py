"""The schema's history: up, down, over an OpenSIPS database, and in step with models and statements."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from trunkline.provider.store import Batch, Store, StoreError, _opening, _statements
from trunkline.provider.store.migrations import downgrade, head, upgrade
from trunkline.provider.store.models import TABLE_VERSIONS, Table

OPENSIPS_1_6 = """
CREATE TABLE version (table_name CHAR(32) NOT NULL, table_version INT DEFAULT 0 NOT NULL);
INSERT INTO version VALUES ('subscriber', 7), ('location', 1005), ('acc', 6);
CREATE TABLE subscriber (id INTEGER PRIMARY KEY, username CHAR(64) DEFAULT '' NOT NULL,
  domain CHAR(64) DEFAULT '' NOT NULL, password CHAR(25) DEFAULT '' NOT NULL,
  email_address CHAR(64) DEFAULT '' NOT NULL, ha1 CHAR(64) DEFAULT '' NOT NULL,
  ha1b CHAR(64) DEFAULT '' NOT NULL, rpid CHAR(64) DEFAULT NULL);
INSERT INTO subscriber (username, domain, password) VALUES ('alice', 'example.test', 'open sesame');
CREATE TABLE location (id INTEGER PRIMARY KEY, username CHAR(64) DEFAULT '' NOT NULL,
  domain CHAR(64) DEFAULT NULL, contact CHAR(255) DEFAULT '' NOT NULL, received CHAR(128) DEFAULT NULL,
  path CHAR(128) DEFAULT NULL, expires DATETIME DEFAULT '2020-05-28 21:32:15' NOT NULL,
  q FLOAT(10,2) DEFAULT 1.0 NOT NULL, callid CHAR(255) DEFAULT 'Default-Call-ID' NOT NULL,
  cseq INT DEFAULT 13 NOT NULL, last_modified DATETIME DEFAULT '1900-01-01 00:00:01' NOT NULL,
  flags INT DEFAULT 0 NOT NULL, cflags INT DEFAULT 0 NOT NULL, user_agent CHAR(255) DEFAULT '' NOT NULL,
  socket CHAR(64) DEFAULT NULL, methods INT DEFAULT NULL);
INSERT INTO location (username, contact, expires) VALUES ('bob', 'sip:bob@192.0.2.9', '2031-01-01 00:00:00');
CREATE TABLE acc (id INTEGER PRIMARY KEY, method CHAR(16) DEFAULT '' NOT NULL,
  from_tag CHAR(64) DEFAULT '' NOT NULL, to_tag CHAR(64) DEFAULT '' NOT NULL,
  callid CHAR(64) DEFAULT '' NOT NULL, sip_code CHAR(3) DEFAULT '' NOT NULL,
  sip_reason CHAR(32) DEFAULT '' NOT NULL, time DATETIME NOT NULL, src_ip CHAR(50) DEFAULT '' NOT NULL);
"""


def tables_of(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_the_head_named_in_the_code_is_the_newest_migration() -> None:
    assert _opening.KNOWN[-1] == _opening.HEAD == head()


def test_migrations_make_exactly_the_models(database: str) -> None:
    Store.open(database).close()
    engine = create_engine(database)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []
    engine.dispose()


def test_the_hot_statements_know_the_models_columns() -> None:
    for light in _statements.HOT_TABLES:
        columns = Table.metadata.tables[light.name].columns
        assert {column.name for column in light.columns} <= {column.name for column in columns}, light.name
    for statement in _statements.HOT_STATEMENTS:
        assert statement.table in Table.metadata.tables


def test_a_hot_insert_names_every_column_but_the_key_and_what_opensips_fills() -> None:
    for statement in (_statements.INSERT_BINDING, _statements.INSERT_ACC, _statements.INSERT_CDR):
        columns = {column.name for column in Table.metadata.tables[statement.table].columns}
        assert columns - set(statement.names) <= {"id", "cdr_id"}


def test_down_to_nothing_and_up_again(database: str) -> None:
    with Store.open(database) as store, store._writer.begin() as connection:
        downgrade(connection, "base")
    assert tables_of(database) == {"alembic_version"}
    with Store.open(database, create=False) as store:
        store.add_domain("example.test")
    assert tables_of(database) >= set(TABLE_VERSIONS)


def test_going_down_keeps_tables_that_hold_something(database: str) -> None:
    with Store.open(database) as store:
        store.add_domain("example.test")
        with store._writer.begin() as connection:
            downgrade(connection, "base")
    assert tables_of(database) == {"alembic_version", "version", "domain"}
    with Store.open(database) as store:
        assert store.load_domains() == ["example.test"]


def test_a_migration_that_fails_leaves_nothing_behind(database: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "trunkline.db")) as connection:
        connection.executescript("CREATE TABLE version (x); CREATE VIEW location AS SELECT 1 AS id;")
        connection.executescript("CREATE TABLE subscriber (id INTEGER)")
    with pytest.raises(StoreError):
        Store.open(database)
    assert tables_of(database) == {"version", "subscriber"}


def test_calls_in_progress_outlive_an_upgrade_and_a_downgrade(database: str) -> None:
    record = '{"call":{"call_id":"c1","from_tag":"f1"}}'
    with Store.open(database) as store, store._writer.begin() as connection:
        downgrade(connection, "0002")
        connection.exec_driver_sql(
            "INSERT INTO live_calls (callid, from_tag, record, updated) VALUES ('c1', 'f1', ?, ?)",
            (record, "2030-01-02 03:04:05.678000"),
        )
    with Store.open(database) as store:
        [loaded] = store.load_calls().values()
        assert loaded["call"]["call_id"] == "c1"
        lived = store.last_alive()
        assert lived is not None
        assert lived.isoformat() == "2030-01-02T03:04:05.678000+00:00"
        batch = Batch()
        batch.save_call(2**62, '{"call":{"call_id":"c2","from_tag":"f2"}}')
        store.write(batch)
        with store._writer.begin() as connection:
            downgrade(connection, "0002")
            rows = connection.exec_driver_sql(
                "SELECT callid, from_tag FROM live_calls ORDER BY id"
            ).fetchall()
            assert [tuple(row) for row in rows] == [("c1", "f1"), ("c2", "f2")]


def test_an_opensips_database_is_taken_over(database: str, tmp_path: Path, at, make_binding, acc_row) -> None:
    path = tmp_path / "trunkline.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OPENSIPS_1_6)
    with Store.open(database) as store:
        alice = store.subscriber("alice", "example.test")
        assert alice is not None
        assert alice.ha1_for("MD5") is not None
        [bob] = store.load_bindings(at)
        assert (bob.aor, bob.contact, bob.call_id, bob.instance) == (
            "bob",
            "sip:bob@192.0.2.9",
            "Default-Call-ID",
            None,
        )
        batch = Batch()
        batch.save_binding(make_binding())
        batch.remove_binding(bob)
        batch.acc(acc_row)
        assert store.write(batch) == ()
        assert [binding.aor for binding in store.load_bindings(at)] == ["alice@example.test"]
    with closing(sqlite3.connect(path)) as connection:
        assert dict(connection.execute("SELECT * FROM version")) == TABLE_VERSIONS
        assert connection.execute("SELECT callid, src_ip, ms_duration FROM acc").fetchall() == [("c1", "", 5)]
        # What OpenSIPS itself would write still fits.
        connection.execute("INSERT INTO subscriber (username, domain) VALUES ('carol', 'example.test')")


def test_a_location_table_of_another_opensips_is_refused(database: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "trunkline.db")) as connection:
        connection.executescript(
            """
            CREATE TABLE version (table_name CHAR(32), table_version INT);
            INSERT INTO version VALUES ('location', 1013);
            CREATE TABLE subscriber (id INTEGER);
            CREATE TABLE location (contact_id INTEGER, expires INT);
            """
        )
    with pytest.raises(StoreError, match="version 1013, expected 1005"):
        Store.open(database)


def test_upgrading_what_is_up_to_date_changes_nothing(store: Store) -> None:
    with store._writer.begin() as connection:
        upgrade(connection)
    assert store.counts()["subscriber"] == 0
