"""RFC 3261 §19.1.4: which URIs are equivalent, with the RFC's own examples."""

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
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_uris(one, other):
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris(one, other):
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))


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
