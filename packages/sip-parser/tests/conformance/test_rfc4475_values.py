"""RFC 4475: what the values in the valid test messages are, beyond being read without an error."""

from pathlib import Path

import pytest

from trunkline.sip_parser import (
    CSeq,
    DigestCredentials,
    OtherUri,
    RemoteProtocolError,
    StreamReader,
    Uri,
    check_message,
    parse_datagram,
    parse_date,
)

FOLDER = Path(__file__).parent / "torture"


def torture(name):
    return (FOLDER / f"{name}.dat").read_bytes()


def read(name):
    message = parse_datagram(torture(name))
    check_message(message)
    return message


def test_3_1_1_1_wsinv():
    message = read("wsinv")
    assert message.parsed_uri.params == {"unknownparam": None}
    assert message.to_tag == "1918181833n"
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert message.from_tag == "98asjd8"
    assert message.max_forwards == 68
    assert message.cseq == CSeq(9, "INVITE")
    assert [(via.transport, via.host, via.branch) for via in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("newfangledheader") == "newfangled value continued newfangled value"
    assert message.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert message.routes[0].uri.params == {"lr": None, "unknownwith": "value", "unknown-no-value": None}
    assert message.contacts[0].display_name == 'Quoted string ""'
    assert message.contacts[0].params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert len(message.body) == message.content_length == 150


def test_3_1_1_2_intmeth():
    message = read("intmeth")
    assert message.method == message.cseq.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.parsed_uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.parsed_uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params["fromparam''~+*_!.-%"] == '"работающий"'
    assert message.from_tag == "_token~1'+`*%!-."
    assert message.top_via.branch == "z9hG4bK-.!%66*_+`'~"
    assert message.headers.get("EXTENSIONHEADER-!.%*+_`'~") == "\ufeff大停電"


def test_3_1_1_3_esc01():
    message = read("esc01")
    assert message.parsed_uri.scheme == "sip"
    assert message.parsed_uri.address_of_record == "sips:user@example.com@example.net"
    assert message.to.uri.equivalent(Uri.parse("sip:user@example.com"))
    assert message.from_.uri.address_of_record == "I have spaces@example.net"
    assert message.contacts[0].uri.is_lr
    assert message.contacts[0].uri.equivalent(Uri.parse("sip:caller@host5.example.net;lr;name=value%2541"))


def test_3_1_1_4_escnull():
    message = read("escnull")
    assert message.to.uri.address_of_record == "null-\0-null@example.com"
    first, second = message.contacts
    assert not first.uri.equivalent(second.uri)


def test_3_1_1_5_esc02():
    message = read("esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to.display_name == "%Z%45"
    assert [contact.uri.user for contact in message.contacts] == ["alias1", "alias3"]
    assert "c%6fntact" in message.headers


def test_3_1_1_6_lwsdisp():
    message = read("lwsdisp")
    assert (message.from_.display_name, message.from_tag) == ("caller", "323")


def test_3_1_1_7_longreq():
    message = read("longreq")
    assert len(message.vias) == 34
    assert message.vias[33].branch == f"very{'long' * 50}branchvalue"
    assert message.to.uri.params["unknownparam1"] == f"very{'long' * 20}value"
    assert len(message.from_tag) == 155


def test_3_1_1_8_dblreq():
    assert read("dblreq").method == "REGISTER"
    messages = StreamReader().receive(torture("dblreq"))
    assert [message.method for message in messages] == ["REGISTER", "INVITE"]


def test_3_1_1_9_semiuri():
    uri = read("semiuri").parsed_uri
    assert (uri.user, uri.params) == ("user;par=u%40example.net", {})
    assert uri.address_of_record == "user;par=u@example.net@example.com"


def test_3_1_1_10_transports():
    assert [via.transport for via in read("transports").vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_3_1_1_11_mpart01():
    message = read("mpart01")
    assert message.content_type == "multipart/mixed"
    assert len(message.body) == 553
    assert b"\x30\x82\x01\x52" in message.body
    assert message.routes[0].uri.port == 5080
    assert message.date.hour == 4


def test_3_1_1_12_and_13_reasons():
    assert read("unreason").reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert read("noreason").reason == ""


@pytest.mark.parametrize("attribute", ["cseq", "max_forwards", "expires"])
def test_3_1_2_4_scalar02_each_number_is_too_large(attribute):
    with pytest.raises(RemoteProtocolError):
        getattr(parse_datagram(torture("scalar02")), attribute)


def test_3_1_2_12_baddate_is_no_date():
    message = read("baddate")
    with pytest.raises(RemoteProtocolError):
        parse_date(message.headers.get("date"))
    with pytest.raises(RemoteProtocolError, match="GMT"):
        _ = message.date


def test_3_3_1_insuf_says_what_is_missing():
    with pytest.raises(RemoteProtocolError, match="no From and no To and no Call-ID"):
        read("insuf")


def test_3_3_4_unksm2():
    message = read("unksm2")
    assert message.to.uri == OtherUri("isbn", "2983792873")
    assert message.from_.uri == OtherUri("http", "//www.example.com")
    assert message.contacts[0].uri == OtherUri("name", "John_Smith")


def test_3_3_5_bext01():
    message = read("bext01")
    assert message.require == ["nothingsupportsthis", "nothingsupportsthiseither"]
    assert message.proxy_require == ["noproxiessupportthis", "nordoanyproxiessupportthis"]


def test_3_3_6_invut_and_3_3_15_sdp01():
    assert read("invut").content_type == "application/unknownformat"
    assert [value.value for value in read("sdp01").accept] == ["text/nobodyKnowsThis"]


def test_3_3_7_regaut01_is_no_digest():
    with pytest.raises(RemoteProtocolError, match="Digest"):
        DigestCredentials.parse(read("regaut01").headers.get("authorization"))


def test_3_3_10_bcast():
    assert read("bcast").vias[1].host == "255.255.255.255"


def test_3_3_12_to_14_parameters_and_headers_of_a_contact():
    (outside,) = read("cparam01").contacts
    assert (outside.params, outside.uri.params) == ({"unknownparam": None}, {})
    (inside,) = read("cparam02").contacts
    assert (inside.params, inside.uri.params) == ({}, {"unknownparam": None})
    assert read("regescrt").contacts[0].uri.headers == "Route=%3Csip:sip.example.com%3E"


def test_3_4_1_inv2543():
    message = read("inv2543")
    assert (message.top_via.branch, message.from_tag, message.max_forwards) == (None, None, None)
    assert message.to.params == {"user": "phone"}
    assert message.record_routes[0].uri.params == {"maddr": "ss1.example.com"}
    assert len(message.body) == 105
