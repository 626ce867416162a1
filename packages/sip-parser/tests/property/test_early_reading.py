"""What is read ahead, and what is read the short way, is what reading it when asked for gives."""

from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, make_response, parse_datagram
from trunkline.sip_parser._typed import _read, _read_any
from trunkline.sip_parser.testing import message_bytes, name_addrs

EARLY = {"to", "from", "call-id", "cseq", "max-forwards", "contact"}

begins = st.sampled_from(["From: ", "To: ", "Contact: ", "Route: ", "from:", "f: ", "Via: ", "m: ", "To:  "])
pieces = st.sampled_from(
    ["<sip:a@b>", "<sip:a", "@b>", ">", "<", ";tag=1", ";tag=", ";q=2;q=1", '"a" ', ",", " ", "\t", "\r\n ",
     "*", "<tel:1>", "sip:a@b", ";x", ";", "%", "<sips:a@[::1]:5>", "Al B ", '"', "\\", "'", '"a\\"b"', '""']
)  # fmt: skip
values = st.one_of(name_addrs().map(str), st.lists(pieces, max_size=6).map("".join))


def outcome(read, line):
    try:
        return read(line)
    except RemoteProtocolError as error:
        return str(error), error.status_hint, error.section


@given(begins, values)
@example("From: ", "<sip:a@b>;tag=1")
@example("Contact: ", "<sip:a@b,sip:c@d>;tag=1")
@example("Contact: ", "<sip:a@b>, <sip:c@d>;tag=1")
@example("To: ", "<sip:a@b>x<sip:c@d>;tag=1")
@example("To: ", "<sip:a\r\n b@c>;tag=1")
@example("Contact: ", "<sip:a@b>, <sip:c@d>")
@example("To: ", "<sip:a@b;tag=1")
@example("From: ", "<sip:a b>;tag=1")
@example("From: ", "<sip:a@b> ;tag=1")
@example("From: ", '<sip:a@b>;x="<"')
@example("From: ", '"A, B" <sip:a@b>;tag=1')
@example("Contact: ", 'A <sip:a@b>, "B" <sip:c@d>;tag=1')
@example("From: ", " A B <sip:a@b>;tag=1")
@example("To: ", '"a \\" <" <sip:a@b>;tag=1')
@example("To: ", "A\r\n B <sip:a@b>;tag=1")
def test_a_line_read_the_short_way(begin, value):
    assert outcome(_read, begin + value) == outcome(_read_any, begin + value)


@given(
    message_bytes(),
    st.sampled_from([b"To:", b"From:", b"Call-ID:", b"CSeq:", b"Max-Forwards:", b"Contact:"]),
    st.sampled_from(
        [b"", b" x", b"x: ", b" <sip:a>,", b" 7\r\n 8", b" a b", b"\t", b" x\r\nContact: <sip:c@d>\r\nA:"]
    ),
)
def test_what_is_read_ahead(data, name, inserted):
    data = data.replace(b"\r\n" + name, b"\r\n" + name + inserted, 1)
    try:
        message, untouched = (parse_datagram(data, read_ahead=ahead) for ahead in (True, False))
    except RemoteProtocolError:
        return
    assert not untouched.headers._cache.keys() & EARLY

    for attribute in ("to", "from_", "call_id", "cseq", "max_forwards", "contacts"):
        assert outcome(lambda of, it=attribute: getattr(of, it), message) == outcome(
            lambda of, it=attribute: getattr(of, it), untouched
        )


@given(values)
@example("<sip:a@b>")
@example('"tag" <sip:a@b>')
@example("sip:a;tag=1 <x>")
@example("<sip:a@b;tag=1>")
@example("<sip:a@b>;tag")
def test_whether_a_to_has_a_tag_is_seen_as_it_is_read(to):
    data = (
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: {to}\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"
    ).encode()
    try:
        seen, read = (parse_datagram(data, read_ahead=ahead) for ahead in (False, True))
    except RemoteProtocolError:
        return
    answers = [make_response(request, 180, to_tag="t").to_bytes() for request in (seen, read)]
    assert answers[0] == answers[1]
