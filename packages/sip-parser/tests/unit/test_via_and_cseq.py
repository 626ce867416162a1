"""Via and CSeq values."""

import pytest

from trunkline.sip_parser import CSeq, RemoteProtocolError, Via


def test_every_part_of_a_via_is_read():
    via = Via.parse("SIP/2.0/udp Pc33.example.com:5066;branch=z9hG4bKx;rport=5062;received=192.0.2.1;x")
    assert via.transport == "UDP"
    assert via.host == "Pc33.example.com"
    assert via.port == 5066
    assert via.params == {"branch": "z9hG4bKx", "rport": "5062", "received": "192.0.2.1", "x": None}
    assert via.branch == "z9hG4bKx"
    assert via.received == "192.0.2.1"
    assert via.rport == 5062
    assert via.sent_by == ("pc33.example.com", 5066)
    assert str(via) == "SIP/2.0/UDP Pc33.example.com:5066;branch=z9hG4bKx;rport=5062;received=192.0.2.1;x"


def test_blanks_and_folds_may_stand_between_the_parts():
    via = Via.parse("SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5070 ; branch = x")
    assert via == Via("UDP", "192.0.2.2", 5070, {"branch": "x"})


def test_an_ipv6_host_loses_its_brackets_and_gets_them_back():
    via = Via.parse("SIP/2.0/TCP [2001:db8::1]:5070;received=[2001:db8::2]")
    assert via.host == "2001:db8::1"
    assert via.received == "2001:db8::2"
    assert str(via) == "SIP/2.0/TCP [2001:db8::1]:5070;received=[2001:db8::2]"


@pytest.mark.parametrize(
    ("params", "rport"),
    [
        ("", None),
        (";rport", ""),
        (";rport=", ""),
        (";rport=5062", 5062),
        (";rport=99999", ""),
        (";rport=x", ""),
        (";rport=123456", ""),
    ],
)
def test_rport_is_absent_asked_for_or_filled_in(params, rport):
    assert Via.parse("SIP/2.0/UDP a" + params).rport == rport


@pytest.mark.parametrize(
    ("transport", "port"),
    [("UDP", 5060), ("TCP", 5060), ("TLS", 5061), ("WS", 80), ("WSS", 443), ("X", 5060)],
)
def test_sent_by_fills_in_the_default_port_of_the_transport(transport, port):
    assert Via.parse(f"SIP/2.0/{transport} A").sent_by == ("a", port)


def test_branch_and_received_are_none_when_absent():
    via = Via.parse("SIP/2.0/UDP a")
    assert via.branch is None
    assert via.received is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 a",
        "SIP/2.0/UDPa",
        "SIP/2.0/UDP a b",
        "SIP/2.0/UDP a:x",
        "SIP/2.0/UDP a:70000",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP [g]",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP a;branch=1;branch=2",
        "SIP/2.0/UDP a;(",
        "SIP/2.0/UDP a,SIP/2.0/UDP b",
        ";",
    ],
)
def test_what_is_no_via_is_refused(text):
    with pytest.raises(RemoteProtocolError, match="Via"):
        Via.parse(text)


def test_replace_changes_what_is_given_and_nothing_else():
    via = Via.parse("SIP/2.0/UDP a:5066;branch=x")
    assert (
        str(via.replace(params={**via.params, "received": "b"})) == "SIP/2.0/UDP a:5066;branch=x;received=b"
    )
    assert str(via.replace(port=None)) == "SIP/2.0/UDP a;branch=x"
    assert str(via.replace(transport="TCP", host="::1", port=1)) == "SIP/2.0/TCP [::1]:1;branch=x"
    assert str(via.replace()) == str(via)


def test_another_protocol_is_kept():
    assert str(Via.parse("SIP/7.0/UDP a")) == "SIP/7.0/UDP a"


def test_a_cseq_is_a_number_and_a_method():
    assert CSeq.parse("0009 \r\n  INVITE") == CSeq(9, "INVITE")
    assert CSeq.parse("2147483647\tX-y").number == 2**31 - 1
    assert str(CSeq(1, "BYE")) == "1 BYE"


@pytest.mark.parametrize(
    "text",
    ["", "1", "INVITE", "-1 INVITE", "1INVITE", "1 IN VITE", "2147483648 BYE", "9" * 5000 + " BYE", "٣ BYE"],
)
def test_what_is_no_cseq_is_refused(text):
    with pytest.raises(RemoteProtocolError, match="CSeq"):
        CSeq.parse(text)
