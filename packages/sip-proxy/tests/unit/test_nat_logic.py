"""NAT: the six tests, one by one and together; private hosts; the fixes."""

import pytest

from trunkline.sip_parser import Request, Response
from trunkline.sip_proxy.nat import (
    NatTest,
    fix_contact,
    is_ip,
    is_private,
    nat_tests,
    received_uri,
    same_host,
)
from trunkline.sip_transaction import Flow

LOCAL = ("192.0.2.1", 5060)
PUBLIC = "198.51.100.5"
FLOW = Flow("UDP", LOCAL, (PUBLIC, 5060))


def request(
    via: str = PUBLIC, contact: str | None = f"<sip:a@{PUBLIC}>", sdp: str = "", kind: str = "application/sdp"
) -> Request:
    headers = [("Via", f"SIP/2.0/UDP {via};branch=z9hG4bK1")]
    if contact is not None:
        headers.append(("Contact", contact))
    if sdp:
        headers.append(("Content-Type", kind))
    return Request("INVITE", "sip:b@example.test", headers, sdp.encode())


def sdp(*addresses: str) -> str:
    return "v=0\r\n" + "".join(
        f"c=IN {'IP6' if ':' in a else 'IP4'} {a}\r\nm=audio 4000 RTP/AVP 0\r\n" for a in addresses
    )


def test_phone_on_the_internet_shows_no_sign() -> None:
    assert nat_tests(request(sdp=sdp(PUBLIC)), FLOW) == 0


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (request(contact="<sip:a@10.1.2.3>"), 1 | 32),
        (request(via="203.0.113.9"), 2),
        (request(via="192.168.1.5:5060"), 2 | 4),
        (request(sdp=sdp("172.16.0.4")), 8),
        (request(sdp=sdp(PUBLIC, "172.31.0.4")), 8),
        (request(sdp=sdp("fd00::1")), 8),
        (request(via=f"{PUBLIC}:5062"), 16),
        (request(contact="<sip:a@203.0.113.9>"), 32),
        (request(contact="<sip:a@abc.invalid;transport=ws>", via="abc.invalid"), 32 | 2),
    ],
)
def test_each_test_has_its_bit(message: Request, found: int) -> None:
    assert nat_tests(message, FLOW) == found


@pytest.mark.parametrize(
    "message",
    [
        request(contact=None),
        request(contact="*"),
        request(contact="<mailto:a@10.0.0.1>"),
        request(sdp=sdp("0.0.0.0")),
        request(sdp=sdp("10.0.0.300")),
        request(sdp=sdp("10.0.0.1"), kind="text/plain"),
        request(sdp="v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=c=IN IP4 10.0.0.1\r\n"),
    ],
)
def test_what_says_nothing_is_no_sign(message: Request) -> None:
    assert nat_tests(message, FLOW) == 0


def test_sdp_in_a_multipart_body_is_seen() -> None:
    assert (
        nat_tests(request(sdp="--x\r\n\r\n" + sdp("10.0.0.1"), kind="multipart/mixed;boundary=x"), FLOW) == 8
    )


def test_only_the_tests_asked_for_are_run() -> None:
    message = request(via="10.0.0.1:9", contact="<sip:a@10.0.0.1>", sdp=sdp("10.0.0.1"))
    assert nat_tests(message, FLOW) == 63
    for bit in NatTest:
        assert nat_tests(message, FLOW, bit) == bit
    assert nat_tests(message, FLOW, 19) == 19
    assert nat_tests(message, FLOW, 0) == 0


def test_default_port_is_the_transports() -> None:
    tls = Flow("TLS", ("192.0.2.1", 5061), (PUBLIC, 5061))
    message = request()
    message.headers.set("Via", f"SIP/2.0/TLS {PUBLIC};branch=z9hG4bK1")
    assert nat_tests(message, tls, 16) == 0


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "100.127.1.1",
        "169.254.1.1",
        "fd12::1",
        "[fc00::1]",
        "FE80::1",
        "::ffff:10.0.0.1",
        "[::FFFF:192.168.1.1]",
    ],
)
def test_private_hosts(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize(
    "host",
    [
        "11.0.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.169.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "127.0.0.1",
        "8.8.8.8",
        "10.example.test",
        "10.0.0.256",
        "10.0.0",
        "10.0.0.1.",
        "2001:db8::1",
        "::1",
        "",
        "fd.example.test",
        "0.0.0.0",
    ],
)
def test_other_hosts(host: str) -> None:
    assert not is_private(host)


def test_numeric_hosts_are_told_from_names() -> None:
    assert [is_ip(host) for host in ("1.2.3.4", "::1", "[2001:db8::1]", "a.test", "1.2.3", "1:2", "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a.test", "A.TEST", True),
        ("[2001:db8::1]", "2001:0db8:0::1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::2", False),
        ("::1", "nonsense:", False),
        ("a.test", "10.0.0.1", False),
    ],
)
def test_hosts_are_compared_by_meaning(one: str, other: str, same: bool) -> None:
    assert same_host(one, other) is same
    assert same_host(other, one) is same


def test_contact_is_put_at_the_source_and_keeps_the_rest() -> None:
    flow = Flow("UDP", LOCAL, ("203.0.113.7", 1029))
    message = request(contact='"A" <sip:a@10.0.0.1:5062;transport=udp;maddr=10.0.0.2;ob>;q=0.5, <mailto:a@b>')
    assert fix_contact(message, flow)
    assert message.headers.get_all("Contact") == [
        '"A" <sip:a@203.0.113.7:1029;transport=udp;ob>;q=0.5, <mailto:a@b>'
    ]
    assert not fix_contact(message, flow)


def test_contact_of_a_response_is_fixed_too() -> None:
    response = Response(200, "OK", [("Contact", "<sip:b@10.0.0.1>")])
    assert fix_contact(response, Flow("TCP", LOCAL, ("2001:db8::7", 1029), 4))
    assert response.headers.get("Contact") == "<sip:b@[2001:db8::7]:1029>"


@pytest.mark.parametrize("contact", [None, "*"])
def test_nothing_to_fix(contact: str | None) -> None:
    message = request(contact=contact)
    assert not fix_contact(message, FLOW)
    assert message.headers.get("Contact") == contact


def test_received_uri_names_the_source() -> None:
    assert received_uri(Flow("UDP", LOCAL, ("203.0.113.7", 1029))) == "sip:203.0.113.7:1029;transport=udp"
    assert received_uri(Flow("TLS", LOCAL, ("2001:db8::7", 9), 1)) == "sip:[2001:db8::7]:9;transport=tls"
