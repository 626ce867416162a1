"""The subscribers in memory: an LRU over the table, filled before the policy runs.

The policy never waits: what it may ask for is fetched first (`missing`, then `learn`). That a
subscriber does not exist is remembered too, for a short while, so that a scan for accounts does
not become a scan of the database.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .store import Hashes, Subscriber

ABSENT_FOR = 30.0
"Seconds for which 'no such subscriber' is believed."

Name = tuple[str, str]


class Directory:
    """Subscribers by (username, domain).

    Args:
        size: how many are kept, the absent ones among them.
    """

    def __init__(self, size: int = 200_000) -> None:
        self._size = size
        # a number stands for nobody, until then
        self._known: OrderedDict[Name, Subscriber | Hashes | float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def missing(self, names: Iterable[Name], *, now: float) -> list[Name]:
        """Return those of `names` that must be loaded before the policy may ask for them."""
        known = self._known
        absent: list[Name] = []
        for name in names:
            entry = known.get(name)
            if entry is not None and (not isinstance(entry, float) or entry > now):
                continue
            if is_text(name):
                absent.append(name)
            else:
                self.learn(name, None, now=now)  # no table has bytes that are not UTF-8
        return absent

    def learn(self, name: Name, subscriber: Subscriber | None, *, now: float) -> None:
        """Keep what the table says of `name`."""
        known = self._known
        # nothing but their hashes is asked of the thousands here: alone these take a quarter of the memory
        known[name] = float(now + ABSENT_FOR) if subscriber is None else subscriber.packed()
        known.move_to_end(name)
        if len(known) > self._size:
            known.popitem(last=False)

    def get(self, name: Name) -> Subscriber | Hashes | None:
        """Return what verifies a subscriber's credentials, or None when there is none.

        None also when it was not loaded: see `missing`.
        """
        entry = self._known.get(name)
        if entry is None or isinstance(entry, float):
            return None
        self._known.move_to_end(name)
        return entry


def is_text(name: Name) -> bool:
    """Tell whether a name from a message can be looked up: bytes that were no UTF-8 cannot."""
    try:
        return b"\0" not in "@".join(name).encode()
    except UnicodeEncodeError:
        return False
