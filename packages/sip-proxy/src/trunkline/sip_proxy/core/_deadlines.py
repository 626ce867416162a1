"""Deadlines: what is to happen to a branch at a moment, unless it is stopped before.

One line per duration, a dictionary from owner to moment: as time only goes forward each is sorted by itself,
so that starting is to stand last in it, and stopping is to be taken out; whose deadline has come stands in
none. Nothing is left of those stopped, as timer C nearly always is: it runs for minutes.

Not here: what a deadline means (`_response_processing`).
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from operator import itemgetter
from typing import Generic, TypeVar

OwnerT = TypeVar("OwnerT")

# Durations come from configuration and from policies, so there are few; should a policy make up a new one
# for every call, the lines left empty are cleared away.
_MANY_DURATIONS = 32

_moment = itemgetter(1)


class Deadlines(Generic[OwnerT]):
    """Keep the running deadlines, at most one of an owner, in one line per duration."""

    __slots__ = ("_heirs", "_lines", "_number", "_order")

    def __init__(self) -> None:
        self._lines: dict[float, dict[OwnerT, float]] = {}
        # the line of those who have another's time, and a heap for its order, with those stopped lately
        self._heirs: dict[OwnerT, float] = {}
        self._order: list[tuple[float, int, OwnerT]] = []
        self._number = count()

    def start(self, duration: float, owner: OwnerT, now: float) -> dict[OwnerT, float]:
        """Start a deadline `duration` seconds from `now`, which is not before that of any earlier call.

        Returns:
            The line in which the owner now stands; it is stopped by taking it out.
        """
        line = self._lines.get(duration)
        if line is None:
            if len(self._lines) >= _MANY_DURATIONS:
                self._lines = {key: kept for key, kept in self._lines.items() if kept}
            line = self._lines[duration] = {}
        line[owner] = now + duration
        return line

    def hand_on(self, line: dict[OwnerT, float], owner: OwnerT, heir: OwnerT) -> dict[OwnerT, float]:
        """Let another have the time that is left of an owner.

        Returns:
            The line in which the heir now stands.
        """
        at = line.pop(owner)
        self._heirs[heir] = at
        heappush(self._order, (at, next(self._number), heir))
        return self._heirs

    def next(self) -> float | None:
        """Give the moment of the earliest deadline that runs, or None."""
        earliest: float | None = None
        for line in self._lines.values():
            for at in line.values():
                if earliest is None or at < earliest:
                    earliest = at
                break
        order = self._order
        while order:
            at, _, heir = order[0]
            if self._heirs.get(heir) == at:
                return at if earliest is None or at < earliest else earliest
            heappop(order)
        return earliest

    def take_due(self, now: float) -> list[OwnerT]:
        """Take out the owners whose deadlines have come, earliest first.

        What one of them leads to may stop another in the list, so ask when its turn comes.
        """
        due: list[tuple[OwnerT, float]] = []
        for line in self._lines.values():
            before = len(due)
            for owner, at in line.items():
                if at > now:
                    break
                due.append((owner, at))
            for owner, _ in due[before:]:
                del line[owner]
        order = self._order
        while order and order[0][0] <= now:
            at, _, heir = heappop(order)
            if self._heirs.get(heir) == at:
                del self._heirs[heir]
                due.append((heir, at))
        due.sort(key=_moment)
        return [owner for owner, _ in due]

    def __len__(self) -> int:
        """Count the deadlines that run."""
        return sum(map(len, self._lines.values())) + len(self._heirs)
