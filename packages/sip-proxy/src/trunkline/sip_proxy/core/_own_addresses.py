"""What we write of ourselves, one pair per listening point: the sent-by of a Via, the URI of a Record-Route.

Not here: when they are written (`_forwarding`), what is done when they come back (`_route_processing`).

Source: RFC 3261 §16.6 steps 4 and 8, §18.1.1
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from trunkline.sip_parser import Uri
from trunkline.sip_transaction import Flow

# A listening point has a handful of faces; only a via_address that makes up addresses could reach this.
_REMEMBERED = 1024


@attrs.define(slots=True, eq=False)
class OwnAddress:
    """One transport and address of ours, as others see it."""

    transport: str
    """Upper case, as in a Via."""
    host: str
    """Without brackets."""
    port: int
    via: str
    """A Via up to and with `;branch=`."""
    record_route: str
    """What a Record-Route begins with, up to its parameters: `<sip:host:port;transport=udp;lr`."""
    secure_record_route: str
    """The same with sips."""


OwnRoute = tuple[Uri, str, str]
"""A URI that our Record-Routes lead to; name and value of one parameter more, "" when there is none."""


def uri_of(route: OwnRoute) -> Uri:
    """Give the whole URI of a Route of ours."""
    uri, name, value = route
    return uri.replace(params={**uri.params, name: value}) if name else uri


def is_one_of_two(route: OwnRoute) -> bool:
    """Tell whether a Route of ours says that the next is ours too. Source: RFC 5658"""
    uri, name, _ = route
    return "r2" in uri.params or name == "r2"


class OwnAddresses:
    """Find what to write about the listening point of a flow."""

    __slots__ = ("_known", "_last_route", "_routes", "_via_address", "sent_by")

    def __init__(self, via_address: Callable[[Flow], tuple[str, int]] | None) -> None:
        """Make an empty register.

        Args:
            via_address: gives the address by which the peer of a flow reaches us; None: the flow's own.
        """
        self._via_address = via_address
        self._known: dict[tuple[str, tuple[str, int]], OwnAddress] = {}
        # every plain Route value that our Record-Routes lead to, so that most need not be read
        self._routes: dict[str, Uri] = {}
        self._last_route: tuple[str, OwnRoute | None] = ("", None)
        self.sent_by: set[tuple[str, int]] = set()
        """Every host, in lower case, and port written as sent-by so far."""

    def of(self, flow: Flow) -> OwnAddress:
        """Give what to write in a message that goes by this flow."""
        address = flow.local if self._via_address is None else self._via_address(flow)
        key = (flow.transport, address)
        return self._known.get(key) or self._learn(key)

    def route(self, value: str) -> OwnRoute | None:
        """Know a Route value that we once wrote into a Record-Route, with one parameter of the application's.

        A request's is asked for twice in a row, when it is validated and when it is taken out.

        Returns:
            What it says; None for any other value, which is to be read as what it is.
        """
        if value == self._last_route[0]:
            return self._last_route[1]
        known = self._routes.get(value)
        route: OwnRoute | None = None
        if known is not None:
            route = known, "", ""
        else:
            begin, _, param = value.rpartition(";")
            known = self._routes.get(begin + ">")
            if known is not None and param[-1:] == ">":
                name, _, text = param[:-1].partition("=")
                if name.isalnum() and text.isalnum():
                    name = name.lower()
                    if name not in known.params:
                        route = known, name, text
        self._last_route = value, route
        return route

    def _learn(self, key: tuple[str, tuple[str, int]]) -> OwnAddress:
        transport, (host, port) = key
        host = host.strip("[]")
        shown = f"[{host}]" if ":" in host else host
        rest = f"{shown}:{port};transport={transport.lower()};lr"
        own = OwnAddress(
            transport,
            host,
            port,
            f"SIP/2.0/{transport} {shown}:{port};branch=",
            f"<sip:{rest}",
            f"<sips:{shown}:{port};lr",
        )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
            self._routes.clear()
        self._known[key] = own
        self._last_route = ("", None)
        self.sent_by.add((host.lower(), port))
        for begin in (own.record_route, own.secure_record_route):
            for end in ("", ";r2=on"):
                self._routes[f"{begin}{end}>"] = Uri.parse(f"{begin}{end}"[1:])
        return own
