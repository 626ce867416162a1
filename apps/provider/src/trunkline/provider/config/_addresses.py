"""Addresses as an operator writes them (`udp:0.0.0.0:5060`, `127.0.0.1:8080`) and the names of this machine.

Here: their grammar, and the names a server without domains answers to. No socket is opened here.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable

import attrs

SIP_TRANSPORTS = ("udp", "tcp", "tls")

_LABEL = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")


@attrs.frozen
class ListenAddress:
    """An address to listen on or to send to: transport, host and port."""

    transport: str
    """Lower case: "udp", "tcp", "tls", or "http" for the web server."""
    host: str
    """An IP address or a host name; IPv6 without brackets."""
    port: int
    """0 to 65535; 0 lets the system choose."""

    @property
    def is_wildcard(self) -> bool:
        """Tell whether every address of the machine is meant (0.0.0.0 or ::)."""
        return self.host in ("0.0.0.0", "::")

    @property
    def authority(self) -> str:
        """Give HOST:PORT, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.transport}:{self.authority}"

    @classmethod
    def parse(cls, text: str, *, transports: Iterable[str] = SIP_TRANSPORTS) -> ListenAddress:
        """Read PROTO:HOST:PORT.

        Args:
            text: as in `listen`, for example "udp:0.0.0.0:5060" or "tcp:[::]:5060".
            transports: the protocols that are accepted.

        Raises:
            ValueError: naming the part that is wrong.
        """
        transport, colon, rest = text.strip().partition(":")
        transport = transport.lower()
        if not colon or transport not in transports:
            raise ValueError(f"the protocol must be one of {', '.join(transports)}")
        return cls.parse_authority(rest, transport=transport)

    @classmethod
    def parse_authority(cls, text: str, *, transport: str) -> ListenAddress:
        """Read HOST:PORT.

        Raises:
            ValueError: naming the part that is wrong.
        """
        host, colon, port = text.strip().rpartition(":")
        if not colon or not host:
            raise ValueError("host and port are both needed")
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError(f"port {port!r} is not a number from 0 to 65535")
        return cls(transport, _parse_host(host), int(port))


def _parse_host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError(f"{host} is not an IPv6 address") from None
    if ":" in host:
        raise ValueError(f"an IPv6 address is written in brackets: [{host}]")
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError(f"{host} is not an IPv4 address") from None
    return parse_host_name(host)


def parse_host_name(name: str) -> str:
    """Check a host or domain name and give it in lower case.

    Raises:
        ValueError: when it cannot be one.
    """
    if not _HOST_NAME.match(name):
        raise ValueError(f"{name!r} is not a host name")
    return name.lower().rstrip(".")


def parse_domain(text: str) -> str:
    """Check a SIP domain: a host name, an IPv4 address, or an IPv6 address in brackets.

    Returns:
        it as it stands in a URI, in lower case.

    Raises:
        ValueError: when it cannot be one.
    """
    text = text.strip()
    if text.startswith("[") or re.fullmatch(r"[0-9.]+", text):
        host = _parse_host(text)
    elif ":" in text:
        try:
            host = str(ipaddress.IPv6Address(text))
        except ValueError:
            raise ValueError(f"{text!r} is not a domain: a domain has no port") from None
    else:
        host = parse_host_name(text)
    return f"[{host}]" if ":" in host else host


def local_names(listen: Iterable[ListenAddress]) -> list[str]:
    """List the hosts by which this machine can be called when no domain is configured.

    Args:
        listen: where the server listens; wildcard addresses stand for all interfaces.

    Returns:
        names as they stand in a URI, the most useful first: addresses listened on, then other machines' view
        of this one, then loopback, then the host name.
    """
    given: list[str] = []
    wildcard = False
    for address in listen:
        if address.is_wildcard:
            wildcard = True
        else:
            given.append(address.host)
    if wildcard:
        given.extend(_interface_addresses())
    names = [f"[{host}]" if ":" in host else host for host in given]
    if wildcard:
        import socket

        names.append("localhost")
        # A host name that no URI can carry is no name to be called by.
        with contextlib.suppress(ValueError):
            names.append(parse_host_name(socket.gethostname()))
    return list(dict.fromkeys(names))


def _interface_addresses() -> list[str]:
    import ifaddr

    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            if not address.is_link_local:
                found.append(address)
    found.sort(key=lambda address: (address.is_loopback, address.version))
    return [str(address) for address in found]
