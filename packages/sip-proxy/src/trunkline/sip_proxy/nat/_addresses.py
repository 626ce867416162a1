"""Addresses as text: which are numeric, which are private, which two are the same.

Here: questions about one host. Not here: messages (`_tests.py`, `_fixes.py`).
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

__all__ = ["is_ip", "is_private", "same_host"]

_V4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!\Z)|\Z)){4}", re.ASCII)
_PRIVATE_V4 = re.compile(
    r"(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01])|169\.254|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.", re.ASCII
)
_PRIVATE_V6 = re.compile(r"f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:", re.ASCII)
_MAPPED = "::ffff:"


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Tell whether a host is a numeric address that the Internet cannot reach.

    Args:
        host: an address or a name; IPv6 with or without brackets.

    Returns:
        True for RFC 1918, the carriers' shared space of RFC 6598, link-local (RFC 3927, RFC 4291) and
        unique local IPv6 (RFC 4193). False for names, and for loopback: a phone on the same machine is not
        behind a NAT.

    Source: RFC 1918 §3.
    """
    host = _bare(host)
    if ":" in host:
        return _PRIVATE_V6.match(host) is not None
    return _PRIVATE_V4.match(host) is not None and _V4.fullmatch(host) is not None


@lru_cache(maxsize=4096)
def is_ip(host: str) -> bool:
    """Tell whether a host is a numeric address and not a name."""
    if ":" not in host:
        return _V4.fullmatch(host) is not None
    try:
        IPv6Address(host.strip("[]"))
    except AddressValueError:
        return False
    return True


def same_host(one: str, other: str) -> bool:
    """Compare two hosts without DNS: names by case-folded text, addresses by what they mean."""
    if one == other:
        return True
    one, other = _bare(one), _bare(other)
    if ":" in one and ":" in other and one != other:
        try:
            return IPv6Address(one) == IPv6Address(other)
        except AddressValueError:
            return False
    return one == other


def _bare(host: str) -> str:
    """Lower case, no brackets, and an IPv4 address mapped into IPv6 as itself."""
    host = host.lower().strip("[]")
    if host.startswith(_MAPPED) and "." in host:
        return host[len(_MAPPED) :]
    return host
