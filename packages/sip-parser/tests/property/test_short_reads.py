"""What is read or counted by a short way is what the long way gives, whatever message it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import Message, RemoteProtocolError, Response, Via, parse_datagram
from trunkline.sip_parser._via import read_any_via, read_via
from trunkline.sip_parser.testing import message_bytes, mutated_bytes

NAMES = ("Via", "Contact", "Record-Route", "Route", "Supported", "Date", "CSeq")
lines = st.sampled_from([
    "Contact: <sip:a@b>", "Contact: *", "m: <sip:a@b>, sip:c@d", "Contact: ,", "Contact:", "Contact: <sip:a",
    "Record-Route: <sip:p;lr>", "Record-Route: <sip:p;lr>, <sip:q;lr>", "Record-Route: ", "Route:\r\n <r:x>",
    "Via: SIP/2.0/UDP d;branch=z9hG4bK2, SIP/2.0/UDP e;branch=z9hG4bK3;received=192.0.2.1",
    "Via: ,, a", "Via: ,",
    'Route: "a, b" <sip:p;lr>, <sip:q>', "Route: sip:a,<sip:b>",
    "Via: SIP/2.0/UDP d;x=\"a,b\", SIP/2.0/UDP e",
    "Date: Sat, 13 Nov 2010 23:29:00 GMT", "Supported: ", "k: timer,", "Via: SIP/2.0/UDP c;branch=z9hG4bK1",
])  # fmt: skip


def read_or_reason(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RemoteProtocolError as error:
        return str(error), error.message is not None


def read_one_by_one(message: Message) -> None:
    _ = message.to, message.from_


def with_lines(data: bytes, more: list[str]) -> bytes:
    head, _, rest = data.partition(b"\r\n")
    return b"\r\n".join([head, *(line.encode() for line in more), rest])


@given(message_bytes() | mutated_bytes(), st.lists(lines, max_size=3))
def test_short_reads_are_those_of_the_long_way(data, more):
    try:
        message, other = (parse_datagram(with_lines(data, more)) for _ in range(2))
    except RemoteProtocolError:
        return
    for name in NAMES:
        assert message.headers.count(name) == len(other.headers.values(name))
    assert read_or_reason(lambda: message.first_contact) == read_or_reason(
        lambda: other.contacts[0] if other.contacts else None
    )
    assert read_or_reason(message.read_parties) == read_or_reason(lambda: read_one_by_one(other))
    for name in NAMES:
        changed, popped = message.headers.copy(), message.headers.copy()
        popped.pop_value(name)
        assert changed.drop_top(name) == (name.lower() in changed._names)
        assert changed == popped
    if isinstance(message, Response):
        branch, method = message.likely_key()
        if branch:
            assert (branch, method) == (other.top_via.branch, other.cseq.method)


def answer(*more: str) -> Message:
    lines = ("SIP/2.0 200 OK", *more, "From: <sip:a@b>;tag=1", "To: <sip:b@b>;tag=2", "Call-ID: c", "", "")
    return parse_datagram("\r\n".join(lines).encode())


@pytest.mark.parametrize(
    ("via", "cseq", "key"),
    [
        ("SIP/2.0/UDP a:5060;branch=z9hG4bK1", "1 INVITE", ("z9hG4bK1", "INVITE")),
        ("SIP/2.0/UDP a;branch=z9hG4bK1;rport", "1 BYE", ("z9hG4bK1", "BYE")),
        ("SIP/2.0/TLS a:65000;branch=z9hG4bK1;received=192.0.2.1;rport=5", "1  BYE", ("", "")),
        ("SIP/2.0/TLS a:55000;branch=z9hG4bK1;received=192.0.2.1;rport=5", "1  BYE", ("z9hG4bK1", "BYE")),
        ("SIP/2.0/UDP a;branch=z9hG4bK1;rport=5;received=192.0.2.1", "1 BYE", ("z9hG4bK1", "BYE")),
        ("SIP/2.0/UDP a;branch=z9hG4bK1;rport=5;received=192.0.2.1;rport=5", "1 BYE", ("", "")),
        ("SIP/2.0/UDP a, SIP/2.0/UDP b;branch=z9hG4bK1", "1 BYE", ("", "")),
        ("SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2", "1 BYE", ("z9hG4bK1", "BYE")),
        ("SIP/2.0/UDP a;branch=z9hG4bK1,", "1 BYE", ("z9hG4bK1", "BYE")),
        (", SIP/2.0/UDP a;branch=z9hG4bK1", "1 BYE", ("", "")),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1", "1 BYE", ("", "")),
        ("SIP/2.0/UDP a;branch=z9hG4bK1", "many BYE", ("", "")),
        ("SIP/2.0/UDP a", "1 BYE", ("", "")),
    ],
)
def test_likely_key_is_read_where_the_via_is_plain(via: str, cseq: str, key: tuple[str, str]) -> None:
    assert answer(f"Via: {via}", f"CSeq: {cseq}").likely_key() == key


def test_likely_key_of_a_response_that_was_not_parsed_is_to_be_read() -> None:
    assert Response(200, "OK", [("CSeq", "1 BYE")]).likely_key() == ("", "")


via_params = st.sampled_from(
    ["branch=z9hG4bK1", "branch=", "branch", "rport", "rport=5060", "rport=", "received=192.0.2.1", "ttl=1",
     "received=::1", "received=[::1]", "received", "Branch=a", "branch=a_b", 'x="a"', "", " rport", "rport=x"]
)  # fmt: skip


@given(st.lists(via_params, max_size=4), st.sampled_from(["SIP/2.0/UDP a:5060", "SIP / 2.0 / UDP a"]))
def test_a_via_read_the_short_way(params: list[str], sender: str) -> None:
    text = ";".join([sender, *params])
    read, slowly = (read_or_reason(lambda how=how: how(text)) for how in (read_via, read_any_via))
    assert read == slowly
    if isinstance(read, Via):
        assert list(read.params.items()) == list(slowly.params.items())
        assert type(read.params) is type(slowly.params)
