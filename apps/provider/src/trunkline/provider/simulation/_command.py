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

from ._planted import PLANTED
from ._run import COMMAND, Outcome, run
from ._soak import soak


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
    return parser


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; give an exit status: 1 when something broke that must hold."""
    options = _arguments().parse_args(arguments)
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
    _totals([outcome])
    _say(f"digest {outcome.digest}")
    return 1 if outcome.violations else 0


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
