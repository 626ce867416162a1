"""Counters of the core. They only grow; the application reads them when asked for statistics."""

from __future__ import annotations

import attrs


@attrs.define(slots=True, eq=False)
class CoreStatistics:
    """What the core has done since it was made."""

    contexts: int = 0
    """Requests forwarded statefully."""
    branches: int = 0
    """Requests sent for them."""
    failovers: int = 0
    """Branches that went on to the next server of their target."""
    moved_to_streams: int = 0
    """Requests that were too large for a datagram. Source: RFC 3261 §18.1.1"""
    stand_ins: int = 0
    """Branches whose flow failed and whose place another took."""
    too_broad: int = 0
    """Times that the branches wanted were more than Max-Breadth allows. Source: RFC 5393 §5.3.3"""
    early_ends: int = 0
    """199 responses made for early dialogs that ended while others went on. Source: RFC 6228 §6"""
    acks: int = 0
    """ACKs forwarded without a transaction."""
    stray_responses: int = 0
    """Responses forwarded without a transaction."""
    relayed: list[int] = attrs.Factory(lambda: [0] * 7)
    """Responses sent upstream by the hundreds of their status; index 0 is not used."""
    repeated: int = 0
    """2xx responses that came again and were sent upstream again."""
    cancels: int = 0
    """Requests given up by their callers."""
    cancelled_branches: int = 0
    """Branches told to stop, for whatever reason."""
    timeouts: int = 0
    """Branches given up by timer C or their ring timeout."""
    rejected: dict[int, int] = attrs.Factory(dict)
    """Requests refused by `validate`, by status."""
