"""ICMP errors of UDP sockets: that nobody listens where a datagram was sent, with the beginning of it.

Linux keeps them in a queue beside the datagrams (ip(7), IP_RECVERR). Elsewhere there are none, and a
transaction's timers find out.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys

IP_RECVERR = 11
IPV6_RECVERR = 25
"linux/in.h and linux/in6.h; Python 3.11 does not name them."
_HARD_V4 = {(3, code) for code in range(16) if code != 4} | {(12, code) for code in range(3)}
_HARD_V6 = {(1, code) for code in range(8)} | {(4, code) for code in range(3)}
"""Types and codes that mean failure: destination unreachable and parameter problem. Too big, time exceeded
and source quench are none. Source: RFC 3261 §18.4"""
_HARD = {2: _HARD_V4, 3: _HARD_V6}
"By the origin of an error: ICMP, ICMPv6."
_ERROR = struct.Struct("=IBBBBII")
"struct sock_extended_err: errno, origin, type, code, padding, info, data."
_SOFT = frozenset(
    (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EPROTO, errno.EMSGSIZE,
     errno.ENOPROTOOPT, errno.EACCES, errno.EOPNOTSUPP)
)  # fmt: skip
QUOTED = 1500
"Bytes of the lost datagram that are looked at."
MAX_ERRORS = 256
"Errors taken in one go."

Unreachable = tuple[bytes, str]
"What is quoted of the datagram, and why it did not arrive."


def ask_for_errors(sock: socket.socket) -> None:
    """Have the kernel keep the ICMP errors that datagrams of this socket meet."""
    if sys.platform != "linux":
        return
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def is_of_an_earlier_one(error: OSError) -> bool:
    """Tell whether an error may be of a datagram sent before: the kernel tells it to whoever calls next."""
    return sys.platform == "linux" and error.errno in _SOFT


def take_errors(sock: socket.socket) -> list[Unreachable]:
    """Take what is in the queue; an empty one gives nothing."""
    found: list[Unreachable] = []
    if sys.platform != "linux":
        return found
    for _ in range(MAX_ERRORS):
        try:
            data, control, _, _ = sock.recvmsg(QUOTED, 512, socket.MSG_ERRQUEUE)
        except OSError:
            break
        for level, kind, value in control:
            if (level, kind) not in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                continue
            if len(value) >= _ERROR.size:
                code, origin, icmp_type, icmp_code, *_ = _ERROR.unpack_from(value)
                if (icmp_type, icmp_code) in _HARD.get(origin, ()):
                    found.append((data, os.strerror(code)))
    return found
