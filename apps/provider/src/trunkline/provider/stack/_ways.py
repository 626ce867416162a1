"""Ways: from a URI, a binding or a Via to the flow that a message leaves by.

Addresses are numeric here; what has a name is found by `_locating`. A `sips` URI leads to TLS or nowhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from trunkline.provider.policy import Unlocated
from trunkline.sip_parser import Message, NameAddr, OtherUri, RemoteProtocolError, TelUri, Uri, Via, parse_uri
from trunkline.sip_proxy import Binding, Location, Target, fix_contact, is_private
from trunkline.sip_transaction import Flow

from ._flows import MARK, Flows

_K = TypeVar("_K")
_T = TypeVar("_T")
Address = tuple[str, int]
DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
SECURE = frozenset({"TLS", "WSS"})
_SECURE_TRANSPORTS = {"": "TLS", "TCP": "TLS", "TLS": "TLS", "WS": "WSS", "WSS": "WSS"}
REFUSED_FOR = 300.0
"Seconds during which a peer that refused TCP is not asked for it again."
REMEMBERED = 10_000
"Peers of which that is remembered."
_NOT_PLAIN = frozenset({MARK, "lr", "maddr"})


class Ways:
    """Finds flows.

    Args:
        local_for: the listening point (host, port) from which a transport reaches a numeric host; None
            when there is none.
        connection_open: whether the connection of a flow still stands; datagram flows always do.
        location: the bindings.
        clock: wall-clock time.
        flows: the connections of phones.
    """

    def __init__(
        self,
        *,
        local_for: Callable[[str, str], Address | None],
        connection_open: Callable[[Flow], bool],
        location: Location,
        clock: Callable[[], datetime],
        flows: Flows,
    ) -> None:
        self.flows = flows
        self._local_for = local_for
        self._connection_open = connection_open
        self._location = location
        self._clock = clock
        self._plain: dict[str, Flow] = {}
        self._phones: dict[str, dict[str, Flow]] = {}
        self._behind_nat: dict[Address, None] = {}
        self._moved: dict[Address, float] = {}
        self._refused: dict[Address, float] = {}

    def locate(self, uri: Uri | TelUri | OtherUri) -> Flow | None:
        """Return the flow to a SIP URI whose host is numeric, else None (RFC 3263 §4.1, §4.2).

        A URI that is marked with a connection leads there as long as that stands.
        """
        if not isinstance(uri, Uri):
            return None
        transport = transport_of(uri)
        if transport is None:
            return None
        if MARK in uri.params:
            flow = self.flows.marked(uri)
            if flow is not None and (uri.scheme != "sips" or flow.transport in SECURE):
                return flow
            if transport != "UDP" and is_private(uri.host):
                return None  # behind a NAT, which nobody can connect into
        return self.flow_to(transport, uri.params.get("maddr") or uri.host, uri.port, name=uri.host)

    def plain(self, text: str) -> Flow | None:
        """Return what `locate` does for a plain SIP URI, which is remembered by its text.

        One that is marked, or that a strict router or maddr would have something to do with, is not plain.
        """
        flow = self._plain.get(text)
        if flow is None:
            try:
                uri = parse_uri(text)
            except RemoteProtocolError:
                return None
            if not isinstance(uri, Uri) or uri.scheme != "sip" or not _NOT_PLAIN.isdisjoint(uri.params):
                return None
            flow = self.locate(uri)
            if flow is not None:
                remember(self._plain, text, flow)
        return flow

    def flow_to(self, transport: str, host: str, port: int | None, *, name: str | None = None) -> Flow | None:
        """Return the flow to a numeric host; None when it is none, or no socket of ours reaches it.

        Args:
            transport: as in a Via.
            host: an address; IPv6 with or without brackets.
            port: None = the transport's own.
            name: for TLS, what the certificate has to be for (RFC 5922 §7.3); None = the address.
        """
        address = numeric(host)
        if transport not in DEFAULT_PORTS or address is None:
            return None
        local = self._local_for(transport, address)
        if local is None:
            return None
        flow = Flow(transport, local, (address, port or DEFAULT_PORTS[transport]))
        if transport in SECURE and name is not None and numeric(name) is None:
            flow.server_name = name.lower().rstrip(".")
        return flow

    # -- bindings

    def binding_targets(self, address_of_record: str) -> list[Target | Unlocated]:
        """Return the targets of the live bindings of an address of record, best first.

        Of one phone's flows only the latest is a target; the next one stands in when it fails (RFC 5626 §7).
        """
        return self._targets(address_of_record, False)

    def secure_binding_targets(self, address_of_record: str) -> list[Target | Unlocated]:
        """Return the targets that a request to a `sips` URI may go to: those reached by TLS."""
        return self._targets(address_of_record, True)

    def _targets(self, address_of_record: str, secure: bool) -> list[Target | Unlocated]:
        targets: list[Target | Unlocated] = []
        last_of_instance: dict[str, Target] | None = None
        for binding in self._location.lookup(address_of_record, at=self._clock()):
            flow = self._by_datagram(binding) or self._flow_by(binding, binding.flow)
            if flow is None:
                uri = _next_hop(binding)
                is_name = isinstance(uri, Uri) and numeric(uri.host) is None
                if isinstance(uri, Uri) and is_name and (uri.scheme == "sips" or not secure):
                    targets.append(Unlocated(binding.contact, uri, binding.path, binding.q, user=binding))
                continue
            if secure and flow.transport not in SECURE:
                continue
            target = Target(binding.contact, flow, binding.path, binding.q, None, binding)
            if binding.instance is not None and self.flows.lives_by_flow(binding):
                if last_of_instance is None:
                    last_of_instance = {}
                before = last_of_instance.get(binding.instance)
                last_of_instance[binding.instance] = target
                if before is not None:
                    before.otherwise = target
                    continue
            targets.append(target)
        return targets

    def _by_datagram(self, binding: Binding) -> Flow | None:
        """Return the flow of a phone that registered by datagrams, remembered by what it follows from.

        None where `Binding.flow` gives something else, or nothing.
        """
        socket = binding.socket
        if socket is None or binding.path or socket[:4] != "udp:":
            return None
        text = binding.received or binding.contact
        known = self._phones.get(socket)
        if known is None:
            known = self._phones[socket] = {}
        flow = known.get(text)
        if flow is None:
            flow = binding.flow
            if flow is None or flow.reliable:
                return None
            remember(known, text, flow)
        return flow

    def binding_flow(self, binding: Binding) -> Flow | None:
        """Return the flow to a binding: the one it registered by, or one made from what was stored."""
        return self._flow_by(binding, binding.flow)

    def _flow_by(self, binding: Binding, flow: Flow | None) -> Flow | None:
        if flow is not None and (not flow.reliable or self._connection_open(flow)):
            return flow
        uri = _next_hop(binding)
        if uri is None:
            return None
        bound_to_connection = not binding.path and (binding.nated or self.flows.lives_by_flow(binding))
        if bound_to_connection and isinstance(uri, Uri) and transport_of(uri) != "UDP":
            return None  # that was the only way in, and it is gone, with the server before this one perhaps
        return self.locate(uri)

    # -- messages passing through

    def response_way(self, via: Via) -> Flow | None:
        """Return the flow for a response that is forwarded by its Via alone (RFC 3261 §18.2.2, RFC 3581)."""
        host = via.received or via.host
        port = via.rport if isinstance(via.rport, int) else via.port
        return self.flow_to(via.transport.upper(), host, port, name=via.host)

    def mend_contact(self, message: Message, flow: Flow) -> None:
        """Let the Contact of a phone that cannot be connected to lead back by where it is heard from."""
        if flow.connection:
            self.flows.mark(message, flow)
        else:
            fix_contact(message, flow)
            remember(self._behind_nat, flow.remote, None)

    # -- large requests

    def by_stream(self, target: Target, now: float) -> Flow | None:
        """Return the flow by TCP for a request that is too large for a datagram; None when there is none.

        A phone behind a NAT cannot be connected to, and who refused a moment ago is not asked again.

        Source: RFC 3261 §18.1.1
        """
        flow, binding = target.flow, target.user
        remote = flow.remote
        if (isinstance(binding, Binding) and binding.nated) or remote in self._behind_nat:
            return None
        if self._refused.get(remote, 0.0) > now:
            return None
        local = self._local_for("TCP", remote[0])
        if local is None:
            return None
        remember(self._moved, remote, now)
        return Flow("TCP", local, remote)

    def lost(self, flow: Flow, now: float) -> None:
        """Take the news that a connection ended, or never stood."""
        moved = self._moved.pop(flow.remote, None)
        if moved is not None and now - moved < 10:
            remember(self._refused, flow.remote, now + REFUSED_FOR)


def remember(memory: dict[_K, _T], key: _K, value: _T) -> None:
    """Add to a memory of bounded size, which forgets the oldest first."""
    memory.pop(key, None)
    if len(memory) >= REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value


def transport_of(uri: Uri) -> str | None:
    """Return the transport that a URI asks for; None when it contradicts itself: `sips` is never UDP."""
    given = uri.params.get("transport")
    if uri.scheme == "sips":
        return _SECURE_TRANSPORTS.get(given.upper() if given else "")
    return given.upper() if given else "UDP"


def _next_hop(binding: Binding) -> Uri | TelUri | OtherUri | None:
    try:
        if binding.path:
            return NameAddr.parse(binding.path[0]).uri
        return parse_uri(binding.received or binding.contact)
    except RemoteProtocolError:
        return None


@lru_cache(maxsize=65536)
def numeric(host: str) -> str | None:
    """Return an IP address as the kernel spells it, IPv4 mapped into IPv6 as itself; None for a name."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
