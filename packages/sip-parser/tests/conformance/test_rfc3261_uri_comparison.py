"""RFC 3261 §19.1.4: which URIs are equivalent, with the RFC's own examples; RFC 5954 for IPv6 addresses."""

import pytest

from trunkline.sip_parser import Uri, parse_uri

EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("SIP:alice@atlanta.com", "sip:alice@atlanta.com"),
    ("sip:a%2fb@c", "sip:a%2Fb@c"),
    ("sip:*21%23@c", "sip:*21#@c"),
    ("sip:%C3%A9@c", "sip:é@c"),
    ("sip:%c3%a9@c", "sip:%C3%A9@c"),
    ("sip:%ff@c", "sip:%FF@c"),
    ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0:0::1]"),
    ("sip:a@[::ffff:192.0.2.1]", "sip:a@[::FFFF:C000:201]"),
    ("sip:a:%70w@c", "sip:a:pw@c"),
    ("sip:a@c;x=%41b", "sip:a@c;X=aB"),
    ("sip:a@c;lr", "sip:a@c"),
    ("sip:a@c?To=x%40y&Subject=b", "sip:a@c?s=B&t=x%40y"),
    ("sip:a@c?Route=%3Csip:P;lr%3E", "sip:a@c?route=%3Csip:p;lr%3E"),
    ("sip:a@c?Contact=%22A%22%20%3Csip:b@D%3E", "sip:a@c?m=sip:b@d"),
    ("sip:a@c?Subject=%22A%22", "sip:a@c?subject=%22A%22"),
    ("sip:a@c?(=1", "sip:a@c?%28=1"),
]

DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com"),
    ("sip:bob@biloxi.com", "sip:biloxi.com"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=ip"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;ttl=1"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;method=INVITE"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=192.0.2.1"),
    ("sip:a%2Fb@c", "sip:a/b@c"),
    ("sip:a%2541@c", "sip:aA@c"),
    ("sip:a%2541@c", "sip:a%41@c"),
    ("sip:a%252Fb@c", "sip:a%2Fb@c"),
    *((f"sip:a%{ord(char):02x}b@c", f"sip:a{char}b@c") for char in ";/?&=+$,"),
    ("sip:Alice@c", "sip:alice@c"),
    ("sip:a:PW@c", "sip:a:pw@c"),
    ("sip:a@c;x", "sip:a@c;x=1"),
    ("sip:a@[2001:db8::1]", "sip:a@[2001:db8::2]"),
    ("sip:a@[::1]", "sip:a@1"),
    ("sip:a@c?s=x", "sip:a@c?s=x&s=x"),
    ("sip:a@c?s=x", "sip:a@c?x=s"),
    ("sip:a@c?Call-ID=x", "sip:a@c?Call-ID=X"),
    ("sip:a@c?body=x", "sip:a@c?body=X"),
    ("sip:a@c?Subject=%22A%22", "sip:a@c?Subject=%22a%22"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_uris(one, other):
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris(one, other):
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))


def test_comparing_is_not_transitive_as_the_rfc_says_itself():
    on, none, off = (
        parse_uri(f"sip:carol@chicago.com{text}") for text in (";security=on", "", ";security=off")
    )
    assert on.equivalent(none)
    assert none.equivalent(off)
    assert not on.equivalent(off)


def test_uris_nested_in_uris_are_not_followed_down():
    inner = "x"
    for _ in range(200):
        inner = f"sip:a@c?to={inner.replace('%', '%25').replace('?', '%3F').replace('=', '%3D')}"
    one, other = parse_uri(inner), parse_uri(inner[:-1] + "y")
    assert one.equivalent(one)
    assert not one.equivalent(other)


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
    ],
)
def test_the_examples_of_19_1_3_are_read_and_written_the_same(text):
    uri = Uri.parse(text)
    assert str(uri) == text
    assert uri.equivalent(Uri.parse(text))
