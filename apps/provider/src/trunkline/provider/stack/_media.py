"""Media of calls: when they are relayed, and what the session descriptions in messages say of that.

The relay itself is another process; what it is asked, and when, is in `_calls`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from trunkline.sip_parser import Message, RemoteProtocolError

_connection = re.compile(rb"^c=IN[ \t]+(IP[46])[ \t]", re.MULTILINE)


@attrs.frozen
class MediaRules:
    """When a call's media go through the relay, and how."""

    mode: str
    "always, never, or auto: when a NAT is in the way of either side."
    address: str
    "The address in the SDP that the relay writes; empty = the one that the side is spoken to from."
    timeout: float
    "Seconds of silence after which the relay gives a call up."
    own: Mapping[str, str] = attrs.field(factory=dict)
    "An address of ours for IP4 and IP6: media of a call may be of another family than its messages."

    def towards(self, host: str, family: str = "") -> tuple[str, str]:
        """Choose what a side is told, and the family of it.

        Args:
            host: our address that the side is spoken to from.
            family: what it has said it speaks; empty = that of `host`.
        """
        family = family or family_of(host)
        if self.address and family_of(self.address) == family:
            return self.address, family
        return (host if family_of(host) == family else self.own.get(family, host)), family


def has_sdp(message: Message) -> bool:
    """Tell whether a message carries a session description."""
    try:
        return bool(message.body) and message.content_type == "application/sdp"
    except RemoteProtocolError:
        return False


def family_of(address: str) -> str:
    """Tell the family of an address as SDP names it, "IP4" or "IP6"."""
    return "IP6" if ":" in address else "IP4"


def sdp_family(message: Message) -> str:
    """Tell the family of the first connection address of a session description; empty when there is none."""
    found = _connection.search(message.body) if has_sdp(message) else None
    return found[1].decode("ascii") if found else ""


def put_sdp(message: Message, reply: Mapping[str, Any]) -> bool:
    """Put the relay's description into a message; False when the relay gave none."""
    sdp = reply.get("sdp")
    if reply.get("result") != "ok" or not isinstance(sdp, bytes):
        return False
    message.body = sdp
    return True
