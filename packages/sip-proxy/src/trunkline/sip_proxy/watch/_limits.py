"""The moments at which calls have lasted too long, in whole seconds.

Calls last for hours and most end long before their limit, so that a stopped one must leave nothing behind:
one bucket of calls for each second, and a heap of the seconds.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import ceil
from typing import Generic, TypeVar

OwnerT = TypeVar("OwnerT")


class Limits(Generic[OwnerT]):
    """Find whose limit has come."""

    __slots__ = ("_at", "_owners", "_seconds")

    def __init__(self) -> None:
        self._seconds: list[int] = []
        # The inner dicts are ordered sets, so that the same calls end in the same order every time.
        self._owners: dict[int, dict[OwnerT, None]] = {}
        self._at: dict[OwnerT, int] = {}

    def set(self, owner: OwnerT, at: float) -> None:
        """Set an owner's limit, in place of an earlier one; it comes up to a second late."""
        if owner in self._at:
            self.clear(owner)
        second = ceil(at)
        owners = self._owners.get(second)
        if owners is None:
            owners = self._owners[second] = {}
            heappush(self._seconds, second)
        owners[owner] = None
        self._at[owner] = second

    def clear(self, owner: OwnerT) -> None:
        """Take an owner's limit away."""
        second = self._at.pop(owner, None)
        if second is not None:
            del self._owners[second][owner]

    def next(self) -> float | None:
        """Give the earliest limit, or None."""
        seconds = self._seconds
        while seconds and not self._owners[seconds[0]]:
            del self._owners[heappop(seconds)]
        return float(seconds[0]) if seconds else None

    def take_due(self, now: float) -> list[OwnerT]:
        """Take out the owners whose limit has come, earliest first."""
        due: list[OwnerT] = []
        while (earliest := self.next()) is not None and earliest <= now:
            for owner in self._owners.pop(heappop(self._seconds)):
                del self._at[owner]
                due.append(owner)
        return due

    def __len__(self) -> int:
        """Count the owners that have a limit."""
        return len(self._at)
