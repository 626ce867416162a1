"""Requests and responses: typed attributes, their cache, and what is written."""

import pytest

from trunkline.sip_parser import (
    CSeq,
    Headers,
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    Response,
    parse_datagram,
)


def test_typed_attributes_of_a_typical_invite(invite):
    assert invite.is_request
    assert (invite.method, invite.uri, invite.version) == (
        "INVITE",
        "sip:bob@biloxi.example.com;transport=udp",
        "SIP/2.0",
    )
    assert invite.parsed_uri.transport == "udp"
    assert invite.top_via.branch == "z9hG4bK776asdhds"
    assert invite.vias == [invite.top_via]
    assert invite.from_.display_name == "Alice"
    assert invite.from_tag == "1928301774"
    assert invite.to.uri.user == "bob"
    assert invite.to_tag is None
    assert invite.call_id == "a84b4c76e66710@pc33.atlanta.example.com"
    assert invite.cseq == CSeq(314159, "INVITE")
    assert [contact.uri.port for contact in invite.contacts] == [5066]
    assert not invite.contact_star
    assert invite.max_forwards == 70
    assert invite.content_type == "application/sdp"
    assert invite.content_length == 3
    assert invite.body == b"v=0"


def test_absent_headers_are_none_or_empty(invite):
    assert invite.expires is None
    assert invite.min_expires is None
    for name in ("routes", "record_routes", "require", "proxy_require", "supported", "allow"):
        assert getattr(invite, name) == []


def test_lists_run_over_lines_and_commas(invite_with):
    message = parse_datagram(
        invite_with(
            "Route: <sip:a;lr>,<sip:b;lr>",
            "ROUTE: <sip:c;lr>",
            "Record-Route: <sip:d;lr>",
            "Supported: Path, gruu",
            "k: timer",
            "Require: 100rel",
            "Proxy-Require: X",
            "Allow: INVITE, ACK",
            "Expires: 3600",
            "Min-Expires: 60",
        )
    )
    assert [str(route.uri) for route in message.routes] == ["sip:a;lr", "sip:b;lr", "sip:c;lr"]
    assert [str(route.uri) for route in message.record_routes] == ["sip:d;lr"]
    assert message.supported == ["path", "gruu", "timer"]
    assert message.require == ["100rel"]
    assert message.proxy_require == ["x"]
    assert message.allow == ["INVITE", "ACK"]
    assert message.expires == 3600
    assert message.min_expires == 60


def test_typed_lists_are_the_callers_own(invite):
    invite.vias.clear()
    invite.contacts.clear()
    assert len(invite.vias) == 1
    assert len(invite.contacts) == 1


def test_a_star_contact_is_no_address(invite_with):
    message = parse_datagram(invite_with("Contact: *"))
    assert message.contact_star
    assert message.contacts == []


def test_a_star_contact_stands_alone(invite_with):
    with pytest.raises(RemoteProtocolError, match=r"\*"):
        _ = parse_datagram(invite_with("Contact: *, <sip:a>")).contacts


def test_no_contact_is_no_star(invite_with):
    assert not parse_datagram(invite_with(without=["Contact"])).contact_star


@pytest.mark.parametrize(
    ("line", "attribute"),
    [
        ("Via: x", "top_via"),
        ("Via: x", "vias"),
        ("From: x", "from_"),
        ("To: x", "to_tag"),
        ("Call-ID:", "call_id"),
        ("Call-ID: a b", "call_id"),
        ("CSeq: x", "cseq"),
        ("Contact: x", "contacts"),
        ("Route: x", "routes"),
        ("Record-Route: x", "record_routes"),
        ("Max-Forwards: 256", "max_forwards"),
        ("Max-Forwards: -1", "max_forwards"),
        ("Max-Forwards: ٣", "max_forwards"),
        ("Expires: soon", "expires"),
        ("Expires: 4294967296", "expires"),
        ("Content-Type: sdp", "content_type"),
    ],
)
def test_a_bad_header_is_named_when_it_is_asked_for(invite_with, line, attribute):
    message = parse_datagram(invite_with(line))
    with pytest.raises(RemoteProtocolError, match=line.partition(":")[0]) as caught:
        getattr(message, attribute)
    assert caught.value.status_hint == 400
    assert caught.value.message is message
    assert caught.value.section.startswith("RFC 3261")


def test_a_bad_request_uri_is_named_when_it_is_asked_for(invite_with):
    message = parse_datagram(invite_with(start="INVITE sip:a@b:x SIP/2.0"))
    with pytest.raises(RemoteProtocolError, match="Request-URI") as caught:
        _ = message.parsed_uri
    assert caught.value.message is message


def test_a_changed_header_is_parsed_again(invite):
    assert invite.top_via.port == 5066
    invite.headers.replace_top("Via", "SIP/2.0/TCP b:1")
    assert invite.top_via.port == 1
    invite.headers.prepend("Via", "SIP/2.0/TCP c:2")
    assert [via.port for via in invite.vias] == [2, 1]
    invite.headers.pop_value("Via")
    assert [via.port for via in invite.vias] == [1]
    invite.headers.set("Max-Forwards", "69")
    assert invite.max_forwards == 69
    invite.headers.remove("Max-Forwards")
    assert invite.max_forwards is None


def test_setting_the_uri_resets_the_parsed_one(invite):
    assert invite.parsed_uri.user == "bob"
    invite.uri = "sip:carol@192.0.2.4"
    assert invite.parsed_uri.user == "carol"
    assert invite.to_bytes().startswith(b"INVITE sip:carol@192.0.2.4 SIP/2.0\r\nVia:")


def test_an_untouched_message_gives_the_same_bytes(invite, invite_bytes):
    assert invite.to_bytes() == invite_bytes


def test_odd_spellings_survive_a_change_elsewhere(invite_with):
    odd = (
        "suBJect :  a\r\n\tb  ",
        "X-Bytes: \udcff\udc80",
        "Call-ID: x\r\n  ",
        "v: SIP/2.0/UDP a,\r\n SIP/2.0/UDP b",
    )
    data = invite_with(*odd, without=["via", "Via"])
    message = parse_datagram(data)
    assert message.to_bytes() == data
    message.headers.set("Max-Forwards", "69")
    assert message.to_bytes() == data.replace(b"Max-Forwards: 70", b"Max-Forwards: 69")
    assert message.headers.get("Subject") == "a b"
    assert len(message.vias) == 2


def test_content_length_follows_the_body(invite):
    invite.body = b"four"
    assert b"\r\nContent-Length: 4\r\n\r\nfour" in invite.to_bytes()
    assert invite.headers.get("l") == "3"


def test_content_length_keeps_its_place_and_spelling(invite_with):
    message = parse_datagram(invite_with("l : 3", "X: y", without=["Content-Length"]))
    message.body = b""
    assert b"\r\nl : 0\r\nX: y\r\n\r\n" in message.to_bytes()


def test_content_length_is_added_where_it_is_missing(invite_with):
    data = invite_with(without=["Content-Length"])
    message = parse_datagram(data)
    assert message.to_bytes() == data
    message.headers.set("Max-Forwards", "69")
    assert message.to_bytes().endswith(b"\r\nContent-Length: 3\r\n\r\nv=0")


def test_several_content_lengths_become_one_unless_they_are_right(invite):
    invite.headers.add("l", "3")
    assert invite.to_bytes().count(b"Content-Length: 3") == 2
    invite.body = b""
    assert invite.to_bytes().count(b"Content-Length: ") == 1
    invite.headers.set("Content-Length", "0")
    invite.headers.add("Content-Length", "5")
    with pytest.raises(RemoteProtocolError, match="differ"):
        _ = invite.content_length
    assert invite.to_bytes().endswith(b"Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n")


def test_a_content_length_that_was_set_wrong_is_put_right(invite):
    invite.headers.set("Content-Length", "99")
    assert b"Content-Length: 3\r\n" in invite.to_bytes()


def test_a_request_is_built_from_nothing():
    request = Request("OPTIONS", "sip:a@b", [("Via", "SIP/2.0/UDP c"), ("i", "x")])
    assert request.to_bytes() == (
        b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c\r\nCall-ID: x\r\nContent-Length: 0\r\n\r\n"
    )
    assert Request("OPTIONS", "sip:a").headers == Headers()


def test_a_response_is_built_from_nothing():
    response = Response(200, "OK", Headers([("CSeq", "1 OPTIONS")]), b"hi")
    assert not response.is_request
    assert response.to_bytes() == b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\nContent-Length: 2\r\n\r\nhi"
    assert response.version == "SIP/2.0"
    response.status = 404
    response.reason = "Not Found"
    assert response.start_line() == "SIP/2.0 404 Not Found"


@pytest.mark.parametrize("method", ["", "IN VITE", "INVITE\r\n", "ä"])
def test_a_method_is_a_token(method):
    with pytest.raises(LocalProtocolError, match="method"):
        Request(method, "sip:a")


@pytest.mark.parametrize("uri", ["", "sip:a b", "sip:a\r\nVia: x", "sip:a\0"])
def test_a_request_uri_has_no_blanks(uri):
    with pytest.raises(LocalProtocolError, match="Request-URI"):
        Request("INVITE", uri)


@pytest.mark.parametrize("status", [0, 99, 700, -1])
def test_a_status_has_its_range(status):
    with pytest.raises(LocalProtocolError, match="status"):
        Response(status, "x")


@pytest.mark.parametrize("reason", ["a\r\nVia: x", "a\n", "\0"])
def test_a_reason_is_one_line(reason):
    with pytest.raises(LocalProtocolError, match="reason"):
        Response(200, reason)


def test_text_that_no_utf8_carries_is_our_own_mistake(invite):
    invite.headers.set("Subject", "\ud800")
    with pytest.raises(LocalProtocolError, match="UTF-8"):
        invite.to_bytes()


def test_a_missing_header_is_asked_for_in_vain():
    request = Request("INVITE", "sip:a")
    for name in ("top_via", "from_", "to", "call_id", "cseq"):
        with pytest.raises(RemoteProtocolError, match="got none"):
            getattr(request, name)
    assert request.vias == []


def test_a_copy_shares_nothing_that_changes(invite, invite_bytes):
    _ = invite.top_via, invite.parsed_uri
    copy = invite.copy()
    copy.uri = "sip:other"
    copy.method = "BYE"
    copy.body = b""
    copy.headers.set("Via", "SIP/2.0/UDP z")
    assert invite.to_bytes() == invite_bytes
    assert invite.top_via.port == 5066
    assert copy.top_via.host == "z"


def test_a_copy_of_a_response_is_its_own():
    response = Response(200, "OK")
    copy = response.copy()
    copy.status = 202
    assert (response.status, copy.status) == (200, 202)


def test_messages_show_their_start_line(invite):
    assert repr(invite) == "<Request INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0>"
    assert repr(Response(200, "OK")) == "<Response SIP/2.0 200 OK>"
