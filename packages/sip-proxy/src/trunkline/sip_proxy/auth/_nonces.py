"""Nonces that we alone can issue, that expire, and that nobody can use twice.

Here: issuing, recognising and remembering nonces. Not here: headers, passwords, digests (`_verify.py`).

Strategy. A nonce is `expiry index life mac`: three numbers of eight hex digits and a keyed hash over them. A
challenge therefore costs no memory, however many strangers ask for one. Memory is spent only on a nonce
that came back with a right digest: the highest nonce count seen, filed under the second the nonce expires,
so that forgetting is dropping whole seconds. Indexes rise, so that those of one second stand in a row: an
array of counts takes a tenth of what a dictionary does, which holds whatever is far from the row. `life` is
drawn when the object is made: a nonce of an earlier process, or of another node with the same secret, is
recognised as one whose use we cannot know, and is called stale instead of being believed.

Two facts keep (nonce, count) from ever being accepted twice: the count must grow, and what was forgotten
leaves a floor behind it, so that a clock set back does not bring a forgotten nonce to life.
"""

import heapq
from array import array
from collections.abc import Callable
from enum import Enum
from hashlib import blake2s
from hmac import compare_digest
from math import ceil
from typing import Final

from trunkline.sip_parser import LocalProtocolError

__all__ = ["NonceVerdict", "Nonces"]

_NUMBERS = 24
_LENGTH = 56
_USED_UP = (1 << 32) - 1
"""The highest count: what is remembered of a nonce that was used without one, as no other is above it."""
_BEFORE = 8
"""Indexes before the first that came back which may still come: phones do not answer in order."""
_PLACES = 8
"""Places in the row for each nonce that came back, at most: above it, a dictionary is not dearer."""


class NonceVerdict(Enum):
    """What is known of a nonce that a client sent."""

    GOOD = "good"
    STALE = "stale"
    """Ours (or of a node with our secret), but too old, or of a life whose uses we do not know."""
    REPLAYED = "replayed"
    """Ours and fresh, but this count, or a higher one, was seen before."""
    FORGED = "forged"
    """Not made with our secret."""


_GOOD: Final = NonceVerdict.GOOD


class _Second:
    """The last counts of the nonces that expire within one second and came back, by their index."""

    __slots__ = ("_counts", "_first", "_others", "used")

    def __init__(self, index: int) -> None:
        self.used = 0
        """How many came back."""
        self._first = index - _BEFORE
        self._counts = array("I", bytes(4 * _BEFORE))
        self._others: dict[int, int] = {}

    def last(self, index: int) -> int:
        """Give the highest count seen, 0 for none."""
        place = index - self._first
        if 0 <= place < len(self._counts) and (count := self._counts[place]):
            return count
        return self._others.get(index, 0)

    def see(self, index: int, count: int, last: int) -> None:
        """Remember a count, 1 to 2**32 - 1, in place of the `last`."""
        place, counts = index - self._first, self._counts
        if not last:
            self.used += 1
            missing = place - len(counts)
            if not missing:
                counts.append(count)
                return
            if missing > 0 and place < _PLACES * self.used:
                counts.extend([0] * (missing + 1))
        if 0 <= place < len(counts) and index not in self._others:
            counts[place] = count
        else:
            self._others[index] = count


class Nonces:
    """Issue nonces and judge them when they come back."""

    __slots__ = (
        "_count",
        "_floor",
        "_index",
        "_life",
        "_lifetime",
        "_mac",
        "_max_tracked",
        "_seconds",
        "_used",
    )

    def __init__(
        self,
        secret: bytes,
        token: Callable[[int], bytes],
        lifetime: float = 30.0,
        *,
        max_tracked: int = 100_000,
    ) -> None:
        """Make the nonces of one process.

        Args:
            secret: the key of the signature, at least 16 bytes; random, or shared by the nodes of a cluster.
            token: source of randomness, `token(n)` gives n bytes; called once, here.
            lifetime: seconds a nonce is good for, 1 to 86400; up to one second longer in effect.
            max_tracked: bound on the nonces remembered at a time (5 to 100 bytes each). Above it the
                oldest are forgotten and count as stale, which costs their clients one more challenge.

        Raises:
            LocalProtocolError: an argument is out of its limits.
        """
        if len(secret) < 16:
            raise LocalProtocolError(f"nonce secret: expected at least 16 bytes, got {len(secret)}")
        if not 1 <= lifetime <= 86400:
            raise LocalProtocolError(f"nonce lifetime: expected 1 to 86400 seconds, got {lifetime}")
        if max_tracked < 1:
            raise LocalProtocolError(f"nonce max_tracked: expected at least 1, got {max_tracked}")
        self._mac = blake2s(key=blake2s(secret).digest(), digest_size=16)
        self._life = token(4).hex()
        self._lifetime = lifetime
        self._max_tracked = max_tracked
        self._index = 0
        # by the second of their end
        self._used: dict[int, _Second] = {}
        self._seconds: list[int] = []
        self._count = 0
        self._floor = 0

    def __len__(self) -> int:
        """Count the nonces remembered at present."""
        return self._count

    def issue(self, now_epoch: float) -> str:
        """Make a nonce.

        Args:
            now_epoch: wall-clock time in unix seconds.

        Returns:
            56 hexadecimal digits.

        Source: RFC 7616 §3.3, RFC 3261 §22.4.
        """
        self._index = index = (self._index + 1) & 0xFFFFFFFF
        numbers = f"{ceil(now_epoch + self._lifetime):08x}{index:08x}{self._life}"
        mac = self._mac.copy()
        mac.update(numbers.encode())
        return numbers + mac.hexdigest()

    def check(self, nonce: str, nc: int | None, now_epoch: float) -> NonceVerdict:
        """Judge a nonce, and remember its use when it is good.

        Call it after the digest was found right: a stranger must not be able to use up another's count.

        Args:
            nonce: as the client sent it.
            nc: the nonce count, 1 to 2**32 - 1; None when the client used no qop: then the nonce is good
                once.
            now_epoch: wall-clock time in unix seconds.

        Returns:
            `GOOD` at most once for each (nonce, nc), and only while nc grows.

        Source: RFC 7616 §3.4, §5.4.
        """
        if len(nonce) != _LENGTH or not nonce.isascii():
            return NonceVerdict.FORGED
        mac = self._mac.copy()
        mac.update(nonce[:_NUMBERS].encode())
        if not compare_digest(mac.hexdigest(), nonce[_NUMBERS:]):
            return NonceVerdict.FORGED
        expiry, index = divmod(int(nonce[:16], 16), 1 << 32)
        if self._seconds and self._seconds[0] < now_epoch:
            self._forget(now_epoch)
        if expiry <= self._floor or now_epoch > expiry or nonce[16:_NUMBERS] != self._life:
            return NonceVerdict.STALE
        used = self._used.get(expiry)
        last = 0 if used is None else used.last(index)
        if nc is None:
            count = _USED_UP
            if last:
                return NonceVerdict.REPLAYED
        elif last < nc <= _USED_UP:
            count = nc
        else:
            return NonceVerdict.REPLAYED
        if not last:
            if self._count >= self._max_tracked:
                self._drop_oldest()
                if expiry <= self._floor:
                    return NonceVerdict.STALE
            if used is None:
                used = self._used[expiry] = _Second(index)
                heapq.heappush(self._seconds, expiry)
            self._count += 1
        assert used is not None
        used.see(index, count, last)
        return _GOOD

    def _forget(self, now_epoch: float) -> None:
        while self._seconds and self._seconds[0] < now_epoch:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        second = heapq.heappop(self._seconds)
        self._count -= self._used.pop(second).used
        # what is remembered lies above the floor, so that it only rises
        self._floor = second
