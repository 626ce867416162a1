"""Opening a database: new, old, newer, somebody else's, or not to be had. Rows are tested elsewhere."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from sqlmodel import Session

from trunkline.provider.store import Store, StoreError, _provisioning, check_database
from trunkline.provider.store.models import SecretRow

GiveUp = Callable[[], AbstractContextManager[None]]


def refusal(url: str, *, create: bool = True) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(url, create=create)
    message = str(caught.value)
    assert "\n" not in message
    return message


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_new_database_has_the_tables_and_versions_of_opensips(database: str, tmp_path: Path) -> None:
    Store.open(database).close()
    with closing(sqlite3.connect(tmp_path / "trunkline.db")) as connection:
        versions = dict(connection.execute("SELECT table_name, table_version FROM version"))
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert versions == {
        "version": 1,
        "subscriber": 7,
        "location": 1005,
        "domain": 2,
        "acc": 6,
        "missed_calls": 4,
    }
    assert tables >= {*versions, "cdrs", "live_calls", "administrators"}


def test_what_was_written_is_there_when_it_is_opened_again(database: str) -> None:
    with Store.open(database) as store:
        store.add_domain("example.test")
    with Store.open(database, create=False) as store:
        assert store.load_domains() == ["example.test"]


def test_commits_are_on_disk_when_they_return(store: Store) -> None:
    with store._engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_two_that_open_a_new_database_at_once_both_succeed(database: str) -> None:
    failures: list[Exception] = []
    start = threading.Barrier(4)

    def open_it() -> None:
        start.wait()
        try:
            Store.open(database).close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    message = refusal(f"sqlite:///{tmp_path}/no/where/trunkline.db")
    assert f"mkdir -p {tmp_path}/no/where" in message


def test_a_file_for_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refusal(f"sqlite:///{tmp_path}/file/trunkline.db")


def test_a_folder_for_a_file_is_named(tmp_path: Path) -> None:
    assert "is a folder" in refusal(f"sqlite:///{tmp_path}")


def test_a_missing_file_is_made_only_when_asked(database: str, tmp_path: Path) -> None:
    assert "`trunkline run` creates it" in refusal(database, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_text_file_is_no_database_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes. " * 100)
    assert "is not an SQLite database" in refusal(f"sqlite:///{path}")
    assert path.read_text() == "These are my notes. " * 100


def test_a_damaged_database_is_named(database: str, tmp_path: Path) -> None:
    Store.open(database).close()
    path = tmp_path / "trunkline.db"
    content = bytearray(path.read_bytes())
    content[100 : len(content)] = os.urandom(len(content) - 100)
    path.write_bytes(content)
    assert "damaged" in refusal(database)


def test_an_unreadable_file_is_named(open_folder: Path, unprivileged: GiveUp) -> None:
    url = f"sqlite:///{open_folder}/trunkline.db"
    Store.open(url).close()
    (open_folder / "trunkline.db").chmod(0)
    with unprivileged():
        message = refusal(url)
    assert "is not readable for user" in message
    assert "chmod" in message


def test_a_read_only_file_is_named(open_folder: Path, unprivileged: GiveUp) -> None:
    url = f"sqlite:///{open_folder}/trunkline.db"
    Store.open(url).close()
    (open_folder / "trunkline.db").chmod(0o444)
    with unprivileged():
        assert "is read-only for user" in refusal(url)


def test_a_read_only_folder_is_named(open_folder: Path, unprivileged: GiveUp) -> None:
    url = f"sqlite:///{open_folder}/trunkline.db"
    with unprivileged():
        assert "may not write in" in refusal(url)
    Store.open(url).close()
    (open_folder / "trunkline.db").chmod(0o666)
    with unprivileged():
        assert "SQLite must write beside it" in refusal(url)


def test_a_newer_schema_is_left_alone(database: str, tmp_path: Path) -> None:
    Store.open(database).close()
    execute(tmp_path / "trunkline.db", "UPDATE alembic_version SET version_num = '9999'")
    message = refusal(database)
    assert "made by a newer Trunkline (schema 9999" in message
    assert "install the newer version" in message


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    execute(path, "CREATE TABLE bookmarks (id INTEGER)")
    assert "belongs to another program (tables bookmarks)" in refusal(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("trunkline.db", "is not understood"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("oracle+nothing://host/name", "is not known"),
        ("postgresql://u:secret@127.0.0.1:1/name", "psycopg"),
        ("mysql://u:secret@127.0.0.1:1/name", "pymysql"),
    ],
)
def test_a_url_that_cannot_be_used_says_what_can(url: str, expected: str) -> None:
    message = refusal(url)
    assert expected in message
    assert "secret" not in message


def test_looking_changes_nothing(database: str, tmp_path: Path) -> None:
    assert check_database(database) == f"{tmp_path}/trunkline.db (will be created)"
    assert list(tmp_path.iterdir()) == []
    Store.open(database).close()
    assert check_database(database) == f"{tmp_path}/trunkline.db (ready)"
    with pytest.raises(StoreError, match="mkdir"):
        check_database(f"sqlite:///{tmp_path}/no/x.db")


def test_a_secret_is_drawn_once_by_whoever_asks_first(database: str) -> None:
    with Store.open(database) as one, Store.open(database) as other:
        drawn = one.secret("record-route", lambda count: b"a" * count)
        assert drawn == b"a" * 32
        assert other.secret("record-route", lambda count: b"b" * count) == drawn
        assert other.secret("another", lambda count: b"b" * count) == b"b" * 32
    with Store.open(database) as again:
        assert again.secret("record-route", lambda count: b"c" * count) == drawn


def test_a_secret_drawn_by_two_at_once_is_that_of_the_first(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(database) as one, Store.open(database) as other:

        def overtaken(session: Session, name: str, value: bytes) -> bytes:
            monkeypatch.undo()
            assert session.get(SecretRow, name) is None
            session.rollback()
            other.secret(name, lambda count: b"b" * count)
            session.add(SecretRow(name=name, value=value.hex()))
            session.flush()
            return value

        monkeypatch.setattr(_provisioning, "keep_secret", overtaken)
        assert one.secret("record-route", lambda count: b"a" * count) == b"b" * 32
