"""The eager check: what a proxy relies on cannot raise afterwards."""

import pytest

from trunkline.sip_parser import RemoteProtocolError, check_message, parse_datagram


def refusal(data):
    message = parse_datagram(data)
    with pytest.raises(RemoteProtocolError) as caught:
        check_message(message)
    assert caught.value.message is message
    return caught.value


def test_a_typical_invite_passes(invite, invite_bytes):
    check_message(invite)
    assert invite.to_bytes() == invite_bytes


def test_a_response_passes():
    check_message(
        parse_datagram(
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n"
            b"Call-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"
        )
    )


@pytest.mark.parametrize(
    "line",
    [
        "Via: SIP/2.0/UDP a, nonsense",
        "Via:",
        "From: sip:",
        "To: <sip:a",
        "Call-ID: a b",
        "CSeq: 1",
        "CSeq: 1 BYE",
        "CSeq: 1 invite",
        "Max-Forwards: 256",
        "Max-Forwards: 1\r\nMax-Forwards: 2",
        "Content-Type: a/b\r\nc: d/e",
        "Expires: 1\r\nExpires: 2",
        "Contact: <sip:a>, nonsense",
        "Contact: *, <sip:a>",
        "Route: nonsense",
        "Record-Route: <sip:a@b@c>",
    ],
)
def test_a_header_that_cannot_be_read_is_400_and_named(invite_with, line):
    error = refusal(invite_with(line))
    assert error.status_hint == 400
    assert line.partition(":")[0] in error.reason


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:a@b:x", 400),
        ("sip:a?Route=x", 400),
        ("http://example.com", 416),
        ("urn:service:sos", 416),
        ("no-scheme", 400),
    ],
)
def test_a_request_uri_is_read_and_its_scheme_known(invite_with, uri, status):
    error = refusal(invite_with(start=f"INVITE {uri} SIP/2.0"))
    assert error.status_hint == status
    assert "Request-URI" in error.reason


@pytest.mark.parametrize("uri", ["sip:a", "sips:a", "tel:+123", "SIP:a"])
def test_schemes_a_proxy_knows_pass(invite_with, uri):
    check_message(parse_datagram(invite_with(start=f"INVITE {uri} SIP/2.0")))


@pytest.mark.parametrize("version", ["SIP/7.0", "SIP/2.1", "SIP/1.0"])
def test_another_version_is_505(invite_with, version):
    error = refusal(invite_with(start=f"INVITE sip:a {version}"))
    assert error.status_hint == 505
    assert error.section == "RFC 3261 §21.5.6"


def test_the_version_may_be_spelled_in_any_case(invite_with):
    check_message(parse_datagram(invite_with(start="INVITE sip:a sip/2.0")))
