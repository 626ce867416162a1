"""The thread that writes: one, for as long as the server runs.

A commit comes every few milliseconds, always one at a time. trio's threads are for anything at any moment: to
find one, hand a function over and be told of its end costs several times what the rows cost. Here a queue
hands over, and a socket tells. Not here: what is written together, and when (`commits`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

import trio

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
        self._hears: socket.socket
        self._tells: socket.socket
        self._result: ResultT | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Writer[WorkT, ResultT]:
        self._hears, self._tells = socket.socketpair()
        self._hears.setblocking(False)
        # a daemon: a disk that does not answer is not to keep the process from ending
        Thread(target=self._run, name="writer", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._work.put(None)
        self._hears.close()

    async def write(self, work: WorkT) -> ResultT:
        """Run the function; whoever cancels has to wait for its end.

        Args:
            work: what the function is given; not None.

        Raises:
            Exception: whatever the function raised.
        """
        self._work.put(work)
        with trio.CancelScope(shield=True):
            await trio.lowlevel.wait_readable(self._hears)
        self._hears.recv(1)
        result, error = self._result, self._error
        self._result = self._error = None
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # without an error it is one

    def _run(self) -> None:
        with self._tells:
            while (work := self._work.get()) is not None:
                try:
                    self._result = self._write(work)
                except BaseException as error:
                    self._error = error
                del work  # the batch may be large, and the next one a while away
                self._tells.send(b"\0")
