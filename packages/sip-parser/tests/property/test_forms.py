"""A head of a form met before is read as one that is split and named line by line."""

from contextlib import contextmanager

from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, parse_datagram
from trunkline.sip_parser import _outline as outlines
from trunkline.sip_parser.testing import message_bytes

PLAIN = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"t: <sip:c@d>\r\nCall-ID : x\r\nCSeq: 1 OPTIONS\r\nX-Other: y\r\nContent-Length: 0\r\n\r\n"
)
RINGS = PLAIN.replace(b"OPTIONS sip:a@b SIP/2.0", b"SIP/2.0 180 Ringing")


@contextmanager
def every_head_is_a_model():
    """Let the next good head be learnt, whatever came before."""
    usual = outlines._MODEL_EVERY
    outlines._MODEL_EVERY = 1
    try:
        yield
    finally:
        outlines._MODEL_EVERY = usual


@contextmanager
def no_forms():
    """Let nothing be cut by an expression."""
    cut = outlines.Forms.cut
    outlines.Forms.cut = lambda forms, text: None
    try:
        yield
    finally:
        outlines.Forms.cut = cut


def outcome(data):
    try:
        message = parse_datagram(data, read_ahead=True)
    except RemoteProtocolError as error:
        partial = error.message
        return (
            *(str(error), error.status_hint, error.section, error.offset),
            None if partial is None else (partial.start_line(), partial.headers._lines),
        )
    headers = message.headers
    return (
        *(type(message), message.start_line(), message.body, headers._names, headers._lines, headers._at),
        *(headers._cache, headers._changed, message.to_bytes()),
    )


inserted = st.sampled_from(
    [b"", b"x", b"\r", b"\n", b"\0", b"\\\0", b"\r\n", b"\r\n ", b"\r\nX: y", b":", b" ", b"\xff",
     b"\xc3\xa4", b"\r\r\n", b"\n\r\n", b"\r\nVia: z", b"\r\nCSeq: 2 INFO"]
)  # fmt: skip


@given(st.one_of(message_bytes(), st.sampled_from([PLAIN, RINGS])), inserted, st.integers(0, 400))
@example(RINGS, b"\\\0", 19)
@example(RINGS, b"\0", 19)
@example(RINGS, b"\r", 19)
@example(PLAIN, b"\r", 60)
@example(PLAIN, b"\r", len(PLAIN) - 4)
@example(PLAIN, b"\n", len(PLAIN) - 4)
@example(PLAIN, b"\\\0", len(PLAIN) - 4)
@example(PLAIN, b"\r\n ;x", len(PLAIN) - 4)
def test_a_head_of_a_known_form(data, piece, place):
    other = data[:place] + piece + data[place:]
    with every_head_is_a_model():
        for known in (data, other, data):
            with no_forms():
                expected = outcome(known)
            outcome(known)
            assert outcome(known) == expected
    with no_forms():
        expected = outcome(other)
    assert outcome(other) == expected


def test_a_head_that_none_fits_is_not_learnt_at_once_and_is_then():
    forms = outlines.Forms()
    text = PLAIN.decode().partition("\r\n")[2].removesuffix("\r\n\r\n")
    lines = text.split("\r\n")
    outline = outlines.outline_of(["via", "from", "to", "call-id", "cseq", "x-other", "content-length"])
    for _ in range(outlines._MODEL_EVERY):
        assert forms.cut(text) is None
        forms.learn(lines, outline)
    assert forms.cut(text) == (lines, outline)
    assert forms.cut(text.replace("t:", "To:")) is None


def test_few_forms_are_tried():
    forms = outlines.Forms()
    for number in range(20):
        outline = outlines.outline_of([f"x-{number}"])
        for _ in range(outlines._MODEL_EVERY):
            forms.learn([f"X-{number}: y"], outline)
        assert forms.cut(f"X-{number}: z") == ([f"X-{number}: z"], outline)
    assert len(forms._tried) == outlines._TRIED
    assert forms.cut("X-0: z") is None


def test_endless_names_make_no_expression():
    forms = outlines.Forms()
    name = "x" * (outlines._MODEL_LENGTH + 1)
    with every_head_is_a_model():
        forms.learn([f"{name}: y"], outlines.outline_of([name]))
    assert forms._tried == []


def test_only_a_good_head_is_learnt():
    bad = PLAIN.replace(b"CSeq: 1 OPTIONS\r\n", b"")
    with every_head_is_a_model():
        assert outcome(bad) == outcome(bad)
    assert "cseq" in str(outcome(bad)).lower()
