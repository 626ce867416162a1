"""Effects of the core: what it says has happened, beside the effects of the transaction layer it hands on.

Here: the classes only. What to do about `ResponseReady` is said at `ProxyCore.relay` and `ProxyCore.fork`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trunkline.sip_parser import Response, Via
from trunkline.sip_transaction import Effect as LayerEffect

if TYPE_CHECKING:
    from ._response_context import Branch, ResponseContext


@attrs.define(slots=True, eq=False)
class ResponseReady:
    """A response may go upstream: `relay` it, now or after whatever has to be done first.

    Provisional ones come as they arrive, each new 2xx too, and one final response of 300 or more when every
    branch has failed, the best of them.
    """

    context: ResponseContext
    """The request it answers and the branches it was forwarded by."""
    response: Response
    """The response, our own Via taken out; it may be changed before it is relayed."""
    branch: Branch | None
    """The branch it came by; None when it was made here and answers for no branch alone."""


@attrs.define(slots=True, eq=False)
class StatelessResponse:
    """A response to be sent on without a transaction. Source: RFC 3261 §16.11, §18.2.2."""

    data: bytes
    """The response without our own Via."""
    via: Via
    """The Via now on top: `received` and `rport` where set, else `sent_by`, say where it goes."""


Effect = LayerEffect | ResponseReady
"""What the calls of the core return, in the order in which to act."""
