"""Timers: how long each one of RFC 3261's table 4 runs, and the queue that holds those running.

The queue is one deque per duration. As time only goes forward, each deque is sorted by itself, starting a
timer is one append, and stopping it is forgetting its transaction: the entry is thrown away when it comes
to the front. Not here: what happens when a timer fires (`_tables`).
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
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


@attrs.define(slots=True, eq=False)
class Timer(Generic[OwnerT]):
    """Hold one running timer; stop it by setting its owner to None."""

    deadline: float
    """When it fires, in the caller's monotonic seconds."""
    owner: OwnerT | None
    """The transaction it belongs to; None once it was stopped."""
    input: int
    """The input it gives to the transaction's machine."""


_deadline = attrgetter("deadline")


class TimerQueue(Generic[OwnerT]):
    """Keep running timers in one deque per duration."""

    __slots__ = ("_lingering", "_prompt", "next_deadline")

    def __init__(self) -> None:
        self._prompt: dict[float, deque[Timer[OwnerT]]] = {}
        self._lingering: dict[float, deque[Timer[OwnerT]]] = {}
        self.next_deadline: float | None = None

    def start(self, duration: float, owner: OwnerT, input_: int, now: float) -> Timer[OwnerT]:
        """Start a timer that must fire on time.

        Args: `duration` in seconds, more than 0; `now` not before that of any earlier call.
        """
        deadline = now + duration
        timer = Timer(deadline, owner, input_)
        queue = self._prompt.get(duration)
        if queue is None:
            queue = self._prompt[duration] = deque()
        queue.append(timer)
        earliest = self.next_deadline
        if earliest is None or deadline < earliest:
            self.next_deadline = deadline
        return timer

    def linger(self, duration: float, owner: OwnerT, input_: int, now: float) -> Timer[OwnerT]:
        """Start a timer that only ends a wait, so that its wake-up may be shared with later ones."""
        deadline = now + duration
        timer = Timer(deadline, owner, input_)
        queue = self._lingering.get(duration)
        if queue is None:
            queue = self._lingering[duration] = deque()
        queue.append(timer)
        deadline += LINGER_SLACK
        earliest = self.next_deadline
        if earliest is None or deadline < earliest:
            self.next_deadline = deadline
        return timer

    def take_due(self, now: float) -> list[Timer[OwnerT]]:
        """Take out the timers whose deadline has come, earliest first, and find the next deadline."""
        earliest = self.next_deadline
        if earliest is None or now < earliest:
            return []
        due: list[Timer[OwnerT]] = []
        earliest = None
        for queues, slack in ((self._prompt, 0.0), (self._lingering, LINGER_SLACK)):
            for queue in queues.values():
                while queue and (queue[0].owner is None or queue[0].deadline <= now):
                    timer = queue.popleft()
                    if timer.owner is not None:
                        due.append(timer)
                if queue and (earliest is None or queue[0].deadline + slack < earliest):
                    earliest = queue[0].deadline + slack
        self.next_deadline = earliest
        due.sort(key=_deadline)
        return due

    def __len__(self) -> int:
        """Count the timers still running."""
        queues = (*self._prompt.values(), *self._lingering.values())
        return sum(timer.owner is not None for queue in queues for timer in queue)
