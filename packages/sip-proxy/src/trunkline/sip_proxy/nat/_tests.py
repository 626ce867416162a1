"""Is the sender behind a NAT? The six classic tests.

Here: looking at one message and where it came from. Not here: mending it (`_fixes.py`).
"""

import re
from enum import IntFlag
from functools import lru_cache
from typing import Final

from trunkline.sip_parser import Message, Uri
from trunkline.sip_transaction import Flow

from ._addresses import is_private, same_host

__all__ = ["NatTest", "nat_tests"]

_connection_addresses = re.compile(rb"^c=IN[ \t]+IP[46][ \t]+([0-9A-Fa-f:.]{2,45})", re.MULTILINE).findall


class NatTest(IntFlag):
    """Name the bits, as the function `nat_uac_test` of classic routing scripts numbers them."""

    CONTACT_PRIVATE = 1
    """The first Contact's host is a private address."""
    VIA_NOT_SOURCE = 2
    """The top Via's sent-by host is not the source address."""
    VIA_PRIVATE = 4
    """The top Via's sent-by host is a private address."""
    SDP_PRIVATE = 8
    """A c= line of the body has a private address (0.0.0.0, the old hold, has not)."""
    PORT_NOT_SOURCE = 16
    """The top Via's sent-by port is not the source port."""
    CONTACT_NOT_SOURCE = 32
    """The first Contact's host is not the source address."""


_ALL: Final = 63
_CONTACT: Final = 1 | 32
_VIA: Final = 2 | 4 | 16


def nat_tests(message: Message, flow: Flow, tests: int = _ALL) -> int:
    """Run NAT tests on a message that came straight from a phone.

    A host name where an address is compared counts as different: only the resolver could tell, and phones
    that do not know their address send names that resolve nowhere (RFC 7118).

    Args:
        message: a request, or a response from the callee (its Via says nothing of the callee: leave 2, 4,
            16 out).
        flow: what it came by.
        tests: which tests to run, as bits; 19 is the usual choice of classic scripts.

    Returns:
        The bits of the tests that say yes; 0 = no sign of a NAT.

    Raises:
        RemoteProtocolError: Via, Contact or Content-Type is malformed.

    Source: RFC 3261 §18.2.1, RFC 3581 §4, RFC 1918 §3.
    """
    found = 0
    host, port = flow.remote
    if tests & _VIA:
        via = message.top_via
        if via.host != host and tests & 2 and not same_host(via.host, host):
            found = 2
        if tests & 4 and is_private(via.host):
            found |= 4
        if via.port != port and tests & 16 and via.sent_by[1] != port:
            found |= 16
    if tests & _CONTACT:
        contact = message.first_contact
        uri = None if contact is None else contact.uri
        if isinstance(uri, Uri):
            found |= _contact_tests(uri.host, host) & tests
    if tests & 8 and message.body and _private_media(message):
        found |= 8
    return found


@lru_cache(maxsize=4096)
def _contact_tests(contact: str, source: str) -> int:
    """Run the tests of a Contact's host, which for each phone say the same every time."""
    return is_private(contact) | (0 if contact == source or same_host(contact, source) else 32)


def _private_media(message: Message) -> bool:
    content_type = message.content_type
    if content_type != "application/sdp" and not (content_type or "").startswith("multipart/"):
        return False
    return any(is_private(address.decode("ascii")) for address in _connection_addresses(message.body))
