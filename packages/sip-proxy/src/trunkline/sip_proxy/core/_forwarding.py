"""Request forwarding: from a request received to the request sent to one target.

Here: what changes on the way through. Not here: which targets, in which order (`_forking`), and the ACK,
which has no transaction (`_stateless`).

Source: RFC 3261 §16.6, RFC 5658 (the double Record-Route), RFC 5393 §5.3.3 (Max-Breadth)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from trunkline.sip_parser import NameAddr, Request, Uri, forwarded_bytes, forwarded_copy, parse_uri
from trunkline.sip_transaction import Flow

from ._own_addresses import OwnAddresses
from ._targets import Target

# What is written for each number received, so that the usual ones cost no formatting. §16.6 step 3.
_MAX_FORWARDS = tuple(str(max(number - 1, 0)) for number in range(256))
_MAX_FORWARDS_WHEN_MISSING = "70"

# The methods whose requests make dialogs, or bring back a route set that an endpoint has lost; a
# Record-Route in any other is dead weight.
RECORD_ROUTED_METHODS = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"})

_has_lr = re.compile(r";lr(?=[;=>?]|$)", re.IGNORECASE).search


class Forwarding:
    """Write the requests that go to targets."""

    __slots__ = ("_own",)

    def __init__(self, own: OwnAddresses) -> None:
        self._own = own

    def write(
        self,
        request: Request,
        target: Target,
        branch: str,
        record_routes: Sequence[str] = (),
        breadth: int | None = None,
    ) -> Request:
        """Make the request that goes to a target.

        Args:
            request: as received, our own Route taken out; it is not changed.
            target: where it goes.
            branch: the branch parameter of our Via.
            record_routes: as `record_routes` gives them.
            breadth: the Max-Breadth; None: as received.

        Raises:
            LocalProtocolError: the target's URI or Route cannot be written.
            RemoteProtocolError: a header cannot be read.

        Source: RFC 3261 §16.6 steps 1 to 8
        """
        forwarded = forwarded_copy(
            request,
            uri=_as_request_uri(target.uri, request),
            via=self._own.of(target.flow).via + branch,
            max_forwards=_one_less(request),
            record_routes=record_routes,
            max_breadth=None if breadth is None else str(breadth),
        )
        if target.route:
            forwarded.headers.prepend("Route", ", ".join([_bracketed(value) for value in target.route]))
            heed_strict_router(forwarded)
        elif "route" in request.headers:
            heed_strict_router(forwarded)
        return forwarded

    def write_bytes(
        self,
        request: Request,
        target: Target,
        branch: str,
        record_routes: Sequence[str] = (),
        breadth: int | None = None,
    ) -> bytes:
        """Write the bytes of what `write` makes: the shorter way where no Route is to be heeded."""
        if target.route or "route" in request.headers:
            return self.write(request, target, branch, record_routes, breadth).to_bytes()
        uri = target.uri
        return forwarded_bytes(
            request,
            uri=_as_request_uri(uri, request) if ";" in uri or "?" in uri else uri,
            via=self._own.of(target.flow).via + branch,
            max_forwards=_one_less(request),
            record_routes=record_routes,
            max_breadth=None if breadth is None else str(breadth),
        )

    def write_settled(self, request: Request, flow: Flow, branch: str) -> bytes:
        """Write a request with hops left that goes to its Request-URI, without its only Route, ours."""
        return forwarded_bytes(
            request,
            via=self._own.of(flow).via + branch,
            max_forwards=_one_less(request),
            drop_route=True,
        )

    def record_routes(self, request: Request, came_by: Flow, goes_by: Flow, params: str) -> Sequence[str]:
        """Give the Record-Routes that let both sides of a dialog come back to us, the lowest first.

        Args:
            request: as received.
            came_by: the flow it came by.
            goes_by: the flow it goes by.
            params: parameters for them, each with its `;` before it.
        """
        own, incoming = self._own.of(goes_by), self._own.of(came_by)
        is_secure = request.uri[:5].lower() == "sips:"
        outer = own.secure_record_route if is_secure else own.record_route
        if incoming is own:
            return (f"{outer}{params}>",)
        # One URI for each side, so that each side comes back to the address and transport it can reach. The
        # mark r2 says that two belong together, because two equal hosts in a row may also be a request that
        # passed twice. RFC 5658 §3.
        inner = incoming.secure_record_route if is_secure else incoming.record_route
        return f"{inner};r2=on{params}>", f"{outer};r2=on{params}>"


def _one_less(request: Request) -> str:
    """Give the Max-Forwards to write. Source: RFC 3261 §16.6 step 3"""
    hops = request.max_forwards
    return _MAX_FORWARDS_WHEN_MISSING if hops is None else _MAX_FORWARDS[hops]


def _as_request_uri(text: str, request: Request) -> str:
    """Leave out what a contact may say and a Request-URI may not. Source: RFC 3261 §16.6 step 2, §19.1.1"""
    if text == request.uri or ("?" not in text and ";method=" not in text.lower()):
        return text
    uri = parse_uri(text)
    if not isinstance(uri, Uri):
        return text
    params = {name: value for name, value in uri.params.items() if name != "method"}
    return str(uri.replace(params=params, headers=None))


def _bracketed(value: str) -> str:
    return value if "<" in value else f"<{value}>"


def heed_strict_router(request: Request) -> None:
    """Rewrite a request whose next Route is a strict router: it becomes the Request-URI, ours the last Route.

    Source: RFC 3261 §16.6 step 6
    """
    top = request.headers.top_value("route")
    if top is None or _has_lr(top) is not None:
        return
    next_router = NameAddr.parse(top, "Route").uri
    request.headers.pop_value("route")
    request.headers.add("Route", f"<{request.uri}>")
    request.uri = str(next_router)
