"""Whatever the database does and whenever the end comes: no row is lost, doubled or confirmed too early."""

from __future__ import annotations

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trunkline.provider.commits import GroupCommit
from trunkline.provider.store import Batch, StoreError

steps = st.lists(
    st.sampled_from(["write", "write", "wait", "write and wait", "away", "back", "tick", "second"]),
    max_size=25,
)


class Database:
    """Takes rows, or does not."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.is_away = False

    def write(self, batch: Batch) -> tuple[()]:
        if self.is_away:
            raise StoreError("away")
        self.rows += [*batch._removed, *batch._saved]
        return ()


async def play(walk: list[str]) -> None:
    database = Database()
    commits = GroupCommit(database, 0.01)  # type: ignore[arg-type]
    written: list[str] = []
    answered: list[int] = []

    def put() -> None:
        written.append(f"row{len(written)}")
        commits.batch.remove_call(written[-1])
        commits.touch()

    def wait() -> None:
        expected = list(written)
        number = len(waiting)
        waiting.append(number)

        def done(on_disk: bool) -> None:
            answered.append(number)
            if on_disk:
                assert database.rows[: len(expected)] == expected

        commits.when_written(done)

    waiting: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commits.run)
        for step in walk:
            if step in ("write", "write and wait"):
                put()
            if step in ("wait", "write and wait"):
                wait()
            database.is_away = step == "away" or (database.is_away and step != "back")
            if step in ("tick", "second"):
                await trio.sleep(0.02 if step == "tick" else 1)
        database.is_away = False
        nursery.cancel_scope.cancel()
    assert database.rows == written
    assert sorted(answered) == waiting


@settings(max_examples=40, deadline=None)
@given(steps)
def test_every_row_is_written_once_in_order_and_everybody_answered(walk: list[str]) -> None:
    trio.run(play, walk, clock=MockClock(autojump_threshold=0.0005))
