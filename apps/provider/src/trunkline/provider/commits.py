"""Group commit: writes of many messages in one transaction, and what waits for them.

A write is kept until the database took it. Whoever needs to know that it is on disk passes a
callback; it runs with True after the commit, or with False when the database refused, so that a
registration is answered 5xx instead of being confirmed and lost.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import structlog
import trio

from .store import Batch, Refused, Store, StoreError
from .writer import Writer

log = structlog.get_logger("store")

RETRY = 1.0
"Seconds between attempts while the database is away."
GLANCE = 0.005
"Seconds between two looks whether a commit is done, where nobody looks in anyway."
MAX_KEPT = 100_000
"Writes kept for a database that is away; beyond it the oldest group is given up, and said so."

Done = Callable[[bool], None]


class CommitGroups:
    """What is written together, what waits for it, and what is kept while the database is away; no I/O.

    `next` gives what is to be written now, one batch at a time, until there is nothing more; each is answered
    by `written` or by `refused`. What comes in meanwhile belongs to the next group.

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
        """Count the rows that the database has refused so far."""
        return sum(len(kept) for kept in self._kept)

    @property
    def waiting(self) -> int:
        """Count those who wait for a commit."""
        return len(self._waiting) + len(self._group_waiting)

    def when_written(self, done: Done) -> None:
        """Call `done` when all that is in the batch now has been committed, or could not be."""
        self._waiting.append(done)

    def next(self) -> Batch | None:
        """Give what is to be written, the oldest first; None when all is, and those who waited were told."""
        if self._kept:
            # the batch is not closed yet: what comes in while the kept ones are tried is not to be lost
            return self._kept[0]
        self._close()
        if self._group is not None and len(self._group):
            return self._group
        self._tell(True)
        return None

    def written(self) -> bool:
        """Note that the database took what `next` gave; True when that was kept and more is to be written."""
        self.commits += 1
        self.healthy = True
        if self._kept:
            del self._kept[0]
            if not self._kept:
                log.warning("the database takes writes again; nothing was lost")
            return True
        self._tell(True)
        return False

    def refused(self) -> None:
        """Note that the database would not take it now: keep it, and tell those who waited."""
        self.failures += 1
        self.healthy = False
        self._close()
        if self._group is not None and len(self._group):
            self._kept.append(self._group)
        while self.kept > MAX_KEPT:
            given_up = self._kept.pop(0)
            log.critical("writes given up: the database has been away too long", rows=len(given_up))
        # the latest first: each may put back what it found, in memory and in the next batch
        self._group_waiting.reverse()
        self._tell(False)

    def _close(self) -> None:
        if self._group is None:
            self._group, self.batch = self.batch, self._make_batch()
            self._group_waiting, self._waiting = self._waiting, []

    def _tell(self, on_disk: bool) -> None:
        self._group = None
        waiting, self._group_waiting = self._group_waiting, []
        for done in waiting:
            done(on_disk)


class GroupCommit:
    """The one writer of the store.

    It lives while `run` runs, and goes on whenever `look` is called. Who is awake every few milliseconds may
    call it himself: then `run` is hardly ever woken.

    Args:
        store: an open store; its `write` is called in a thread of its own, one call at a time.
        interval: seconds that writes may gather before they are committed.
        told: called when `run` has looked, and those who waited for a commit may have been told of it.
    """

    def __init__(self, store: Store, interval: float, told: Callable[[], None] = lambda: None) -> None:
        self._interval = interval
        self._told = told
        self._groups = CommitGroups()
        self._writer: Writer[Batch, tuple[Refused, ...]] = Writer(store.write)
        self._look_at = inf
        self._alarm = trio.CancelScope()

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
        if self._look_at == inf:
            self._look_again(trio.current_time() + self._interval)

    def when_written(self, done: Done) -> None:
        """Call `done` when all that is in the batch now has been committed, or could not be."""
        self._groups.when_written(done)
        self.touch()

    async def run(self) -> None:
        """Commit until cancelled; what is still waiting then is written before this returns."""
        with self._writer:
            try:
                while True:
                    with trio.CancelScope(deadline=self._look_at) as self._alarm:
                        await trio.sleep_forever()
                    self.look(trio.current_time())
                    self._told()
            finally:
                with trio.CancelScope(shield=True):
                    await self._finish()

    def look(self, now: float, *, early: float = 0.0) -> None:
        """Take up what has been written, or begin to write what has gathered.

        Args:
            now: as `trio.current_time` gives it.
            early: seconds by which an interval may be cut short, for who would have to be woken at its end.
        """
        writer = self._writer
        if writer.is_busy:
            if writer.has_ended:
                self._take(now)
            elif now >= self._look_at:
                self._look_again(now + GLANCE)
        elif now + early >= self._look_at:
            self._begin(now)

    def _look_again(self, at: float) -> None:
        self._look_at = self._alarm.deadline = at

    def _begin(self, now: float) -> None:
        """Write what is next, if anything is."""
        self._look_at = inf
        batch = self._groups.next()
        if batch is not None:
            self._writer.begin(batch)
            self._look_again(now + GLANCE)
        elif self._look_at == inf:
            self._alarm.deadline = inf

    def _take(self, now: float) -> None:
        """Tell what came of a commit to those who waited, and go on with the next."""
        groups = self._groups
        try:
            refused = self._writer.take()
        except StoreError as error:
            if not groups.kept:
                log.error(
                    "the database does not take writes; they are kept and tried again", error=str(error)
                )
            groups.refused()
            self._look_again(now + RETRY)
            return
        for row in refused:
            log.error(
                "the database will never take a row",
                table=row.table,
                reason=row.reason,
                values=dict(row.values),
            )
        if groups.written():
            self._begin(now)
        elif groups.waiting or len(groups.batch):
            self._look_again(now + self._interval)  # what came in meanwhile may gather first
        else:
            self._look_again(inf)

    async def _finish(self) -> None:
        """Write all there is; only a database that will not have it ends that."""
        if self._writer.is_busy:
            await self._take_when_ended()
        failures = self.failures
        while self.failures == failures:
            if not self._writer.is_busy:
                self._begin(trio.current_time())
                if not self._writer.is_busy:
                    break
            await self._take_when_ended()
        if self._groups.kept:
            log.critical("writes lost: the database was away at the end", rows=self._groups.kept)

    async def _take_when_ended(self) -> None:
        while not self._writer.has_ended:
            await trio.sleep(GLANCE)
        self._take(trio.current_time())
