"""Every message of RFC 4475 and RFC 5118, byte for byte, to a running server: what it answers or forwards.

The messages and what is to be said of each are the parser package's. The server serves the domains they
name, trusts everybody, and has a callee registered for whom they call; a callee's answer, 606, shows that a
message was forwarded. Each transport has a server of its own, because a message that comes again over the
other one is the same request.
"""

import contextlib
import itertools
import re
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.callee import STATUS, Callee
from peers.trunkline import Server
from peers.wire import Wire

TORTURE = Path(__file__).parents[2] / "packages/sip-parser/tests/conformance/torture"
VERDICTS = tomllib.loads((TORTURE / "verdicts.toml").read_text())
DOMAINS = [
    *("example.com", "example.net", "example.org", "chair-dnrc.example.com", "registrar.example.com"),
    *("company.com", "[2001:db8::10]", "[2001:db8::c000:201]"),
]
CALLED = (
    *("user@example.com", "UserB@example.com", "user@example.org", "user@[2001:db8::10]"),
    *("user@[2001:db8::192.0.2.1]", "sips%3Auser%40example.com@example.net"),
    *("user;par=u%40example.net@example.com", "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com"),
)
_numbers = itertools.count(1)


class Place:
    """A server, the callee that is registered there, and a probe that asks whether it still answers."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.transport = transport
        self.server = Server(
            folder, {"server": {"domains": DOMAINS}, "auth": {"challenge": False}, "media": {"mode": "never"}}
        )
        self.callee = Callee()

    def start(self) -> None:
        self.server.start()
        self.probe = Wire(self.server.port)
        for aor in CALLED:
            self.register(aor, self.callee.contact)

    def register(self, aor: str, contact: str, expires: int = 600) -> None:
        uri = f"sip:{aor.rpartition('@')[2]}"
        headers = (f"Contact: {contact}", f"Expires: {expires}")
        reply = self.probe.ask(self.probe.request("REGISTER", uri, to=f"sip:{aor}", headers=headers))
        assert reply is not None
        assert reply.status == 200, (aor, reply.data)

    def close(self) -> None:
        self.callee.close()
        self.server.close()

    def assert_serves(self) -> None:
        for transport in ("udp", "tcp"):
            with Wire(self.server.port, transport=transport) as probe:
                reply = probe.ask(probe.request("OPTIONS", "sip:example.com"))
            assert reply is not None, self.server.log()
            assert reply.status == 200


@pytest.fixture(scope="module", params=["udp", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give a server that has met nothing yet."""
    place = Place(tmp_path_factory.mktemp("torture"), request.param)
    try:
        place.start()
        yield place
        assert place.server.ask("stats")["mishaps"] == 0, place.server.log()
        assert not place.server.tracebacks()
    finally:
        place.close()


def torture(name: str) -> bytes:
    """Give a message. RFC 5118 has the same Call-ID and branch in several, so those get a new Call-ID."""
    data = (TORTURE / f"{name}.dat").read_bytes()
    if VERDICTS[name]["source"].startswith("RFC 5118"):
        data = data.replace(b"\r\nCall-ID: ", b"\r\nCall-ID: %d" % next(_numbers))
    return data


def outcome(place: Place, data: bytes, *, seconds: float = 0.4) -> list[object]:
    """Send it and give what comes of it: a status, "forward", "drop", and "close" where TCP ends."""
    place.callee.take()
    found: list[object] = []
    with Wire(place.server.port, transport=place.transport) as wire:
        wire.send(data)
        wire.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            while True:
                piece = wire.socket.recv(65536)
                if not piece:
                    found.append("close")
                    break
                for status in re.findall(rb"(?m)^SIP/2\.0 (\d{3}) ", piece):
                    if int(status) >= 200:
                        found.append(int(status))
                        wire.socket.settimeout(0.1)
    forwarded = place.callee.take()
    if forwarded:
        assert found == [STATUS], found
        return ["forward"]
    return found or ["drop"]


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(place: Place, name: str) -> None:
    verdict = VERDICTS[name]
    data = torture(name)
    expected = verdict["server"].get(place.transport, verdict["server"]["udp"])
    assert outcome(place, data) == (expected if isinstance(expected, list) else [expected])
    place.assert_serves()
    if data.startswith(b"REGISTER") and expected == 200:
        place.register("user@example.com", "*", 0)
        place.register("user@example.com", place.callee.contact)


@pytest.mark.parametrize("name", VERDICTS)
def test_what_our_server_does_is_what_its_role_may_do(name: str) -> None:
    verdict = VERDICTS[name]
    roles = [action for role in ("proxy", "registrar", "uas") for action in verdict.get(role, [])]
    for found in verdict["server"].values():
        first = found[0] if isinstance(found, list) else found
        framing = "stream" in verdict or first == "close"  # what a stream makes of it is said there
        assert first in roles or ("process" in roles and first != 400) or framing


def test_what_is_forwarded_keeps_every_byte_a_proxy_has_no_business_with(place: Place) -> None:
    """The body, and each header but Via, Max-Forwards, Record-Route, Contact (NAT) and Content-Length."""
    if place.transport == "tcp":
        pytest.skip("it is the same over UDP")
    for name in ("intmeth", "esc01", "longreq", "lwsdisp", "semiuri", "transports", "invut", "sdp01"):
        data = torture(name).replace(b"z9hG4bK", b"z9hG4bKagain")
        if name == "longreq":  # its topmost Via has no branch
            data = data.replace(b"CSeq: 3882340", b"CSeq: 3882341")
        with Wire(place.server.port) as wire:
            place.callee.take()
            assert wire.ask(data).status == STATUS
        forwarded = place.callee.take()[0]
        head, _, body = data.partition(b"\r\n\r\n")
        assert forwarded.endswith(b"\r\n\r\n" + body), name
        for line in re.split(rb"\r\n(?![ \t])", head)[1:]:
            field = line.partition(b":")[0].strip().lower()
            if field not in (b"via", b"v", b"max-forwards", b"contact", b"content-length", b"l"):
                assert b"\r\n" + line + b"\r\n" in forwarded, (name, line)
        assert forwarded.count(b"SIP/2.0/") == head.count(b"SIP/2.0/") + 1


def test_a_contact_that_asks_for_headers_does_not_get_them(place: Place) -> None:
    contact = place.callee.contact[:-1] + ";method=BYE?Route=%3Csip:sip.example.com%3E>"
    place.register("escaped@example.com", contact)
    place.callee.take()
    reply = place.probe.ask(place.probe.request("MESSAGE", "sip:escaped@example.com"))
    assert reply is not None
    assert reply.status == STATUS
    (forwarded,) = place.callee.take()
    assert forwarded.startswith(f"MESSAGE sip:callee@127.0.0.1:{place.callee.port} SIP/2.0\r\n".encode())
    assert b"sip.example.com" not in forwarded


def test_credentials_of_an_unknown_scheme_are_challenged_like_none(new_server, wire) -> None:
    server = new_server({"server": {"domains": ["example.com"]}, "media": {"mode": "never"}}).start()
    probe = wire(server)
    reply = probe.ask((TORTURE / "regaut01.dat").read_bytes())
    assert reply.status == 401
    assert "Digest" in reply.header("WWW-Authenticate")


def test_a_content_type_nobody_can_read_is_the_callees_business(place: Place) -> None:
    for method in ("INVITE", "MESSAGE"):
        request = place.probe.request(
            method, "sip:user@example.com", headers=("Content-Type: no type at all",), body=b"v=0\r\n"
        )
        assert outcome(place, request) == ["forward"]


def test_the_extensions_a_proxy_lacks_are_named_and_no_others(place: Place) -> None:
    with Wire(place.server.port) as wire:
        reply = wire.ask(torture("bext01").replace(b"bext01.", b"bext01-again."))
    assert reply.status == 420
    assert reply.header("Unsupported") == "noProxiesSupportThis, norDoAnyProxiesSupportThis"


def test_the_extensions_the_server_itself_lacks_are_named_to_who_asks_about_it(place: Place) -> None:
    """To OPTIONS for its own domain it is a user agent: RFC 3261 §8.2.2.3, §11.2."""
    with Wire(place.server.port, transport=place.transport) as wire:
        data = place.probe.request("OPTIONS", "sip:example.com", headers=("Require: nothingSupportsThis",))
        reply = wire.ask(data)
    assert reply is not None
    assert (reply.status, reply.header("Unsupported").lower()) == (420, "nothingsupportsthis")


# Content-Length, RFC 3261 §18.3 and §20.14


@pytest.mark.parametrize(
    ("lengths", "udp", "tcp"),
    [
        (["5"], [200], [200]),
        (["3"], [200], [200]),
        (["50"], [400], ["drop"]),
        (["-1"], [400], [400, "close"]),
        (["x"], [400], [400, "close"]),
        (["4294967296"], [400], [400, "close"]),
        (["5", "4"], [400], [400, "close"]),
        (["5", "5"], [400], [400]),
        ([], [200], [400, "close"]),
    ],
    ids=["right", "smaller", "larger", "negative", "word", "huge", "differing", "repeated", "missing"],
)
def test_content_length(place: Place, lengths: list[str], udp: list[object], tcp: list[object]) -> None:
    request = place.probe.request("OPTIONS", "sip:example.com")
    lines = "".join(f"Content-Length: {length}\r\n" for length in lengths).encode()
    data = request.replace(b"Content-Length: 0\r\n", lines) + b"12345"
    assert outcome(place, data) == (udp if place.transport == "udp" else tcp)
    place.assert_serves()


def test_what_a_stream_says_of_length_is_what_counts(place: Place) -> None:
    """Too small: the rest is the next message. Too large: the next message is the rest."""
    if place.transport == "udp":
        pytest.skip("a datagram holds one message")
    first = place.probe.request("OPTIONS", "sip:example.com").replace(b"Length: 0", b"Length: 2") + b"ab"
    second = place.probe.request("OPTIONS", "sip:example.com")
    with Wire(place.server.port, transport="tcp") as wire:
        wire.send(first + b"\r\n\r\n" + second)
        got = b""
        while got.count(b"SIP/2.0 200") < 2:
            got += wire.receive().data
    swallowed = place.probe.request("OPTIONS", "sip:example.com", call_id="swallowed")
    length = b"Length: %d" % len(swallowed)
    data = place.probe.request("OPTIONS", "sip:example.com").replace(b"Length: 0", length) + swallowed
    with Wire(place.server.port, transport="tcp") as wire:
        reply = wire.ask(data)
        assert reply.status == 200
        assert b"swallowed" not in reply.data
        assert wire.receive(0.2) is None


def test_empty_lines_before_a_datagram_are_passed_over(place: Place) -> None:
    for before in (b"\r\n", b"\r\n\r\n"):
        data = before + place.probe.request("OPTIONS", "sip:example.com")
        assert outcome(place, data) == [200]


def test_a_broadcast_address_in_via_is_never_sent_to(place: Place) -> None:
    """`bcast` would have a stateless proxy shout at everybody; a listener on the SIP port hears nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", 5060))
        except OSError:
            pytest.skip("another program has port 5060")
        listener.settimeout(0.3)
        assert outcome(place, torture("bcast")) == ["drop"]
        with contextlib.suppress(TimeoutError):
            while True:  # others may use that port meanwhile
                assert b"bcast.0384840201234" not in listener.recv(65536)
