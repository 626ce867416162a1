"""Effects: what the layer tells its caller to do, and what it says has happened.

Here: the classes only. Every call of the layer returns a list of them, to be acted upon in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from trunkline.sip_parser import Message, Request, Response

    from ._client import ClientTransaction
    from ._flow import Flow
    from ._server import ServerTransaction


@attrs.define(slots=True, eq=False, weakref_slot=False)
class Send:
    """Send these bytes by this flow; the same object comes again when they are to be retransmitted."""

    data: bytes
    """One whole message."""
    flow: Flow
    """The way to send it; a connection of 0 on a reliable transport asks to reuse or open one to `remote`."""
    key: object | None
    """What to give to `TransactionLayer.transport_failed` when this cannot be sent; None: nobody to tell."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class RequestReceived:
    """A new request, not a retransmission, waits for the transaction user to respond."""

    transaction: ServerTransaction
    """The transaction made for it, to be given to `TransactionLayer.respond`."""
    request: Request
    """The request, its top Via already marked with received and rport."""
    flow: Flow
    """The way it came."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class AckReceived:
    """An ACK for a 2xx response, or one that belongs to nothing known here; it is never answered."""

    request: Request
    """The ACK."""
    flow: Flow
    """The way it came."""
    transaction: ServerTransaction | None
    """The INVITE's transaction in the state Accepted when the ACK carried its branch; mostly None."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class CancelReceived:
    """The caller gave up an INVITE that has no final response yet; the CANCEL itself is already answered."""

    transaction: ServerTransaction
    """The transaction of the INVITE, which still needs its final response (487 where nothing better)."""
    request: Request
    """The CANCEL, for its Reason header."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class ResponseReceived:
    """A response for the user: provisional ones, one final, and every further 2xx to an INVITE."""

    transaction: ClientTransaction
    """The transaction it answers."""
    response: Response
    """The response, our own Via still on top."""
    flow: Flow
    """The way it came."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class StrayResponse:
    """A response that belongs to no client transaction known here."""

    response: Response
    """The response as it came."""
    flow: Flow
    """The way it came."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class TimedOut:
    """A transaction waited in vain and is over; `Terminated` follows."""

    transaction: ClientTransaction | ServerTransaction
    """The transaction."""
    timer: str
    """"B" or "F": no final response came; "CANCEL": none came after our CANCEL either; "H": no ACK came;
    "TU": the user of a server transaction left a request other than INVITE unanswered for 64*T1."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class TransportFailed:
    """What a transaction sent could not be delivered.

    From a client transaction it comes instead of a final response, never after one.
    """

    transaction: ClientTransaction | ServerTransaction
    """The transaction. It is over, and `Terminated` follows, unless it is an INVITE's server transaction."""
    reason: str
    """What the application said of it."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class Terminated:
    """A transaction is over and forgotten by the layer: the last effect that names it."""

    transaction: ClientTransaction | ServerTransaction
    """The transaction."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class Dropped:
    """Something was received and nothing will be done about it."""

    reason: str
    """Why, in words for a log."""
    flow: Flow
    """The way it came."""
    message: Message | None
    """What was understood of it, if anything."""


Effect = (
    Send
    | RequestReceived
    | AckReceived
    | CancelReceived
    | ResponseReceived
    | StrayResponse
    | TimedOut
    | TransportFailed
    | Terminated
    | Dropped
)

Effects = list[Effect]
