"""Measure the server beside Kamailio and print one table.

    .venv/bin/python tests/benchmark/run.py --quick          under three minutes
    .venv/bin/python tests/benchmark/run.py                  more calls, more rounds
    .venv/bin/python tests/benchmark/run.py invite register  these scenarios only

It starts its own servers on free ports with new databases, and stops them. Both get the same calls at
the same rate in rounds that alternate, and what is compared is processor time per call, taken from
/proc for the whole process tree: a ratio of one run on one machine, whatever else the machine does.
Needs SIPp; without Kamailio our own figures are printed alone.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
sys.path.insert(0, str(Path(__file__).parent))

import parsers
from load import CALLERS, Load, Outcome
from measuring import memory_kb
from peers.process import PeerError, find_program
from subjects import Kamailio, Trunkline, machine, missing_for_kamailio, version

EVERYTHING = [*CALLERS, "peak", "memory", "parsers"]
CHALLENGED = ("invite-auth", "register")
PEAK_START, PEAK_END, PEAK_STEP = 100, 20_000, 1.3
PEAK_TOLERANCE = 1000
"A run passes with at most one message in so many calls sent again."
PEAK_REST = 5.0
"Seconds after a run that failed, for what it left behind to end."
RATES = {"invite": 200, "invite-auth": 150, "register": 300, "options": 600}


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="run.py"
    )
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(EVERYTHING)}; all by default")
    parser.add_argument("--quick", action="store_true", help="few calls, two rounds")
    parser.add_argument("--rounds", type=int, help="rounds of each scenario (3, quick 2)")
    parser.add_argument("--seconds", type=float, help="length of one round (8, quick 3)")
    parser.add_argument("--rate", type=int, help="calls a second, instead of the scenario's own")
    parser.add_argument("--users", type=int, help="registered users (1000, quick 500)")
    parser.add_argument("--registrations", type=int, help="for the memory figure (20000, quick 4000)")
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
        self._rounds = arguments.rounds or (2 if quick else 3)
        self._seconds = arguments.seconds or (3 if quick else 8)
        self._rate = arguments.rate
        self._users = arguments.users or (500 if quick else 1000)
        self._registrations = arguments.registrations or (4000 if quick else 20000)
        self._kinds = [Trunkline, Kamailio] if beside else [Trunkline]
        self._figures: dict[str, Any] = {"load": [], "peak": [], "memory": []}

    def run(self) -> dict[str, Any]:
        """Measure everything and print the table as it grows."""
        started = time.monotonic()
        self._figures["machine"] = machine()
        print(f"{machine()}; {version('kamailio')}; Python {sys.version.split()[0]}")
        print(
            f"{'scenario':12} {'rate':>5} {'calls':>6}  {'ours us/call':>12} {'kamailio':>9} "
            f"{'ratio':>6} {'(range)':>13}  {'p50/p99 ms ours':>15} {'kamailio':>10}  "
            f"{'failed':>8} {'resent':>8}"
        )
        for challenge in (False, True):
            wanted = [
                name for name in CALLERS if name in self._scenarios and (name in CHALLENGED) == challenge
            ]
            if wanted:
                self._load(wanted, challenge)
        if "peak" in self._scenarios:
            self._peak()
        if "memory" in self._scenarios:
            self._memory()
        if "parsers" in self._scenarios:
            self._figures["parsers"] = parsers.measure(list(parsers.PEERS), rounds=self._rounds)
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
                rate = self._rate or RATES[scenario]
                calls = int(rate * self._seconds)
                outcomes: dict[str, list[Outcome]] = {subject.name: [] for subject in subjects}
                for _ in range(self._rounds):
                    for subject in reversed(subjects):
                        outcomes[subject.name].append(load.run(scenario, subject, rate=rate, calls=calls))
                        time.sleep(0.5)
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
        """Raise the rate of calls, without authentication, until one fails or much is sent again."""
        for kind in self._kinds:
            with ExitStack() as stack:
                subject = kind(self._folder / f"{kind.name}-peak", users=self._users, challenge=False)
                stack.callback(subject.close)
                load = Load(self._folder / f"sipp-peak-{kind.name}", users=self._users)
                load.register_all(subject)
                best, rate, tries = 0, PEAK_START, 2
                while tries and rate < PEAK_END:
                    calls = int(rate * self._seconds)
                    run = load.run("invite", subject, rate=rate, calls=calls)
                    if run.failed or run.retransmissions * PEAK_TOLERANCE > calls:
                        tries -= 1  # once may be the machine's fault
                        time.sleep(PEAK_REST)
                    else:
                        best, rate = rate, int(rate * PEAK_STEP)
            self._figures["peak"].append({"server": kind.name, "calls_per_second": best})
            print(f"peak: {kind.name} {best} calls/s without a failed one (next try was {rate})", flush=True)

    def _memory(self) -> None:
        """Register many users once and see what it takes; nothing is challenged.

        Right after that a server still holds the transactions of the last half minute; ours is also
        measured when started again with the bindings that it stored.
        """
        count = self._registrations
        for kind in self._kinds:
            with ExitStack() as stack:
                subject = kind(self._folder / f"{kind.name}-memory", users=count, challenge=False)
                stack.callback(subject.close)
                load = Load(self._folder / f"sipp-memory-{kind.name}", users=count)
                if isinstance(subject, Trunkline):
                    subject.restart()  # the first start makes an administrator, which takes memory
                empty = memory_kb(subject.pid)
                load.register_all(subject, rate=self._rate or 400)
                time.sleep(1)
                row = {"server": kind.name, "registrations": count, "empty_kb": empty}
                row["kb_per_1000"] = round((memory_kb(subject.pid) - empty) * 1000 / count)
                said = (
                    f"memory: {kind.name} {empty / 1024:.0f} MB empty, "
                    f"{row['kb_per_1000']} kB more per 1,000 registrations ({count}) right after them"
                )
                if isinstance(subject, Trunkline):
                    subject.restart()
                    row["restarted_kb_per_1000"] = round((memory_kb(subject.pid) - empty) * 1000 / count)
                    said += f", {row['restarted_kb_per_1000']} kB after a restart"
            self._figures["memory"].append(row)
            print(said, flush=True)


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
