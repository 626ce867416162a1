"""Request validation: what a proxy refuses before it asks where a request should go.

Here: the checks in the order of the RFC. Not here: credentials (`auth`), and what policy refuses.

Source: RFC 3261 §16.3, RFC 5393 §4.2
"""

from __future__ import annotations

from trunkline.sip_parser import RemoteProtocolError, Request, Uri, check_message, reason_phrase

from ._breadth import granted
from ._loop_detection import LoopMarks
from ._own_addresses import OwnAddresses
from ._route_processing import IsLocal, RouteProcessing
from ._targets import Rejection

_ANSWERED_ANYWAY = frozenset({"ACK", "CANCEL"})


class Validation:
    """Check requests."""

    __slots__ = ("_extensions", "_is_local", "_marks", "_own", "_routes")

    def __init__(
        self,
        is_local: IsLocal,
        routes: RouteProcessing,
        marks: LoopMarks,
        own: OwnAddresses,
        extensions: frozenset[str],
    ) -> None:
        self._is_local = is_local
        self._routes = routes
        self._marks = marks
        self._own = own
        self._extensions = extensions

    def check(self, request: Request) -> Rejection | None:
        """Give the reason to refuse a request, or None. See `ProxyCore.validate`."""
        try:
            begins = request.to_tag is None
        except RemoteProtocolError as error:
            return unreadable(error)
        return self.check_beginning(request) if begins else self.check_in_dialog(request)

    def check_beginning(self, request: Request) -> Rejection | None:
        """Check a request without To tag."""
        try:
            check_message(request)
            if "max-breadth" in request.headers:
                _ = granted(request)
            if self._marks.may_have_passed(request) and self._has_looped(request):
                return Rejection(482, reason_phrase(482))
        except RemoteProtocolError as error:
            return unreadable(error)
        return self._check_limits(request)

    def check_in_dialog(self, request: Request) -> Rejection | None:
        """Check of a request with a To tag only what forwarding and the watch rely on.

        The route of a dialog is settled, so that nobody asks what its requests say beyond that; what is wrong
        with it is for the other end to find. Source: RFC 3261 §16.3 step 1
        """
        try:
            _ = request.from_, request.parsed_uri
            routes = request.headers.values("route")
            if routes and (len(routes) > 1 or self._own.route(routes[0]) is None):
                _ = request.routes
            if request.version != "SIP/2.0" or request.cseq.method != request.method:
                check_message(request)
            _ = request.max_forwards
        except RemoteProtocolError as error:
            return unreadable(error)
        return self._check_limits(request)

    def _check_limits(self, request: Request) -> Rejection | None:
        """Check what a request allows and demands of those who forward it."""
        if request.max_forwards == 0 and not self._is_for_this_server(request):
            return Rejection(483, reason_phrase(483))
        if "proxy-require" in request.headers and request.method not in _ANSWERED_ANYWAY:
            return self._check_extensions(request)
        return None

    def _is_for_this_server(self, request: Request) -> bool:
        """Tell whether it asks nobody to forward it: a REGISTER, or an OPTIONS about us. §16.3 step 3."""
        if request.method not in ("REGISTER", "OPTIONS"):
            return False
        uri = request.parsed_uri
        return isinstance(uri, Uri) and uri.user is None and self._is_local(uri.host.lower(), uri.port)

    def _has_looped(self, request: Request) -> bool:
        # The mark is made of the request as it looks after route processing, which changes it: hence a copy.
        routed = self._routes.route(request.copy())
        return self._marks.has_looped(routed.request, self._own.sent_by)

    def _check_extensions(self, request: Request) -> Rejection | None:
        required = request.headers.values("proxy-require")
        unknown = [tag for tag in required if tag.lower() not in self._extensions]
        if not unknown:
            return None
        return Rejection(420, reason_phrase(420), (("Unsupported", ", ".join(unknown)),))


def unreadable(error: RemoteProtocolError) -> Rejection:
    """Give the reason to refuse a request that cannot be read."""
    reason = error.reason
    # The reason speaks to whoever debugs the peer; it quotes what the peer sent, so it must fit on a line.
    usable = error.status_hint == 400 and reason.isprintable() and len(reason) <= 200
    return Rejection(error.status_hint, reason if usable else reason_phrase(error.status_hint))
