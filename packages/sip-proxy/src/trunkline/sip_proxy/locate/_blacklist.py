"""The temporary blacklist: servers that failed a moment ago and are left alone for a while.

Source: RFC 3263 §4.3 and RFC 3261 §21.5.4 leave it open for how long; classic proxies take 4 minutes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from ._records import Candidate


class Blacklist:
    """Remember which places not to send to, and until when.

    Args:
        seconds: how long; 0 switches it off.
        size: how many; the oldest is forgotten first.
    """

    __slots__ = ("_until", "seconds", "size")

    def __init__(self, seconds: float = 240.0, *, size: int = 10_000) -> None:
        self.seconds = seconds
        self.size = size
        self._until: OrderedDict[Candidate, float] = OrderedDict()

    def block(self, candidate: Candidate, *, now: float) -> None:
        """Leave a place alone from now on."""
        if self.seconds <= 0:
            return
        self._until[candidate] = now + self.seconds
        self._until.move_to_end(candidate)
        if len(self._until) > self.size:
            self._until.popitem(last=False)

    def is_blocked(self, candidate: Candidate, *, now: float) -> bool:
        """Tell whether a place is to be left alone."""
        until = self._until.get(candidate)
        if until is None:
            return False
        if now < until:
            return True
        del self._until[candidate]
        return False

    def allowed(self, candidates: Iterable[Candidate], *, now: float) -> list[Candidate]:
        """Give the places that may be tried, in the order given."""
        if not self._until:
            return list(candidates)
        return [candidate for candidate in candidates if not self.is_blocked(candidate, now=now)]

    def listing(self, *, now: float) -> list[tuple[Candidate, float]]:
        """List the places that are left alone, each with the seconds that are left of it."""
        return [(candidate, until - now) for candidate, until in self._until.items() if until > now]

    def clear(self) -> None:
        """Let everything be tried again."""
        self._until.clear()
