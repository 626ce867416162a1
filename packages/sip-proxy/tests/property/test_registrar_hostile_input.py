"""Hostile messages through authentication, NAT tests and registrar: an answer or RemoteProtocolError."""

from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import (
    DigestChallenge,
    DigestCredentials,
    Headers,
    NameAddr,
    RemoteProtocolError,
    Request,
    digest_response,
    ha1,
    parse_datagram,
)
from trunkline.sip_parser.testing import headers, mutated_bytes, name_addrs
from trunkline.sip_proxy.auth import (
    Authenticator,
    Nonces,
    Verdict,
    consume_credentials,
    find_credentials,
)
from trunkline.sip_proxy.nat import fix_contact, nat_tests
from trunkline.sip_proxy.registrar import Location, PathMode, Registrar
from trunkline.sip_transaction import Flow

AT = datetime(2026, 3, 1, tzinfo=UTC)
FLOW = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.7", 1029))
AOR = "alice@example.test"
SECRET = ha1("alice", "example.test", "secret")


def authenticator() -> Authenticator:
    return Authenticator(Nonces(b"k" * 16, bytes))


def credentials() -> str:
    challenge = DigestChallenge.parse(authenticator().challenges("example.test", at=AT)[0])
    uri, nonce, cnonce = "sip:example.test", challenge.nonce, "c0ffee"
    response = digest_response(
        SECRET, method="REGISTER", uri=uri, nonce=nonce, nc=1, cnonce=cnonce, qop="auth"
    )
    return str(
        DigestCredentials("alice", "example.test", nonce, uri, response, cnonce=cnonce, qop="auth", nc=1)
    )


GOOD = (
    "REGISTER sip:example.test SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport\r\n"
    "From: <sip:alice@example.test>;tag=1\r\n"
    "To: Alice <sip:alice@example.test>\r\n"
    "Call-ID: 1@10.0.0.5\r\n"
    "CSeq: 7 REGISTER\r\n"
    'Contact: "A" <sip:alice@10.0.0.5:5062;transport=udp>;q=0.5;expires=60;reg-id=1'
    ';+sip.instance="<urn:uuid:0>", <sip:alice@desk>\r\n'
    "Path: <sip:edge.example.test;lr;ob>\r\n"
    "Supported: path, outbound\r\n"
    "Require: path\r\n"
    "Expires: 600\r\n"
    "Allow: INVITE, ACK\r\n"
    "User-Agent: Lamp/1.0\r\n"
    f"Authorization: {credentials()}\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 19\r\n"
    "\r\n"
    "c=IN IP4 10.0.0.5\r\n"
).encode()

pieces = st.sampled_from(
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"\r\n ",
        b"\r\n",
        b'"',
        b"<",
        b">",
        b";",
        b",",
        b"*",
        b"%zz",
        b"%00",
        b"[",
        b"\\",
        b"9" * 30,
        b"-1",
        b"\xc3\xa4",
        b"=",
        b":",
        b"x" * 300,
        b" ",
        b"\xd9\xa1",
    ]
) | st.binary(max_size=6)
edits = st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), pieces), min_size=1, max_size=4)


def take(message: Request, *, outbound: bool, path: PathMode) -> None:
    judge = authenticator()
    found = find_credentials(message, "example.test", proxy=False)
    if found is not None:
        assert isinstance(judge.verify(message, found, {"MD5": SECRET}, at=AT), Verdict)
        consume_credentials(message, "example.test", proxy=False)
        assert find_credentials(message, "example.test", proxy=False) is None
    with suppress(RemoteProtocolError):
        assert 0 <= nat_tests(message, FLOW) < 64
    location = Location()
    registrar = Registrar(location, token=bytes, outbound=outbound, path=path)
    if message.method != "REGISTER":
        return
    try:
        done = registrar.register(message, AOR, FLOW, at=AT)
    except RemoteProtocolError:
        assert len(location) == 0
        return
    assert done.status in (200, 400, 420, 423, 439, 500, 503)
    assert (done.status == 200) or (not done.changes and not len(location))
    again = parse_datagram(done.response.to_bytes())
    listed = [NameAddr.parse(value) for value in again.headers.values("contact")]
    held = location.get(AOR)
    assert [str(address.uri) for address in listed] == [binding.contact for binding in held]
    for binding in held:
        stored = f"{binding.contact}{binding.call_id}{binding.user_agent}{binding.instance}{binding.path}"
        stored.encode()
        assert stored.isprintable()
    done.undo()
    assert len(location) == 0
    with suppress(RemoteProtocolError):
        fix_contact(message, FLOW)
    message.to_bytes()


@settings(max_examples=200, deadline=None)
@given(changes=edits, outbound=st.booleans(), path=st.sampled_from(PathMode))
def test_damaged_register(changes: list[tuple[int, int, bytes]], outbound: bool, path: PathMode) -> None:
    raw = GOOD
    for place, length, piece in changes:
        raw = raw[:place] + piece + raw[place + length :]
    try:
        message = parse_datagram(raw)
    except RemoteProtocolError:
        return
    if isinstance(message, Request):
        take(message, outbound=outbound, path=path)


@settings(max_examples=40, deadline=None)
@given(
    lines=headers("REGISTER"),
    contacts=st.lists(name_addrs(), max_size=4),
    paths=st.lists(name_addrs(), max_size=2),
    supported=st.sampled_from(["", "path", "path, outbound"]),
    path=st.sampled_from(PathMode),
)
def test_strange_but_well_formed_register(
    lines: Headers, contacts: list[NameAddr], paths: list[NameAddr], supported: str, path: PathMode
) -> None:
    message = Request("REGISTER", "sip:example.test", lines)
    message.headers.extend("Contact", [str(contact) for contact in contacts])
    message.headers.extend("Path", [str(hop) for hop in paths])
    message.headers.add("Supported", supported)
    take(message, outbound=True, path=path)


@settings(max_examples=40, deadline=None)
@given(raw=mutated_bytes())
def test_any_other_damaged_message(raw: bytes) -> None:
    try:
        message = parse_datagram(raw)
    except RemoteProtocolError:
        return
    if isinstance(message, Request):
        take(message, outbound=False, path=PathMode.LAZY)


def test_the_undamaged_one_is_accepted() -> None:
    message = parse_datagram(GOOD)
    assert isinstance(message, Request)
    found = find_credentials(message, "example.test", proxy=False)
    assert found is not None
    assert authenticator().verify(message, found, {"MD5": SECRET}, at=AT) is Verdict.ACCEPTED
    registrar = Registrar(Location(), token=bytes, outbound=True)
    assert registrar.register(message, AOR, FLOW, at=AT).status == 200
