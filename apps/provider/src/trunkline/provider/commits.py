"""Group commit: writes of many messages in one transaction, and what waits for them.

A write is kept until the database took it. Whoever needs to know that it is on disk passes a
callback; it runs with True after the commit, or with False when the database refused, so that a
registration is answered 5xx instead of being confirmed and lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog
import trio

from .store import Batch, Store, StoreError

log = structlog.get_logger("store")

RETRY = 1.0
"Seconds between attempts while the database is away."
MAX_KEPT = 100_000
"Writes kept for a database that is away; beyond it the oldest group is given up, and said so."

Done = Callable[[bool], None]


class CommitGroups:
    """What is written together, what waits for it, and what is kept while the database is away; no I/O.

    One group is under way at a time: `seal` begins it, then `next` gives each batch to write until there is
    none, each answered by `written` or `refused`; after a refusal the group is over, and what it held is
    kept. `release` ends a group that was written.

    Args:
        make_batch: gives an empty batch.
    """

    def __init__(self, make_batch: Callable[[], Batch] = Batch) -> None:
        self.batch = make_batch()
        "What the next group will write."
        self.failures = 0
        self.commits = 0
        self.healthy = True
        "False from a failed commit to the next one that succeeds."
        self._make_batch = make_batch
        self._waiting: list[Done] = []
        self._group: Batch | None = None
        self._group_waiting: list[Done] = []
        self._kept: list[Batch] = []

    @property
    def kept(self) -> int:
        """Count the groups that the database has refused so far."""
        return len(self._kept)

    @property
    def waiting(self) -> int:
        """Count those who wait for a commit."""
        return len(self._waiting) + len(self._group_waiting)

    def when_written(self, done: Done) -> None:
        """Call `done` when all that is in the batch now has been committed, or could not be."""
        self._waiting.append(done)

    def seal(self) -> None:
        """Close the batch: what comes now belongs to the next group."""
        self._group, self.batch = self.batch, self._make_batch()
        self._group_waiting, self._waiting = self._waiting, []

    def next(self) -> Batch | None:
        """Give what is to be written now, what was kept first; None when the group is written."""
        if self._kept:
            return self._kept[0]
        return self._group if self._group is not None and len(self._group) else None

    def written(self) -> None:
        """Note that the database took what `next` gave."""
        self.commits += 1
        self.healthy = True
        if self._kept:
            del self._kept[0]
            if not self._kept:
                log.warning("the database takes writes again; nothing was lost")
        else:
            self._group = None

    def release(self) -> None:
        """Tell those who waited for the group that it is on disk."""
        self._group = None
        self._tell(True)

    def refused(self) -> None:
        """Note that the database would not take it now: keep it, and tell those who waited."""
        self.failures += 1
        self.healthy = False
        # first the refusals: they may add what undoes the change, which then follows it in order
        if self._group is not None and len(self._group):
            self._kept.append(self._group)
        self._group = None
        while sum(len(kept) for kept in self._kept) > MAX_KEPT:
            given_up = self._kept.pop(0)
            log.critical("writes given up: the database has been away too long", rows=len(given_up))
        self._tell(False)

    def _tell(self, on_disk: bool) -> None:
        waiting, self._group_waiting = self._group_waiting, []
        for done in waiting:
            done(on_disk)


class GroupCommit:
    """The one writer of the store.

    Args:
        store: an open store; its `write` is called in a worker thread, one call at a time.
        interval: seconds that writes may gather before they are committed.
    """

    def __init__(self, store: Store, interval: float) -> None:
        self._store = store
        self._interval = interval
        self._groups = CommitGroups()
        self._work = trio.Event()
        self._limiter = trio.CapacityLimiter(1)

    @property
    def batch(self) -> Batch:
        """Return the batch that the next commit will write; call `touch` after adding to it."""
        return self._groups.batch

    @property
    def commits(self) -> int:
        """Count the commits."""
        return self._groups.commits

    @property
    def failures(self) -> int:
        """Count the attempts that failed."""
        return self._groups.failures

    @property
    def healthy(self) -> bool:
        """False from a failed commit to the next one that succeeds."""
        return self._groups.healthy

    def touch(self) -> None:
        """Say that the batch has something to write."""
        self._work.set()

    def when_written(self, done: Done) -> None:
        """Call `done` when all that is in the batch now has been committed, or could not be."""
        self._groups.when_written(done)
        self._work.set()

    async def run(self) -> None:
        """Commit until cancelled; what is still waiting then is written before this returns."""
        try:
            while True:
                await self._work.wait()
                await trio.sleep(self._interval)
                self._work = trio.Event()
                await self._commit()
                if self._groups.kept:
                    self._work.set()
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 5, shield=True):
                await self._commit()

    async def _commit(self) -> None:
        groups = self._groups
        groups.seal()
        while (batch := groups.next()) is not None:
            error = await self._write(batch)
            if error is None:
                groups.written()
                continue
            groups.healthy = False
            if groups.kept:
                await trio.sleep(RETRY)
            else:
                log.error(
                    "the database does not take writes; they are kept and tried again", error=str(error)
                )
            groups.refused()
            return
        groups.release()

    async def _write(self, batch: Batch) -> StoreError | None:
        try:
            refused = await trio.to_thread.run_sync(partial(self._store.write, batch), limiter=self._limiter)
        except StoreError as error:
            return error
        for row in refused:
            log.error(
                "the database will never take a row",
                table=row.table,
                reason=row.reason,
                values=dict(row.values),
            )
        return None
