"""What was packed is unpacked when it is asked for, and the message is written as before."""

import pytest
from hypothesis import given

from trunkline.sip_parser import Headers, parse_datagram
from trunkline.sip_parser.testing import message_bytes

INVITE = (
    b"INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"f : <sip:alice@example.test>;tag=a\r\nTo: <sip:bob@example.test>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\nSubject: folded\r\n \r\n\tline\r\nX-Empty:\r\nContent-Length: 3\r\n\r\nsdp"
)


def test_what_was_packed_is_read_again() -> None:
    message = parse_datagram(INVITE)
    message.headers.set("organization", "lunch")
    before = (message.top_via, message.from_, message.to, message.call_id, message.cseq, message.to_bytes())
    message.pack()
    message.pack()
    after = (message.top_via, message.from_, message.to, message.call_id, message.cseq, message.to_bytes())
    assert after == before
    assert message.headers.names()[1] == "from"


@given(message_bytes())
def test_an_untouched_message_stays_as_it_came(data: bytes) -> None:
    message = parse_datagram(data)
    names = list(message.headers._names)
    message.pack()
    assert message.to_bytes() == data
    assert message.headers._names == names


def test_what_is_looked_at_first_unpacks_all() -> None:
    for look in (len, list, repr, lambda headers: headers.get("to"), lambda headers: "via" in headers):
        headers = parse_datagram(INVITE).headers
        was = look(headers)
        headers.pack()
        assert look(headers) == was
    headers = Headers()
    headers.pack()
    headers.add("To", "<sip:a>")
    assert list(headers) == [("To", "<sip:a>")]
    with pytest.raises(AttributeError):
        _ = headers.absent
