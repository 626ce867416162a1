"""RFC 3261 §7.3.1 and §20: when two values of a header are the same."""

import pytest

from trunkline.sip_parser import LocalProtocolError, NameAddr, Via, equivalent_values

SAME = [
    # §7.3.1: tokens in any case, parameters in any order, blanks and folds do not count
    ("Contact", "<sip:alice@atlanta.com>;expires=3600", "<sip:alice@atlanta.com> ; ExPiReS = 3600"),
    ("CONTENT-DISPOSITION", "session;handling=optional", "Session;HANDLING=OPTIONAL"),
    ("content-disposition", "a;b=1;c=2", "a ;c=2\r\n ;b=1"),
    ("Accept", "application/sdp;level=1, text/html", "Application/SDP ; level=1,text/html"),
    ("Supported", "100rel, Timer", "100REL,timer"),
    ("Priority", "emergency", "Emergency"),
    ("Retry-After", "18000;duration=3600", "18000 ;Duration=3600"),
    # §20.20, §20.39: neither display name nor brackets count, nor a parameter that one extends it with
    ("From", '"A. G. Bell" <sip:agb@bell-telephone.com>;tag=a48s', "sip:agb@bell-telephone.com;tag=A48s"),
    (
        "t",
        "The Operator <sip:operator@cs.columbia.edu>;tag=287447",
        "<sip:operator@cs.columbia.edu>;tag=287447",
    ),
    ("To", "<sip:a@b>;tag=1;x=2", "<sip:a@B>;tag=1"),
    ("Route", "<sip:p1;lr>, <sip:p2;lr>", "<sip:P1;lr>,<sip:P2;lr>"),
    # §20.42
    (
        "Via",
        "SIP/2.0/UDP Pc33:5060;branch=z9hG4bK1;rport",
        "sip / 2.0 / udp pc33 : 5060;rport;Branch=z9hG4bK1",
    ),
    ("v", "SIP/2.0/UDP [2001:db8::9:1];branch=1", "SIP/2.0/UDP [2001:DB8:0::9:1];branch=1"),
    # a quoted string is what it says, however it is escaped
    ("Reason", 'SIP;cause=200;text="a"', 'sip;text="a";cause=200'),
    ("Organization", r'"a\b"', '"ab"'),
    ("Subject", "Need  more boxes", "need more Boxes"),
]
DIFFERENT = [
    ("Call-ID", "a@b", "A@b"),  # §20.8
    ("CSeq", "1 INVITE", "1 invite"),  # §20.16, §7.1
    ("Allow", "INVITE", "invite"),
    ("Date", "Sat, 13 Nov 2010 23:29:00 GMT", "sat, 13 nov 2010 23:29:00 gmt"),  # §20.17
    ("Warning", '370 a "Text"', '370 a "text"'),
    ("Reason", 'SIP;text="A"', 'SIP;text="a"'),
    ("From", "<sip:a@b>;tag=1", "<sip:a@b>;tag=2"),
    ("From", "<sip:a@b>;tag=1", "<sip:a@b>"),
    ("From", "<sip:a@b>;tag=1", "<sip:A@b>;tag=1"),
    ("Contact", "<sip:a@b>;expires=1", "<sip:a@b>"),
    ("Contact", "<sip:a@b>;q=1", "<sip:a@b>;q=0.5"),
    ("Contact", "*", "<sip:a@b>"),
    ("Via", "SIP/2.0/UDP a;branch=1", "SIP/2.0/TCP a;branch=1"),
    ("Via", "SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP a:5060;branch=1"),
    ("Via", "SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP a;branch=1;rport"),
    ("Via", "SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP a;branch=2"),
    ("Accept", "a/b, c/d", "a/b"),
    ("Accept", "a/b;x=1", "a/b;x=2"),
    ("Accept", "a/b;x=1", "a/b"),
    ("Route", "<sip:p1;lr>, <sip:p2;lr>", "<sip:p2;lr>, <sip:p1;lr>"),
    ("Subject", "a b", "ab"),
    ("Replaces", "a;to-tag=1", "A;to-tag=1"),
]


@pytest.mark.parametrize(("name", "one", "other"), SAME)
def test_the_same_value(name, one, other):
    assert equivalent_values(name, one, other)
    assert equivalent_values(name, other, one)


@pytest.mark.parametrize(("name", "one", "other"), DIFFERENT)
def test_another_value(name, one, other):
    assert equivalent_values(name, one, one)
    assert not equivalent_values(name, one, other)
    assert not equivalent_values(name, other, one)


@pytest.mark.parametrize("name", ["From", "Via", "Accept", "Contact"])
def test_what_cannot_be_read_is_compared_as_text(name):
    assert equivalent_values(name, "<<  a", "<< A")
    assert not equivalent_values(name, "<<a", "<<b")


def test_a_name_that_is_none_is_our_own_mistake():
    with pytest.raises(LocalProtocolError):
        equivalent_values("a b", "1", "2")


def test_values_compare_themselves():
    assert Via.parse("SIP/2.0/UDP A").equivalent(Via.parse("SIP/2.0/UDP a"))
    assert NameAddr.parse("A <sip:a@B>").equivalent(NameAddr.parse("sip:a@b"))
    assert not NameAddr.parse("<tel:+1-2>").equivalent(NameAddr.parse("<sip:12>"))
    assert NameAddr.parse("<tel:+1-2>").equivalent(NameAddr.parse("<tel:+12>"))
