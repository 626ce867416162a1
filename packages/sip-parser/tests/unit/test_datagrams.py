"""Bytes of a datagram to a message: what is checked at once, what is refused and how exactly it is said."""

import pytest

from trunkline.sip_parser import RemoteProtocolError, make_response, parse_datagram


def refusal(data, **limits):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_datagram(data, **limits)
    return caught.value


def complaint(message, attribute):
    try:
        getattr(message, attribute)
    except RemoteProtocolError as error:
        return str(error)
    return ""


def test_a_typical_invite_is_read(invite):
    assert invite.method == "INVITE"
    assert len(invite.headers) == 10


def test_a_response_is_read():
    response = parse_datagram(
        b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n"
        b"Call-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"
    )
    assert not response.is_request
    assert (response.status, response.reason) == (180, "Ringing")


def test_compact_forms_are_read_as_the_long_ones(invite_with):
    data = invite_with(
        "v:SIP/2.0/UDP a;branch=x", "f:<sip:a>;tag=1", "t:<sip:b>", "i:y", "l:3", "c:text/plain", "m:<sip:c>"
    )
    for name in (b"Via", b"From", b"To", b"Call-ID", b"Content-Length", b"Content-Type", b"Contact"):
        data = b"\r\n".join(line for line in data.split(b"\r\n") if not line.startswith(name + b":"))
    message = parse_datagram(data)
    assert message.top_via.branch == "x"
    assert message.from_tag == "1"
    assert message.call_id == "y"
    assert message.content_type == "text/plain"
    assert message.contacts[0].uri.host == "c"
    assert message.to_bytes() == data


def test_folded_headers_are_read_unfolded_and_written_folded(invite_with):
    data = invite_with("Subject: one\r\n two\r\n\t three", "From:\r\n <sip:a>\r\n\t;tag=1")
    message = parse_datagram(data)
    assert message.headers.get("subject") == "one two three"
    assert message.from_tag == "1"
    assert message.to_bytes() == data


def test_bytes_that_are_no_utf8_survive(invite_with):
    data = invite_with("Subject: \udcff\udcfe é")
    message = parse_datagram(data)
    message.headers.set("Max-Forwards", "1")
    assert b"Subject: \xff\xfe \xc3\xa9\r\n" in message.to_bytes()


def test_the_body_is_cut_to_content_length(invite_with):
    assert parse_datagram(invite_with(body="v=0 and more")).body == b"v=0"


def test_without_content_length_the_body_is_the_rest(invite_with):
    assert (
        parse_datagram(invite_with(without=["Content-Length"], body="v=0 and more")).body == b"v=0 and more"
    )


def test_empty_lines_before_the_message_are_passed_over(invite_bytes):
    assert parse_datagram(b"\r\n\r\n" + invite_bytes).to_bytes() == invite_bytes


def test_a_body_shorter_than_content_length_is_refused_and_can_be_answered(invite_with):
    error = refusal(invite_with("Content-Length: 4"))
    assert error.status_hint == 400
    assert error.reason == "Content-Length: expected at most the 3 bytes after the head, got 4"
    assert error.section == "RFC 3261 §18.3"
    assert (
        make_response(error.message, 400)
        .to_bytes()
        .startswith(b"SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP pc33")
    )


@pytest.mark.parametrize("value", ["", "-1", "+1", "x", "1 2", "1_0", "٣", "4294967296", "9" * 5000])
def test_a_content_length_that_is_no_length_is_refused(invite_with, value):
    error = refusal(invite_with(f"Content-Length: {value}"))
    assert "Content-Length" in error.reason
    assert error.message.call_id


def test_content_lengths_that_differ_are_refused(invite_with):
    error = refusal(invite_with("Content-Length: 3", "l: 2"))
    assert "differ" in error.reason
    assert parse_datagram(invite_with("Content-Length: 3", "l: 3")).body == b"v=0"


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq"])
def test_a_missing_header_is_named_and_the_request_can_be_answered(invite_with, name):
    error = refusal(invite_with(without=[name.lower(), name]).replace(f"\r\n{name}:".encode(), b"\r\nX:"))
    assert error.reason.endswith(f"got no {name}")
    assert make_response(error.message, error.status_hint, to_tag="t").headers.get("via")


def test_without_via_nothing_can_be_answered(invite_bytes):
    error = refusal(invite_bytes.replace(b"Via:", b"X:"))
    assert error.reason.endswith("got no Via")
    assert error.message is None


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq"])
def test_a_doubled_header_is_refused(invite, name):
    invite.headers.add(name, invite.headers.get(name))
    error = refusal(invite.to_bytes())
    assert error.reason == f"expected one {name} header, got 2"
    assert error.message is not None


@pytest.mark.parametrize(
    ("stray", "what"), [(b"\n", "an LF without CR"), (b"\r", "a CR without LF"), (b"\0", "a NUL")]
)
def test_a_stray_line_end_or_nul_is_refused_with_its_offset(invite_bytes, stray, what):
    data = invite_bytes.replace(b"Phone 1.0", b"Phone\xc3\xa9" + stray + b"1.0")
    error = refusal(data)
    assert what in error.reason
    assert error.offset == data.index(b"\xa9" + stray) + 1
    assert error.status_hint == 400
    assert error.message.headers.get("call-id")
    assert f"at byte {error.offset} (RFC 3261" in str(error)


def test_a_stray_line_end_in_the_start_line_is_refused(invite_bytes):
    for stray in (b"\n", b"\r", b"\0"):
        assert refusal(invite_bytes.replace(b"sip:bob@", b"sip:bob" + stray + b"@")).offset == 14
    response = invite_bytes.replace(
        b"INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0", b"SIP/2.0 200 O\nK"
    )
    assert refusal(response).offset == 13


def test_line_ends_of_lf_alone_are_refused_but_can_be_answered(invite_with):
    error = refusal(invite_with(end="\n"))
    assert "empty line" in error.reason
    assert make_response(error.message, 400).cseq.number == 314159


@pytest.mark.parametrize(
    "line", ["No colon here", "Bad name: x", ": x", "Bad(name): x", "Ünknown: x", "<xml>: y", "a\tb: c"]
)
def test_a_line_that_is_no_header_is_refused_with_its_offset(invite_with, line):
    data = invite_with(line)
    error = refusal(data)
    assert "expected a header name and a colon" in error.reason
    assert error.offset == data.index(line.encode())
    assert error.message.cseq.number == 314159
    assert "RFC 3261 §7.3.1" in str(error)


def test_a_fold_needs_a_line_to_continue(invite_bytes):
    data = invite_bytes.replace(b"\r\nVia:", b"\r\n Via:", 1)
    assert refusal(data).offset == data.index(b" Via:")


@pytest.mark.parametrize(
    "start",
    [
        "",
        "INVITE",
        "INVITE sip:a",
        "INVITE sip:a SIP/2.0 ",
        "INVITE  sip:a SIP/2.0",
        "INVITE sip:a  SIP/2.0",
        " INVITE sip:a SIP/2.0",
        "INVITE\tsip:a\tSIP/2.0",
        "INVITE <sip:a> SIP/2.0",
        "INVITE sip:a HTTP/1.1",
        "INVITE sip:a SIP/2",
        "INVITE sip:a SIP/٢.0",
        "IN(VITE sip:a SIP/2.0",
        "SIP/2.0",
        "SIP/2.0 20 OK",
        "SIP/2.0 2000 OK",
        "SIP/2.0 099 OK",
        "SIP/2.0 700 OK",
        "SIP/2.0 abc OK",
        "SIP/2.0  200 OK",
        "SIP/2.0 ٢٠٠ OK",
    ],
)
def test_a_start_line_that_is_none_is_refused(invite_with, start):
    error = refusal(invite_with(start=start))
    assert error.status_hint == 400
    assert "expected a" in error.reason


def test_a_request_line_with_a_bad_middle_can_be_answered(invite_with):
    for start in ("INVITE sip:a; lr SIP/2.0", "INVITE  sip:a SIP/2.0", "INVITE <sip:a> SIP/2.0"):
        assert refusal(invite_with(start=start)).message.method == "INVITE"


def test_a_status_line_that_is_none_is_never_answered(invite_with):
    assert refusal(invite_with(start="SIP/2.0 9999 No")).message is None


@pytest.mark.parametrize(
    ("line", "reason"), [("SIP/2.0 200", ""), ("SIP/2.0 200 ", ""), ("sip/2.0 200 A  b ", "A  b ")]
)
def test_a_reason_may_be_anything_or_missing(invite_with, line, reason):
    data = invite_with(start=line)
    message = parse_datagram(data)
    assert message.reason == reason
    assert message.to_bytes() == data


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"\0\0\0\0", b"x"])
def test_nothing_is_not_a_message(data):
    assert refusal(data).message is None


def test_a_head_without_end_is_refused_but_can_be_answered(invite_bytes):
    error = refusal(invite_bytes.partition(b"\r\n\r\n")[0])
    assert "empty line" in error.reason
    assert error.message.method == "INVITE"


def test_a_head_may_have_a_limit(invite_bytes):
    error = refusal(invite_bytes, max_head=400)
    assert error.status_hint == 513
    assert "at most 400 bytes" in error.reason
    assert error.message.cseq.method == "INVITE"


def test_header_lines_have_a_limit(invite_with):
    data = invite_with(*[f"X-{number}: y" for number in range(300)])
    error = refusal(data)
    assert error.status_hint == 513
    assert "at most 256 header lines, got 310" in error.reason
    assert error.message is not None
    assert parse_datagram(data, max_headers=400)


def test_unknown_names_are_remembered_up_to_a_bound(invite_with):
    from trunkline.sip_parser import _names

    for start in range(0, 6000, 200):
        message = parse_datagram(
            invite_with(*[f"X-Junk-{number}: y" for number in range(start, start + 200)])
        )
        assert message.headers.get(f"x-JUNK-{start}") == "y"
    assert len(_names.CANONICAL) <= 4096


@pytest.mark.parametrize(
    "line",
    [
        'Contact: "' + '\\"' * 15000,
        "Contact: " + "<" * 30000 + ",",
        "Contact: " + "(" * 30000 + ",",
        "Contact: " + '"' * 29999 + ",",
        "Contact: " + "<sip:a>," * 4000,
        "Via: SIP/2.0/UDP a" + ";" * 30000,
        "Via: SIP/2.0/UDP a;" + " ;" * 15000,
        "Via: SIP/2.0/UDP a;" + "a" * 30000 + "(",
        "From: <sip:a>;x=" + '\\"' * 15000,
        "From: " + "a" * 30000,
        "From: <sip:" + "a:" * 15000 + ">",
        "From: <sip:" + "%41" * 10000 + "@b>",
        "CSeq: " + "1" * 30000,
        "Content-Type: " + "/" * 30000,
        "Call-ID: " + " " * 30000 + "x",
        "Subject: a" + "\r\n " * 240,
        "Subject: x" + " " * 60000 + "x\r\n y",
        "Subject: " + " " * 30000 + "\r\n x",
    ],
)
def test_long_nonsense_is_read_in_linear_time(invite_with, line):
    message = parse_datagram(invite_with(line, "Route: <sip:r>"))
    message.headers.values(line.partition(":")[0])
    for name in ("vias", "contacts", "from_", "cseq", "content_type", "call_id"):
        assert len(complaint(message, name)) < 400
