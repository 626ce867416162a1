"""The provider's stack with phones that cost nothing: bytes in, bytes out, no sockets, no disk, no waiting.

Here: the stack in virtual time, and what the phones of a call and a registration say to it. What is measured
with it is in `stack_cost.py` and `growth.py`.
"""

import cProfile
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from trunkline.provider.assembly import assemble
from trunkline.provider.config import load_settings
from trunkline.provider.stack import AskSubscribers, Barrier, Stack, Write
from trunkline.provider.store import Batch, Store
from trunkline.sip_parser import parse_datagram
from trunkline.sip_transaction import ClientAuthenticator, Flow, Send

HERE = ("127.0.0.1", 5060)
CALLER = Flow("UDP", HERE, ("127.0.0.1", 27060))
CALLEE = Flow("UDP", HERE, ("127.0.0.1", 27080))
CALLEE_URI = "sip:uas@127.0.0.1:27080"
SDP = (
    "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)


class Point:
    """A listening point without a socket."""

    transport = "UDP"
    address = HERE


class World:
    """A stack, and what carries its effects out as cheaply as can be.

    Args:
        folder: where its database is.
        challenge: whether it asks for digest.
        users: how many there are; the lower half calls the upper half, each of them in turn.
    """

    def __init__(self, folder: Path, *, challenge: bool, users: int = 1000) -> None:
        self.users = users
        settings = load_settings(
            environ={
                "TRUNKLINE_SERVER__LISTEN": "udp:127.0.0.1:5060",
                "TRUNKLINE_SERVER__DOMAINS": "127.0.0.1",
                "TRUNKLINE_AUTH__CHALLENGE": str(challenge).lower(),
                "TRUNKLINE_MEDIA__MODE": "never",
                "TRUNKLINE_DATABASE__URL": f"sqlite:///{folder}/bench-{challenge}.db",
            }
        )
        self.store = Store.open(settings.database.url)
        counter = itertools.count()
        self.now = 0.0
        self.sent: list[Send] = []
        self.batch = Batch()
        self.stack: Stack = assemble(
            settings,
            self.store,
            [Point()],  # type: ignore[list-item]
            token=lambda count: (next(counter) * 0x9E3779B97F4A7C15 % (1 << 8 * count)).to_bytes(
                count, "big"
            ),
            clock=lambda: datetime.fromtimestamp(1_900_000_000 + self.now, UTC),
            now=0.0,
            connection_open=lambda flow: True,
        ).stack

    def send(self, text: str, flow: Flow) -> None:
        """Let a datagram arrive."""
        self.perform(self.stack.datagram(text.encode(), flow, now=self.now))

    def perform(self, effects: list[Any]) -> None:
        """Carry out effects; a barrier is lifted at once."""
        for effect in effects:
            if type(effect) is Send:
                self.sent.append(effect)
            elif type(effect) is Write:
                getattr(self.batch, effect.method)(*effect.arguments)
            elif type(effect) is Barrier:
                self.perform(self.stack.resume(effect, True, now=self.now))
            elif type(effect) is AskSubscribers:
                for name in effect.names:
                    self.stack.directory.learn(name, self.store.subscriber(*name), now=self.now)
                self.perform(self.stack.resume(effect, True, now=self.now))

    def take(self) -> str:
        """Return the last thing sent, and forget all of it."""
        text = self.sent[-1].data.decode()
        self.sent.clear()
        return text

    def pass_time(self, seconds: float) -> None:
        """Let all timers up to then fire."""
        end = self.now + seconds
        while (due := self.stack.next_timeout()) is not None and due <= end:
            self.now = max(self.now, due)
            self.perform(self.stack.handle_timeout(now=self.now))
        self.now = end
        self.sent.clear()
        self.batch = Batch()


def header(text: str, name: str) -> list[str]:
    """Return the lines of one header."""
    return [line for line in text.split("\r\n") if line.lower().startswith(name + ":")]


def answer_to(request: str, status: str, tag: str, *, body: str = "") -> str:
    """Write the callee's response to what it received, with the Vias on one line, as SIPp writes it."""
    vias = [line.partition(": ")[2] for line in header(request, "via")]
    lines = [f"SIP/2.0 {status}", f"Via: {', '.join(vias)}"]
    for name in ("record-route", "from"):
        lines += header(request, name)
    to = header(request, "to")[0]
    lines += [
        to if "tag=" in to else f"{to};tag={tag}",
        *header(request, "call-id"),
        *header(request, "cseq"),
    ]
    lines.append(f"Contact: <{CALLEE_URI}>")
    if body:
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])


def name_of(number: int) -> str:
    """Give the user name of a number."""
    return f"u{number:04d}"


class Up(NamedTuple):
    """A call that is up: what its BYE needs."""

    number: int
    parties: tuple[str, str]
    cseq: int
    routes: list[str]


def request(
    method: str,
    uri: str,
    number: int,
    parties: tuple[str, str],
    cseq: int,
    *extra: str,
    to_tag: str = "",
    body: str = "",
) -> str:
    """Write one of the caller's requests."""
    caller, callee = parties
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:27060;branch=z9hG4bK-{number}-{cseq}-{method};rport",
        "Max-Forwards: 70",
        *extra,
        f"From: <sip:{caller}@127.0.0.1>;tag=c{number}",
        f"To: <sip:{callee}@127.0.0.1>{to_tag}",
        f"Call-ID: {number}-4711@127.0.0.1",
        f"CSeq: {cseq} {method}",
    ]
    if method == "INVITE":
        lines.append(f"Contact: <sip:{caller}@127.0.0.1:27060>")
        lines.append("User-Agent: bench")
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])


def authorized(text: str, challenge: str, user: str, number: int) -> str:
    """Write a challenged request again, with credentials."""
    again = ClientAuthenticator(user, "pw").authorize(
        parse_datagram(text.encode()),
        parse_datagram(challenge.encode()),
        lambda count: number.to_bytes(count, "big"),
    )
    return again.to_bytes().decode()


class Clock:
    """Counts the time spent in the stack, and not what the phones cost."""

    def __init__(self, profile: cProfile.Profile | None = None) -> None:
        self.spent = 0.0
        self._profile = profile

    def __call__(self, act: Callable[..., None], *arguments: Any) -> None:
        if self._profile is not None:
            self._profile.runcall(act, *arguments)
            return
        begun = time.process_time()
        act(*arguments)
        self.spent += time.process_time() - begun


def call(world: World, clock: Clock, number: int, *, challenge: bool = False) -> None:
    """Make one call: INVITE, 180, 200, ACK, BYE, 200."""
    hang_up(world, clock, set_up(world, clock, number, challenge=challenge))


def set_up(world: World, clock: Clock, number: int, *, challenge: bool = False) -> Up:
    """Make one call and leave it up: INVITE, 180, 200, ACK."""
    half = world.users // 2
    parties = name_of(number % half), name_of(number % half + half)
    uri = f"sip:{parties[1]}@127.0.0.1"
    cseq = 1
    invite = request("INVITE", uri, number, parties, cseq, body=SDP)
    clock(world.send, invite, CALLER)
    if challenge:
        refused = world.take()
        to_tag = ";tag=" + header(refused, "to")[0].partition(";tag=")[2]
        ack = request("ACK", uri, number, parties, cseq, to_tag=to_tag).replace("-ACK\r\n", "-INVITE\r\n")
        clock(world.send, ack, CALLER)
        invite = authorized(invite, refused, parties[0], number)
        cseq = 2
        clock(world.send, invite, CALLER)
    received = world.take()
    clock(world.send, answer_to(received, "180 Ringing", f"s{number}"), CALLEE)
    clock(world.send, answer_to(received, "200 OK", f"s{number}", body=SDP), CALLEE)
    ok = world.take()
    routes = [line.replace("Record-Route", "Route") for line in header(ok, "record-route")]
    up = Up(number, parties, cseq, routes)
    clock(world.send, _within(up, "ACK", cseq), CALLER)
    return up


def hang_up(world: World, clock: Clock, up: Up) -> None:
    """End a call: BYE, 200."""
    clock(world.send, _within(up, "BYE", up.cseq + 1), CALLER)
    clock(world.send, answer_to(world.take(), "200 OK", ""), CALLEE)
    assert "SIP/2.0 200" in world.take()


def _within(up: Up, method: str, cseq: int) -> str:
    tag = f";tag=s{up.number}"
    return request(method, CALLEE_URI, up.number, up.parties, cseq, *up.routes, to_tag=tag)


def registration(world: World, clock: Clock, number: int, *, challenge: bool = False) -> None:
    """Register one user, with digest where it is asked for."""
    user = name_of(number % world.users)
    extra = (f"Contact: <sip:{user}@127.0.0.1:27080>", "Expires: 3600")
    text = request("REGISTER", "sip:127.0.0.1", number, (user, user), 1, *extra)
    clock(world.send, text, CALLER)
    if challenge:
        clock(world.send, authorized(text, world.take(), user, number), CALLER)
    assert "SIP/2.0 200" in world.take()
