"""The answers of DNS that may still be believed, negative ones too.

Source: RFC 1035 §3.2.1 (TTL), RFC 2308 §5 and §7 (negative answers, failures)
"""

from __future__ import annotations

from collections import OrderedDict

from ._records import Answer, LookupNeeded, Outcome


class DnsCache:
    """Keep answers for as long as their TTL says, within bounds.

    Args:
        size: how many answers; the ones not used for longest go first.
        max_ttl: seconds after which a positive answer is asked for again, whatever its TTL.
        max_negative_ttl: the same for "there is none". Source: RFC 2308 §5.
        failure_ttl: seconds for which a failing name server is not asked the same again; 5 minutes at most
            by RFC 2308 §7.
    """

    __slots__ = ("_entries", "_failure_ttl", "_max_negative_ttl", "_max_ttl", "_size")

    def __init__(
        self,
        size: int = 10_000,
        *,
        max_ttl: float = 86_400.0,
        max_negative_ttl: float = 900.0,
        failure_ttl: float = 2.0,
    ) -> None:
        self._size = size
        self._max_ttl = max_ttl
        self._max_negative_ttl = max_negative_ttl
        self._failure_ttl = failure_ttl
        self._entries: OrderedDict[LookupNeeded, tuple[Answer, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: LookupNeeded, *, now: float) -> Answer | None:
        """Give the answer to a question if it may still be believed."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        if now >= entry[1]:
            del self._entries[question]
            return None
        self._entries.move_to_end(question)
        return entry[0]

    def put(self, question: LookupNeeded, answer: Answer, *, now: float) -> None:
        """Keep an answer; one with a TTL of 0 is not kept."""
        ttl = self._ttl_of(answer)
        self._entries.pop(question, None)
        if ttl <= 0:
            return
        self._entries[question] = (answer, now + ttl)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def _ttl_of(self, answer: Answer) -> float:
        if answer.outcome is Outcome.FOUND:
            return min(answer.ttl, self._max_ttl)
        if answer.outcome in (Outcome.SERVFAIL, Outcome.UNANSWERED):
            return self._failure_ttl
        return min(answer.ttl, self._max_negative_ttl)
