"""Measure what a call costs in the stack alone: bytes in, bytes out, no sockets, no disk.

    .venv/bin/python tests/benchmark/stack_cost.py [--profile]

The figures are microseconds of processor time, the least of several rounds: what the layers cost when
nothing disturbs them. `run.py` measures the server with everything around it, beside a peer.
"""

import argparse
import cProfile
import itertools
import pstats
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trunkline.provider.assembly import assemble
from trunkline.provider.config import load_settings
from trunkline.provider.stack import AskSubscribers, Barrier, Stack, Write
from trunkline.provider.store import Batch, Store, Subscriber
from trunkline.sip_parser import ha1, parse_datagram
from trunkline.sip_transaction import ClientAuthenticator, Flow, Send

HERE = ("127.0.0.1", 5060)
CALLER = Flow("UDP", HERE, ("127.0.0.1", 27060))
CALLEE = Flow("UDP", HERE, ("127.0.0.1", 27080))
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
    """A stack, and what carries its effects out as cheaply as can be."""

    def __init__(self, folder: Path, *, challenge: bool) -> None:
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
    """Write the callee's response to what it received."""
    lines = [f"SIP/2.0 {status}"]
    for name in ("via", "record-route", "from"):
        lines += header(request, name)
    to = header(request, "to")[0]
    lines += [
        to if "tag=" in to else f"{to};tag={tag}",
        *header(request, "call-id"),
        *header(request, "cseq"),
    ]
    lines.append("Contact: <sip:uas@127.0.0.1:27080>")
    if body:
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])


def request(
    method: str, uri: str, number: int, cseq: int, *extra: str, to_tag: str = "", body: str = ""
) -> str:
    """Write one of the caller's requests."""
    caller, callee = f"u{number % 500:04d}", f"u{number % 500 + 500:04d}"
    if method == "REGISTER":
        callee = caller
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:27060;rport;branch=z9hG4bK-{number}-{cseq}-{method}",
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


def call(world: World, clock: Clock, number: int, *, challenge: bool) -> None:
    """Make one call: INVITE, 180, 200, ACK, BYE, 200."""
    uri = f"sip:u{number % 500 + 500:04d}@127.0.0.1"
    cseq = 1
    invite = request("INVITE", uri, number, cseq, body=SDP)
    clock(world.send, invite, CALLER)
    if challenge:
        refused = world.take()
        to_tag = ";tag=" + header(refused, "to")[0].partition(";tag=")[2]
        ack = request("ACK", uri, number, cseq, to_tag=to_tag).replace("-ACK\r\n", "-INVITE\r\n")
        clock(world.send, ack, CALLER)
        invite = authorized(invite, refused, f"u{number % 500:04d}", number)
        cseq = 2
        clock(world.send, invite, CALLER)
    received = world.take()
    clock(world.send, answer_to(received, "180 Ringing", f"s{number}"), CALLEE)
    clock(world.send, answer_to(received, "200 OK", f"s{number}", body=SDP), CALLEE)
    ok = world.take()
    routes = [line.replace("Record-Route", "Route") for line in header(ok, "record-route")]
    tag = f";tag=s{number}"
    clock(world.send, request("ACK", "sip:uas@127.0.0.1:27080", number, cseq, *routes, to_tag=tag), CALLER)
    clock(
        world.send, request("BYE", "sip:uas@127.0.0.1:27080", number, cseq + 1, *routes, to_tag=tag), CALLER
    )
    clock(world.send, answer_to(world.take(), "200 OK", ""), CALLEE)
    world.take()


def registration(world: World, clock: Clock, number: int, *, challenge: bool) -> None:
    """Register one user, with digest where it is asked for."""
    user = f"u{number % 1000:04d}"
    extra = (f"Contact: <sip:{user}@127.0.0.1:27080>", "Expires: 3600")
    text = request("REGISTER", "sip:127.0.0.1", number, 1, *extra).replace(
        f"u{number % 500:04d}@", f"{user}@"
    )
    clock(world.send, text, CALLER)
    if challenge:
        clock(world.send, authorized(text, world.take(), user, number), CALLER)
    assert "SIP/2.0 200" in world.take()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--sort", default="tottime", help="order of the profile: tottime, cumtime, ncalls")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=200)
    arguments = parser.parse_args()
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        for challenge in (False, True):
            world = World(Path(folder), challenge=challenge)
            if challenge:
                for number in range(1000):
                    user = f"u{number:04d}"
                    subscriber = Subscriber(user, "127.0.0.1", ha1=ha1(user, "127.0.0.1", "pw"))
                    world.stack.directory.learn((user, "127.0.0.1"), subscriber, now=0)
            for number in range(1000):
                registration(world, Clock(), number, challenge=challenge)
            for name, act in (("invite", call), ("register", registration)):
                best = float("inf")
                profile = cProfile.Profile()
                for _ in range(arguments.rounds):
                    clock = Clock(profile if arguments.profile else None)
                    for _ in range(arguments.calls):
                        act(world, clock, 10_000 + next(numbers), challenge=challenge)
                    clock(world.pass_time, 40.0)
                    best = min(best, clock.spent / arguments.calls)
                if not arguments.profile:
                    print(f"{name + chr(45) + 'auth' if challenge else name:14} {best * 1e6:7.0f} us")
                if arguments.profile:
                    pstats.Stats(profile).sort_stats(arguments.sort).print_stats(45)


if __name__ == "__main__":
    main()
