"""Stateless forwarding: the ACK for a 2xx, which has no transaction, and responses that have lost theirs.

Not here: requests with a transaction (`_forwarding`).

Source: RFC 3261 §16.11, §16.7 steps 3 and 9
"""

from __future__ import annotations

from hashlib import blake2s

from trunkline.sip_parser import MAGIC_COOKIE, RemoteProtocolError, Request, Response
from trunkline.sip_transaction import Flow

from ._events import StatelessResponse
from ._forwarding import Forwarding
from ._own_addresses import OwnAddresses
from ._route_processing import IsLocal
from ._targets import Target


class Stateless:
    """Pass messages on without remembering them."""

    __slots__ = ("_digest", "_forwarding", "_is_local", "_own")

    def __init__(self, forwarding: Forwarding, own: OwnAddresses, is_local: IsLocal, secret: bytes) -> None:
        self._forwarding = forwarding
        self._own = own
        self._is_local = is_local
        # The key is worked in once, by what follows it, and not anew for every ACK.
        self._digest = blake2s(b"\n", digest_size=8, key=blake2s(secret).digest())

    def settled_ack(self, request: Request, flow: Flow) -> bytes:
        """Write an ACK with hops left, as `ack` does, that goes to its Request-URI; its one Route is ours."""
        digest = self._digest.copy()
        digest.update((request.headers.top_value("via") or "").encode("utf-8", "surrogateescape"))
        return self._forwarding.write_settled(request, flow, MAGIC_COOKIE + digest.hexdigest())

    def ack(self, request: Request, target: Target) -> Request | None:
        """Write the ACK that goes to a target; None when its hops are used up or it cannot be forwarded.

        The branch is made of the Via received, so that an ACK that comes twice goes on twice the same.
        """
        try:
            if request.max_forwards == 0:
                return None
            digest = self._digest.copy()
            digest.update((request.headers.top_value("via") or "").encode("utf-8", "surrogateescape"))
            return self._forwarding.write(request, target, MAGIC_COOKIE + digest.hexdigest())
        except RemoteProtocolError:
            return None

    def response(self, response: Response) -> StatelessResponse | None:
        """Take our Via off a response; None when it is not ours or nobody is behind it."""
        try:
            via = response.top_via
            if via.sent_by not in self._own.sent_by and not self._is_local(*via.sent_by):
                return None
            response.headers.pop_value("via")
            if "via" not in response.headers:
                return None
            return StatelessResponse(response.to_bytes(), response.top_via)
        except RemoteProtocolError:
            return None
