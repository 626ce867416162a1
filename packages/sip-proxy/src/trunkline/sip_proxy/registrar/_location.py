"""Location: which bindings every address of record has, in memory.

Here: finding, replacing and expiring bindings, lean enough for hundreds of thousands. Not here: what a
REGISTER may do (`_update.py`), nor storage (the application writes each `BindingChanged` and loads the rows
at start).

Strategy. Most addresses of record have one contact, so the table holds that `Binding` itself and a tuple
only where there are several. To expire without walking the table, each address of record is filed under one
second: the earliest any of its bindings could end. A refresh moves that end later and leaves the file
alone; when the second comes, what is still alive is filed anew. So a refresh costs nothing here. A binding
knows under which second it is filed: a name that is found in another file is out of date and means nothing.
The files are cleared of those before they hold more of them than the table has addresses.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from math import ceil

from ._bindings import Binding, BindingChanged

__all__ = ["Location"]


class Location:
    """Hold the bindings of every address of record."""

    __slots__ = ("_contacts", "_entries", "_filed", "_out_of_date", "_seconds")

    def __init__(self) -> None:
        self._entries: dict[str, Binding | tuple[Binding, ...]] = {}
        self._filed: dict[int, list[str]] = {}
        self._seconds: list[int] = []
        self._out_of_date = 0
        self._contacts = 0

    def __len__(self) -> int:
        """Count the addresses of record that have a binding."""
        return len(self._entries)

    def __contains__(self, aor: object) -> bool:
        return aor in self._entries

    def contacts(self) -> int:
        """Count the bindings."""
        return self._contacts

    def items(self) -> Iterator[tuple[str, tuple[Binding, ...]]]:
        """Walk all addresses of record with their bindings, in no order that means anything."""
        for aor, entry in self._entries.items():
            yield aor, entry if isinstance(entry, tuple) else (entry,)

    def get(self, aor: str) -> tuple[Binding, ...]:
        """Give all bindings held for an address of record, also those that ended within the last second."""
        entry = self._entries.get(aor)
        if entry is None:
            return ()
        return entry if isinstance(entry, tuple) else (entry,)

    def lookup(self, aor: str, *, at: datetime) -> list[Binding]:
        """Find where an address of record can be reached.

        Args:
            aor: user@host, spelled as at registration.
            at: aware time; what has ended by then is left out.

        Returns:
            The highest q first; of equal q the one registered last.

        Source: RFC 3261 §16.5.
        """
        entry = self._entries.get(aor)
        if entry is None:
            return []
        now = at.timestamp()
        if isinstance(entry, tuple):
            alive = [binding for binding in entry if not binding.expires or binding.expires > now]
            alive.sort(key=_preference)
            return alive
        return [entry] if not entry.expires or entry.expires > now else []

    def load(self, bindings: Iterable[Binding]) -> None:
        """Fill in what was stored; a binding replaces one of the same address of record and contact."""
        for binding in bindings:
            self.put(binding)

    def put(self, binding: Binding) -> BindingChanged:
        """Set one binding, as an administrator or the stored table gives it.

        Returns:
            The change: "added", or "refreshed" when the same contact was there.
        """
        held = self.get(binding.aor)
        for position, previous in enumerate(held):
            if previous.contact == binding.contact:
                self.replace(binding.aor, (*held[:position], binding, *held[position + 1 :]))
                return BindingChanged("refreshed", binding, previous)
        self.replace(binding.aor, (*held, binding))
        return BindingChanged("added", binding)

    def remove(self, aor: str, contact: str | None = None) -> list[BindingChanged]:
        """Remove one contact of an address of record, or all.

        Args:
            aor: user@host.
            contact: the URI as the binding spells it; None = all.

        Returns:
            One "removed" for each binding that was there.
        """
        held = self.get(aor)
        gone = [binding for binding in held if contact is None or binding.contact == contact]
        if gone:
            self.replace(aor, tuple(binding for binding in held if binding not in gone))
        return [BindingChanged("removed", binding) for binding in gone]

    def renew(self, aor: str, previous: Binding | None, binding: Binding) -> None:
        """Set the only binding of an address of record, which has this previous one or none."""
        due = 0 if previous is None else previous.due
        if due and binding.expires > due - 1:
            # the everyday refresh: nothing to file, nothing to count
            binding.due = due
            self._entries[aor] = binding
        else:
            self.replace(aor, (binding,))

    def replace(self, aor: str, bindings: tuple[Binding, ...]) -> None:
        """Set all bindings of an address of record at once; an empty tuple forgets it."""
        entries = self._entries
        held = entries.get(aor)
        filed = 0
        if held is not None:
            first = held[0] if isinstance(held, tuple) else held
            self._contacts -= len(held) if isinstance(held, tuple) else 1
            filed = first.due
            aor = first.aor
        elif bindings:
            # one string for the key, the file and the bindings
            aor = bindings[0].aor
        due = filed
        if len(bindings) == 1:
            end = bindings[0].expires
        else:
            end = min([binding.expires for binding in bindings if binding.expires], default=0)
        if not end or not filed or end <= filed - 1:
            due = _shared(ceil(end))
        for binding in bindings:
            binding.due = due
        self._contacts += len(bindings)
        if len(bindings) == 1:
            entries[aor] = bindings[0]
        elif bindings:
            entries[aor] = bindings
        elif held is not None:
            del entries[aor]
        if due != filed:
            self._file(aor, filed, due)
        if self._out_of_date > len(entries):
            self._file_all_anew()

    def expire(self, at: datetime) -> list[BindingChanged]:
        """Forget the bindings that have ended.

        Args:
            at: aware time; a binding is reported in the second after its end at the latest.

        Returns:
            One "expired" for each, the oldest end first (to the second), then by address of record.
        """
        now = at.timestamp()
        changes: list[BindingChanged] = []
        while self._seconds and self._seconds[0] <= now:
            for aor in self._taken_out(heapq.heappop(self._seconds)):
                alive = []
                for binding in self.get(aor):
                    if binding.expires and binding.expires <= now:
                        changes.append(BindingChanged("expired", binding))
                    else:
                        alive.append(binding)
                self.replace(aor, tuple(alive))
        return changes

    def next_expiry(self) -> float | None:
        """Give the unix second at which `expire` may have something to do, None = never."""
        return self._seconds[0] if self._seconds else None

    def _file(self, aor: str, old: int, new: int) -> None:
        """File an address of record under a second instead of another one; 0 = none."""
        if new:
            aors = self._filed.get(new)
            if aors is None:
                self._filed[new] = [aor]
                heapq.heappush(self._seconds, new)
            else:
                aors.append(aor)
        if old:
            self._out_of_date += 1

    def _taken_out(self, second: int) -> list[str]:
        """Take the file of a second out; gives the addresses of record that are filed there, in order."""
        filed = []
        for aor in sorted(self._filed.pop(second)):
            held = self.get(aor)
            if not held or held[0].due != second:
                self._out_of_date -= 1
                continue
            for binding in held:
                # 0 says: not filed any more, so that `replace` files it anew
                binding.due = 0
            filed.append(aor)
        return filed

    def _file_all_anew(self) -> None:
        filed: dict[int, list[str]] = {}
        for aor, bindings in self.items():
            if bindings[0].due:
                filed.setdefault(bindings[0].due, []).append(aor)
        self._filed = filed
        self._seconds = list(filed)
        heapq.heapify(self._seconds)
        self._out_of_date = 0


@lru_cache(maxsize=64)
def _shared(second: int) -> int:
    # the same object for the many bindings that are filed under one second
    return second


def _preference(binding: Binding) -> tuple[float, float]:
    return -binding.q, -binding.last_modified
