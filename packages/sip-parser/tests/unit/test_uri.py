"""URIs: what each part holds, what is no URI, which two are the same. RFC examples are in conformance."""

import copy
import pickle

import attrs
import pytest

from trunkline.sip_parser import OtherUri, RemoteProtocolError, TelUri, Uri, parse_uri


def test_every_part_of_a_sip_uri_is_read():
    uri = Uri.parse("SIPS:alice:se%20cret@Example.COM:5061;Transport=TCP;lr?Subject=x&To=y")
    assert uri.scheme == "sips"
    assert uri.user == "alice"
    assert uri.password == "se%20cret"
    assert uri.host == "Example.COM"
    assert uri.port == 5061
    assert uri.params == {"transport": "TCP", "lr": None}
    assert uri.headers == "Subject=x&To=y"
    assert uri.is_lr


def test_only_a_host_is_enough():
    uri = parse_uri("sip:example.com")
    assert uri == Uri("sip", None, None, "example.com")
    assert str(uri) == "sip:example.com"
    assert not uri.is_lr


@pytest.mark.parametrize("host", ["2001:db8::1", "::1", "::ffff:192.0.2.1"])
def test_an_ipv6_host_loses_its_brackets_and_gets_them_back(host):
    uri = parse_uri(f"sip:a@[{host}]:5060")
    assert uri.host == host
    assert str(uri) == f"sip:a@[{host}]:5060"
    assert uri.address_of_record == f"a@[{host}]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "alice",
        "sip:@example.com",
        "sip:alice@",
        "sip:alice@exa mple.com",
        "sip:alice@example.com:",
        "sip:alice@example.com:x",
        "sip:alice@example.com:65536",
        "sip:alice@example.com:99999999999999999999999",
        "sip:alice@example.com:٥٠٦٠",
        "sip:alice@[::1",
        "sip:alice@[::g]",
        "sip:alice@[1:2]",
        "sip:alice@[]",
        "sip:2001:db8::1",
        "sip:a%4@example.com",
        "sip:a%zz@example.com",
        "sip:a@b;x=%",
        "sip:a@b@c",
        "<sip:alice@example.com>",
        " sip:alice@example.com",
        "sip:alice@example.com ",
        "sip:alice@example.com;a;a",
        "sip:alice@example.com;a;A=1",
        "sip:alice@example.com;=1",
        'sip:al"ice@example.com',
        "sip:alice@example.com?",
        "tel:",
        "tel:12 34",
        "tel:12;ext=1;ext=2",
        "tel:alice",
        ":x",
        "1a:x",
        "http:",
        "http:a b",
    ],
)
def test_what_is_no_uri_is_refused(text):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_uri(text)
    assert caught.value.status_hint == 400
    assert caught.value.section
    assert "expected" in caught.value.reason


def test_a_user_may_hold_what_phones_dial():
    assert parse_uri("sip:*21#123@example.com").user == "*21#123"
    assert parse_uri("sip:+1-(201);ext=5@example.com").user == "+1-(201);ext=5"


@pytest.mark.parametrize("text", ["sip:a@b;", "sip:a@b;;lr", "sip:a@b;lr;"])
def test_an_empty_parameter_is_passed_over(text):
    assert "" not in parse_uri(text).params


def test_an_escaped_parameter_name_is_the_name_it_stands_for():
    assert parse_uri("sip:a@b;%6C%72").is_lr


def test_address_of_record_unescapes_the_user_and_lowers_the_host():
    assert parse_uri("sip:%61l%69ce:pw@EXAMPLE.com:5080;x").address_of_record == "alice@example.com"
    assert parse_uri("sip:EXAMPLE.com").address_of_record == "example.com"


@pytest.mark.parametrize(
    ("text", "transport"),
    [
        ("sip:a", "udp"),
        ("sip:a;transport=TCP", "tcp"),
        ("sip:a;transport=ws", "ws"),
        ("sip:a;transport", "udp"),
        ("sips:a", "tls"),
        ("sips:a;transport=tcp", "tls"),
        ("sips:a;transport=ws", "ws"),
    ],
)
def test_transport_has_a_default_for_each_scheme(text, transport):
    assert parse_uri(text).transport == transport


def test_replace_makes_a_changed_copy():
    uri = parse_uri("sip:alice@example.com;lr")
    moved = uri.replace(host="192.0.2.1", port=5080, params={**uri.params, "ob": None})
    assert str(moved) == "sip:alice@192.0.2.1:5080;lr;ob"
    assert str(uri) == "sip:alice@example.com;lr"


def test_what_was_parsed_cannot_be_changed_in_place():
    uri = parse_uri("sip:alice@example.com;x=1")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        uri.port = 5
    for change in (
        lambda: uri.params.update(x="2"),
        lambda: uri.params.pop("x"),
        lambda: uri.params.setdefault("y", "2"),
        uri.params.clear,
        lambda: uri.params.__setitem__("x", "2"),
        lambda: uri.params.__delitem__("x"),
        lambda: parse_uri("sip:a").params.__setitem__("x", "2"),
        lambda: parse_uri("sip:a;lr").params.__setitem__("x", "2"),
    ):
        with pytest.raises(TypeError, match="replace"):
            change()
    assert dict(uri.params) == {"x": "1"}
    assert {**uri.params, "y": None} == {"x": "1", "y": None}


def test_values_can_be_copied_and_pickled():
    uri = parse_uri("sip:alice@example.com;x=1")
    assert copy.deepcopy(uri) == uri
    assert pickle.loads(pickle.dumps(uri)) == uri


def test_long_uris_are_read_too():
    text = "sip:" + "a" * 5000 + "@example.com"
    assert str(parse_uri(text)) == text


def test_tel_uris_hold_a_number_and_parameters():
    uri = parse_uri("TEL:+1-(201)-555.0123;ext=99;phone-context=example.com")
    assert isinstance(uri, TelUri)
    assert uri.scheme == "tel"
    assert uri.number == "+1-(201)-555.0123"
    assert uri.digits == "+12015550123"
    assert uri.params == {"ext": "99", "phone-context": "example.com"}
    assert str(uri) == "tel:+1-(201)-555.0123;ext=99;phone-context=example.com"


def test_tel_uris_are_compared_without_separators():
    assert parse_uri("tel:+1-201;ext=1;x=2").equivalent(parse_uri("tel:+1.201;X=2;ext=1"))
    assert not parse_uri("tel:+1201").equivalent(parse_uri("tel:1201"))
    assert not parse_uri("tel:1201").equivalent(parse_uri("sip:1201"))


def test_other_schemes_are_kept_as_they_are():
    uri = parse_uri("URN:service:sos.fire")
    assert uri == OtherUri("urn", "service:sos.fire")
    assert str(uri) == "urn:service:sos.fire"
    assert uri.equivalent(parse_uri("urn:service:sos.fire"))
    assert not uri.equivalent(parse_uri("urn:service:sos"))


def test_a_class_parses_only_its_own_scheme():
    with pytest.raises(RemoteProtocolError):
        Uri.parse("tel:123")
    with pytest.raises(RemoteProtocolError):
        TelUri.parse("sip:123")
    assert TelUri.parse("tel:123").digits == "123"


def test_a_sip_uri_is_never_equivalent_to_another_kind():
    assert not parse_uri("sip:1").equivalent(parse_uri("tel:1"))
    assert not parse_uri("sip:1").equivalent("sip:1")


def test_a_uri_that_has_been_written_is_written_anew_when_it_is_another():
    uri = Uri.parse("sip:alice@example.com:5070;user=phone")
    assert str(uri) == str(uri) == "sip:alice@example.com:5070;user=phone"
    assert str(uri.replace(port=None)) == "sip:alice@example.com;user=phone"
    assert uri == Uri.parse("sip:alice@example.com:5070;user=phone")


def test_a_uri_whose_parameters_somebody_may_change_is_written_as_they_are():
    params: dict[str, str | None] = {"transport": "tcp"}
    uri = Uri("sip", None, None, "example.com", params=params)
    assert str(uri) == "sip:example.com;transport=tcp"
    params["lr"] = None
    assert str(uri) == "sip:example.com;transport=tcp;lr"
