"""Microseconds of CPU for what a proxy makes the parser do. Run it by hand:

    python packages/sip-parser/tests/benchmark/measure_parser.py [--json] [--against FOLDER]

Each figure is the median of many short runs. "new" values were never seen before, "known" ones were: the
messages of a call repeat each other, and parsed values are remembered by their text. With `--against`, the
folder of another state of the source (such as `git worktree add` made it) is measured too, in rounds that
alternate, and printed first.
"""

import argparse
import functools
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import timeit
from pathlib import Path
from time import process_time

from trunkline.sip_parser import (
    DigestCredentials,
    Via,
    check_message,
    make_response,
    parse_datagram,
    parse_uri,
)

INVITE = (
    b"INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"To: Bob <sip:bob@biloxi.example.com>\r\n"
    b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:alice@192.0.2.33:5066;transport=udp>\r\n"
    b"User-Agent: Phone 1.0\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 3\r\n\r\nv=0"
)
OK = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1234567890abcdef\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK776asdhd;rport=5066;received=192.0.2.3\r\n"
    b"Record-Route: <sip:192.0.2.1;lr>\r\n"
    b"To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\r\n"
    b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:bob@192.0.2.4:5070>\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 3\r\n\r\nv=0"
)
ACK = (
    b"ACK sip:bob@192.0.2.4:5070 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK776asdhdt;rport\r\n"
    b"Route: <sip:192.0.2.1;lr>\r\n"
    b"Max-Forwards: 70\r\n"
    b"To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\r\n"
    b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
    b"CSeq: 314159 ACK\r\n"
    b"Content-Length: 0\r\n\r\n"
)
CREDENTIALS = (
    'Digest username="bob", realm="biloxi.example.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'uri="sip:biloxi.example.com", qop=auth, nc=00000001, cnonce="0a4f113b", '
    'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
REGISTER = (
    b"REGISTER sip:biloxi.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP bobspc.biloxi.example.com:5060;branch=z9hG4bKnashds7;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"To: Bob <sip:bob@biloxi.example.com>\r\n"
    b"From: Bob <sip:bob@biloxi.example.com>;tag=456248\r\n"
    b"Call-ID: 843817637684230@998sdasdh09\r\n"
    b"CSeq: 1826 REGISTER\r\n"
    b"Contact: <sip:bob@192.0.2.4:5070>;expires=3600\r\n"
    b"Authorization: " + CREDENTIALS.encode() + b"\r\n"
    b"Content-Length: 0\r\n\r\n"
)
VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1234567890abcdef"
RUNS, ROUNDS = 200, 100
READ = ("top_via", "from_", "to", "cseq", "call_id", "contacts", "max_forwards", "routes")


def forget():
    """Empty what is remembered between messages."""
    for forget_all in REMEMBERED:
        forget_all()


REMEMBERED = [
    thing.cache_clear if isinstance(thing, functools._lru_cache_wrapper) else thing.clear
    for thing in gc.get_objects()
    if type(thing).__name__ == "Memory"
    or (
        isinstance(thing, functools._lru_cache_wrapper)
        and thing.__module__.startswith("trunkline.sip_parser")
    )
]


def forward(message, uri="sip:bob@192.0.2.4:5070"):
    """Write a request as a proxy sends it on."""
    copy = message.copy()
    if uri is not None:
        copy.uri = uri
        copy.headers.prepend("Record-Route", "<sip:192.0.2.1;lr>")
    copy.headers.set("Max-Forwards", str((copy.max_forwards or 70) - 1))
    copy.headers.prepend("Via", VIA)
    return copy.to_bytes()


def backward(data):
    """Read a response and write it as a proxy sends it on."""
    message = parse_datagram(data)
    assert message.top_via.branch
    assert message.cseq.method
    message.headers.pop_value("Via")
    return message.to_bytes()


def calls():
    """Make the messages of many calls, each with its own Call-ID, tags and branches, of a thousand users."""
    for number in itertools.cycle(range(20_000)):
        yield [
            data.replace(b"a84b4c76e66710", b"%014x" % (number * 7919))
            .replace(b"1928301774", b"%010d" % (number * 104729))
            .replace(b"a6c85cf", b"%07x" % (number * 31))
            .replace(b"bK776asdhd", b"bK%08x" % (number * 65537))
            .replace(b"bK1234567890abcdef", b"bK%016x" % (number * 86028121))
            .replace(b"alice", b"alice%03d" % (number % 1000))
            .replace(b"bob", b"bob%03d" % (number % 997))
            for data in (INVITE, OK, ACK)
        ]


def call(invite, ok, ack):
    """Take a call through: INVITE, 100, 180 and 200, ACK, BYE and its 200."""
    request = parse_datagram(invite)
    check_message(request)
    make_response(request, 100).to_bytes()
    forward(request)
    backward(ok)
    backward(ok)
    for _ in ("ACK", "BYE"):
        request = parse_datagram(ack)
        check_message(request)
        request.headers.pop_value("Route")
        forward(request, None)
    backward(ok)


def rows():
    """Give each figure's name, what is measured, and what runs ahead of each call and is taken off."""
    message = parse_datagram(INVITE)
    ack = parse_datagram(ACK)
    top = Via.parse(VIA)
    uri = parse_uri("sip:bob@biloxi.example.com;transport=udp")

    def fresh():
        message.headers._cache.clear()
        ack.headers._cache.clear()
        forget()

    def known():
        message.headers._cache.clear()
        ack.headers._cache.clear()

    changed = parse_datagram(INVITE)

    def change():
        changed.headers.set("Max-Forwards", "69")
        return changed.to_bytes()

    yield "parse_datagram, INVITE", lambda: parse_datagram(INVITE), None
    yield "parse_datagram, 200", lambda: parse_datagram(OK), None
    yield "parse_datagram, REGISTER", lambda: parse_datagram(REGISTER), None
    for name in READ:
        of = ack if name == "routes" else message
        read = type(of).__mro__[1].__dict__[name].fget
        yield f"{name}, new", lambda read=read, of=of: read(of), fresh
        yield f"{name}, known", lambda read=read, of=of: read(of), known
    yield "top_via, again", lambda: message.top_via, None
    yield "headers.get", lambda: message.headers.get("call-id"), None
    yield "DigestCredentials.parse", lambda: DigestCredentials.parse(CREDENTIALS), None
    yield "parse_uri, new", lambda: parse_uri("sip:bob@biloxi.example.com;transport=udp"), forget
    yield "str(uri)", lambda: str(uri), None
    yield "parse_datagram and check_message, new", lambda: check_message(parse_datagram(INVITE)), forget
    yield "parse_datagram and check_message, known", lambda: check_message(parse_datagram(INVITE)), None
    yield "change a header and to_bytes", change, None
    yield "copy, change what a proxy must, to_bytes", lambda: forward(changed), None
    yield "200: parse, read Via and CSeq, pop Via, to_bytes", lambda: backward(OK), None
    yield (
        "via.replace and str",
        lambda: str(top.replace(params={**top.params, "received": "192.0.2.9"})),
        None,
    )
    yield "make_response and to_bytes", lambda: make_response(changed, 200, to_tag="abc").to_bytes(), None
    made = list(itertools.islice(calls(), 20_000))
    turn = itertools.cycle(made)
    yield "seven messages of a call, one call after another", lambda: call(*next(turn)), None


def measure():
    """Measure every row in microseconds."""
    return {what: median(action, before) for what, action, before in rows()}


def median(action, before):
    """Measure one action."""
    runs = RUNS if before is None else RUNS // 4
    if before is None:
        return (
            statistics.median(timeit.repeat(action, timer=process_time, number=runs, repeat=ROUNDS))
            / runs
            * 1e6
        )
    seconds = 0.0
    for wanted, timed in ((1, lambda: (before(), action())), (-1, lambda: (before(), None))):
        seconds += wanted * statistics.median(
            timeit.repeat(timed, timer=process_time, number=runs, repeat=ROUNDS)
        )
    return seconds / runs * 1e6


def alternate(folder, rounds):
    """Measure another state of the source and this one in turn; give the medians of each."""
    here = Path(__file__).parents[2]
    found = {folder: [], here: []}
    for _ in range(rounds):
        for source, figures in found.items():
            run = subprocess.run(
                [sys.executable, __file__, "--json"],
                env={**os.environ, "PYTHONPATH": str(Path(source) / "src")},
                stdout=subprocess.PIPE,
                check=True,
            )
            figures.append(json.loads(run.stdout))
    return [
        {what: statistics.median(figure[what] for figure in figures) for what in figures[0]}
        for figures in found.values()
    ]


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the figures for a program")
    parser.add_argument("--against", metavar="FOLDER", help="packages/sip-parser of another state")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with --against (5)")
    arguments = parser.parse_args()
    if arguments.against:
        before, after = alternate(Path(arguments.against), arguments.rounds)
        for what, figure in after.items():
            print(f"{what:52} {before[what]:7.2f} {figure:7.2f}")
        return
    figures = measure()
    if arguments.json:
        print(json.dumps(figures))
        return
    for what, figure in figures.items():
        print(f"{what:52} {figure:7.2f}")


if __name__ == "__main__":
    main()
