"""Route information preprocessing: what of Request-URI and Route is about us is taken out before routing.

Not here: where the request then goes (the application), and the rewriting for a strict router that comes
next (`_forwarding`).

Source: RFC 3261 §16.4, RFC 5658
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.sip_parser import NameAddr, RemoteProtocolError, Request, Uri
from trunkline.sip_transaction import Flow

from ._own_addresses import OwnAddresses, OwnRoute, is_one_of_two, uri_of

IsLocal = Callable[[str, int | None], bool]

_DEFAULT_PORTS = {"tls": 5061, "ws": 80, "wss": 443}


class Routed:
    """A request as it looks when what was only for us is out of its route."""

    __slots__ = ("_own_route", "_reaches_further", "loose", "outgoing_route", "request")

    def __init__(
        self,
        request: Request,
        loose: bool,
        record_route_params: Uri | None = None,
        outgoing_route: Uri | None = None,
        _own_route: OwnRoute | None = None,
        _reaches_further: bool | None = None,
    ) -> None:
        self.request = request
        """The request given, changed in place."""
        self.loose = loose
        """Whether a Route led it here: it follows a path we once recorded, or pretends to."""
        self._own_route: Uri | OwnRoute | None = _own_route or record_route_params
        self.outgoing_route = outgoing_route
        """The URI of the second one where a double Record-Route names the way out. Source: RFC 5658."""
        # whether a Route is left; told by who has just looked
        self._reaches_further = "route" in request.headers if _reaches_further is None else _reaches_further

    @property
    def record_route_params(self) -> Uri | None:
        """The URI of our Route that was taken out, with its parameters; None when there was none."""
        route = self._own_route
        return uri_of(route) if isinstance(route, tuple) else route

    @property
    def preloaded(self) -> bool:
        """Whether a Route led it here although it begins a dialog, which an open relay would follow.

        Raises:
            RemoteProtocolError: To cannot be read.
        """
        return self.loose and self.request.to_tag is None

    @property
    def next_hop(self) -> Uri | None:
        """The URI to send it to: that of the next Route, else the Request-URI; None when that is no sip URI.

        Raises:
            RemoteProtocolError: that URI cannot be read.

        Source: RFC 3261 §16.6 step 7
        """
        request = self.request
        routes = request.routes if self._reaches_further else ()  # a Route may also be empty
        uri = routes[0].uri if routes else request.parsed_uri
        return uri if isinstance(uri, Uri) else None

    def __repr__(self) -> str:
        return f"<Routed {self.request.method} {self.request.uri} loose={self.loose}>"


class RouteProcessing:
    """Take our own names out of requests."""

    __slots__ = ("_is_local", "_own")

    def __init__(self, is_local: IsLocal, own: OwnAddresses) -> None:
        self._is_local = is_local
        self._own = own

    def route(self, request: Request, flow: Flow | None = None) -> Routed:
        """Do what has to be done before a target is chosen. See `ProxyCore.route`."""
        headers = request.headers
        uri = request.uri
        if ";" in uri:
            uri = uri.lower()
            if ";maddr=" in uri:
                self._strip_maddr(request, flow)
            if ";lr" in uri and "route" in headers:
                moved = self._undo_strict_routing(request)
                if moved is not None:
                    return self._after_strict_router(request, moved)
        value = headers.top_value("route")
        if value is None:
            return Routed(request, False, None, None, None, False)
        own = self._own.route(value)
        if own is not None and not is_one_of_two(own):
            return Routed(request, True, None, None, own, headers.drop_top("route"))
        return self._read_route(request)

    def within(self, request: Request) -> Routed | None:
        """Take our Route out of a request of which one look tells that `Validation` has nothing against it.

        Nearly every request within a dialog is so: one Route, which is ours, and it leads to the
        Request-URI. See `ProxyCore.admit`.

        Returns:
            None, and the request is as it was, when it has to be looked at more closely.
        """
        try:
            if (
                request.to_tag is None
                or request.cseq.method != request.method
                or request.version != "SIP/2.0"
                or request.max_forwards == 0
                or ";" in request.uri
            ):
                return None
            _ = request.from_, request.parsed_uri
        except RemoteProtocolError:
            return None
        headers = request.headers
        value = headers.only_value("route")
        if value is None or "proxy-require" in headers:
            return None
        own = self._own.route(value)
        if own is None or is_one_of_two(own):
            return None
        headers.remove("route")
        return Routed(request, True, None, None, own, False)

    def _read_route(self, request: Request) -> Routed:
        """Go on with a topmost Route that has to be read, be it another's, or ours and perhaps one of two.

        Source: RFC 3261 §16.4, RFC 5658
        """
        own = self._pop_own(request)
        if own is None:
            return Routed(request, False)
        companion = None
        if "r2" in own.params:
            following = request.headers.top_value("route")
            if following is not None and ";r2=" in following:
                companion = self._pop_own(request)
        return Routed(request, True, own, companion)

    def _after_strict_router(self, request: Request, moved: Uri) -> Routed:
        """Go on with a request whose Request-URI was our Record-Route, and no longer is."""
        companion = self._pop_own(request)
        if companion is not None and "r2" not in moved.params:
            return Routed(request, True, companion)
        return Routed(request, True, moved, companion)

    def _pop_own(self, request: Request) -> Uri | None:
        """Take out the topmost Route if it is ours. Source: RFC 3261 §16.4"""
        headers = request.headers
        value = headers.top_value("route")
        if value is None:
            return None
        own = self._own.route(value)
        if own is not None:
            uri = uri_of(own)
        else:
            parsed = NameAddr.parse(value, "Route").uri
            if not isinstance(parsed, Uri) or not self._is_local(parsed.host.lower(), parsed.port):
                return None
            uri = parsed
        headers.pop_value("route")
        return uri

    def _undo_strict_routing(self, request: Request) -> Uri | None:
        """Put the last Route back where a strict router took it from. Source: RFC 3261 §16.4

        Such a Request-URI is what we wrote into a Record-Route: one of ours with lr and without a user part.

        Returns:
            That Request-URI; None when the request did not come by a strict router.
        """
        uri = request.parsed_uri
        if not isinstance(uri, Uri) or not uri.is_lr or uri.user is not None:
            return None
        headers = request.headers
        values = headers.values("route")
        if not values or not self._is_local(uri.host.lower(), uri.port):
            return None
        request.uri = str(NameAddr.parse(values[-1], "Route").uri)
        headers.remove("route")
        if len(values) > 1:
            headers.prepend("Route", ", ".join(values[:-1]))
        return uri

    def _strip_maddr(self, request: Request, flow: Flow | None) -> None:
        """Take a maddr that is us off the Request-URI, if it came as that says. Source: RFC 3261 §16.4"""
        uri = request.parsed_uri
        if not isinstance(uri, Uri) or not uri.params.get("maddr"):
            return
        transport = uri.transport
        port = uri.port or _DEFAULT_PORTS.get(transport, 5060)
        if flow is not None and (flow.transport.lower() != transport or flow.local[1] != port):
            return
        if self._is_local(str(uri.params["maddr"]).strip("[]").lower(), port):
            params = {name: value for name, value in uri.params.items() if name not in ("maddr", "transport")}
            request.uri = str(uri.replace(params=params, port=None))
