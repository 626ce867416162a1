"""The pool of port pairs: even for RTP, the odd one above for RTCP (RFC 3550 §11).

What belongs here is which pair comes next. Strategy: the pairs stand in a circle whose order is drawn once;
a pair given back goes to the end, so that a number rests as long as the load allows and late packets of one
call do not meet the next one. A pair that could not be bound goes to the end in the same way, and is tried
again when its turn comes.
"""

from collections import deque
from collections.abc import Callable

import attrs

from trunkline.media_relay._errors import LocalProtocolError


@attrs.define(eq=False)
class PortPool:
    """Port pairs that are free, in the order they will be taken."""

    _free: deque[int]
    total: int
    """Pairs in the range."""

    @classmethod
    def of(cls, ports: tuple[int, int], token: Callable[[int], bytes]) -> "PortPool":
        """Make the pool of a range.

        Args:
            ports: lowest and highest port that may be used.
            token: gives that many random bytes; draws the order, so that the next port is not foreseeable.
        Raises: LocalProtocolError when the range is no range of ports or holds no pair.
        """
        lowest, highest = ports
        if not 0 < lowest < highest <= 65535:
            raise LocalProtocolError(f"expected ports as (lowest, highest) within 1–65535, got {ports}")
        pairs = list(range(lowest + lowest % 2, highest, 2))
        if not pairs:
            raise LocalProtocolError(f"expected room for an even and an odd port, got {ports}")
        draw = token(4 * len(pairs))
        keys = {pair: draw[4 * place : 4 * place + 4] for place, pair in enumerate(pairs)}
        pairs.sort(key=keys.__getitem__)
        return cls(deque(pairs), len(pairs))

    @property
    def free(self) -> int:
        """Tell how many pairs are left."""
        return len(self._free)

    def take(self) -> int:
        """Take the pair that rested longest and give its even port. The pool must not be empty."""
        return self._free.popleft()

    def give_back(self, pair: int) -> None:
        """Put a pair at the end."""
        self._free.append(pair)
