"""RFC 5118, the torture tests of IPv6: references in URIs and Via, with and without brackets."""

import pytest

from trunkline.sip_parser import RemoteProtocolError, check_message, parse_datagram, parse_uri


def message(uri, via="[2001:db8::9:1]", contact="<sip:caller@[2001:db8::1]>"):
    return parse_datagram(
        f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bKas3-111\r\n"
        "To: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\n"
        f"Call-ID: SSG9559@hlau_4100\r\nContact: {contact}\r\nCSeq: 98176 REGISTER\r\n\r\n".encode()
    )


def test_4_1_a_valid_ipv6_reference():
    request = message("sip:[2001:db8::10]")
    check_message(request)
    assert request.parsed_uri.host == "2001:db8::10"
    assert request.top_via.host == "2001:db8::9:1"
    assert request.contacts[0].uri.host == "2001:db8::1"


def test_4_2_an_ipv6_address_without_brackets_is_400():
    with pytest.raises(RemoteProtocolError) as caught:
        check_message(message("sip:2001:db8::10"))
    assert caught.value.status_hint == 400


def test_4_3_a_port_inside_of_the_brackets_is_part_of_the_address():
    uri = parse_uri("sip:[2001:db8::10:5070]")
    assert (uri.host, uri.port) == ("2001:db8::10:5070", None)


def test_4_4_a_port_outside_of_the_brackets_is_the_port():
    uri = parse_uri("sip:[2001:db8::10]:5070")
    assert (uri.host, uri.port) == ("2001:db8::10", 5070)


@pytest.mark.parametrize("received", ["[2001:db8::9:255]", "2001:db8::9:255"])
def test_4_5_received_with_and_without_brackets(received):
    request = message("sip:a", f"[2001:db8::9:1];received={received}")
    check_message(request)
    assert request.top_via.received == "2001:db8::9:255"


def test_4_7_ipv6_and_ipv4_in_one_message():
    request = message("sip:a", "[2001:db8::9:1]:6050;branch=z9hG4bKx, SIP/2.0/UDP 192.0.2.1:5070")
    assert [via.sent_by for via in request.vias] == [("2001:db8::9:1", 6050), ("192.0.2.1", 5070)]


def test_4_9_ipv4_mapped_addresses():
    request = message("sip:a", "[::ffff:192.0.2.10]:19823", '"T. desk phone" <sip:ted@[::ffff:192.0.2.2]>')
    check_message(request)
    assert request.top_via.sent_by == ("::ffff:192.0.2.10", 19823)
    assert str(request.contacts[0].uri) == "sip:ted@[::ffff:192.0.2.2]"


@pytest.mark.parametrize("reference", ["[2001:db8:::192.0.2.1]", "[2001:db8::192.0.2.1]"])
def test_4_10_the_extra_colon_of_the_old_grammar_is_tolerated(reference):
    request = message(f"sip:user@{reference}")
    check_message(request)
    assert request.parsed_uri.host == "2001:db8::192.0.2.1"
    assert request.uri == f"sip:user@{reference}"


@pytest.mark.parametrize(
    "reference", ["[2001:db8:::1]", "[2001:db8::::192.0.2.1]", "[:::]", "[fe80::1%25eth0]"]
)
def test_4_10_no_other_extra_colon_is(reference):
    with pytest.raises(RemoteProtocolError):
        parse_uri(f"sip:user@{reference}")
