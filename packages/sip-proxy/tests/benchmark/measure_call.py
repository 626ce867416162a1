"""What one proxied call costs in processor time: INVITE to the 200 of its BYE, seven messages in, seven out.

Through parser, transaction layer and core, with validation and route processing, without sockets:

    python packages/sip-proxy/tests/benchmark/measure_call.py [calls] [--profile]

Every call has its own identifiers and goes through fresh transactions; the clock of the stack advances by
a tenth of a second a call, so that timers expire and transactions are forgotten as they would be. Given are
the microseconds of each message; on a machine that others use too, look at the quickest ones.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import sys
from random import Random
from time import perf_counter

from trunkline.sip_parser import parse_datagram
from trunkline.sip_proxy.core import ProxyCore, ResponseReady, Target
from trunkline.sip_transaction import AckReceived, Flow, RequestReceived, Send, TransactionLayer

LOCAL = ("192.0.2.1", 5060)
CALLER = Flow("UDP", LOCAL, ("198.51.100.1", 5060))
CALLEE = Flow("UDP", LOCAL, ("198.51.100.2", 5060))
OWN_ROUTE = "<sip:192.0.2.1:5060;transport=udp;lr>"
SDP = (
    b"v=0\r\no=- 3916 3916 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)


def from_caller(
    method: str, uri: str, n: int, cseq: int, branch: str, to_tag: str, extra: str, body: bytes
) -> bytes:
    return (
        f"{method} {uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK{branch}{n};rport\r\n"
        f"{extra}"
        "Max-Forwards: 70\r\n"
        f'From: "Alice" <sip:alice@example.test>;tag=a{n}\r\n'
        f"To: <sip:bob@example.test>{to_tag}\r\n"
        f"Call-ID: {n}-8c71a8d1@198.51.100.1\r\n"
        f"CSeq: {cseq} {method}\r\n"
        "Contact: <sip:alice@198.51.100.1:5060>\r\n"
        "User-Agent: Phone/1.0\r\n"
        "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n"
        "Supported: replaces, timer\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def from_callee(status: str, n: int, request: bytes, body: bytes) -> bytes:
    lines = request.decode().split("\r\n\r\n")[0].split("\r\n")[1:]
    copied = ("Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:")
    kept = [line for line in lines if line.startswith(copied)]
    to = next(line for line in lines if line.startswith("To:"))
    if ";tag=" not in to and not status.startswith("100"):
        to += f";tag=b{n}"
    contact = "Contact: <sip:bob@198.51.100.2:5060>"
    rest = [to, contact, "User-Agent: Phone/1.0", f"Content-Length: {len(body)}"]
    return "\r\n".join([f"SIP/2.0 {status}", *kept, *rest, "", ""]).encode() + body


class Stack:
    """The three layers and the least an application does."""

    def __init__(self) -> None:
        self.layer = TransactionLayer(token=Random(1).randbytes)
        self.core = ProxyCore(
            self.layer,
            is_local=lambda host, port: host in ("example.test", "192.0.2.1"),
            token=Random(2).randbytes,
            default_ring_timeout=120.0,
        )

    def datagram(self, data: bytes, flow: Flow, now: float) -> list[bytes]:
        core = self.core
        out: list[bytes] = []
        for effect in self.layer.receive(parse_datagram(data), flow, now=now):
            kind = type(effect)
            if kind is Send:
                out.append(effect.data)
            elif kind is RequestReceived:
                request = effect.request
                if core.validate(request) is None:
                    if core.route(request).loose:
                        target = Target(request.uri, CALLEE)
                        sent = core.forward_in_dialog(effect.transaction, target, now=now)
                    else:
                        target = Target("sip:bob@198.51.100.2:5060", CALLEE)
                        sent = core.forward(effect.transaction, [target], now=now)
                    out += [e.data for e in sent]
            elif kind is AckReceived:
                ack = effect.request
                if core.validate(ack) is None:
                    core.route(ack)
                    out += [e.data for e in core.forward_ack(ack, Target(ack.uri, CALLEE))]
            else:
                for follow in core.receive(effect, now=now):
                    if type(follow) is ResponseReady:
                        out += [e.data for e in core.relay(follow.context, follow.response, now=now)]
        return out

    def tick(self, now: float) -> None:
        layer, core = self.layer, self.core
        due = layer.next_timeout()
        if due is not None and due <= now:
            for effect in layer.handle_timeout(now=now):
                core.receive(effect, now=now)
        due = core.next_timeout()
        if due is not None and due <= now:
            core.handle_timeout(now=now)


def from_the_caller(n: int) -> list[tuple[bytes, Flow]]:
    """Make what the caller sends in call n."""
    contact = "sip:bob@198.51.100.2:5060"
    route = f"Route: {OWN_ROUTE}\r\n"
    return [
        (from_caller("INVITE", "sip:bob@example.test", n, 1, "i", "", "", SDP), CALLER),
        (from_caller("ACK", contact, n, 1, "a", f";tag=b{n}", route, b""), CALLER),
        (from_caller("BYE", contact, n, 2, "b", f";tag=b{n}", route, b""), CALLER),
    ]


def run(calls: int, first: int, stack: Stack) -> list[list[float]]:
    """Run calls and give what the stack took for each of the seven messages and the timers, in seconds.

    What the phones take is not counted.
    """
    spent: list[list[float]] = [[] for _ in NAMES]
    step = 0

    def give(data: bytes, flow: Flow) -> list[bytes]:
        nonlocal step
        begin = perf_counter()
        out = stack.datagram(data, flow, now)
        spent[step].append(perf_counter() - begin)
        step += 1
        return out

    for n in range(first, first + calls):
        now = n * 0.1
        step = 0
        invite, ack, bye = from_the_caller(n)
        [to_callee] = give(*invite)
        for status, body in (("100 Trying", b""), ("180 Ringing", b""), ("200 OK", SDP)):
            give(from_callee(status, n, to_callee, body), CALLEE)
        give(*ack)
        [to_callee] = give(*bye)
        [last] = give(from_callee("200 OK", n, to_callee, b""), CALLEE)
        assert last.startswith(b"SIP/2.0 200")
        begin = perf_counter()
        stack.tick(now)
        spent[7].append(perf_counter() - begin)
    return spent


NAMES = ("INVITE", "100", "180", "200", "ACK", "BYE", "200 (BYE)", "timers")


def main() -> None:
    calls = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 4000)
    stack = Stack()
    run(400, 0, stack)
    gc.collect()
    gc.freeze()
    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        profile.enable()
        run(calls, 400, stack)
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(60)
        return
    say = sys.stdout.write
    spent = [sorted(times) for times in run(calls, 400, stack)]
    quiet = [times[len(times) // 20] * 1e6 for times in spent]
    middle = [times[len(times) // 2] * 1e6 for times in spent]
    say(f"{calls} calls, us each      5 in 100 are quicker   median\n")
    for name, low, mid in zip(NAMES, quiet, middle, strict=True):
        say(f"  {name:24} {low:10.1f} {mid:12.1f}\n")
    say(f"  {'the whole call':24} {sum(quiet):10.1f} {sum(middle):12.1f}\n")


if __name__ == "__main__":
    main()
