"""RFC 3261 §25.1 and §7.3.1 by production: what each allows, and what an adversary makes of it."""

import pytest

from trunkline.sip_parser import (
    DigestCredentials,
    NameAddr,
    RemoteProtocolError,
    RetryAfter,
    StreamReader,
    Via,
    check_message,
    parse_datagram,
    parse_date,
    parse_uri,
)

LINES = {
    "Via": "SIP/2.0/UDP a;branch=z9hG4bK1",
    "From": "<sip:a@b>;tag=1",
    "To": "<sip:a@b>",
    "Call-ID": "x@y",
    "CSeq": "7 OPTIONS",
}


def message(*raw, start="OPTIONS sip:a@b SIP/2.0", **changed):
    lines = {**LINES, **{name.replace("_", "-"): value for name, value in changed.items()}}
    head = [start, *(f"{name}: {value}" for name, value in lines.items() if value is not None), *raw]
    return parse_datagram("\r\n".join([*head, "", ""]).encode())


@pytest.mark.parametrize("method", [*"!%*_+`'~.-", "x", "0", "Invite", "NOT-INVITE", "A" * 300])
def test_any_token_is_a_method_and_its_case_counts(method):
    request = message(start=f"{method} sip:a@b SIP/2.0", CSeq=f"7 {method}")
    check_message(request)
    assert request.method == method
    with pytest.raises(RemoteProtocolError):
        check_message(message(start=f"{method}x sip:a@b SIP/2.0", CSeq=f"7 {method}"))


@pytest.mark.parametrize("method", ["IN(VITE", "INVITE@", "ÏNVITE", "INVITE,", '"INVITE"', "INV\tITE"])
def test_what_is_no_token_is_no_method(method):
    with pytest.raises(RemoteProtocolError):
        message(start=f"{method} sip:a@b SIP/2.0")


@pytest.mark.parametrize(
    "version", ["ſIP/2.0", "SİP/2.0", "sıp/2.0", "SIP/٢.0", "SIP/2", "SIP/2.0 ", "SIP2.0"]
)
def test_a_version_that_only_looks_like_ours_is_none(version):
    for start in (f"OPTIONS sip:a@b {version}", f"{version} 200 OK"):
        with pytest.raises(RemoteProtocolError):
            message(start=start)


@pytest.mark.parametrize("version", ["sip/2.0", "SiP/2.0"])
def test_the_version_is_read_in_any_case(version):
    check_message(message(start=f"OPTIONS sip:a@b {version}"))
    assert message(start=f"{version} 200 OK").status == 200


@pytest.mark.parametrize("zeros", ["", "0", "0" * 30, "0" * 5000])
def test_leading_zeros_are_no_other_number(zeros):
    read = message(
        f"Content-Length: {zeros}0", f"Max-Forwards: {zeros}70", f"Expires: {zeros}60", CSeq=f"{zeros}7 X"
    )
    assert (read.cseq.number, read.max_forwards, read.expires, read.content_length) == (7, 70, 60, 0)
    assert parse_uri(f"sip:a@b:{zeros}5060").port == 5060
    assert Via.parse(f"SIP/2.0/UDP a:{zeros}5060").port == 5060
    assert RetryAfter.parse(f"{zeros}9").seconds == 9


@pytest.mark.parametrize(
    "number", ["2147483648", "4294967296", "9" * 5000, "-1", "+1", "1.0", "0x1", "٣", "", "1e3"]
)
def test_cseq_is_a_number_below_two_to_the_31st(number):
    with pytest.raises(RemoteProtocolError, match="CSeq"):
        _ = message(CSeq=f"{number} OPTIONS").cseq


@pytest.mark.parametrize("name", ["Content-Length", "Max-Forwards", "Expires"])
@pytest.mark.parametrize(
    "number", ["9" * 5000, "4294967296", "-1", "+1", "1,1", "1 1", "٣", "1;x", '"1"', "", "0x1"]
)
def test_a_number_that_is_none_or_too_large_is_refused(name, number):
    with pytest.raises(RemoteProtocolError, match=name):
        check_message(read := message(f"{name}: {number}"))
        _ = read.expires


@pytest.mark.parametrize(
    "value",
    [
        '"a, b" <sip:a@b>',
        r'"a\", b" <sip:a@b>',
        r'"a\\" <sip:a@b>',
        '"<sip:x@y>;tag=9" <sip:a@b>',
        '"a;b=c" <sip:a@b;x=1>;y=";z,"',
        "<sip:a,b;c@d?e=f,g>",
        '"\\\t" <sip:a@b>',
        '"é€😀" <sip:a@b>',
    ],
)
def test_delimiters_in_strings_and_brackets_are_text(value):
    read = message(f"Contact: {value}, <sip:second@b>, {value}")
    first, second, third = read.contacts
    assert first == third == NameAddr.parse(value)
    assert str(second.uri) == "sip:second@b"
    assert read.headers.top_value("contact") == value
    read.headers.replace_top("Contact", "<sip:new@b>")
    assert [str(contact.uri) for contact in read.contacts][:2] == ["sip:new@b", "sip:second@b"]
    assert message(f"Contact: {value}, <sip:second@b>").headers.pop_value("m") == value


@pytest.mark.parametrize("value", ['"a <sip:a@b>', '"a\\" <sip:a@b>', '"a"b" <sip:a@b>', 'a" <sip:a@b>'])
def test_a_string_without_its_end_is_refused(value):
    with pytest.raises(RemoteProtocolError, match="Contact"):
        _ = message(f"Contact: {value}, <sip:second@b>").contacts


@pytest.mark.parametrize("comment", ["(a, b)", r"(a \) , b)", "(a (b, c), d)", "()", r"(\\)", "(é, €)"])
def test_a_comma_in_a_comment_separates_nothing(comment):
    read = message(f"X-Comments: one {comment}, two")
    assert read.headers.values("X-Comments") == [f"one {comment}", "two"]
    assert read.headers.pop_value("X-Comments") == f"one {comment}"
    assert message(f"User-Agent: A/1 {comment}, B").headers.values("User-Agent") == [f"A/1 {comment}, B"]


@pytest.mark.parametrize("fold", ["\r\n ", "\r\n\t", " \r\n \t ", "\r\n \r\n ", "\t\r\n  "])
def test_a_fold_is_one_blank_wherever_a_blank_may_be(fold):
    read = message(
        *(
            f"Subject:{fold}a{fold}b{fold}c",
            f"Contact{'':1}:{fold}A{fold}<sip:a@b>{fold};{fold}q{fold}={fold}1",
        ),
        *(f"Route: <sip:a;lr>{fold},{fold}<sip:b;lr>", f"X:{fold}"),
        Via=f"SIP/2.0/UDP{fold}a{fold};{fold}branch=z9hG4bK1{fold},{fold}SIP/2.0/TCP b",
        CSeq=f"{fold}7{fold}OPTIONS",
    )
    check_message(read)
    assert read.headers.get("subject") == "a b c"
    assert read.contacts == [NameAddr.parse('"A" <sip:a@b>;q=1')]
    assert [str(via) for via in read.vias] == ["SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/TCP b"]
    assert len(read.routes) == 2
    assert read.headers.get("x") == ""
    assert read.cseq.number == 7


def test_a_header_that_is_cut_by_a_fold_does_not_become_two():
    read = message("X: a\r\n Route: <sip:evil;lr>", "Y: b")
    assert read.routes == []
    assert read.headers.get("X") == "a Route: <sip:evil;lr>"


@pytest.mark.parametrize("separator", ["\u0085", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_only_crlf_ends_a_line(separator):
    read = message(f"Subject: a{separator}Route: <sip:evil;lr>")
    assert read.routes == []
    assert read.headers.get("subject") == f"a{separator}Route: <sip:evil;lr>"


@pytest.mark.parametrize(
    "raw", [b"caf\xc3\xa9", b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80"]
)
def test_utf8_is_text_and_other_bytes_survive(raw):
    data = b"\r\n".join([b"OPTIONS sip:a@b SIP/2.0", *(f"{k}: {v}".encode() for k, v in LINES.items())])
    data += b"\r\nSubject: " + raw + b"\r\nContent-Length: 3\r\n\r\n\0\xff\r"
    read = parse_datagram(data)
    assert read.body == b"\0\xff\r"
    assert read.headers.get("subject").encode("utf-8", "surrogateescape") == raw
    read.headers.set("Max-Forwards", "5")
    assert read.to_bytes() == data.replace(b"\r\n\r\n", b"\r\nMax-Forwards: 5\r\n\r\n", 1)
    copied = message()
    copied.headers.add("Subject", read.headers.get("subject"))
    assert raw in copied.to_bytes()


def test_a_name_in_another_alphabet_is_no_header():
    for name in ("Vía", "Toſ", "\u212a", "To\u00a0"):
        with pytest.raises(RemoteProtocolError):
            message(f"{name}: x")


@pytest.mark.parametrize(
    "value",
    ["<sip:a@[2001:db8::1]:5060>", "<sip:[::]>", "<sip:a@[::ffff:192.0.2.1];x=[::1]>", "sip:a@[::1];tag=1"],
)
def test_an_ipv6_reference_stands_wherever_a_host_may(value):
    read = message(
        f"Contact: {value}, {value}", start="OPTIONS sip:a@[2001:db8::9] SIP/2.0", From=f"{value};x=y"
    )
    check_message(read)
    assert len(read.contacts) == 2
    assert NameAddr.parse(str(read.from_)) == read.from_


@pytest.mark.parametrize(
    "host", ["[]", "[:]", "[::1", "::1]", "[1.2.3.4]", "[::1%eth0]", "[::g]", "[[::1]]", "[::1]x"]
)
def test_what_is_no_ipv6_reference_is_no_host(host):
    for parse, text in ((parse_uri, f"sip:a@{host}"), (Via.parse, f"SIP/2.0/UDP {host}")):
        with pytest.raises(RemoteProtocolError):
            parse(text)


@pytest.mark.parametrize(
    "value", ['Digest\tusername="a"', 'DIGEST\r\n username="a"', 'digest  username = "a"']
)
def test_any_blank_follows_the_scheme(value):
    read = DigestCredentials.parse(f'{value},realm="r, s",nonce="n\\"",uri="sip:a,b@c",response="00"')
    assert (read.username, read.realm, read.nonce, read.uri) == ("a", "r, s", 'n"', "sip:a,b@c")


@pytest.mark.parametrize("second", ["61", "99"])
def test_a_minute_has_sixty_seconds_and_now_and_then_one_more(second):
    assert parse_date("Sat, 31 Dec 2016 23:59:60 GMT").second == 59
    with pytest.raises(RemoteProtocolError):
        parse_date(f"Sat, 31 Dec 2016 23:59:{second} GMT")


@pytest.mark.parametrize("length", ["5", "0005", "5\r\n  "])
def test_content_length_is_read_alike_from_a_stream(length):
    head = "\r\n".join(["OPTIONS sip:a@b SIP/2.0", *(f"{k}: {v}" for k, v in LINES.items())])
    data = f"{head}\r\nl : {length}\r\n\r\nhello".encode()
    first, second = StreamReader().receive(data + data)
    assert first.body == second.body == b"hello"
    assert first.to_bytes() + second.to_bytes() == data + data


def test_a_body_is_opaque():
    body = bytes(range(256)) + b"\r\n\r\nINVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n"
    head = "\r\n".join(["OPTIONS sip:a@b SIP/2.0", *(f"{k}: {v}" for k, v in LINES.items())])
    read = parse_datagram(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body + b"trailing")
    assert read.body == body
    read.headers.set("Max-Forwards", "1")
    assert read.to_bytes().endswith(b"\r\n\r\n" + body)
