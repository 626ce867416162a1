"""Answers: what is copied out of a request, and how statuses are named."""

import pytest

from trunkline.sip_parser import (
    LocalProtocolError,
    Request,
    make_response,
    parse_datagram,
    reason_phrase,
    response_bytes,
)


def test_a_response_copies_what_finds_its_request(invite):
    invite.headers.prepend("Via", "SIP/2.0/UDP proxy;branch=z9hG4bKp")
    response = make_response(invite, 404, to_tag="abc", headers=[("Server", "trunkline")])
    assert response.to_bytes() == (
        b"SIP/2.0 404 Not Found\r\n"
        b"Via: SIP/2.0/UDP proxy;branch=z9hG4bKp\r\n"
        b"Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK776asdhds;rport\r\n"
        b"To: Bob <sip:bob@biloxi.example.com>;tag=abc\r\n"
        b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
        b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
        b"CSeq: 314159 INVITE\r\n"
        b"Server: trunkline\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_the_request_is_not_changed(invite, invite_bytes):
    make_response(invite, 200, to_tag="abc").headers.pop_value("Via")
    assert invite.to_bytes() == invite_bytes


def test_parsed_values_are_taken_along_but_not_the_to_that_changes(invite):
    via, to = invite.top_via, invite.to
    response = make_response(invite, 200, to_tag="abc")
    assert response.top_via is via
    assert to.tag is None
    assert response.to_tag == "abc"


def test_a_tag_that_is_there_stays(invite_with):
    request = parse_datagram(invite_with("To: <sip:b>;tag=old"))
    assert make_response(request, 200, to_tag="new").to_tag == "old"


@pytest.mark.parametrize("nothing", ["tag", "tag=", "x;TAG;y=1"])
@pytest.mark.parametrize("address", ["<sip:b>", "sip:b", '"tag" <sip:tag@b;tag>'])
def test_a_tag_parameter_without_value_gives_way(invite_with, address, nothing):
    request = parse_datagram(invite_with(f"To: {address};{nothing}"))
    answers = [
        make_response(request, 404, to_tag="new").to_bytes(),
        response_bytes(request, 404, tag_of=lambda _: "new"),
    ]
    assert answers[0] == answers[1]
    to = parse_datagram(answers[0]).to
    assert to.tag == "new"
    assert to.uri == request.to.uri
    assert to.params.keys() == request.to.params.keys()


def test_an_address_that_only_looks_like_a_tag_stays_as_spelled(invite_with):
    request = parse_datagram(invite_with("To: sip:tagger@b"))
    assert make_response(request, 404, to_tag="new").headers.get("to") == "sip:tagger@b;tag=new"


def test_a_100_gets_no_tag_and_the_timestamp(invite_with):
    request = parse_datagram(invite_with("Timestamp: 54"))
    response = make_response(request, 100, to_tag="new")
    assert response.to_tag is None
    assert response.headers.get("timestamp") == "54"
    assert make_response(request, 180).headers.get("timestamp") is None


@pytest.mark.parametrize("to", ["sip:b", "sip:b;x", "<sip:b;lr>  ", "<sip:b>\r\n "])
def test_a_tag_is_added_to_any_form_of_address(invite_with, to):
    request = parse_datagram(invite_with(f"To: {to}"))
    assert parse_datagram(make_response(request, 200, to_tag="new").to_bytes()).to_tag == "new"


def test_a_to_that_cannot_be_read_can_be_answered(invite_with):
    broken = parse_datagram(invite_with('To: "Bob <sip:b>'))
    assert make_response(broken, 400, to_tag="new").headers.get("to") == '"Bob <sip:b>;tag=new'
    broken = parse_datagram(invite_with('To: "Bob <sip:b>;tag=x'))
    assert make_response(broken, 400, to_tag="new").headers.get("to") == '"Bob <sip:b>;tag=x'


def test_what_is_missing_in_the_request_is_missing_in_the_response():
    response = make_response(Request("INVITE", "sip:a", [("Via", "SIP/2.0/UDP a")]), 400, to_tag="x")
    assert response.headers.names() == ["via"]


def test_a_reason_can_be_given(invite):
    assert make_response(invite, 403, "Wrong Group").start_line() == "SIP/2.0 403 Wrong Group"
    assert make_response(invite, 403, "").start_line() == "SIP/2.0 403 "


@pytest.mark.parametrize("tag", ["", "a b", "a;b", "a\r\nVia: x"])
def test_a_tag_is_a_token(invite, tag):
    with pytest.raises(LocalProtocolError, match="tag"):
        make_response(invite, 200, to_tag=tag)


def test_a_status_out_of_range_is_our_own_mistake(invite):
    with pytest.raises(LocalProtocolError, match="status"):
        make_response(invite, 99)


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (200, "OK"),
        (407, "Proxy Authentication Required"),
        (299, "Success"),
        (699, "Global Failure"),
        (999, "Unknown"),
    ],
)
def test_a_status_is_named_by_its_rfc_or_by_its_class(status, phrase):
    assert reason_phrase(status) == phrase
