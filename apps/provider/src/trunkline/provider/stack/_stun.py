"""The one STUN answer that a phone needs: from which address and port it is seen, and that we are there.

A phone that keeps a UDP flow asks on the SIP port (RFC 5626 §4.4.2).

Source: RFC 5389 §6, §15.2
"""

from __future__ import annotations

import socket

COOKIE = b"\x21\x12\xa4\x42"
BINDING_REQUEST = b"\0\x01"
_SUCCESS = b"\x01\x01"
_XOR_MAPPED_ADDRESS = b"\0\x20"


def binding_response(data: bytes, remote: tuple[str, int]) -> bytes | None:
    """Answer a Binding request with where it came from; None when the datagram is none."""
    if len(data) < 20 or data[:2] != BINDING_REQUEST or data[4:8] != COOKIE:
        return None
    host, port = remote
    family, number = (2, socket.AF_INET6) if ":" in host else (1, socket.AF_INET)
    address = socket.inet_pton(number, host.partition("%")[0])
    mask = data[4:20]
    value = bytes((0, family)) + bytes(a ^ b for a, b in zip(port.to_bytes(2, "big"), mask, strict=False))
    value += bytes(a ^ b for a, b in zip(address, mask, strict=False))
    attribute = _XOR_MAPPED_ADDRESS + len(value).to_bytes(2, "big") + value
    return _SUCCESS + len(attribute).to_bytes(2, "big") + mask + attribute
