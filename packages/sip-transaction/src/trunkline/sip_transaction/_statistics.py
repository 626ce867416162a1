"""Statistics: the counters of the layer, from which the classic group `tm` is made.

Here: numbers only; who shows them, and under which names, is the application's business.
"""

from __future__ import annotations

import attrs


@attrs.define(slots=True, eq=False)
class Statistics:
    """Count what the layer did since it was made; every field only grows."""

    uas_transactions: int = 0
    """Server transactions made."""
    uac_transactions: int = 0
    """Client transactions made, those of our own CANCELs included."""
    received_replies: int = 0
    """Responses received, stray and repeated ones included."""
    user_replies: int = 0
    """Responses that the transaction user gave and that were sent, first time only."""
    layer_replies: int = 0
    """Responses the layer made by itself: 100, 200 to CANCEL, stateless 4xx and 5xx."""
    finals: list[int] = attrs.field(factory=lambda: [0] * 7)
    """Server transactions by the class of their first final response: index 2 counts the 2xx, up to 6."""
    absorbed_requests: int = 0
    """Retransmitted requests that were kept from the transaction user."""
    stray_replies: int = 0
    """Responses that belonged to no client transaction."""
    retransmissions: int = 0
    """Requests and responses sent again because a timer fired."""
    timeouts: int = 0
    """Transactions that waited in vain."""
    transport_failures: int = 0
    """Failures to send that were reported to us and concerned a living transaction."""
    dropped: int = 0
    """Messages received and dropped."""
