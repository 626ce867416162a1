"""The multimap of header lines: finding, splitting, and edits that touch one line. Not what a value means."""

import pytest

from trunkline.sip_parser import Headers, LocalProtocolError, parse_datagram


@pytest.fixture
def headers():
    return Headers(
        [
            ("Via", "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2"),
            ("v", "SIP/2.0/UDP c;branch=3"),
            ("Subject", "Hello, world"),
            ("Contact", '"Smith, J" <sip:a@b;x="1,2">;q=0.5 , <sip:c,d@e>'),
        ]
    )


@pytest.mark.parametrize("name", ["Via", "via", "VIA", "v", "V", "vIa"])
def test_a_header_is_found_by_any_case_and_compact_form(headers, name):
    assert headers.get(name) == "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2"
    assert name in headers


def test_an_absent_header_gives_nothing(headers):
    assert headers.get("Route") is None
    assert headers.get_all("Route") == []
    assert headers.values("Route") == []
    assert headers.top_value("Route") is None
    assert headers.pop_value("Route") is None
    assert headers.remove("Route") == 0
    assert "Route" not in headers
    assert 5 not in headers


def test_get_all_gives_one_value_a_line(headers):
    assert headers.get_all("via") == [
        "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2",
        "SIP/2.0/UDP c;branch=3",
    ]


def test_values_splits_every_line_at_its_commas(headers):
    assert headers.values("via") == [
        "SIP/2.0/UDP a;branch=1",
        "SIP/2.0/UDP b;branch=2",
        "SIP/2.0/UDP c;branch=3",
    ]


def test_commas_in_quotes_and_brackets_split_nothing(headers):
    assert headers.values("contact") == ['"Smith, J" <sip:a@b;x="1,2">;q=0.5', "<sip:c,d@e>"]


def test_a_comma_in_a_comment_splits_nothing():
    assert Headers([("Supported", "a (one, two), b")]).values("k") == ["a (one, two)", "b"]


def test_an_escaped_quote_does_not_end_a_string():
    assert Headers([("Contact", r'"a \", b" <sip:x>, <sip:y>')]).values("m") == [
        r'"a \", b" <sip:x>',
        "<sip:y>",
    ]


def test_a_header_that_is_no_list_keeps_its_commas(headers):
    assert headers.values("Subject") == ["Hello, world"]
    assert Headers([("Date", "Sat, 13 Nov 2010 23:29:00 GMT")]).values("date") == [
        "Sat, 13 Nov 2010 23:29:00 GMT"
    ]
    assert headers.pop_value("Subject") == "Hello, world"


def test_empty_elements_of_a_list_are_dropped():
    assert Headers([("Supported", " , path,, gruu ,")]).values("supported") == ["path", "gruu"]
    assert Headers([("Supported", "")]).values("supported") == []


def test_top_value_is_the_first_that_is_not_empty():
    assert Headers([("Route", ""), ("Route", " , <sip:a>, <sip:b>")]).top_value("route") == "<sip:a>"
    assert Headers([("Route", ""), ("Route", "")]).top_value("route") is None


def test_every_fold_becomes_one_blank(invite_with):
    message = parse_datagram(invite_with("Subject: one \r\n \t\r\n two\r\n\tthree\r\n "))
    assert message.headers.get("Subject") == "one two three"


def test_names_are_canonical_and_in_order(headers):
    assert headers.names() == ["via", "subject", "contact"]


def test_items_give_names_as_spelled():
    message = parse_datagram(
        b"OPTIONS sip:a SIP/2.0\r\nv : SIP/2.0/UDP a\r\nFROM: <sip:a>\r\n"
        b"t: <sip:b>\r\ni:x\r\ncSEQ: 1 OPTIONS\r\n\r\n"
    )
    assert list(message.headers) == [
        ("v", "SIP/2.0/UDP a"),
        ("FROM", "<sip:a>"),
        ("t", "<sip:b>"),
        ("i", "x"),
        ("cSEQ", "1 OPTIONS"),
    ]


def test_add_puts_a_line_at_the_end(headers):
    headers.add("X-Mine", "1")
    assert list(headers)[-1] == ("X-Mine", "1")
    assert len(headers) == 5


def test_a_known_name_is_written_as_its_rfc_writes_it():
    headers = Headers([("cseq", "1 INVITE"), ("call-id", "x"), ("www-authenticate", "y"), ("i", "z")])
    assert [name for name, _ in headers] == ["CSeq", "Call-ID", "WWW-Authenticate", "Call-ID"]


def test_extend_adds_a_line_for_each_value(headers):
    headers.extend("Route", ["<sip:a;lr>", "<sip:b;lr>"])
    assert headers.get_all("route") == ["<sip:a;lr>", "<sip:b;lr>"]


def test_prepend_goes_above_the_first_of_its_name(headers):
    headers.prepend("Contact", "<sip:first>")
    assert headers.names() == ["via", "subject", "contact"]
    assert headers.values("contact")[0] == "<sip:first>"


def test_prepend_goes_above_everything_when_there_is_none_of_its_name(headers):
    headers.prepend("Route", "<sip:a>")
    assert headers.names()[0] == "route"


def test_set_replaces_every_line_in_the_place_of_the_first(headers):
    headers.set("v", "SIP/2.0/UDP z")
    assert next(iter(headers)) == ("Via", "SIP/2.0/UDP z")
    assert headers.get_all("via") == ["SIP/2.0/UDP z"]
    headers.set("Route", "<sip:a>")
    assert headers.names() == ["via", "subject", "contact", "route"]


def test_remove_takes_out_every_line(headers):
    assert headers.remove("via") == 2
    assert headers.names() == ["subject", "contact"]


def test_pop_value_takes_one_value_after_the_other(headers):
    assert headers.pop_value("via") == "SIP/2.0/UDP a;branch=1"
    assert headers.get_all("via") == ["SIP/2.0/UDP b;branch=2", "SIP/2.0/UDP c;branch=3"]
    assert headers.pop_value("via") == "SIP/2.0/UDP b;branch=2"
    assert headers.pop_value("via") == "SIP/2.0/UDP c;branch=3"
    assert headers.pop_value("via") is None


def test_pop_value_passes_over_empty_elements():
    headers = Headers([("Route", ""), ("Route", " , <sip:a>, "), ("Route", "<sip:b>")])
    assert headers.pop_value("route") == "<sip:a>"
    assert headers.pop_value("route") == "<sip:b>"
    assert headers.pop_value("route") is None


def test_replace_top_leaves_the_rest_of_the_line_as_spelled(headers):
    headers.replace_top("via", "SIP/2.0/UDP n")
    assert headers.get("via") == "SIP/2.0/UDP n, SIP/2.0/UDP b;branch=2"


def test_replace_top_passes_over_empty_elements():
    headers = Headers([("Route", " , <sip:a>, <sip:b>")])
    headers.replace_top("route", "<sip:n>")
    assert headers.values("route") == ["<sip:n>", "<sip:b>"]
    headers = Headers([("Route", ""), ("Route", "<sip:a>")])
    headers.replace_top("route", "<sip:n>")
    assert headers.values("route") == ["<sip:n>"]


def test_replace_top_needs_something_to_replace(headers):
    with pytest.raises(LocalProtocolError, match="Route"):
        headers.replace_top("Route", "<sip:a>")


def test_a_copy_shares_nothing_that_changes(headers):
    copy = headers.copy()
    copy.set("Subject", "Other")
    copy.pop_value("via")
    assert headers.get("subject") == "Hello, world"
    assert len(headers.values("via")) == 3
    assert headers != copy
    assert headers == headers.copy()


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("edit", ["add", "prepend", "set", "replace_top"])
def test_no_line_can_be_smuggled_into_a_value(headers, edit, value):
    with pytest.raises(LocalProtocolError, match="line break"):
        getattr(headers, edit)("via", value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "Vi\r\na", "ä"])
def test_a_name_is_a_token(headers, name):
    with pytest.raises(LocalProtocolError, match="header name"):
        headers.add(name, "x")


def test_text_that_is_not_ascii_may_be_added(headers):
    headers.add("Subject", "grüße\t€")
    assert headers.get_all("subject")[1] == "grüße\t€"


def test_headers_have_a_repr_and_no_hash(headers):
    assert "Hello, world" in repr(headers)
    with pytest.raises(TypeError):
        hash(headers)


@pytest.mark.parametrize("line", ["", " ", " a", " a, b", ",", ", a", '"x, y"', " a\r\n", " a,\r\n b", ":"])
@pytest.mark.parametrize("after", [[], ["c"], [""]])
def test_dropping_the_top_leaves_what_popping_it_leaves(line, after):
    def lines():
        headers = Headers([("To", "t"), ("Route", "x"), *[("Route", value) for value in after]])
        headers._lines[1] = f"Route:{line}"
        return headers

    dropped, popped = lines(), lines()
    is_left = dropped.drop_top("route")
    popped.pop_value("route")
    assert dropped == popped
    assert dropped._names == popped._names
    assert is_left == ("route" in popped)
