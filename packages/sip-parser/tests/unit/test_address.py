"""Addresses in headers: display names, brackets, and whose parameters are whose."""

import pytest

from trunkline.sip_parser import NameAddr, OtherUri, RemoteProtocolError, parse_datagram, parse_uri


@pytest.mark.parametrize(
    ("text", "name", "uri", "params"),
    [
        ("<sip:a@b>", None, "sip:a@b", {}),
        ("<sip:a@b;lr>;x", None, "sip:a@b;lr", {"x": None}),
        ("Bob <sip:a@b>;tag=1", "Bob", "sip:a@b", {"tag": "1"}),
        ("Bob<sip:a@b>;tag=1", "Bob", "sip:a@b", {"tag": "1"}),
        ("Mr. Bob  J  <sip:a@b>", "Mr. Bob  J", "sip:a@b", {}),
        ("bob@b (work) <sip:a@b>", "bob@b (work)", "sip:a@b", {}),
        ('"Bob" <sip:a@b> ; tag = 1', "Bob", "sip:a@b", {"tag": "1"}),
        ('""<sip:a@b>', None, "sip:a@b", {}),
        (r'"B \"x\" \\ <sip:z>, y;" <sip:a@b>', r'B "x" \ <sip:z>, y;', "sip:a@b", {}),
        ("sip:a@b", None, "sip:a@b", {}),
        ("sip:a@b;lr;tag=1", None, "sip:a@b", {"lr": None, "tag": "1"}),
        ("sip:a@b ;tag=1", None, "sip:a@b", {"tag": "1"}),
        ("tel:+123;tag=1", None, "tel:+123", {"tag": "1"}),
        ("<sip:a;b@c?d=e>;q=0.5", None, "sip:a;b@c?d=e", {"q": "0.5"}),
        ('<sip:a@b>;+sip.instance="<urn:uuid:1;2>";x', None, "sip:a@b", None),
        ("<sip:a@b>;a=;b", None, "sip:a@b", {"a": "", "b": None}),
        ("<sip:a@b>;;a;", None, "sip:a@b", {"a": None}),
        ('<sip:a@b>;;x="1";', None, "sip:a@b", {"x": '"1"'}),
        ("<sip:a@b>;Tag=X;Q=1", None, "sip:a@b", {"tag": "X", "q": "1"}),
        ('"grüße" <sip:a@b>', "grüße", "sip:a@b", {}),
    ],
)
def test_name_uri_and_parameters_are_told_apart(text, name, uri, params):
    address = NameAddr.parse(text)
    assert address.display_name == name
    assert address.uri == parse_uri(uri)
    if params is None:
        params = {"+sip.instance": '"<urn:uuid:1;2>"', "x": None}
    assert address.params == params
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bob",
        "<sip:a@b",
        "sip:a@b>",
        "<>",
        "< sip:a@b >",
        "<sip:a@b> tag=1",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b>;tag=1 x=2",
        "<sip:a@b>;ta g=1",
        '<sip:a@b>;x="y',
        '<sip:a@b>;x="y"z',
        "<sip:a@b>;(=1",
        '"Bob <sip:a@b>',
        'Bob" <sip:a@b>',
        "Bell, Alexander <sip:a@b>",
        "sip:a@b?x=y",
        "sip:a,b@c",
        "<sip:a@b>, <sip:c@d>",
        "<sip:a@b><sip:c@d>",
        "*",
    ],
)
def test_what_is_no_address_is_refused_with_its_header_named(text):
    with pytest.raises(RemoteProtocolError, match=r"^Contact: ") as caught:
        NameAddr.parse(text, "Contact")
    assert caught.value.status_hint == 400


def test_the_tag_is_none_when_absent_or_empty():
    assert NameAddr.parse("<sip:a>;tag=xyz").tag == "xyz"
    assert NameAddr.parse("<sip:a>").tag is None
    assert NameAddr.parse("<sip:a>;tag").tag is None
    assert NameAddr.parse("<sip:a>;tag=").tag is None


def test_a_fold_inside_is_a_blank():
    address = NameAddr.parse("Bob\r\n  <sip:a@b>\r\n\t;tag=1")
    assert str(address) == '"Bob" <sip:a@b>;tag=1'


def test_any_scheme_may_stand_in_an_address():
    assert NameAddr.parse("<http://example.com>;x").uri == OtherUri("http", "//example.com")


def test_replace_makes_a_changed_copy():
    address = NameAddr.parse("Bob <sip:a@b>;tag=1")
    assert str(address.replace(params={"tag": "2"}, display_name=None)) == "<sip:a@b>;tag=2"
    assert address.tag == "1"


def test_a_display_name_is_written_so_that_it_reads_the_same():
    uri = parse_uri("sip:a")
    for name in ('say "hi"', "back\\slash", "tab\there", "nul\0", ";,<>@", "ünï"):
        assert NameAddr.parse(str(NameAddr(name, uri))).display_name == name


def test_a_nul_in_a_display_name_survives_a_message(invite_with):
    message = parse_datagram(invite_with('To: "a\\\0b" <sip:a@b>'))
    assert message.to.display_name == "a\0b"
