"""Paths: where a request within a dialog may go.

The mark in our Record-Route proves that a request belongs to a dialog that we were made part of. It does not
prove that it goes to a party of that dialog: who has called one of our phones once could go on naming any
Request-URI. So the next hop has to be a place that the dialog has shown: the other's Contact or the proxy
before it. Of a call, the watch knows these. Of a dialog that nobody watches (a subscription, or a call that
is over), one end has to be a phone of the user that From or To names, which may send where it likes: it is
no stranger's.

Source: RFC 3261 §12.2.1.1, §16.12
"""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.provider.policy import Domains
from trunkline.sip_parser import NameAddr, RemoteProtocolError, Request, Uri, parse_uri, unescape
from trunkline.sip_proxy import Binding, Location, Place
from trunkline.sip_transaction import Flow

from ._ways import numeric


class Paths:
    """Tells which next hops a dialog may name.

    Args:
        location: the bindings.
        domains: the domains served.
    """

    def __init__(self, location: Location, domains: Domains) -> None:
        self._location = location
        self._domains = domains

    def permits(self, request: Request, next_hop: Uri, flow: Flow, place: Place | None) -> bool:
        """Tell whether a request within a dialog may go where it says.

        Args:
            request: the request, our own Routes taken out.
            next_hop: where that says it goes.
            flow: how it came.
            place: the call it belongs to; None when none is known.

        Raises:
            RemoteProtocolError: From or To cannot be read.
        """
        if place is not None and self._is_of_call(request, next_hop, place):
            return True
        there = _host(next_hop)
        for party in (request.from_.uri, request.to.uri):
            for binding in self._bindings(party):
                places = _places_of(binding)
                if flow.remote in places or any(host == there for host, _ in places):
                    return True
        return False

    def _is_of_call(self, request: Request, next_hop: Uri, place: Place) -> bool:
        call, leg, _ = place
        # what was sent out comes back as it was, nearly always: then nothing has to be read
        for route_set, contact in (
            (leg.route_set, leg.contact),
            (call.caller_route_set, call.caller_contact),
        ):
            route = request.headers.top_value("route")
            if route == route_set[0] if route_set else route is None and request.uri == contact:
                return True
        there = _host(next_hop)
        for flow in (leg.flow, call.caller_flow):
            if flow is not None and flow.remote[0] == there:
                return True
        texts = (leg.contact, *leg.route_set[:1], call.caller_contact, *call.caller_route_set[:1])
        return any(there == _address_in(text)[0] for text in texts)

    def _bindings(self, party: object) -> Iterator[Binding]:
        if isinstance(party, Uri) and party.user:
            domain = self._domains.canonical(party.host)
            if domain is not None:
                yield from self._location.get(f"{unescape(party.user)}@{domain}")


def _host(uri: Uri) -> str:
    """Give the host that a message to a URI goes to."""
    host = str(uri.params.get("maddr") or uri.host)
    return numeric(host) or host.lower().rstrip(".")


def _address_in(text: str) -> tuple[str, int]:
    """Give host and port of a URI, or of a Route value; ("", 0) when there is none."""
    try:
        uri = NameAddr.parse(text).uri if "<" in text else parse_uri(text)
    except RemoteProtocolError:
        return "", 0
    return (_host(uri), uri.port or 5060) if isinstance(uri, Uri) else ("", 0)


def _places_of(binding: Binding) -> set[tuple[str, int]]:
    """Give the addresses that a phone speaks from and is spoken to at."""
    places = {_address_in(text) for text in (binding.contact, binding.received or "", *binding.path[:1])}
    places.discard(("", 0))
    if binding.flow is not None:
        places.add(binding.flow.remote)
    return places
