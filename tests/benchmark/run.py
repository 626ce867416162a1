"""Measure the server beside Kamailio and print one table.

    .venv/bin/python tests/benchmark/run.py --quick          under four minutes
    .venv/bin/python tests/benchmark/run.py                  more rates, more rounds: under fifteen
    .venv/bin/python tests/benchmark/run.py invite register  these scenarios only

It starts its own servers on free ports with new databases, and stops them. Both get the same calls at
the same rate in rounds that alternate, and what is compared is processor time per call, taken from
/proc for the whole process tree: a ratio of one run on one machine, whatever else the machine does.
Needs SIPp; without Kamailio our own figures are printed alone.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
sys.path.insert(0, str(Path(__file__).parent))

import growth
import parsers
from load import CALLERS, Load, Outcome
from memory import Memory, Size
from peers.process import PeerError, find_program
from subjects import Kamailio, Trunkline, machine, missing_for_kamailio, version

EVERYTHING = [*CALLERS, "peak", "memory", "growth", "parsers"]
CHALLENGED = ("invite-auth", "register")
RATES = (500, 1000)
"Calls a second; a quick run has the first alone."
TITLE = (
    f"{'scenario':12} {'rate':>5} {'calls':>6}  {'ours us/call':>12} {'kamailio':>9} {'ratio':>6} "
    f"{'(range)':>13}  {'p50/p99 ms ours':>15} {'kamailio':>10}  {'failed':>8} {'resent':>8}"
)
PEAK_START, PEAK_STEP = 500, 1.3
PEAK_RESENT = 1000
"A run passes with at most one message in so many calls sent again."
PEAK_TRIES = 2
"How often a rate may fail: once may be the machine's fault."
PEAK_REST = 5.0
"Seconds after a run that failed, for what it left behind to end."


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="run.py"
    )
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(EVERYTHING)}; all by default")
    parser.add_argument("--quick", action="store_true", help="one rate, few calls")
    parser.add_argument("--rounds", type=int, help="rounds of each scenario (3)")
    parser.add_argument("--seconds", type=float, help="length of one round (5, quick 2)")
    parser.add_argument("--rate", type=int, action="append", help="calls a second; may be given again")
    parser.add_argument("--most", type=int, default=20_000, help="rate at which the search for the peak ends")
    parser.add_argument("--users", type=int, help="registered users (1000, quick 500)")
    parser.add_argument("--held", type=int, default=1000, help="calls up for the memory figure (1000)")
    parser.add_argument("--registrations", type=int, default=10_000, help="and registrations (10000)")
    parser.add_argument("--linger", type=float, help="seconds until transactions are over (38)")
    parser.add_argument("--growth", type=float, default=1.0, help="how much of growth's sizes (1.0)")
    parser.add_argument("--alone", action="store_true", help="do not measure Kamailio")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - set(EVERYTHING)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; of {', '.join(EVERYTHING)}")
    if find_program("sipp") is None:
        print("SIPp is not installed: apt-get install sip-tester", file=sys.stderr)
        return 1
    missing = "not asked for" if arguments.alone else missing_for_kamailio()
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as folder:
        try:
            figures = Bench(Path(folder), arguments, beside=not missing).run()
        except PeerError as error:
            print(f"not measured: {error}", file=sys.stderr)
            return 1
    if missing:
        print(f"Kamailio was not measured: {missing}.")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if all(row["failed"] == 0 for row in figures["load"] if row["server"] == "trunkline") else 1


class Bench:
    """One run of all that was asked for."""

    def __init__(self, folder: Path, arguments: argparse.Namespace, *, beside: bool) -> None:
        quick = arguments.quick
        self._folder = folder
        self._scenarios = arguments.scenarios or EVERYTHING
        self._rounds = arguments.rounds or 3
        self._seconds = arguments.seconds or (2 if quick else 5)
        self._rates = arguments.rate or (RATES[:1] if quick else RATES)
        self._most = arguments.most
        self._users = arguments.users or (500 if quick else 1000)
        self._size = Size(arguments.held, arguments.registrations, long=not quick)
        if arguments.linger is not None:
            self._size = attrs.evolve(self._size, linger=arguments.linger)
        self._growth_sizes = {
            kind: (int(few * arguments.growth), int(many * arguments.growth))
            for kind, (few, many) in growth.SIZES.items()
        }
        self._kinds = [Trunkline, Kamailio] if beside else [Trunkline]
        self._figures: dict[str, Any] = {"load": [], "peak": [], "memory": [], "growth": [], "parsers": []}

    def run(self) -> dict[str, Any]:
        """Measure everything and print the table as it grows."""
        started = time.monotonic()
        self._figures["machine"] = machine()
        print(
            f"{machine()}; {version('kamailio')}; Python {sys.version.split()[0]}; "
            f"load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        if any(name in CALLERS for name in self._scenarios):
            print(TITLE, flush=True)
        for challenge in (False, True):
            wanted = [
                name for name in CALLERS if name in self._scenarios and (name in CHALLENGED) == challenge
            ]
            if wanted:
                self._load(wanted, challenge)
        if "peak" in self._scenarios:
            self._peak()
        if "memory" in self._scenarios:
            with Memory(self._folder, self._kinds, self._size, say) as memory:
                self._in_process()  # what is measured by its own processor time, while memory mostly waits
                self._figures["memory"] = memory.rows()
        else:
            self._in_process()
        print(f"{time.monotonic() - started:.0f} s in all")
        return self._figures

    def _load(self, scenarios: list[str], challenge: bool) -> None:
        label = "digest" if challenge else "open"
        with ExitStack() as stack:
            subjects = []
            for kind in self._kinds:
                subject = kind(self._folder / f"{kind.name}-{label}", users=self._users, challenge=challenge)
                stack.callback(subject.close)
                subjects.append(subject)
            load = Load(self._folder / f"sipp-{label}", users=self._users)
            for subject in subjects:
                load.register_all(subject)
            for scenario in scenarios:
                for rate in self._rates:
                    calls = int(rate * self._seconds)
                    outcomes: dict[str, list[Outcome]] = {subject.name: [] for subject in subjects}
                    for _ in range(self._rounds):
                        for subject in subjects:
                            outcomes[subject.name].append(load.run(scenario, subject, rate=rate, calls=calls))
                            time.sleep(0.5)
                        subjects.reverse()
                    self._report(scenario, rate, calls, outcomes)

    def _report(self, scenario: str, rate: int, calls: int, outcomes: dict[str, list[Outcome]]) -> None:
        for server, runs in outcomes.items():
            self._figures["load"].append(
                {
                    "scenario": scenario,
                    "server": server,
                    "rate": rate,
                    "calls": calls * len(runs),
                    "us_per_call": [round(run.us_per_call, 1) for run in runs],
                    "setup_ms": [run.setup_ms for run in runs],
                    "failed": sum(run.failed for run in runs),
                    "retransmissions": sum(run.retransmissions for run in runs),
                    "drops": sum(run.drops for run in runs),
                }
            )
        ours, theirs = outcomes["trunkline"], outcomes.get("kamailio", [])
        ratios = [
            one.us_per_call / other.us_per_call
            for one, other in zip(ours, theirs, strict=False)
            if other.us_per_call
        ]
        print(
            f"{scenario:12} {rate:5} {calls * len(ours):6}  {_cost(ours):>12} {_cost(theirs):>9} "
            f"{statistics.median(ratios) if ratios else 0:6.2f} "
            f"{f'{min(ratios):.2f}-{max(ratios):.2f}' if ratios else '':>13}  "
            f"{_times(ours):>15} {_times(theirs):>10}  "
            f"{_sums(ours, theirs, 'failed'):>8} {_sums(ours, theirs, 'retransmissions'):>8}",
            flush=True,
        )

    def _peak(self) -> None:
        """Look for the highest rate of calls, without authentication, at which none fails."""
        for kind in self._kinds:
            with ExitStack() as stack:
                subject = kind(self._folder / f"{kind.name}-peak", users=self._users, challenge=False)
                stack.callback(subject.close)
                load = Load(self._folder / f"sipp-peak-{kind.name}", users=self._users)
                load.register_all(subject)
                best, setup_ms = self._climb(load, subject)
            self._figures["peak"].append(
                {"server": kind.name, "calls_per_second": best, "setup_ms": setup_ms}
            )
            print(
                f"peak: {kind.name} {best} calls/s without a failed one, "
                f"INVITE to 180 in {setup_ms[0]:.0f}/{setup_ms[1]:.0f} ms there",
                flush=True,
            )

    def _climb(self, load: Load, subject: Trunkline | Kamailio) -> tuple[int, tuple[float, float]]:
        """Raise the rate by a factor until it fails, then try once halfway."""
        best, setup_ms, rate, tries = 0, (0.0, 0.0), min(PEAK_START, self._most), PEAK_TRIES
        is_halfway = False
        while rate <= self._most:
            run = load.run("invite", subject, rate=rate, calls=int(rate * self._seconds))
            if not run.failed and run.retransmissions * PEAK_RESENT <= run.calls:
                best, setup_ms = rate, run.setup_ms
                if is_halfway:
                    break
                rate, tries = int(rate * PEAK_STEP), PEAK_TRIES
                continue
            time.sleep(PEAK_REST)
            tries -= 1
            if tries:
                continue
            if is_halfway:
                break
            if best:
                is_halfway, rate, tries = True, (best + rate) // 2, 1
            else:
                rate, tries = rate // 2, 1
                if rate < 10:
                    break
        return best, setup_ms

    def _in_process(self) -> None:
        if "growth" in self._scenarios:
            kinds = list(growth.SIZES)
            self._figures["growth"] = growth.measure(
                kinds, rounds=self._rounds, sizes=self._growth_sizes, say=say
            )
        if "parsers" in self._scenarios:
            self._figures["parsers"] = parsers.measure(list(parsers.PEERS), rounds=self._rounds, say=say)


def say(line: str) -> None:
    """Print a line at once, also where the output is a file."""
    print(line, flush=True)


def _cost(runs: list[Outcome]) -> str:
    return f"{statistics.median(run.us_per_call for run in runs):.0f}" if runs else "-"


def _times(runs: list[Outcome]) -> str:
    if not runs:
        return "-"
    return "/".join(f"{statistics.median(run.setup_ms[n] for run in runs):.0f}" for n in (0, 1))


def _sums(ours: list[Outcome], theirs: list[Outcome], name: str) -> str:
    total = str(sum(getattr(run, name) for run in ours))
    return f"{total}/{sum(getattr(run, name) for run in theirs)}" if theirs else total


if __name__ == "__main__":
    sys.exit(main())
