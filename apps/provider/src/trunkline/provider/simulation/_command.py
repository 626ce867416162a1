"""What the command takes, and what it says.

Without arguments it soaks: 200 seeds of 100 calls. With `--seed` it does one run again and shows what broke;
with `--capture` it replays the requests of a capture towards a provider of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ._agenda import EPOCH
from ._capture import CaptureError, Datagram, write_capture
from ._planted import PLANTED
from ._replay import replay
from ._run import COMMAND, Outcome, run
from ._soak import soak
from ._world import World


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Run a whole provider and its phones in virtual time, with all that can go wrong.",
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to run (200)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--calls", type=int, default=100, help="calls in each (100)")
    parser.add_argument("--jobs", type=int, help="processes (one a core)")
    parser.add_argument("--seed", type=int, help="do this one run, exactly as before")
    parser.add_argument("--trace", action="store_true", help="show the messages of the calls that broke")
    parser.add_argument("--call", metavar="CALL-ID", help="show the messages of this call")
    parser.add_argument("--plant", choices=sorted(PLANTED), default="", help="plant a bug, to see it found")
    parser.add_argument("--write-capture", type=Path, metavar="FILE", help="write one run's SIP as pcap")
    parser.add_argument("--capture", type=Path, metavar="FILE", help="replay a pcap towards a provider")
    parser.add_argument("--server", metavar="HOST:PORT", help="the server's address in the capture")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; give an exit status: 1 when something broke that must hold."""
    options = _arguments().parse_args(arguments)
    if options.capture is not None:
        return _replay(options)
    if options.seed is not None:
        return _one(options)
    return _soak(options)


def _one(options: argparse.Namespace) -> int:
    outcome, world = run(options.seed, options.calls, plant=options.plant, keep=True)
    for line in outcome.lines():
        _say(line)
    shown = [options.call] if options.call else []
    if options.trace:
        named = " ".join(what for _, _, what in outcome.violations)
        shown += [call_id for call_id in world.calls if call_id in named][:3]
    for call_id in shown:
        _say(f"-- {call_id} (-> sent, => arrived)")
        for line in world.trace.ladder(call_id):
            _say(line)
    if options.write_capture is not None:
        write_capture(options.write_capture, datagrams_at(world, 0))
        host, port = world.servers[0].address
        _say(f"wrote {options.write_capture}: the SIP over UDP of the server {host}:{port}")
    _totals([outcome])
    _say(f"digest {outcome.digest}")
    return 1 if outcome.violations else 0


def datagrams_at(world: World, node: int) -> list[Datagram]:
    """Give the SIP datagrams that a capture at a node would show; the world must have kept its messages."""
    here, begin = world.servers[node].address, EPOCH.timestamp()
    return [
        Datagram(begin + message.at, message.source, message.destination, message.data)
        for message in world.trace.messages
        if message.transport == "UDP" and (message.destination if message.arrived else message.source) == here
    ]


def _replay(options: argparse.Namespace) -> int:
    host, _, port = (options.server or "").rpartition(":")
    if not host or not port.isdecimal():
        _say("--capture needs --server HOST:PORT: which address in the capture was the server's")
        return 2
    try:
        replayed = replay(options.capture, (host.strip("[]"), int(port)))
    except (CaptureError, OSError) as error:
        _say(str(error))
        return 2
    for line in replayed.trace.ladder(options.call, limit=100_000) if options.trace or options.call else ():
        _say(line)
    for at, name, what in replayed.violations:
        _say(f"{name} at {at:.3f}: {what}")
    for line in replayed.differences():
        _say(f"another answer: {line}")
    _say(f"{replayed.requests} requests replayed, {replayed.left_out} packets left out")
    _say(f"digest {replayed.digest}")
    return 1 if replayed.violations else 0


def _soak(options: argparse.Namespace) -> int:
    began = time.monotonic()

    def told(outcome: Outcome) -> None:
        for line in outcome.lines():
            _say(line)

    seeds = range(options.first, options.first + options.seeds)
    outcomes = soak(seeds, options.calls, plant=options.plant, jobs=options.jobs, told=told)
    _totals(outcomes)
    bad = sum(bool(outcome.violations) for outcome in outcomes)
    _say(f"{len(outcomes)} seeds, {bad} of them broken, in {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


def _totals(outcomes: Sequence[Outcome]) -> None:
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
    for name in sorted(counts):
        if counts[name]:
            _say(f"{counts[name]:9d} {name}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
