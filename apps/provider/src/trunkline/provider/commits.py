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


class GroupCommit:
    """The one writer of the store.

    Args:
        store: an open store; its `write` is called in a worker thread, one call at a time.
        interval: seconds that writes may gather before they are committed.
    """

    def __init__(self, store: Store, interval: float) -> None:
        self._store = store
        self._interval = interval
        self._batch = Batch()
        self._waiting: list[Done] = []
        self._kept: list[Batch] = []
        self._work = trio.Event()
        self._limiter = trio.CapacityLimiter(1)
        self.commits = 0
        self.failures = 0
        self.healthy = True
        "False from a failed commit to the next one that succeeds."

    @property
    def batch(self) -> Batch:
        """Return the batch that the next commit will write; call `touch` after adding to it."""
        return self._batch

    def touch(self) -> None:
        """Say that the batch has something to write."""
        self._work.set()

    def when_written(self, done: Done) -> None:
        """Call `done` when all that is in the batch now has been committed, or could not be."""
        self._waiting.append(done)
        self._work.set()

    async def run(self) -> None:
        """Commit until cancelled; what is still waiting then is written before this returns."""
        try:
            while True:
                await self._work.wait()
                await trio.sleep(RETRY if self._kept else self._interval)
                self._work = trio.Event()
                await self._commit()
        finally:
            await self._commit()
            if self._kept:
                log.critical("writes lost: the database was away at the end", rows=self._rows_kept())

    async def _commit(self) -> None:
        # what comes in while the kept ones are tried stays in the batch: a cancellation must not lose it
        error = await self._write_kept()
        batch, self._batch = self._batch, Batch()
        waiting, self._waiting = self._waiting, []
        if error is None and len(batch):
            error = await self._write(batch)
            if error is not None:
                log.error(
                    "the database does not take writes; they are kept and tried again", error=str(error)
                )
        if error is not None:
            self._keep(batch, waiting)
            return
        for done in waiting:
            done(True)

    async def _write_kept(self) -> StoreError | None:
        if not self._kept:
            return None
        while self._kept:
            error = await self._write(self._kept[0])
            if error is not None:
                return error
            del self._kept[0]
        log.warning("the database takes writes again; nothing was lost")
        return None

    async def _write(self, batch: Batch) -> StoreError | None:
        try:
            with trio.CancelScope(shield=True):
                write = partial(self._store.write, batch)
                refused = await trio.to_thread.run_sync(write, limiter=self._limiter)
        except StoreError as error:
            self.failures += 1
            self.healthy = False
            return error
        for row in refused:
            log.error(
                "the database will never take a row",
                table=row.table,
                reason=row.reason,
                values=dict(row.values),
            )
        self.commits += 1
        self.healthy = True
        return None

    def _keep(self, batch: Batch, waiting: list[Done]) -> None:
        if len(batch):
            self._kept.append(batch)
        while self._rows_kept() > MAX_KEPT:
            given_up = self._kept.pop(0)
            log.critical("writes given up: the database has been away too long", rows=len(given_up))
        self._work.set()
        # the latest first: each may put back what it found, in memory and in the next batch
        for done in reversed(waiting):
            done(False)

    def _rows_kept(self) -> int:
        return sum(len(kept) for kept in self._kept)
