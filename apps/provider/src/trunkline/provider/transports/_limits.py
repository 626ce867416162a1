"""Limits: how much of the server one peer, and all peers together, may hold; and the count of those cut off.

Here: the numbers, the counters and who is let in. What a limit does to a connection is in `_tcp`.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import attrs


@attrs.frozen
class Limits:
    """What a peer may take up. Every value is a key of `[limits]`."""

    message_size: int = 65535
    "Bytes of one message, head and body."
    headers: int = 256
    "Header lines of one message."
    connections: int = 10_000
    "Connections at one time."
    connections_per_address: int = 500
    "Connections at one time with one address; with one /64 of IPv6."
    message_seconds: float = 15.0
    "Seconds from a message's first byte to its last, and from a connection's beginning to its first message."
    idle_seconds: float = 7200.0
    "Seconds without a byte after which a connection is closed."
    unwritten_bytes: int = 1 << 20
    "Bytes that may wait for one peer to read."


@attrs.define
class TransportStatistics:
    """What the transports count; all but the first only grow."""

    connections: int = 0
    "Connections that stand or are being opened."
    accepted: int = 0
    opened: int = 0
    connect_failures: int = 0
    handshake_failures: int = 0
    "TLS that did not come about: a wrong name, an unknown authority, no TLS at all."
    refused_connections: int = 0
    "Refused because of `connections`."
    refused_per_address: int = 0
    "Refused because of `connections_per_address`."
    half_sent: int = 0
    "Closed because of `message_seconds`."
    idle: int = 0
    "Closed because of `idle_seconds`."
    not_reading: int = 0
    "Closed because of `unwritten_bytes`."
    unsent_datagrams: int = 0
    "Dropped because of `unwritten_bytes`."
    keepalives_answered: int = 0
    certificate_reloads: int = 0
    certificate_failures: int = 0


class Admission:
    """Counts connections by address, over all listening points of the node."""

    def __init__(self, limits: Limits, statistics: TransportStatistics) -> None:
        self._limits = limits
        self._statistics = statistics
        self._by_network: dict[str, int] = {}

    def admit(self, host: str) -> str | None:
        """Count a connection with a host in; or give the reason why there may not be one more."""
        if self._statistics.connections >= self._limits.connections:
            self._statistics.refused_connections += 1
            return "too many connections"
        network = network_of(host)
        count = self._by_network.get(network, 0)
        if count >= self._limits.connections_per_address:
            self._statistics.refused_per_address += 1
            return "too many connections with this address"
        self._by_network[network] = count + 1
        self._statistics.connections += 1
        return None

    def release(self, host: str) -> None:
        """Count a connection out."""
        network = network_of(host)
        left = self._by_network[network] - 1
        if left:
            self._by_network[network] = left
        else:
            del self._by_network[network]
        self._statistics.connections -= 1


@lru_cache(maxsize=4096)
def network_of(host: str) -> str:
    """Return what counts as one peer: an IPv4 address, or the /64 that one IPv6 customer has to himself."""
    if ":" not in host:
        return host
    return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
