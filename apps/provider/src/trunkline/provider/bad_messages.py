"""What the log says of messages that are no SIP: a few lines of each minute, then only how many more.

A scanner, or a phone gone mad, sends thousands a second. The log must stay readable, its lines must cost
nothing then, and one bad source must not hide another. What was wrong with a message, and that it is safe to
print, is the parser's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .stack import BadMessage

WINDOW = 60.0
"Seconds in which lines are counted."
LINES = 20
"Lines in a window."
LINES_OF_SOURCE = 5
"Lines in a window about one address."
SOURCES = 1000
"Addresses told apart in a window; what comes from others is counted together."


class BadMessages:
    """Writes bad messages to the log, so many and no more.

    Args:
        log: writes a line: its text, then named values.
    """

    def __init__(self, log: Callable[..., Any]) -> None:
        self.total = 0
        "Bad messages since the start."
        self._log = log
        self._until = 0.0
        self._lines = 0
        self._unsaid = 0
        self._sources: dict[str, int] = {}

    def note(self, bad: BadMessage, *, now: float) -> None:
        """Take one, at monotonic seconds `now`."""
        self.total += 1
        if now >= self._until:
            self.sum_up(now=now)
            self._until = now + WINDOW
        host = bad.flow.remote[0]
        count = self._sources.get(host, 0)
        if count or len(self._sources) < SOURCES:
            self._sources[host] = count + 1
        if self._lines >= LINES or count >= LINES_OF_SOURCE:
            self._unsaid += 1
            return
        self._lines += 1
        flow = bad.flow
        self._log(
            "a message was refused",
            source=f"{flow.remote[0]}:{flow.remote[1]}/{flow.transport.lower()}",
            reason=bad.reason,
        )

    def sum_up(self, *, now: float) -> None:
        """Say what was left unsaid once the window is over; to be called every now and then."""
        if now < self._until:
            return
        if self._unsaid:
            worst = max(self._sources, key=self._sources.__getitem__)
            self._log("more messages were refused", count=self._unsaid, most_from=worst)
        self._lines = self._unsaid = 0
        self._sources.clear()
