"""Free ports on the loopback addresses, for UDP and TCP, IPv4 and IPv6 alike.

They lie below the range from which the kernel takes ports for outgoing sockets, and every run starts
at another place, so that two runs on one machine seldom meet.
"""

import os
import socket

HOST = "127.0.0.1"
HOST6 = "::1"
_FIRST, _LAST = 12000, 32000
_next = _FIRST + os.getpid() * 97 % (_LAST - _FIRST)


def free_ports(count: int = 1) -> int:
    """Give the first of `count` free ports in a row; it is even. Nobody else here is given them."""
    global _next
    while True:
        first = _next + _next % 2
        _next = first + count
        if _next > _LAST:
            _next = _FIRST
        elif all(_is_free(port) for port in range(first, first + count)):
            return first


def free_port() -> int:
    """Give one free port."""
    return free_ports(1)


def _is_free(port: int) -> bool:
    hosts = [(socket.AF_INET, HOST), *([(socket.AF_INET6, HOST6)] if HAS_IPV6 else [])]
    for family, host in hosts:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                try:
                    probe.bind((host, port))
                except OSError:
                    return False
    return True


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((HOST6, 0))
        except OSError:
            return False
    return True


HAS_IPV6 = socket.has_ipv6 and _has_ipv6()
