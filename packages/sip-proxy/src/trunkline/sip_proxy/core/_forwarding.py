"""Request forwarding: from a request received to the request sent to one target.

Here: what changes on the way through. Not here: which targets, in which order (`_forking`), and the ACK,
which has no transaction (`_stateless`).

Source: RFC 3261 §16.6, RFC 5658 (the double Record-Route), RFC 5393 §5.3.3 (Max-Breadth)
"""

from __future__ import annotations

import re

from trunkline.sip_parser import NameAddr, Request, Uri
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
        *,
        record_route_for: Flow | None = None,
        record_route_params: str = "",
        breadth: int | None = None,
    ) -> Request:
        """Make the request that goes to a target.

        Args:
            request: as received, our own Route taken out; it is not changed.
            target: where it goes.
            branch: the branch parameter of our Via.
            record_route_for: the flow the request came by, to get a Record-Route; None: it gets none.
            record_route_params: parameters for that Record-Route, each with its `;` before it.
            breadth: the Max-Breadth; None: as received.

        Raises:
            LocalProtocolError: the target's URI or Route cannot be written.
            RemoteProtocolError: a header cannot be read.

        Source: RFC 3261 §16.6 steps 1 to 8
        """
        own = self._own.of(target.flow)
        forwarded = request.copy()
        headers = forwarded.headers
        if target.uri != request.uri:
            forwarded.uri = target.uri
            if "?" in target.uri or ";method=" in target.uri.lower():
                forwarded.uri = _as_request_uri(forwarded)
        hops = request.max_forwards
        headers.set("Max-Forwards", _MAX_FORWARDS_WHEN_MISSING if hops is None else _MAX_FORWARDS[hops])
        if breadth is not None:
            headers.set("Max-Breadth", str(breadth))
        if record_route_for is not None:
            incoming = self._own.of(record_route_for)
            is_secure = request.uri[:5].lower() == "sips:"
            outer = own.secure_record_route if is_secure else own.record_route
            if incoming is own:
                headers.prepend("Record-Route", f"{outer}{record_route_params}>")
            else:
                # One URI for each side, so that each side comes back to the address and transport it can
                # reach. The mark r2 says that two belong together, because two equal hosts in a row may
                # also be a request that passed twice. RFC 5658 §3.
                inner = incoming.secure_record_route if is_secure else incoming.record_route
                headers.prepend("Record-Route", f"{inner};r2=on{record_route_params}>")
                headers.prepend("Record-Route", f"{outer};r2=on{record_route_params}>")
        if target.route:
            headers.prepend("Route", ", ".join([_bracketed(value) for value in target.route]))
        if "route" in headers:
            heed_strict_router(forwarded)
        headers.prepend("Via", own.via + branch)
        return forwarded


def _as_request_uri(request: Request) -> str:
    """Leave out what a contact may say and a Request-URI may not. Source: RFC 3261 §16.6 step 2, §19.1.1"""
    uri = request.parsed_uri
    if not isinstance(uri, Uri):
        return request.uri
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
