"""Group commit: what is confirmed is on disk, what the database refuses is kept and tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trunkline.provider.commits import MAX_KEPT, RETRY, GroupCommit
from trunkline.provider.store import Batch, Refused, StoreError

INTERVAL = 0.01


class Database:
    """A store that remembers what it took; it may be away, slow, or not like a row."""

    def __init__(self) -> None:
        self._loop = trio.lowlevel.current_trio_token()
        self.taken: list[list[str]] = []
        self.attempts: list[float] = []
        self.is_away = False
        self.refused: tuple[Refused, ...] = ()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def write(self, batch: Batch) -> tuple[Refused, ...]:
        self.attempts.append(trio.from_thread.run_sync(trio.current_time, trio_token=self._loop))
        self.may_go_on.wait(5)
        if self.is_away:
            raise StoreError("the database is away")
        self.taken.append([*batch._removed, *batch._saved])
        return self.refused

    @property
    def rows(self) -> list[str]:
        """What was taken, in order."""
        return [row for batch in self.taken for row in batch]


class Bench:
    """A group commit on that database, and what it answered."""

    def __init__(self) -> None:
        self.database = Database()
        self.commits = GroupCommit(self.database, INTERVAL)  # type: ignore[arg-type]
        self.answers: list[tuple[str, bool]] = []

    def put(self, name: str) -> None:
        """Write a row and wait for it."""
        self.commits.batch.remove_call(name)
        self.commits.touch()
        self.commits.when_written(lambda on_disk: self.answers.append((name, on_disk)))


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """Time that jumps when everybody waits for it; a test has to name it to have it."""
    autojump_clock.autojump_threshold = 0.001
    return autojump_clock


@pytest.fixture
def bench(nursery: trio.Nursery) -> Bench:
    """A running group commit."""
    bench = Bench()
    nursery.start_soon(bench.commits.run)
    return bench


async def settled(condition: Callable[[], bool]) -> None:
    """Wait until something has come true."""
    with trio.fail_after(60):
        while not condition():
            await trio.sleep(INTERVAL)


def answered(bench: Bench, number: int) -> bool:
    return len(bench.answers) == number


async def test_writes_of_an_interval_share_a_commit_answered_in_order(bench: Bench, clock: MockClock) -> None:
    for name in ("a", "b", "c"):
        bench.put(name)
    await settled(lambda: len(bench.answers) == 3)
    assert bench.database.taken == [["a", "b", "c"]]
    assert bench.answers == [("a", True), ("b", True), ("c", True)]
    assert bench.commits.commits == 1


async def test_nothing_is_answered_before_it_is_on_disk(bench: Bench, clock: MockClock) -> None:
    bench.database.may_go_on.clear()
    bench.put("a")
    await settled(lambda: len(bench.database.attempts) == 1)
    assert bench.answers == []
    bench.put("b")
    bench.database.may_go_on.set()
    await settled(lambda: len(bench.answers) == 2)
    assert bench.database.taken == [["a"], ["b"]]


async def test_who_waits_for_nothing_new_is_answered_without_a_commit(bench: Bench, clock: MockClock) -> None:
    bench.commits.when_written(lambda on_disk: bench.answers.append(("nothing", on_disk)))
    await settled(lambda: bool(bench.answers))
    assert bench.answers == [("nothing", True)]
    assert bench.database.attempts == []


async def test_an_idle_commit_sleeps(bench: Bench, clock: MockClock) -> None:
    await trio.sleep(3600)
    assert bench.database.attempts == []


async def test_who_is_awake_needs_no_waking(nursery: trio.Nursery, mock_clock: MockClock) -> None:
    bench = Bench()
    nursery.start_soon(bench.commits.run)
    await wait_all_tasks_blocked()
    bench.put("a")
    soon = INTERVAL - 0.002
    bench.commits.look(soon)
    bench.commits.look(soon, early=0.001)
    assert bench.database.attempts == []
    bench.commits.look(soon, early=0.003)
    with trio.fail_after(1):
        while not bench.answers:
            await trio.sleep(0)  # time stands still: nobody is woken by it
            bench.commits.look(soon)
    assert bench.answers == [("a", True)]


async def test_refusal_is_told_the_latest_first_and_the_rows_are_kept(bench: Bench, clock: MockClock) -> None:
    bench.database.is_away = True
    bench.put("a")
    bench.put("b")
    await settled(lambda: len(bench.answers) == 2)
    assert bench.answers == [("b", False), ("a", False)]
    assert not bench.commits.healthy
    bench.database.is_away = False
    await settled(lambda: bool(bench.database.taken))
    assert bench.database.taken == [["a", "b"]]
    assert bench.commits.healthy
    assert bench.commits.failures == 1


async def test_what_a_refusal_writes_comes_after_what_was_refused(bench: Bench, clock: MockClock) -> None:
    bench.database.is_away = True
    bench.commits.batch.remove_call("done")
    bench.commits.touch()

    def undo(on_disk: bool) -> None:
        bench.commits.batch.remove_call("undone")
        bench.commits.touch()

    bench.commits.when_written(undo)
    await settled(lambda: not bench.commits.healthy)
    bench.database.is_away = False
    await settled(lambda: len(bench.database.taken) == 2)
    assert bench.database.taken == [["done"], ["undone"]]


async def test_database_that_is_away_is_tried_again_every_second(bench: Bench, clock: MockClock) -> None:
    bench.database.is_away = True
    bench.put("a")
    times = bench.database.attempts
    await settled(lambda: len(times) == 6)
    assert all(later - earlier > RETRY - 0.001 for earlier, later in pairwise(times))
    assert bench.answers == [("a", False)]


async def test_rows_of_a_long_absence_arrive_in_order(bench: Bench, clock: MockClock) -> None:
    bench.database.is_away = True
    names = [f"row{number}" for number in range(8)]
    for name in names:
        bench.put(name)
        await trio.sleep(0.7 * RETRY)
    bench.database.is_away = False
    await settled(lambda: len(bench.database.rows) == len(names))
    assert bench.database.rows == names
    assert bench.answers[0] == ("row0", False)


async def test_what_comes_before_kept_rows_are_written_is_confirmed(bench: Bench, clock: MockClock) -> None:
    bench.database.is_away = True
    bench.put("a")
    await settled(lambda: len(bench.answers) == 1)
    bench.database.is_away = False
    bench.put("b")
    await settled(lambda: len(bench.answers) == 2)
    assert bench.answers[-1] == ("b", True)
    assert bench.database.rows == ["a", "b"]


async def test_oldest_rows_are_given_up_when_there_are_too_many(
    bench: Bench, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_KEPT > 10_000
    monkeypatch.setattr("trunkline.provider.commits.MAX_KEPT", 3)
    bench.database.is_away = True
    for number in range(6):
        bench.put(f"row{number}")
        await settled(partial(answered, bench, number + 1))
    bench.database.is_away = False
    await settled(lambda: bench.commits.healthy)
    await trio.sleep(2 * RETRY)
    assert bench.database.rows == ["row3", "row4", "row5"]


async def test_row_that_will_never_be_taken_does_not_hold_up_others(bench: Bench, clock: MockClock) -> None:
    bench.database.refused = (Refused("acc", {"method": "x"}, "too long"),)
    bench.put("a")
    await settled(lambda: bool(bench.answers))
    assert bench.answers == [("a", True)]
    assert bench.commits.healthy


async def test_what_is_waiting_at_the_end_is_written_first(clock: MockClock) -> None:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.commits.run)
        await wait_all_tasks_blocked()
        bench.put("last")
        nursery.cancel_scope.cancel()
    assert bench.database.taken == [["last"]]
    assert bench.answers == [("last", True)]


async def test_end_during_a_commit_loses_neither_it_nor_what_came_after(clock: MockClock) -> None:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.commits.run)
        bench.database.may_go_on.clear()
        bench.put("first")
        await settled(lambda: len(bench.database.attempts) == 1)
        bench.put("second")
        nursery.cancel_scope.cancel()
        bench.database.may_go_on.set()
    assert bench.database.taken == [["first"], ["second"]]
    assert bench.answers == [("first", True), ("second", True)]


@pytest.mark.parametrize("instant", [0.2, 0.999, 1.0, 1.001, 1.5])
async def test_end_while_the_database_is_away_makes_a_last_attempt_with_all(
    clock: MockClock, instant: float
) -> None:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.commits.run)
        bench.database.is_away = True
        bench.put("first")
        await settled(lambda: bool(bench.answers))
        bench.put("second")
        await trio.sleep(instant * RETRY)
        bench.database.is_away = False
        nursery.cancel_scope.cancel()
    assert bench.database.rows == ["first", "second"]


async def test_end_with_a_database_that_stays_away_ends_all_the_same(clock: MockClock) -> None:
    bench = Bench()
    bench.database.is_away = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.commits.run)
        bench.put("lost")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert bench.answers == [("lost", False)]
