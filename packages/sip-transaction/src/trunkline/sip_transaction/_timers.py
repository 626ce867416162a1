"""Timers: how long each one of RFC 3261's table 4 runs, and the queue that holds those running.

The queue is one line per timer and duration, in which nothing stands but the transactions. As time only
goes forward, each line is sorted by itself. There are two kinds. Most timers that lead to something are
stopped long before their time: their line is a dictionary from transaction to deadline, out of which one is
taken at once. Those that only end a wait run to their end, and there are many of them: their line is a queue
of batches, each of those that began to wait within one tenth of a second, which are over together. A
transaction that is over before keeps its place until its time, when the table of its machine has no row for
the input.

Not here: what happens when a timer fires (`_tables`).
"""

from __future__ import annotations

from collections import deque
from math import inf
from operator import itemgetter
from typing import Generic, TypeVar

import attrs

OwnerT = TypeVar("OwnerT")

# Nobody sees a transaction linger a little longer, so the many that only wait to be forgotten share a
# wake-up instead of having one each.
LINGER_SLACK = 0.1


@attrs.frozen
class TimerValues:
    """Give the base values of the timers, in seconds.

    Source: RFC 3261 §17 table 4, RFC 6026 §8.4, RFC 4320 §4.1.
    """

    t1: float = 0.5
    """Estimate of the round trip; the first retransmission comes after it."""
    t2: float = 4.0
    """Longest interval between retransmissions of a non-INVITE request and of an INVITE's response."""
    t4: float = 5.0
    """How long a message can stay in the network."""
    timer_d: float = 32.0
    """Least time to absorb retransmissions of a failure response to an INVITE over UDP; 64*T1 if longer."""
    trying_delay: float | None = 0.2
    """After how long an INVITE still unanswered gets its 100 Trying; None: at once."""
    give_up: float = attrs.field(init=False)
    """64*T1: timers B, F, H, J, L and M."""
    non_invite_trying_delay: float = attrs.field(init=False)
    """When the client's timer E reaches T2: the first moment for a 100 to a non-INVITE over UDP."""

    def __attrs_post_init__(self) -> None:
        if not (self.t1 > 0 and self.t2 >= self.t1 and self.t4 > 0):
            raise ValueError(f"timers need T1 > 0, T2 >= T1 and T4 > 0, got {self.t1}, {self.t2}, {self.t4}")
        object.__setattr__(self, "give_up", 64 * self.t1)
        object.__setattr__(self, "timer_d", max(self.timer_d, 64 * self.t1))
        elapsed, interval = 0.0, self.t1
        while interval < self.t2:
            elapsed += interval
            interval = min(2 * interval, self.t2)
        object.__setattr__(self, "non_invite_trying_delay", min(max(elapsed, self.t1), self.give_up / 2))


class Line(dict[OwnerT, float]):
    """The transactions for which one timer runs, in the order of the deadlines that they are mapped to."""

    __slots__ = ("duration", "input", "queue")

    def __init__(self, queue: TimerQueue[OwnerT], input_: int, duration: float) -> None:
        """Make the line of a timer that gives `input_` to the machine after `duration` seconds, above 0."""
        self.queue = queue
        self.input = input_
        self.duration = duration

    def start(self, owner: OwnerT, now: float) -> None:
        """Start the timer for one that is not in this line; `now` is not before that of any earlier call.

        It is stopped by taking its owner out.
        """
        deadline = self[owner] = now + self.duration
        queue = self.queue
        if deadline < queue.earliest:  # noqa: PLR1730 - min() costs more than all the rest
            queue.earliest = deadline

    def take_due(self, now: float, due: list[Due[OwnerT]]) -> float:
        """Move those whose deadline has come into `due`; returns when to look again."""
        count = len(due)
        earliest = inf
        for owner, deadline in self.items():
            if deadline > now:
                earliest = deadline
                break
            due.append((deadline, owner, self.input))
        for _, owner, _ in due[count:]:
            del self[owner]
        return earliest


class LingerLine(Generic[OwnerT]):
    """The transactions that wait to be forgotten when one timer fires, in batches."""

    __slots__ = ("_batch", "_batch_full", "batches", "duration", "input", "queue")

    def __init__(self, queue: TimerQueue[OwnerT], input_: int, duration: float) -> None:
        """Make the line of a timer that gives `input_` to the machine after `duration` seconds, above 0."""
        self.queue = queue
        self.input = input_
        self.duration = duration
        self.batches: deque[tuple[float, list[OwnerT]]] = deque()
        """Each with the earliest deadline in it."""
        self._batch: list[OwnerT] = []
        self._batch_full = -inf

    def start(self, owner: OwnerT, now: float) -> None:
        """Start the timer, which fires up to `LINGER_SLACK` late; there is no stopping it."""
        if now > self._batch_full:
            self._begin_batch(now)
        self._batch.append(owner)

    def _begin_batch(self, now: float) -> None:
        self._batch = []
        self._batch_full = now + LINGER_SLACK
        deadline = now + self.duration
        self.batches.append((deadline, self._batch))
        queue = self.queue
        queue.earliest = min(queue.earliest, deadline + LINGER_SLACK)

    def take_over(self, now: float, over: list[Over[OwnerT]]) -> float:
        """Move the batches whose time is over into `over`; returns when to look again."""
        batches = self.batches
        while batches:
            end = batches[0][0] + LINGER_SLACK
            if end > now:
                return end
            over.append((batches.popleft()[1], self.input))
        self._batch = []  # the last one's owners may go now, and not only when the next begins
        self._batch_full = -inf
        return inf

    def __len__(self) -> int:
        return sum(len(owners) for _, owners in self.batches)


Due = tuple[float, OwnerT, int]
"""When a timer had to fire, for whom, and the input it gives."""

Over = tuple[list[OwnerT], int]
"""Those who have lingered long enough, and the input that their timer gives."""

_deadline = itemgetter(0)


class TimerQueue(Generic[OwnerT]):
    """Keep the lines of running timers."""

    __slots__ = ("_lingering", "_prompt", "earliest")

    def __init__(self) -> None:
        self._prompt: dict[tuple[float, int], Line[OwnerT]] = {}
        self._lingering: dict[tuple[float, int], LingerLine[OwnerT]] = {}
        self.earliest = inf
        """When to call `take_due`; infinite when nothing runs."""

    def line(self, input_: int, duration: float) -> Line[OwnerT]:
        """Give the line of a timer that must fire on time."""
        line = self._prompt.get((duration, input_))
        if line is None:
            line = self._prompt[duration, input_] = Line(self, input_, duration)
        return line

    def linger_line(self, input_: int, duration: float) -> LingerLine[OwnerT]:
        """Give the line of a timer that only ends a wait."""
        line = self._lingering.get((duration, input_))
        if line is None:
            line = self._lingering[duration, input_] = LingerLine(self, input_, duration)
        return line

    def take_due(self, now: float) -> tuple[list[Due[OwnerT]], list[Over[OwnerT]]]:
        """Take out the timers whose deadline has come, and find the next deadline.

        Returns:
            Those that must fire on time, earliest first, and those that end a wait.
        """
        due: list[Due[OwnerT]] = []
        over: list[Over[OwnerT]] = []
        if now < self.earliest:
            return due, over
        earliest = inf
        for line in self._prompt.values():
            if line:
                earliest = min(earliest, line.take_due(now, due))
        for waiting in self._lingering.values():
            if waiting.batches:
                earliest = min(earliest, waiting.take_over(now, over))
        self.earliest = earliest
        due.sort(key=_deadline)
        return due, over

    def __len__(self) -> int:
        """Count the timers running, and those that linger on."""
        return sum(map(len, self._prompt.values())) + sum(map(len, self._lingering.values()))
