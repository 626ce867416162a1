"""Long hostile text costs in proportion to its length: nothing is tried again from every position."""

from time import process_time

import pytest

from trunkline.sip_parser import (
    DigestCredentials,
    NameAddr,
    ParamValue,
    RemoteProtocolError,
    RetryAfter,
    Via,
    WarningValue,
    equivalent_values,
    parse_datagram,
    parse_uri,
)
from trunkline.sip_parser._grammar import first_comma, split_list, unfold, unquote


def never_equal(text):
    return equivalent_values("Subject", text, text + "x")


def whole(text):
    return parse_datagram(f"OPTIONS sip:a SIP/2.0\r\n{text}\r\n\r\n".encode())


READERS = [
    *(
        DigestCredentials.parse,
        NameAddr.parse,
        ParamValue.parse,
        RetryAfter.parse,
        Via.parse,
        WarningValue.parse,
    ),
    *(first_comma, never_equal, parse_uri, split_list, unfold, unquote, whole),
]
PIECES = [
    "(",
    "()",
    "(a",
    "((b)",
    '"',
    '\\"',
    '"\\',
    " ",
    "\t",
    ",",
    ";",
    "=",
    "a",
    "a=",
    "<",
    "<>",
    "%",
    "[",
    ":",
    "\r\n ",
    "1",
    "@",
    "?",
]
STARTS = {
    DigestCredentials.parse: "Digest a=b,",
    NameAddr.parse: '"a" <sip:a@b>;',
    ParamValue.parse: "a;",
    RetryAfter.parse: "1 (",
    Via.parse: "SIP/2.0/UDP a;",
    WarningValue.parse: '399 a "',
    never_equal: '"',
    parse_uri: "sip:a@b;",
    whole: "Via: ",
}


def seconds(read, text):
    best = 9.0
    for _ in range(2):
        started = process_time()
        try:
            read(text)
        except RemoteProtocolError:
            pass
        best = min(best, process_time() - started)
    return best


@pytest.mark.parametrize("read", READERS, ids=lambda read: getattr(read, "__qualname__", str(read)))
def test_sixty_thousand_hostile_characters_are_read_at_once(read):
    for start in {"", STARTS.get(read, "")}:
        for piece in PIECES:
            text = start + piece * (60_000 // len(piece))
            for end in ("", "x", '"', "\x01"):
                taken = seconds(read, text + end)
                assert taken < 0.2, (start, piece, end, taken)
