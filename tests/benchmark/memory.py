"""What calls that are up and registrations cost in memory, and whether a server gives it back.

A server with users registered is loaded with calls that stay up, three times alike (a short run: twice).
The first loads also make what an allocator and caches keep for good: our parser remembers some thousand
lines, and two loads of 1,000 calls fill that. A leak is what the last load leaves over and above the one
before, and more than one block: an interpreter takes memory by the megabyte, which is a thousand bytes for
each of 1,000 calls. Each time is waited until the transactions are over. Another server, new, takes
registrations. Figures are of as many calls and registrations as were made: of few, most is what comes once.

Nearly all of it is waiting, so that all servers are measured side by side, in threads.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
from load import Load
from measuring import memory_kb
from peers.process import PeerError
from subjects import Kamailio, Trunkline

Server = Trunkline | Kamailio
CALL_RATE, REGISTER_RATE = 100, 400
SETTLE = 2.0
"Seconds from the last call's beginning until it is up."


@attrs.frozen
class Size:
    """How much is measured."""

    calls: int
    "How many calls are up at once."
    registrations: int
    linger: float = 38.0
    "Seconds after which a transaction is over (64*T1 and some more). Source: RFC 3261 §17.1.1.2"
    long: bool = True
    "Whether calls stay up until their own transactions are over, and are measured then; and a third load."


class Memory:
    """A measurement that runs while its context is entered.

    Args:
        folder: for the servers and SIPp.
        kinds: the servers.
        size: how much.
        say: takes each line that is to be printed.
    """

    def __init__(
        self, folder: Path, kinds: list[type[Server]], size: Size, say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._kinds = kinds
        self._size = size
        self._say = say
        self._given_up = threading.Event()
        self._stack = ExitStack()
        self._rows: list[Future[dict[str, Any]]] = []

    def __enter__(self) -> "Memory":
        with ExitStack() as stack:
            # all servers from here: what is started by a thread is ended by the kernel with that thread
            calls = [self._new(stack, kind, "calls", min(1000, self._size.calls)) for kind in self._kinds]
            registrations = [
                self._new(stack, kind, "registrations", self._size.registrations) for kind in self._kinds
            ]
            threads = stack.enter_context(ThreadPoolExecutor())
            stack.callback(self._given_up.set)
            self._rows += [threads.submit(self._calls, *pair) for pair in calls]
            self._rows += [threads.submit(self._registrations, *pair) for pair in registrations]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def rows(self) -> list[dict[str, Any]]:
        """Wait for the end and give a row for each server and each of calls and registrations.

        Raises:
            PeerError: a call failed, or one was not up when it should have been.
        """
        return [row.result() for row in self._rows]

    def _new(self, stack: ExitStack, kind: type[Server], what: str, users: int) -> tuple[Server, Load]:
        subject = kind(self._folder / f"{kind.name}-memory-{what}", users=users, challenge=False)
        stack.callback(subject.close)
        if isinstance(subject, Trunkline):
            subject.restart()  # the first start makes an administrator, which takes memory
        return subject, Load(self._folder / f"sipp-memory-{what}-{kind.name}", users=users)

    def _calls(self, subject: Server, load: Load) -> dict[str, Any]:
        calls = self._size.calls
        load.register_all(subject)
        self._pause(self._size.linger)
        row: dict[str, Any] = {"server": subject.name, "what": "calls", "count": calls}
        row["idle_kb"] = idle = memory_kb(subject.pid)
        after = []
        for load_number in ("first", "second", "third")[: 3 if self._size.long else 2]:
            row[f"up_{load_number}_kb"], row[f"settled_{load_number}_kb"] = self._hold(subject, load)
            self._pause(self._size.linger)
            row[f"after_{load_number}_kb"] = memory_kb(subject.pid)
            after.append(row[f"after_{load_number}_kb"])
        row["grown_kb"] = row["up_first_kb"] - idle
        said = f"memory: {subject.name} {row['grown_kb']} kB more with {calls:,} calls up"
        if row["settled_first_kb"] is not None:
            row["settled_kb"] = row["settled_first_kb"] - idle
            said += f" ({row['settled_kb']} kB when their transactions are over)"
        row["kept_kb"] = after[0] - idle
        row["left_bytes_per_call"] = round((after[-1] - after[-2]) * 1024 / calls)
        self._say(
            f"{said}; {row['kept_kb']} kB kept after a first load of {calls:,} calls, "
            f"{row['left_bytes_per_call']} bytes a call left by load {len(after)}"
        )
        return row

    def _hold(self, subject: Server, load: Load) -> tuple[int, int | None]:
        """Have calls up, all at once, and give the memory right then and when their transactions are over."""
        calls, linger = self._size.calls, self._size.linger
        seconds = calls / CALL_RATE + SETTLE
        hold = seconds + SETTLE + (linger if self._size.long else 0)
        with load.start("invite", subject, rate=CALL_RATE, calls=calls, hold_ms=int(hold * 1000)) as run:
            self._pause(seconds)
            up = memory_kb(subject.pid)
            if isinstance(subject, Trunkline) and subject.calls_up() != calls:
                raise PeerError(f"{subject.calls_up()} of {calls} calls are up")
            settled = None
            if self._size.long:
                self._pause(linger)
                settled = memory_kb(subject.pid)
            failed = run.finish().failed
        if failed:
            raise PeerError(f"{subject.name}: {failed} of {calls} calls failed that were to be up")
        return up, settled

    def _registrations(self, subject: Server, load: Load) -> dict[str, Any]:
        count = self._size.registrations
        row: dict[str, Any] = {"server": subject.name, "what": "registrations", "count": count}
        row["idle_kb"] = idle = memory_kb(subject.pid)

        def more(name: str) -> int:
            row[name] = memory_kb(subject.pid) - idle
            return int(row[name])

        load.register_all(subject, rate=REGISTER_RATE)
        time.sleep(1)
        said = f"{more('grown_kb')} kB more with {count:,} registrations, "
        self._pause(self._size.linger)
        said += f"{more('settled_kb')} kB when their transactions are over"
        if isinstance(subject, Trunkline):
            subject.restart()
            said += f", {more('restarted_kb')} kB after a restart"
        self._say(f"memory: {subject.name} {idle / 1024:.0f} MB empty, {said}")
        return row

    def _pause(self, seconds: float) -> None:
        if self._given_up.wait(seconds):
            raise PeerError("given up")
