"""Measure the parser and serialiser beside other libraries of PyPI, each on its own ground.

    .venv/bin/python tests/benchmark/parsers.py                  all of them, about a minute
    .venv/bin/python tests/benchmark/parsers.py sippy --rounds 9
    .venv/bin/python tests/benchmark/parsers.py --installed-only do not install what is missing

What a library does is measured as that library does it, and ours does the same work with the same messages:
read what it reads, in types; change what it changes; write what it writes. The messages are those of whole
calls (INVITE, 180, 200, ACK, BYE, 200), a hundred at once, each with its own tags, branches and Call-ID.
Rounds alternate, every figure is processor time of a process of its own, and what is compared are the ratios
of each round. Peers are installed once, each into an environment of its own under `.venv`.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

PEERS = {"sipmessage": "0.7.1", "sippy": "2.5.0", "pyVoIP": "1.6.8"}
"Name on PyPI, and the version that the functions below were written for."
ENVIRONMENTS = Path(__file__).parents[2] / ".venv" / "parser-peers"
CALLS, AT_ONCE = 2000, 100
REPEATS = 5
"How often a process goes through all messages; the median counts."

VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK9e1a7c55d0"
_CALLER = 'From: "Alice" <sip:alice{caller}@atlanta.example.com>;tag={tag:010d}\r\n'
_CALL_ID = "Call-ID: {call:014x}@pc33.atlanta.example.com\r\n"
_ALLOW = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: replaces, timer\r\n"
INVITE = (
    "INVITE sip:bob{callee}@biloxi.example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK{branch:08x};rport\r\n"
    f"Max-Forwards: 70\r\n{_CALLER}To: <sip:bob{{callee}}@biloxi.example.com>\r\n{_CALL_ID}"
    f"CSeq: 1 INVITE\r\nContact: <sip:alice{{caller}}@192.0.2.33:5066>\r\n{_ALLOW}"
    "User-Agent: Phone 1.0\r\nContent-Length: 0\r\n\r\n"
)
IN_DIALOG = (
    "{method} sip:bob{callee}@192.0.2.4:5070 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK{branch:08x}{method};rport\r\n"
    "Route: <sip:192.0.2.1;lr>\r\n"
    f"Max-Forwards: 70\r\n{_CALLER}To: <sip:bob{{callee}}@biloxi.example.com>;tag={{call:07x}}\r\n{_CALL_ID}"
    "CSeq: {number} {method}\r\nContact: <sip:alice{caller}@192.0.2.33:5066>\r\n"
    "User-Agent: Phone 1.0\r\nContent-Length: 0\r\n\r\n"
)
RESPONSE = (
    "SIP/2.0 {status}\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch:016x}{method}\r\n"
    "Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK{branch:x}{method};"
    "rport=5066;received=192.0.2.33\r\n"
    f"Record-Route: <sip:192.0.2.1;lr>\r\n{_CALLER}"
    f"To: <sip:bob{{callee}}@biloxi.example.com>;tag={{call:07x}}\r\n{_CALL_ID}"
    f"CSeq: {{number}} {{method}}\r\nContact: <sip:bob{{callee}}@192.0.2.4:5070>\r\n{_ALLOW}"
    "Content-Length: 0\r\n\r\n"
)
CALL = (
    (INVITE, "INVITE", 1, ""),
    (RESPONSE, "INVITE", 1, "180 Ringing"),
    (RESPONSE, "INVITE", 1, "200 OK"),
    (IN_DIALOG, "ACK", 1, ""),
    (IN_DIALOG, "BYE", 2, ""),
    (RESPONSE, "BYE", 2, "200 OK"),
)
Ground = Callable[[bytes], Any]
Grounds = dict[str, Ground]


def messages() -> list[bytes]:
    """Make the messages of calls between a thousand callers and as many callees, as many at once as given."""
    return [
        template.format(
            method=method,
            number=number,
            status=status,
            caller=call % 1000,
            callee=call * 7 % 1000,
            tag=call * 104_729,
            branch=call * 65_537,
            call=call * 7_919 + 1,
        ).encode()
        for first in range(0, CALLS, AT_ONCE)
        for template, method, number, status in CALL
        for call in range(first, first + AT_ONCE)
    ]


# --- sipmessage: reads the Request-URI at once, other headers each time they are asked for ---------------


def sipmessage_grounds() -> Grounds:
    """Give what `sipmessage` does."""
    import sipmessage

    def read(data: bytes) -> Any:
        message = sipmessage.Message.parse(data)
        return (
            *(message.via, message.from_address, message.to_address, message.call_id, message.cseq),
            *(message.contact, message.max_forwards, message.supported, message.content_length),
        )

    def forward(data: bytes) -> bytes:
        message = sipmessage.Message.parse(data)
        message.max_forwards = (message.max_forwards or 70) - 1
        message.via = [sipmessage.Via.parse(VIA), *message.via]
        return bytes(message)

    return {"parse": sipmessage.Message.parse, "read": read, "forward": forward}


def ours_as_sipmessage() -> Grounds:
    """Give the same work done by us."""
    from trunkline.sip_parser import Request, parse_datagram

    def parse(data: bytes) -> Any:
        message = parse_datagram(data)
        return message.parsed_uri if isinstance(message, Request) else message.status

    def read(data: bytes) -> Any:
        message = parse_datagram(data)
        return (
            message.parsed_uri if isinstance(message, Request) else message.status,
            *(message.vias, message.from_, message.to, message.call_id, message.cseq),
            *(message.contacts, message.max_forwards, message.supported, message.content_length),
        )

    return {"parse": parse, "read": read, "forward": our_forward}


def our_forward(data: bytes) -> bytes:
    """Forward a request: one hop less, our Via on top."""
    from trunkline.sip_parser import Request, parse_datagram

    message = parse_datagram(data)
    assert isinstance(message, Request)
    assert message.parsed_uri
    assert message.top_via
    message.headers.set("Max-Forwards", str((message.max_forwards or 70) - 1))
    message.headers.prepend("Via", VIA)
    return message.to_bytes()


# --- sippy: makes an object of every header at once, and reads it when it is asked for --------------------


def sippy_grounds() -> Grounds:
    """Give what `sippy` does."""
    from sippy.SipHeader import SipHeader
    from sippy.SipRequest import SipRequest
    from sippy.SipResponse import SipResponse
    from sippy.SipVia import SipVia

    def parse(data: bytes) -> Any:
        text = data.decode()
        return SipResponse(text) if text.startswith("SIP/") else SipRequest(text)

    def read(data: bytes) -> Any:
        message = parse(data)
        return (
            *(
                message.getHFBodys("via"),
                message.getHFBody("from").getUrl(),
                message.getHFBody("to").getUrl(),
            ),
            *(message.getHFBody("from").getTag(), message.getHFBody("to").getTag()),
            *(str(message.getHFBody("call-id")), message.getHFBody("cseq").getCSeq()),
            message.getHFBody("contact").getUrl(),
        )

    def forward(data: bytes) -> bytes:
        message = parse(data)
        hops = message.getHFBody("max-forwards")
        hops.number -= 1
        via = SipVia(VIA)
        message.insertHeaderBefore(message.getHF("via"), SipHeader(name="via", body=via))
        return str(message).encode()

    def answer(data: bytes) -> bytes:
        return str(parse(data).genResponse(180, "Ringing")).encode()

    return {"parse": parse, "read": read, "forward": forward, "answer": answer}


def ours_as_sippy() -> Grounds:
    """Give the same work done by us."""
    from trunkline.sip_parser import Request, parse_datagram

    def parse(data: bytes) -> Any:
        message = parse_datagram(data)
        return message.parsed_uri if isinstance(message, Request) else message.status

    def read(data: bytes) -> Any:
        message = parse_datagram(data)
        return (
            message.parsed_uri if isinstance(message, Request) else message.status,
            *(message.vias, message.from_.uri, message.to.uri, message.from_tag, message.to_tag),
            *(message.call_id, message.cseq, message.contacts[0].uri),
        )

    return {"parse": parse, "read": read, "forward": our_forward, "answer": our_answer}


def our_answer(data: bytes) -> bytes:
    """Answer a request."""
    from trunkline.sip_parser import Request, make_response, parse_datagram

    message = parse_datagram(data)
    assert isinstance(message, Request)
    return make_response(message, 180, to_tag="a1b2c3d4").to_bytes()


# --- pyVoIP: reads Via, From, To, CSeq, Allow, Supported and Content-Length at once; writes only answers --


def pyvoip_grounds() -> Grounds:
    """Give what `pyVoIP` does."""
    from unittest.mock import Mock

    import pyVoIP.VoIP  # noqa: F401  in this order, or it imports itself in a circle
    from pyVoIP.SIP import SIPClient, SIPMessage

    client = SIPClient("192.0.2.1", 5060, "bob", "secret", Mock(), "192.0.2.4", 5070)

    def answer(data: bytes) -> bytes:
        client.tags.clear()  # it looks through all tags it ever made
        written: str = client.gen_ringing(SIPMessage(data))
        return written.encode()

    return {"read": SIPMessage, "answer": answer}


def ours_as_pyvoip() -> Grounds:
    """Give the same work done by us, which includes whole URIs."""
    from trunkline.sip_parser import parse_datagram

    def read(data: bytes) -> Any:
        message = parse_datagram(data)
        return (
            *(message.vias, message.from_, message.to, message.cseq, message.call_id),
            *(message.allow, message.supported, message.content_length),
        )

    return {"read": read, "answer": our_answer}


WORKERS = {
    "sipmessage": (sipmessage_grounds, ours_as_sipmessage),
    "sippy": (sippy_grounds, ours_as_sippy),
    "pyVoIP": (pyvoip_grounds, ours_as_pyvoip),
}


def work(peer: str, ours: bool) -> dict[str, float]:
    """Measure one side in this process: microseconds of processor time a message."""
    everything = messages()
    streams = {
        "forward": [data for data in everything if not data.startswith(b"SIP/")],
        "answer": [data for data in everything if data.startswith(b"INVITE")],
    }
    figures = {}
    for ground, act in WORKERS[peer][ours]().items():
        stream = streams.get(ground, everything)
        times = []
        for _ in range(REPEATS):
            started = process_time()
            for data in stream:
                act(data)
            times.append((process_time() - started) / len(stream) * 1e6)
        figures[ground] = statistics.median(times)
    return figures


# --- the parent ------------------------------------------------------------------------------------------


def environment(peer: str, *, install: bool) -> Path | str:
    """Give the Python of a peer's own environment, which is made when it is missing; or why there is none."""
    folder = ENVIRONMENTS / f"{peer}-{PEERS[peer]}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    if not install:
        return "not installed"
    wanted = f"{peer}=={PEERS[peer]}"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*pip, "install", "--quiet", wanted],
    ):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            lines = (run.stderr or run.stdout).strip().splitlines() or ["no reason given"]
            return f"{wanted} cannot be installed: {lines[-1]}"
    (folder / "ready").touch()
    return python


def measure(
    peers: list[str], *, rounds: int, install: bool = True, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Measure these peers and us in turn, and print a table.

    Returns:
        A row for each ground of each peer that could be measured.
    """
    found = []
    for peer in peers:
        python = environment(peer, install=install)
        if isinstance(python, str):
            say(f"parser: {peer} was not measured: {python}")
            continue
        runs: list[tuple[dict[str, float], dict[str, float]]] = []
        try:
            for _ in range(rounds):
                theirs, ours = _run(python, peer, ours=False), _run(Path(sys.executable), peer, ours=True)
                runs.append((theirs, ours))
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines() or ["no reason given"]
            say(f"parser: {peer} was not measured: {lines[-1]}")
            continue
        found += list(_rows(peer, runs))
        for row in found[-len(runs[0][0]) :]:
            say(
                f"parser: {peer:10} {row['ground']:8} ours {row['ours_us']:6.1f} us, "
                f"{peer} {row['theirs_us']:6.1f} us, {row['ratio']:5.1f} times faster "
                f"({row['least']:.1f}-{row['most']:.1f})"
            )
    return found


def _rows(peer: str, runs: list[tuple[dict[str, float], dict[str, float]]]) -> Iterator[dict[str, Any]]:
    for ground in runs[0][0]:
        ratios = [theirs[ground] / ours[ground] for theirs, ours in runs]
        yield {
            "peer": peer,
            "ground": ground,
            "theirs_us": round(statistics.median(theirs[ground] for theirs, _ in runs), 2),
            "ours_us": round(statistics.median(ours[ground] for _, ours in runs), 2),
            "ratio": round(statistics.median(ratios), 2),
            "least": round(min(ratios), 2),
            "most": round(max(ratios), 2),
        }


def _run(python: Path, peer: str, *, ours: bool) -> dict[str, float]:
    command = [str(python), __file__, "--work", peer, *(["--ours"] if ours else [])]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="parsers.py"
    )
    parser.add_argument("peers", nargs="*", metavar="peer", help=f"of {', '.join(PEERS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that alternate (5)")
    parser.add_argument("--installed-only", action="store_true", help="install nothing")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--work", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print(json.dumps(work(arguments.work, arguments.ours)))
        return 0
    if unknown := set(arguments.peers) - set(PEERS):
        parser.error(f"no peer {', '.join(sorted(unknown))}; of {', '.join(PEERS)}")
    rows = measure(
        arguments.peers or list(PEERS), rounds=arguments.rounds, install=not arguments.installed_only
    )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
