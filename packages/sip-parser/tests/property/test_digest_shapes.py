"""Digest parameters read by the shape of those before are what reading them letter by letter gives."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.sip_parser import DigestCredentials, LocalProtocolError, RemoteProtocolError, digest_response
from trunkline.sip_parser._digest import _by_shape, _credentials_by_shape, _params_of, _shape
from trunkline.sip_parser.testing import digest_challenges, digest_credentials

written = st.one_of(digest_credentials(), digest_challenges()).map(str)
pieces = st.sampled_from(
    [
        '"',
        '="',
        '",',
        ", ",
        " ",
        ",",
        "=",
        "a",
        "realm",
        "nc=1",
        "nc=00000001",
        "\\",
        "\0",
        "\0" + "0",
        "\t",
        "\r\n ",
    ]
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    text = draw(written)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 6)))
        text = text[:start] + draw(pieces) + text[end:]
    return text


@given(st.one_of(written, mangled(), st.lists(pieces).map(lambda parts: "Digest " + "".join(parts))))
@example('Digest a="1", a="2"')
@example('Digest a="1"b="2"')
@example('Digest a="", b="", nc=\x000')
@example('Digest a=b"c", d="e"')
@example('Digest "a"="b"')
@example('Digest a="x", b')
def test_shape_gives_what_reading_gives_or_nothing(value: str) -> None:
    by_shape = _by_shape(value)
    try:
        read = _params_of(value, "credentials")
    except RemoteProtocolError:
        assert by_shape is None
        return
    assert by_shape is None or by_shape == read


@given(st.one_of(written, mangled(), st.lists(pieces).map(lambda parts: "Digest " + "".join(parts))))
@example('Digest username="", realm="r", nonce="", uri="", response="AB"')
@example('Digest username="a", realm="r", nonce="n", uri="u", response="b", qop="auth", nc=1, cnonce="c"')
@example('Digest username="a", realm="r", nonce="n", uri="u", response="b", qop=auth, nc=1, cnonce=c')
@example('Digest username="a", realm="r", nonce="n", uri="u", response="b", qop=auth, nc=g, cnonce="c"')
@example('Digest username="a", realm="r", nonce="n", uri="u", response="b", qop=AUTH, nc=A, cnonce="c"')
@example('Digest username="\t0", realm="", nonce="", uri="sip:0@0.com", response="00"')
@example('Digest username*="a", realm="r", nonce="n", uri="u", response="b"')
def test_credentials_by_shape_are_those_read_one_by_one(value: str) -> None:
    by_shape = _credentials_by_shape(value)
    try:
        read = DigestCredentials._read(value)
    except RemoteProtocolError:
        assert by_shape is None
        return
    assert by_shape is None or by_shape == read


def test_credentials_as_phones_write_them_are_read_by_shape() -> None:
    assert _credentials_by_shape(
        'Digest username="a",realm="r",nonce="n",uri="sip:b",response="C",algorithm=md5,qop=auth,nc=0000000a,'
        'cnonce="x"'
    ) == DigestCredentials("a", "r", "n", "sip:b", "c", "MD5", "x", None, "auth", 10, False, "0000000a")


@given(digest_credentials(), st.sampled_from(["REGISTER", "INVITE", "X" * 300]))
def test_the_expected_response_is_the_one_that_the_arithmetic_gives(
    credentials: DigestCredentials, method: str
) -> None:
    def computed(compute: Callable[[], str]) -> str:
        try:
            return compute()
        except LocalProtocolError as error:
            return str(error)

    c = credentials
    assert computed(lambda: c.expected_response("f" * 32, method=method)) == computed(
        lambda: digest_response(
            "f" * 32,
            method=method,
            uri=c.uri,
            nonce=c.nonce,
            nc=c.nc if c.nc_text is None else c.nc_text,
            cnonce=c.cnonce,
            qop=c.qop,
            algorithm=c.algorithm,
        )
    )


@given(digest_credentials())
def test_credentials_that_we_write_are_read_the_same_twice(credentials: DigestCredentials) -> None:
    _shape.cache_clear()
    first = DigestCredentials.parse(str(credentials))
    assert DigestCredentials.parse(str(credentials)) == first


def test_what_is_remembered_is_not_handed_out() -> None:
    value = 'Digest username="a", realm="r", algorithm=MD5'
    known = _by_shape(value)
    assert known == {"username": "a", "realm": "r", "algorithm": "MD5"}
    known["realm"] = "changed"
    assert _by_shape(value) == {"username": "a", "realm": "r", "algorithm": "MD5"}


@pytest.mark.parametrize(
    "value", ['Digest realm="' + "r" * 2000 + '"', 'Digest realm="a\\"b"', 'Digest realm="a\r\n b"']
)
def test_what_is_long_escaped_or_folded_is_read_letter_by_letter(value: str) -> None:
    assert _by_shape(value) is None
    assert "realm" in _params_of(value, "challenge")
