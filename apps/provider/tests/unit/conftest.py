"""What the tests of configuration, store, control socket, web and command line share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trunkline.acct import AccRow, Cdr
from trunkline.provider.store import Store
from trunkline.sip_proxy import Binding

NOBODY = 65534


@pytest.fixture
def at() -> datetime:
    """A time to work at, with a fraction of a second."""
    return datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The URL of a database that does not exist yet."""
    return f"sqlite:///{tmp_path}/trunkline.db"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, to be copied: making one anew for every test costs more than the tests."""
    path = tmp_path_factory.mktemp("empty") / "trunkline.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(database: str, empty_database: Path, tmp_path: Path) -> Iterator[Store]:
    """A new, empty store."""
    shutil.copy(empty_database, tmp_path / "trunkline.db")
    with Store.open(database, create=False) as opened:
        yield opened


@pytest.fixture
def make_binding(at: datetime) -> Callable[..., Binding]:
    """Make a binding of alice's, an hour to go, with whatever else is said."""

    def make(**fields: object) -> Binding:
        values = {
            "aor": "alice@example.test",
            "contact": "sip:alice@192.0.2.7:5060",
            "call_id": "a1",
            "cseq": 1,
            "expires": at.timestamp() + 3600,
            "last_modified": at.timestamp(),
            **fields,
        }
        return Binding(**values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_cdr(at: datetime) -> Callable[..., Cdr]:
    """Make the record of a call from alice to bob, with whatever else is said."""

    def make(**fields: object) -> Cdr:
        values = {
            "call_id": "c1",
            "from_tag": "f1",
            "to_tag": "t1",
            "caller": "alice@example.test",
            "callee": "bob@example.test",
            "request_uri": "sip:bob@example.test",
            "start": at,
            "answer": at,
            "end": at,
            "duration_ms": 61_500,
            "setup_ms": 250,
            "released_by": "caller",
            "cause": "bye",
            "code": 200,
            "reason": "OK",
            **fields,
        }
        return Cdr(**values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def acc_row(at: datetime) -> AccRow:
    """One row of accounting."""
    return AccRow("INVITE", "f1", "t1", "c1", "200", "OK", at, created=at, ms_duration=5)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach; pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def unprivileged() -> Callable[[], AbstractContextManager[None]]:
    """Give up root for a while: root may write everywhere."""

    @contextmanager
    def give_up() -> Iterator[None]:
        before = os.geteuid()
        if before == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(before)

    return give_up
