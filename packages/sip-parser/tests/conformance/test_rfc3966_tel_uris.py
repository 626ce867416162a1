"""RFC 3966: what a telephone number is (§3), and when two are the same (§4)."""

import pytest

from trunkline.sip_parser import RemoteProtocolError, TelUri, parse_uri

SAME = [
    ("tel:+1-201-555-0123", "tel:+12015550123"),
    ("tel:+1(201)555.0123", "TEL:+1-201-5550123"),
    ("tel:7042;phone-context=Example.COM", "tel:7042;phone-context=example.com"),
    ("tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1914555"),
    ("tel:+12;ext=1-2", "tel:+12;ext=12"),
    ("tel:+12;ext=1;isub=9", "tel:+12;isub=9;ext=1"),
    ("tel:1AB;phone-context=x", "tel:1ab;phone-context=x"),
]
DIFFERENT = [
    ("tel:+12", "tel:12"),
    ("tel:7042;phone-context=example.com", "tel:7042;phone-context=example.org"),
    ("tel:7042;phone-context=a-b.com", "tel:7042;phone-context=ab.com"),
    ("tel:7042", "tel:7042;phone-context=example.com"),
    ("tel:+12;ext=1", "tel:+12"),
    ("tel:+12;ext=1", "tel:+12;ext=2"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_number(one, other):
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_number(one, other):
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize("text", ["+", "-", "()", "+-.", "+1A", "+1*", "++1", "1+", "1;", "", "x", "+;ext=1"])
def test_a_number_has_digits_and_a_global_one_only_digits(text):
    if text == "1;":
        assert parse_uri("tel:1;").params == {}  # an empty parameter is passed over, as everywhere
        return
    with pytest.raises(RemoteProtocolError, match="tel"):
        parse_uri(f"tel:{text}")


@pytest.mark.parametrize("text", ["*31#", "#", "0A-bF", "+(1)", "(1)"])
def test_a_local_number_may_hold_what_phones_dial(text):
    assert TelUri.parse(f"tel:{text}").number == text
