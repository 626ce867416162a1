"""One typical INVITE, and a way to build others from it."""

import pytest

from trunkline.sip_parser import parse_datagram

LINES = (
    "INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0",
    "Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK776asdhds;rport",
    "Max-Forwards: 70",
    "To: Bob <sip:bob@biloxi.example.com>",
    'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774',
    "Call-ID: a84b4c76e66710@pc33.atlanta.example.com",
    "CSeq: 314159 INVITE",
    "Contact: <sip:alice@192.0.2.33:5066;transport=udp>",
    "User-Agent: Phone 1.0",
    "Content-Type: application/sdp",
    "Content-Length: 3",
)


@pytest.fixture
def invite_bytes():
    """Give the bytes of a typical INVITE."""
    return ("\r\n".join(LINES) + "\r\n\r\nv=0").encode()


@pytest.fixture
def invite(invite_bytes):
    """Give a typical INVITE, parsed."""
    return parse_datagram(invite_bytes)


@pytest.fixture
def invite_with():
    """Give a function that makes the bytes of an INVITE in which some lines are replaced, added or left out.

    Arguments are the lines that differ: they go to the end, and lines of the same names go out. `start` is
    another start line, `without` are names left out, `body` another body, `end` another line end.
    """

    def build(*lines, start=LINES[0], without=(), body="v=0", end="\r\n"):
        heads = [line.partition(":")[0].lower() for line in lines]
        kept = [
            line
            for line in LINES[1:]
            if line.partition(":")[0].lower() not in heads and line.partition(":")[0] not in without
        ]
        head = end.join([start, *kept, *lines, "", ""])
        return head.encode("utf-8", "surrogateescape") + (body if isinstance(body, bytes) else body.encode())

    return build
