"""The stateless proxy: every message goes on by itself and is forgotten, for the edge of a farm of proxies.

It needs no transaction layer. A request and its copies, its CANCEL and the ACK of its failure must take the
same way under the same branch, so both follow from the message alone: the branch is made here, and the
application must choose one target, the same one each time. It never answers 100, never forks and never
retransmits.

Here: what a message becomes. Not here: `ProxyCore`, which keeps state, nor how ACKs pass through that one
(`_stateless`).

Source: RFC 3261 §16.11
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from trunkline.sip_parser import (
    MAGIC_COOKIE,
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    Response,
    make_response,
)
from trunkline.sip_transaction import Flow, Send

from ._breadth import granted
from ._events import StatelessResponse
from ._forwarding import Forwarding
from ._loop_detection import LoopMarks
from ._own_addresses import OwnAddresses
from ._route_processing import IsLocal, Routed, RouteProcessing
from ._stateless import Stateless
from ._targets import Rejection, Target
from ._validation import Validation, unreadable

_WITHOUT_BREADTH = frozenset({"ACK", "CANCEL"})


class StatelessProxy:
    """Forward messages one by one and remember nothing."""

    __slots__ = ("_digest", "_forwarding", "_routes", "_stateless", "_validation")

    def __init__(
        self,
        *,
        is_local: IsLocal,
        secret: bytes = b"",
        via_address: Callable[[Flow], tuple[str, int]] | None = None,
        proxy_require: Sequence[str] = (),
    ) -> None:
        """Make a proxy.

        Args:
            is_local: tells whether a host (lower case, no brackets) and port (None when not given) is us.
            secret: keeps others from predicting our branches; the same on every node that may get a copy, the
                CANCEL or the ACK of a request, and after a restart.
            via_address: gives the address by which the peer of a flow reaches us; None: the flow's own.
            proxy_require: option tags that a Proxy-Require may hold.

        Source: RFC 3261 §16.11
        """
        own = OwnAddresses(via_address)
        self._routes = RouteProcessing(is_local, own)
        extensions = frozenset(tag.lower() for tag in proxy_require)
        self._validation = Validation(is_local, self._routes, LoopMarks(secret), own, extensions)
        self._forwarding = Forwarding(own)
        self._stateless = Stateless(self._forwarding, own, is_local, secret)
        self._digest = blake2b(blake2b(secret).digest(), digest_size=10)

    def validate(self, request: Request) -> Rejection | None:
        """Check a request; see `ProxyCore.validate`. Without state no loop is found: hops end it.

        Source: RFC 3261 §16.3
        """
        try:
            # no transaction layer has looked at it, and of a request within a dialog nobody else does
            _ = request.top_via
        except RemoteProtocolError as error:
            return unreadable(error)
        return self._validation.check(request)

    def route(self, request: Request, flow: Flow) -> Routed:
        """Note where a request came from, and take out of its route what is about us, in place.

        Args:
            request: as parsed, and validated.
            flow: the way it came.

        Raises:
            RemoteProtocolError: Via, Request-URI or Route cannot be read; never after `validate`.

        Source: RFC 3261 §16.4, §18.2.1, RFC 3581 §4
        """
        via = request.top_via
        host, port = flow.remote
        params = {**via.params, "received": host.partition("%")[0], "rport": str(port)}
        request.headers.replace_top("Via", str(via.replace(params=params)))
        return self._routes.route(request, flow)

    def forward(
        self, request: Request, target: Target, *, record_route_for: Flow | None = None
    ) -> list[Send]:
        """Forward a request of any method, ACK and CANCEL included.

        Args:
            request: as `route` left it; it is not changed.
            target: where it goes; the same for every message of a transaction.
            record_route_for: the flow it came by, to stay on the path of its dialog; None: not to.

        Returns:
            One Send. None when it cannot be written or its hops are used up.

        Source: RFC 3261 §16.11
        """
        try:
            if request.max_forwards == 0:
                return []
            breadth = None if request.method in _WITHOUT_BREADTH else granted(request)
            forwarding, branch = self._forwarding, MAGIC_COOKIE + self._hash(request)
            routes: Sequence[str] = ()
            if record_route_for is not None:
                routes = forwarding.record_routes(request, record_route_for, target.flow, "")
            data = forwarding.write_bytes(request, target, branch, routes, breadth)
        except (LocalProtocolError, RemoteProtocolError):
            return []
        return [Send(data, target.flow, None)]

    def reject(self, request: Request, flow: Flow, rejection: Rejection) -> list[Send]:
        """Answer a request that goes nowhere, each copy the same; an ACK is never answered.

        Source: RFC 3261 §8.2.7
        """
        if request.method == "ACK":
            return []
        response = make_response(
            request, rejection.status, rejection.reason, to_tag=self._tag(request), headers=rejection.headers
        )
        return [Send(response.to_bytes(), flow, None)]

    def forward_response(self, response: Response) -> StatelessResponse | None:
        """Forward a response: our Via is taken off and the next says where it goes.

        Returns:
            The response and that Via; None when it was not sent to us or ends here: drop it.

        Source: RFC 3261 §16.11
        """
        return self._stateless.response(response)

    def _hash(self, request: Request) -> str:
        """Hash what the messages of one transaction have in common, and those of no other.

        Source: RFC 3261 §16.11, for branches of RFC 2543 too
        """
        via = request.top_via
        branch = via.branch or ""
        if branch.startswith(MAGIC_COOKIE):
            parts = [f"{via.host}:{via.port}", branch]
        else:
            number = str(request.cseq.number)
            parts = [request.headers.top_value("via") or "", request.to_tag or "", request.from_tag or ""]
            parts += [request.call_id, number, request.uri]
        return self._digested(parts)

    def _tag(self, request: Request) -> str:
        headers = request.headers
        return self._digested([headers.get(name) or "" for name in ("via", "from", "call-id", "cseq")])

    def _digested(self, parts: Sequence[str]) -> str:
        digest = self._digest.copy()
        digest.update("\n".join(parts).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
