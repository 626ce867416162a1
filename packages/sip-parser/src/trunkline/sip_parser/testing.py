"""Hypothesis strategies for SIP: values, headers, messages, and bytes that went wrong on the way.

For the tests of this package and of those built on it (`pip install trunkline-sip-parser[testing]`). The only
file here that imports hypothesis; nothing else of the package imports this file.
"""

from __future__ import annotations

import string
from functools import cache
from operator import itemgetter

from hypothesis import strategies as st

from ._address import NameAddr
from ._digest import DIGEST_ALGORITHMS, DigestChallenge, DigestCredentials
from ._headers import Headers
from ._messages import Message, Request, Response
from ._names import COMPACT_FORMS, SINGLE, WRITTEN_NAMES
from ._status import REASON_PHRASES
from ._uri import OtherUri, TelUri, Uri
from ._via import MAGIC_COOKIE, CSeq, Via

_ALPHANUMERIC = string.ascii_letters + string.digits
_TOKEN = _ALPHANUMERIC + "-.!%*_+`'~"
_METHODS = "INVITE ACK BYE CANCEL OPTIONS REGISTER INFO MESSAGE NOTIFY PRACK PUBLISH REFER SUBSCRIBE UPDATE"
_COMPACT = {long: short for short, long in COMPACT_FORMS.items()}
_PRINTABLE = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])

# What parsers have stumbled over: line ends, folds, delimiters, escapes, huge numbers, no UTF-8.
_NASTY = (
    *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\0", b"\\", b'"', b"<", b">", b"<>", b","),
    *(b";", b";;", b"=", b"@", b":", b"::", b"[", b"]", b"%", b"%zz", b"%00", b"*", b"?", b"(", b")", b" "),
    *(b"\t", b"\xff", b"\xc3", b"\xe2\x82\xac", b"-1", b"0", b"4294967296", b"9" * 26, b"SIP/2.0", b";tag="),
    *(b"\r\nContent-Length: 5", b"\r\nl: -1", b"\r\nVia: ", b"\r\nTo: x", b"\r\nCSeq: 1 X", b";tag=a;tag=b"),
)


@cache
def tokens(max_size: int = 16) -> st.SearchStrategy[str]:
    """Give tokens. Source: RFC 3261 §25.1"""
    return st.text(_TOKEN, min_size=1, max_size=max_size)


@cache
def methods() -> st.SearchStrategy[str]:
    """Give registered methods mostly, and others."""
    return st.sampled_from(_METHODS.split()) | tokens()


@cache
def hosts() -> st.SearchStrategy[str]:
    """Give host names and addresses; IPv6 without brackets, as values hold them."""
    label = string.ascii_lowercase + string.digits
    names = st.builds(
        "{}.{}".format, st.text(label, min_size=1, max_size=8), st.sampled_from(["com", "x--1", "0"])
    )
    addresses = ["192.0.2.4", "10.0.0.1", "2001:db8::1", "::", "::ffff:192.0.2.10", "fe80::1:2:3"]
    return names | st.sampled_from([*addresses, "localhost"])


@cache
def ports() -> st.SearchStrategy[int | None]:
    """Give ports, and None."""
    return st.none() | st.integers(1, 65535)


@cache
def quoted_strings() -> st.SearchStrategy[str]:
    """Give quoted strings as spelled, with delimiters and escapes inside."""
    inner = st.text(_ALPHANUMERIC + " ,;<>@:=/?é€", max_size=8) | st.just('\\"') | st.just("\\\\")
    return st.lists(inner, max_size=3).map(lambda parts: f'"{"".join(parts)}"')


@cache
def header_params() -> st.SearchStrategy[dict[str, str | None]]:
    """Give header parameters, quoted values among them."""
    names = st.text(string.ascii_lowercase + string.digits + "-.+", min_size=1, max_size=8)
    return st.dictionaries(names, st.none() | tokens() | quoted_strings(), max_size=3)


@cache
def uris() -> st.SearchStrategy[Uri]:
    """Give sip and sips URIs. Source: RFC 3261 §19.1.1"""
    escaped = st.integers(0, 255).map(lambda byte: f"%{byte:02X}")
    plain = st.text(_ALPHANUMERIC + "-_.!~*'()&=+$,;?/", min_size=1, max_size=12)
    user = st.lists(plain | escaped, min_size=1, max_size=3).map("".join)
    password = st.none() | st.text(_ALPHANUMERIC + "-_.!~*'()&=+$,", max_size=8)
    name = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=8)
    value = st.none() | st.text(_ALPHANUMERIC + "-_.!~*'()[]/:&+$", min_size=1, max_size=8)
    params = st.dictionaries(name, value, max_size=3) | st.sampled_from([{"lr": None}, {"transport": "tcp"}])
    headers = st.none() | st.sampled_from(
        ["subject=project%20x&priority=urgent", "Route=%3Csip:example.com%3E"]
    )
    scheme = st.sampled_from(["sip", "sips"])
    with_user = st.builds(Uri, scheme, user, password, hosts(), ports(), params, headers)
    without = st.builds(Uri, scheme, st.none(), st.none(), hosts(), ports(), params, st.none())
    return with_user | without


@cache
def tel_uris() -> st.SearchStrategy[TelUri]:
    """Give tel URIs. Source: RFC 3966"""
    number = st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "+", "+(", "("]),
        st.sampled_from(string.digits),
        st.text("0123456789.-()", max_size=14),
    )
    return st.builds(TelUri, number, st.sampled_from([{}, {"phone-context": "+49"}, {"ext": "12"}]))


@cache
def other_uris() -> st.SearchStrategy[OtherUri]:
    """Give URIs of other schemes."""
    rest = st.text(_ALPHANUMERIC + "/.:@-_", min_size=1, max_size=16)
    return st.builds(OtherUri, st.sampled_from(["http", "urn", "im", "soap.beep"]), rest)


@cache
def name_addrs() -> st.SearchStrategy[NameAddr]:
    """Give addresses with display names of any printable characters, and header parameters."""
    name = st.none() | st.text(_PRINTABLE, min_size=1, max_size=12)
    return st.builds(NameAddr, name, uris() | uris() | tel_uris() | other_uris(), header_params())


@cache
def vias() -> st.SearchStrategy[Via]:
    """Give Via values, with branches of RFC 3261 and of RFC 2543."""
    branches = st.builds("{}{}".format, st.sampled_from([MAGIC_COOKIE, ""]), tokens())
    extra = st.sampled_from([{}, {"rport": None}, {"received": "192.0.2.9", "rport": "5062"}, {"ttl": "1"}])
    params = st.builds(lambda branch, more: {"branch": branch, **more}, branches, extra)
    return st.builds(Via, st.sampled_from(["UDP", "TCP", "TLS", "WSS", "SCTP"]), hosts(), ports(), params)


@cache
def cseqs(method: str | None = None) -> st.SearchStrategy[CSeq]:
    """Give CSeq values, of one method if it is given."""
    return st.builds(CSeq, st.integers(0, (1 << 31) - 1), methods() if method is None else st.just(method))


@cache
def digest_challenges() -> st.SearchStrategy[DigestChallenge]:
    """Give challenges of every algorithm. Source: RFC 7616 §3.3, RFC 8760"""
    text = st.text(_PRINTABLE, max_size=12)
    qops = st.sampled_from([(), ("auth",), ("auth", "auth-int")])
    return st.builds(
        DigestChallenge, text, text, st.sampled_from(DIGEST_ALGORITHMS), qops, st.none() | text, st.booleans()
    )


@cache
def digest_credentials() -> st.SearchStrategy[DigestCredentials]:
    """Give credentials with a response of the right length that is wrong. Source: RFC 7616 §3.4"""
    return st.builds(
        lambda user, challenge, uri, response, cnonce, nc: DigestCredentials(
            *(user, challenge.realm, challenge.nonce, str(uri), response, challenge.algorithm, cnonce),
            opaque=challenge.opaque,
            qop=challenge.qop[0] if challenge.qop else None,
            nc=nc if challenge.qop else None,
            nc_text=format(nc, "08x") if challenge.qop else None,
        ),
        st.text(_PRINTABLE, min_size=1, max_size=12),
        digest_challenges(),
        uris(),
        st.text("0123456789abcdef", min_size=32, max_size=32),
        tokens(),
        st.integers(0, (1 << 32) - 1),
    )


@cache
def header_lines() -> st.SearchStrategy[tuple[str, str]]:
    """Give names and values of headers no message needs: registered with odd values, and unknown."""
    text = st.text(_PRINTABLE, max_size=24).map(lambda value: value.strip(" \t"))
    free = st.sampled_from(["Subject", "User-Agent", "Organization", "X-Custom", "P-Unknown"])
    listed = st.lists(tokens(), max_size=4).map(", ".join)
    return st.one_of(
        st.tuples(free, text),
        st.tuples(tokens().filter(lambda name: name.lower() not in _TAKEN), text),
        st.tuples(st.sampled_from(["Allow", "Supported", "Require"]), listed),
        st.tuples(st.sampled_from(["Route", "Record-Route", "Contact"]), name_addrs().map(str)),
        st.tuples(
            st.sampled_from(["Expires", "Min-Expires", "Session-Expires", "Min-SE", "RSeq"]),
            st.integers(0, (1 << 32) - 1).map(str),
        ),
        st.tuples(st.sampled_from(["Refer-To", "Referred-By", "P-Asserted-Identity"]), name_addrs().map(str)),
        st.tuples(st.sampled_from(["WWW-Authenticate", "Proxy-Authenticate"]), digest_challenges().map(str)),
        st.tuples(st.sampled_from(["Authorization", "Proxy-Authorization"]), digest_credentials().map(str)),
        st.sampled_from(_SAMPLES),
    )


_SAMPLES = (
    ("Content-Type", 'multipart/mixed;boundary="a;b"'),
    ("Date", "Sat, 13 Nov 2010 23:29:00 GMT"),
    ("Event", "presence;id=1"),
    ("RAck", "776656 1 INVITE"),
    ("Reason", 'SIP;cause=200;text="Call, completed elsewhere"'),
    ("Replaces", "425928@phone;to-tag=7743;from-tag=6472;early-only"),
    ("Retry-After", "18000 (in (a) meeting);duration=3600"),
    ("Timestamp", "54.21 0.1"),
    ("Warning", '370 example.com "Choose \\"less\\"", 399 192.0.2.1 "and more"'),
)


def _repeatable(line: tuple[str, str]) -> tuple[str, ...]:
    return line[:1] if line[0].lower() in SINGLE else line


_TAKEN = frozenset(WRITTEN_NAMES) | frozenset(COMPACT_FORMS)


@cache
def headers(method: str = "INVITE") -> st.SearchStrategy[Headers]:
    """Give the headers of a message: the five every one needs, and others among them, in any order."""
    return _headers(method)


@st.composite
def _headers(draw: st.DrawFn, method: str) -> Headers:
    tag = draw(st.none() | tokens())
    to = draw(_plain_addresses | name_addrs())
    caller = draw(_plain_addresses | name_addrs())
    lines = [
        *(("Via", str(via)) for via in draw(st.lists(vias(), min_size=1, max_size=3))),
        ("From", str(caller.replace(params={"tag": draw(tokens())}))),
        ("To", str(to.replace(params={} if tag is None else {"tag": tag}))),
        ("Call-ID", draw(tokens())),
        ("CSeq", str(draw(cseqs(method)))),
        ("Max-Forwards", str(draw(st.integers(0, 255)))),
        *draw(st.lists(header_lines(), max_size=4, unique_by=_repeatable)),
    ]
    # One draw of bytes stands for many small ones, which would take most of the time.
    order = draw(st.binary(min_size=len(lines), max_size=len(lines)))
    return Headers([line for _, line in sorted(zip(order, lines, strict=True), key=itemgetter(0))])


_plain_addresses = st.sampled_from(
    [
        NameAddr(None, Uri("sip", "alice", None, "example.com")),
        NameAddr("Bob", Uri("sip", "+4930123", None, "192.0.2.1", 5062, {"user": "phone"})),
        NameAddr("Bell, A.", Uri("sips", "bell", None, "2001:db8::1", None, {"lr": None})),
    ]
)


@cache
def requests() -> st.SearchStrategy[Request]:
    """Give whole requests that `check_message` passes."""
    return _requests()


@st.composite
def _requests(draw: st.DrawFn) -> Request:
    method = draw(methods())
    uri = draw(uris()).replace(headers=None) if draw(st.integers(0, 4)) else draw(tel_uris())
    return Request(method, str(uri), draw(headers(method)), draw(st.binary(max_size=32)))


@cache
def responses() -> st.SearchStrategy[Response]:
    """Give whole responses, which `check_message` passes."""
    return _responses()


@st.composite
def _responses(draw: st.DrawFn) -> Response:
    status = draw(st.sampled_from(sorted(REASON_PHRASES)) | st.integers(100, 699))
    reason = draw(st.text(_PRINTABLE, max_size=16))
    return Response(status, reason, draw(headers(draw(methods()))), draw(st.binary(max_size=32)))


@cache
def messages() -> st.SearchStrategy[Message]:
    """Give requests and responses."""
    return requests() | responses()


@cache
def message_bytes() -> st.SearchStrategy[bytes]:
    """Give the bytes of messages in spellings the grammar allows: any case, compact names, folds."""
    return _message_bytes()


@st.composite
def _message_bytes(draw: st.DrawFn) -> bytes:
    message = draw(messages())
    head, _, body = message.to_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    spelled = lines[:1]
    choices = draw(st.binary(min_size=len(lines), max_size=len(lines)))
    for line, choice in zip(lines[1:], choices, strict=False):
        name, _, value = line.partition(": ")
        name = (name, name.lower(), name.upper(), _COMPACT.get(name.lower(), name))[choice % 4]
        separator = (": ", ":", " : ", ":\r\n ", ":  \t")[choice // 4 % 5]
        spelled.append(name + separator + value)
    return "\r\n".join([*spelled, "", ""]).encode() + body


@cache
def mutated_bytes() -> st.SearchStrategy[bytes]:
    """Give the bytes of a message after up to three mistakes, as `mutations` makes them."""
    return mutations(message_bytes())


@st.composite
def mutations(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> bytes:
    """Give bytes of another strategy after up to three mistakes: cut, doubled, overwritten, strewn, emptied.

    The mistakes are those that parsers of SIP have stumbled over, and noise.

    Args:
        data: what is spoiled, such as `st.sampled_from(captured_messages)`.
    """
    return _mutated(draw, draw(data))


def _mutated(draw: st.DrawFn, data: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 24)))
        kind = draw(st.integers(0, 5))
        if kind == 5:  # a header without its value
            colon, end = data.find(b":", start), data.find(b"\r\n", start)
            data = data[: colon + 1] + data[end:] if 0 <= colon < end else data
        elif kind == 0:
            data = data[:start] + data[stop:]
        elif kind == 1:
            data = data[:stop] + data[start:stop] + data[stop:]
        elif kind == 2:
            data = data[:start] + draw(st.sampled_from(_NASTY)) + data[stop:]
        elif kind == 3:
            data = data[:start] + draw(st.sampled_from(_NASTY)) + data[start:]
        else:
            data = data[:start] + draw(st.binary(min_size=1, max_size=4)) + data[stop:]
    return data
