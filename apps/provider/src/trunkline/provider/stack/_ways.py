"""Ways: from a URI, a binding or a Via to the flow that a message leaves by.

Addresses are numeric here; what has a name is found by `_locating`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from trunkline.provider.policy import Unlocated
from trunkline.sip_parser import Message, NameAddr, OtherUri, RemoteProtocolError, TelUri, Uri, Via, parse_uri
from trunkline.sip_proxy import Binding, Location, Target, fix_contact, is_ip
from trunkline.sip_transaction import Flow

Address = tuple[str, int]
DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061}


class Ways:
    """Finds flows.

    Args:
        local_for: the listening point (host, port) from which a transport reaches a numeric host; None
            when there is none.
        connection_open: whether the connection of a flow still stands; datagram flows always do.
        location: the bindings.
        clock: wall-clock time.
    """

    def __init__(
        self,
        *,
        local_for: Callable[[str, str], Address | None],
        connection_open: Callable[[Flow], bool],
        location: Location,
        clock: Callable[[], datetime],
    ) -> None:
        self._local_for = local_for
        self._connection_open = connection_open
        self._location = location
        self._clock = clock

    def locate(self, uri: Uri | TelUri | OtherUri) -> Flow | None:
        """Return the flow to a SIP URI whose host is numeric, else None (RFC 3263 §4.1, §4.2)."""
        if not isinstance(uri, Uri):
            return None
        host = uri.params.get("maddr") or uri.host
        transport = (uri.params.get("transport") or ("tls" if uri.scheme == "sips" else "udp")).upper()
        return self._flow(transport, host, uri.port)

    def _flow(self, transport: str, host: str, port: int | None) -> Flow | None:
        host = host.strip("[]")
        if transport not in DEFAULT_PORTS or not is_ip(host):
            return None
        local = self._local_for(transport, host)
        if local is None:
            return None
        return Flow(transport, local, (host, port or DEFAULT_PORTS[transport]))

    def binding_targets(self, address_of_record: str) -> list[Target | Unlocated]:
        """Return the targets of the live bindings of an address of record, best first."""
        targets: list[Target | Unlocated] = []
        for binding in self._location.lookup(address_of_record, at=self._clock()):
            flow = self.binding_flow(binding)
            if flow is not None:
                targets.append(Target(binding.contact, flow, binding.path, binding.q, user=binding))
                continue
            uri = _next_hop(binding)
            if isinstance(uri, Uri) and not is_ip(uri.host):
                targets.append(Unlocated(binding.contact, uri, binding.path, binding.q, user=binding))
        return targets

    def binding_flow(self, binding: Binding) -> Flow | None:
        """Return the flow to a binding: the one it registered by, or one made from what was stored."""
        flow = binding.flow
        if flow is not None and (not flow.reliable or self._connection_open(flow)):
            return flow
        uri = _next_hop(binding)
        return None if uri is None else self.locate(uri)

    def response_way(self, via: Via) -> Flow | None:
        """Return the flow for a response that is forwarded by its Via alone (RFC 3261 §18.2.2, RFC 3581)."""
        host = via.received or via.host
        port = via.rport if isinstance(via.rport, int) else via.port
        return self._flow(via.transport.upper(), host, port)

    def mend_contact(self, message: Message, flow: Flow) -> None:
        """Replace the Contact of a phone behind a NAT by where it is heard from."""
        fix_contact(message, flow)


def _next_hop(binding: Binding) -> Uri | TelUri | OtherUri | None:
    try:
        if binding.path:
            return NameAddr.parse(binding.path[0]).uri
        return parse_uri(binding.received or binding.contact)
    except RemoteProtocolError:
        return None
