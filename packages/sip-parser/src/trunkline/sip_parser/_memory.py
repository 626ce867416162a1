"""What texts mean, remembered by the text, because the messages of a call repeat each other.

Strategy: a dictionary that reads what it does not hold, so that to find what is known takes one subscript and
no call. What is too much goes by generations: a full one becomes the old one, the one that was old is let go,
and what is asked for again comes back from the old. An order by last use, as `lru_cache` keeps it, touches
the neighbours of an entry at every look, and these are mostly not in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

REMEMBERED_LINES: Final = 2048
REMEMBERED_VALUES: Final = 2048
REMEMBERED_LENGTH: Final = 256
"""How many header lines, and URIs or start lines, are at least remembered, and twice as many at most, of at
most this many characters each, so that a peer can fill no more than some megabytes."""


class Memory(dict[str, Any]):
    """What `read` makes of a text, as `memory[text]`; an error it raises is raised, and not remembered."""

    __slots__ = ("_generation", "_old", "_read")

    def __init__(self, read: Callable[[str], Any], generation: int) -> None:
        """Remember nothing yet.

        Args:
            read: gives the same for the same text, and something that nobody changes.
            generation: texts remembered at least; twice as many at most.
        """
        super().__init__()
        self._read = read
        self._generation = generation
        self._old: dict[str, Any] = {}

    def __missing__(self, text: str) -> Any:
        old = self._old
        if text in old:
            value = old[text]
        else:
            value = self._read(text)
            if len(text) > REMEMBERED_LENGTH:
                return value
        if len(self) >= self._generation:
            self._old = dict(self)
            super().clear()
        self[text] = value
        return value

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._old = {}
