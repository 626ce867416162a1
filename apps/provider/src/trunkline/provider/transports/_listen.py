"""Listening points: which addresses the server answers on, and the sockets bound to them.

A wildcard is expanded into the machine's addresses, a socket each: Via and Record-Route must
name an address that the peer can reach, and a reply must leave from the address that was asked.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable

import attrs
import ifaddr

from trunkline.provider.config import ListenAddress


class ListenError(Exception):
    """Some listening points cannot be had; `problems` has one line each, with the remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@attrs.frozen
class ListenPoint:
    """One bound address."""

    transport: str
    "UDP, TCP or TLS, as in a Via header."
    address: tuple[str, int]
    "Host and port as bound; the port is the real one when 0 was asked for."
    sock: socket.socket
    "Bound, non-blocking; all but a UDP one listen."

    def __str__(self) -> str:
        return format_listen(self.transport.lower(), *self.address)


def format_listen(transport: str, host: str, port: int) -> str:
    """Write a listening point as the configuration spells it: `udp:[::1]:5060`."""
    return f"{transport}:[{host}]:{port}" if ":" in host else f"{transport}:{host}:{port}"


def machine_addresses(version: int) -> list[str]:
    """List this machine's addresses of IP `version`; link-local ones, which need a scope, are left out."""
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text)
            if address.version == version and not address.is_link_local and text not in found:
                found.append(text)
    return found or (["127.0.0.1"] if version == 4 else ["::1"])


def expand(listen: Iterable[ListenAddress]) -> list[ListenAddress]:
    """Replace each wildcard host by the machine's addresses of that family, in order, without repeats."""
    expanded: list[ListenAddress] = []
    for item in listen:
        if item.host in ("0.0.0.0", "::"):
            hosts = machine_addresses(4 if item.host == "0.0.0.0" else 6)
        else:
            hosts = [item.host]
        for host in hosts:
            one = attrs.evolve(item, host=host)
            if one not in expanded:
                expanded.append(one)
    return expanded


def bind_all(listen: Iterable[ListenAddress]) -> list[ListenPoint]:
    """Bind every listening point, or none.

    Raises:
        ListenError: with a line for each point that cannot be had.
    """
    points: list[ListenPoint] = []
    problems: list[str] = []
    for item in expand(listen):
        try:
            points.append(_bind(item))
        except OSError as error:
            problems.append(_explain(item, error))
    if problems:
        for point in points:
            point.sock.close()
        raise ListenError(problems)
    return points


def _bind(item: ListenAddress) -> ListenPoint:
    family = socket.AF_INET6 if ":" in item.host else socket.AF_INET
    udp = item.transport.lower() == "udp"
    sock = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if udp:
            # a burst of registrations after a power cut must fit while the loop is busy
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            sock.bind((item.host, item.port))
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((item.host, item.port))
            sock.listen(1024)
    except OSError:
        sock.close()
        raise
    host, port = sock.getsockname()[:2]
    return ListenPoint(item.transport.upper(), (host, port), sock)


def _explain(item: ListenAddress, error: OSError) -> str:
    where = format_listen(item.transport.lower(), item.host, item.port)
    if error.errno == errno.EADDRINUSE:
        return (
            f"cannot listen on {where}: another program has this port. "
            f"Stop it, or choose another port in [server] listen (TRUNKLINE_SERVER__LISTEN)."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"cannot listen on {where}: this machine does not have that address. "
            f"Write one that it has, or 0.0.0.0 for all, in [server] listen."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"cannot listen on {where}: not permitted. Ports below 1024 need a privilege."
    return f"cannot listen on {where}: {error.strerror or error}."
