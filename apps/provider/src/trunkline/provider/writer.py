"""The thread that writes: one, for as long as the server runs.

A commit comes every few milliseconds, always one at a time. trio's threads are for anything at any moment: to
find one, hand a function over and be told of its end costs several times what the rows cost. Here a queue
hands over, and whoever looks finds the result. Nobody is woken: a busy loop looks in anyway, and to wake it
costs more than the looks of one that is not. Not here: what is written together, and when (`commits`).
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

WorkT = TypeVar("WorkT")
ResultT = TypeVar("ResultT")


class Writer(Generic[WorkT, ResultT]):
    """Runs a function that blocks, in a thread of its own, while its context is entered.

    Args:
        write: what is run; one call at a time.
    """

    def __init__(self, write: Callable[[WorkT], ResultT]) -> None:
        self._write = write
        self._work: SimpleQueue[WorkT | None] = SimpleQueue()
        self._ended: tuple[ResultT | None, BaseException | None] | None = None
        self.is_busy = False
        """Whether a call was begun whose result was not taken."""

    def __enter__(self) -> Writer[WorkT, ResultT]:
        # a daemon: a disk that does not answer is not to keep the process from ending
        Thread(target=self._run, name="writer", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._work.put(None)

    def begin(self, work: WorkT) -> None:
        """Let the function run; only when the result of the call before was taken.

        Args:
            work: what the function is given; not None.
        """
        assert not self.is_busy
        self.is_busy = True
        self._work.put(work)

    @property
    def has_ended(self) -> bool:
        """Whether a result is there to be taken."""
        return self._ended is not None

    def take(self) -> ResultT:
        """Give what the function returned, once that `has_ended`.

        Raises:
            Exception: whatever the function raised.
        """
        assert self._ended is not None
        result, error = self._ended
        self._ended = None
        self.is_busy = False
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # without an error it is one

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                self._ended = self._write(work), None
            except BaseException as error:
                self._ended = None, error
            del work  # the batch may be large, and the next one a while away
