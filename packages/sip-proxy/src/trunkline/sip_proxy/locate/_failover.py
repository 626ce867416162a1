"""Failover: the places of one target that are still to be tried, as a branch of the core goes through them.

Which failures lead to the next place, and the new branch it takes, is the core's (`core/_forking`).

Source: RFC 3263 §4.3
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from trunkline.sip_transaction import Flow

from ._blacklist import Blacklist
from ._records import Candidate


class Failover:
    """The way on when a server fails.

    Args:
        flows: the ways to the other places of the target, in the order in which to try them.
        blacklist: learns which servers failed, and says which to pass over; None: nothing is remembered.
    """

    __slots__ = ("_blacklist", "_flows")

    def __init__(self, flows: Iterable[Flow], blacklist: Blacklist | None = None) -> None:
        self._flows = deque(flows)
        self._blacklist = blacklist

    def __len__(self) -> int:
        return len(self._flows)

    def after(self, failed: Flow, *, now: float) -> Flow | None:
        """Give the way to the next place, now that one has failed; None when all have been tried."""
        blacklist = self._blacklist
        if blacklist is not None:
            blacklist.block(place_of(failed), now=now)
        while self._flows:
            flow = self._flows.popleft()
            if blacklist is None or not blacklist.is_blocked(place_of(flow), now=now):
                return flow
        return None


def place_of(flow: Flow) -> Candidate:
    """Give the place that a flow leads to."""
    return Candidate(flow.transport, *flow.remote)
