"""Garbage: when the interpreter looks for reference cycles, and that it does not while calls wait.

Strategy: what messages leave behind has no cycles (a benchmark and a test hold it to that), so that counting
references frees all of it. The interpreter's own habit, a look at all living objects whenever they have grown
by a quarter, costs a busy server a third of its time, and every caller a pause that grows with the calls that
are up. So the young are looked at rarely and the old only in a quiet moment, for the little that web pages,
commands and exceptions leave. What lived before the first message is not looked at at all.
"""

from __future__ import annotations

import gc
from typing import Final

_NEVER: Final = 1_000_000
YOUNG: Final = 500_000
"Objects made, less those freed, between two looks at the youngest."
QUIET_MESSAGES: Final = 50
"Messages a second up to which a moment is quiet."
LOOK_EVERY: Final = 600.0
"Seconds between two looks at everything, in quiet moments."
LOOK_AT_LAST: Final = 6 * 3600.0
"Seconds after which a server that is never quiet looks all the same."


class Garbage:
    """Decides when to look at everything.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self.looks = 0
        self._last_look = now
        self._last_beat = now
        self._messages = 0

    def settle(self) -> None:
        """Take everything that lives now for what lives until the end."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, _NEVER, _NEVER)

    def beat(self, messages: int, *, now: float) -> None:
        """Look at everything if that is due; to be called every few seconds.

        Args:
            messages: how many have come since the start.
            now: monotonic seconds.
        """
        seconds = now - self._last_beat
        is_quiet = messages - self._messages <= QUIET_MESSAGES * seconds
        self._last_beat, self._messages = now, messages
        since = now - self._last_look
        if (is_quiet and since >= LOOK_EVERY) or since >= LOOK_AT_LAST:
            self._last_look = now
            self.looks += 1
            gc.collect()
