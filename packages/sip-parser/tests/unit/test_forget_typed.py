"""Values that were read and forgotten are read again, and the message is written as before."""

from trunkline.sip_parser import parse_datagram

INVITE = (
    b"INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.test>;tag=a\r\nTo: <sip:bob@example.test>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"
    b"Max-Forwards: 70\r\nContent-Length: 3\r\n\r\nsdp"
)


def test_what_was_forgotten_is_read_again() -> None:
    message = parse_datagram(INVITE)
    message.headers.set("subject", "lunch")
    before = (message.top_via, message.from_, message.to, message.call_id, message.cseq, message.to_bytes())
    message.forget_typed()
    after = (message.top_via, message.from_, message.to, message.call_id, message.cseq, message.to_bytes())
    assert after == before


def test_an_untouched_message_stays_as_it_came() -> None:
    message = parse_datagram(INVITE)
    assert message.from_.tag == "a"
    message.forget_typed()
    assert message.to_bytes() == INVITE
