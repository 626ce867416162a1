"""The agenda: virtual time, and what happens when.

Here: the order of events and the two clocks made of it. Not here: any event.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

EPOCH = datetime(2030, 1, 7, 8, 0, tzinfo=UTC)
"The wall-clock time at which every run begins: a Monday, far from any change of clocks."

Action = Callable[..., object]


class Agenda:
    """Events in the order of their time, and among equal times in the order they were put here."""

    __slots__ = ("_count", "_events", "now", "steps")

    def __init__(self) -> None:
        self.now = 0.0
        "Monotonic seconds."
        self.steps = 0
        "Events carried out."
        self._count = 0
        self._events: list[tuple[float, int, Action, tuple[Any, ...]]] = []

    def at(self, moment: float, action: Action, *arguments: Any) -> None:
        """Do something at a moment; one that is over is now."""
        self._count += 1
        heapq.heappush(self._events, (max(moment, self.now), self._count, action, arguments))

    def after(self, delay: float, action: Action, *arguments: Any) -> None:
        """Do something some seconds from now."""
        self._count += 1
        heapq.heappush(self._events, (self.now + delay, self._count, action, arguments))

    def run(self, until: float) -> None:
        """Carry out what happens before a moment, and stop the clock there."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, action, arguments = heapq.heappop(events)
            self.steps += 1
            action(*arguments)
        self.now = max(self.now, until)

    def clock(self) -> datetime:
        """Give the wall-clock time."""
        return EPOCH + timedelta(seconds=self.now)


class Timed(Protocol):
    """What wants to be asked again at a time of its own choice."""

    def next_timeout(self) -> float | None: ...


class Alarm:
    """Calls somebody at the time they last asked for; an earlier wish that was withdrawn costs one event."""

    __slots__ = ("_action", "_agenda", "_due", "_timed")

    def __init__(self, agenda: Agenda, timed: Timed, action: Callable[[], object]) -> None:
        self._agenda = agenda
        self._timed = timed
        self._action = action
        self._due: float | None = None

    def set(self) -> None:
        """Look when the next timeout is; to be called after every input."""
        due = self._timed.next_timeout()
        if due is not None and (self._due is None or due < self._due):
            self._due = due
            self._agenda.at(due, self._ring, due)

    def cancel(self) -> None:
        """Call nobody any more."""
        self._due = -1.0

    def _ring(self, due: float) -> None:
        if due != self._due:
            return
        self._due = None
        wanted = self._timed.next_timeout()
        if wanted is not None and wanted <= self._agenda.now:
            self._action()
        self.set()
