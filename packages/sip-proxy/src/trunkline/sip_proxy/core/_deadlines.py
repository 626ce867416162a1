"""Deadlines: what is to happen to a branch at a moment, unless it is stopped before.

One deque per duration: as time only goes forward each is sorted by itself, so that starting is an append
and stopping is forgetting the owner. Not here: what a deadline means (`_response_processing`).
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import Generic, TypeVar

import attrs

OwnerT = TypeVar("OwnerT")

# Durations come from configuration and from policies, so there are few; should a policy make up a new one
# for every call, the deques left empty are cleared away.
_MANY_DURATIONS = 32

_at = attrgetter("at")


@attrs.define(slots=True, eq=False)
class Deadline(Generic[OwnerT]):
    """Hold one running deadline; stop it by setting its owner to None."""

    at: float
    """When it comes, in the caller's monotonic seconds."""
    owner: OwnerT | None
    """Whose it is; None once it was stopped."""


class Deadlines(Generic[OwnerT]):
    """Keep the running deadlines, one deque per duration."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[float, deque[Deadline[OwnerT]]] = {}

    def start(self, duration: float, owner: OwnerT, now: float) -> Deadline[OwnerT]:
        """Start a deadline `duration` seconds from `now`, which is not before that of any earlier call."""
        deadline = Deadline(now + duration, owner)
        queue = self._queues.get(duration)
        if queue is None:
            if len(self._queues) >= _MANY_DURATIONS:
                self._queues = {key: kept for key, kept in self._queues.items() if kept}
            queue = self._queues[duration] = deque()
        queue.append(deadline)
        return deadline

    def next(self) -> float | None:
        """Give the moment of the earliest deadline that still runs, or None."""
        earliest: float | None = None
        for queue in self._queues.values():
            while queue:
                first = queue[0]
                if first.owner is None:
                    queue.popleft()
                    continue
                if earliest is None or first.at < earliest:
                    earliest = first.at
                break
        return earliest

    def take_due(self, now: float) -> list[Deadline[OwnerT]]:
        """Take out the deadlines that have come, earliest first.

        What one of them leads to may stop another in the list, so look at `owner` when its turn comes.
        """
        due: list[Deadline[OwnerT]] = []
        for queue in self._queues.values():
            while queue and (queue[0].owner is None or queue[0].at <= now):
                deadline = queue.popleft()
                if deadline.owner is not None:
                    due.append(deadline)
        if len(due) > 1:
            due.sort(key=_at)
        return due

    def __len__(self) -> int:
        """Count the deadlines still running."""
        return sum(deadline.owner is not None for queue in self._queues.values() for deadline in queue)
