"""Measure what a server keeps of an hour's worth of load, once all of it is over.

    .venv/bin/python tests/benchmark/soak.py               36,000 calls three times, each server; half an hour
    .venv/bin/python tests/benchmark/soak.py --calls 3000 --loads 2 --alone

An hour of ten calls a second, in two minutes: calls with digest and a quarter as many registrations, then
nothing until all transactions are over; the same again. Two figures tell two things. What the system has
given (kB) keeps the mark of the most that was needed at a time: an interpreter gives memory back only in
whole blocks of a megabyte, Kamailio hardly ever. What is in use of it (blocks, of ours alone) has to be what
it was: what it is above that is a leak, and so is what the system is asked for by each load anew.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
sys.path.insert(0, str(Path(__file__).parent))

from load import Load
from measuring import memory_kb
from peers.process import PeerError
from subjects import Kamailio, Trunkline, missing_for_kamailio

USERS = 1000
LINGER = 38.0
"Seconds after which a transaction is over (64*T1 and some more). Source: RFC 3261 §17.1.1.2"


def report(subject: Trunkline | Kamailio, when: str) -> None:
    """Print the memory of a server."""
    blocks = ""
    if isinstance(subject, Trunkline):
        blocks = f", {subject.server.ask('stats')['memory']['blocks']:,} blocks in use"
    print(f"soak: {subject.name} {memory_kb(subject.pid):,} kB{blocks} {when}", flush=True)


def soak(kind: type[Trunkline] | type[Kamailio], folder: Path, arguments: argparse.Namespace) -> int:
    """Load one server and tell its memory after each load.

    Returns: how many calls and registrations failed.
    """
    failed = 0
    subject = kind(folder / kind.name, users=USERS, challenge=True)
    try:
        if isinstance(subject, Trunkline):
            subject.restart()  # the first start makes an administrator, which takes memory
        load = Load(folder / f"sipp-{kind.name}", users=USERS)
        load.register_all(subject)
        time.sleep(arguments.linger)
        report(subject, f"with {USERS:,} users registered")
        for number in range(1, arguments.loads + 1):
            for scenario, count in (("invite-auth", arguments.calls), ("register", arguments.calls // 4)):
                failed += load.run(scenario, subject, rate=arguments.rate, calls=count).failed
            time.sleep(arguments.linger)
            report(subject, f"after load {number} of {arguments.calls:,} calls, {failed} failed")
    finally:
        subject.close()
    return failed


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="soak.py"
    )
    parser.add_argument("--calls", type=int, default=36_000, help="of one load (36000)")
    parser.add_argument("--rate", type=int, default=300, help="calls a second (300)")
    parser.add_argument("--loads", type=int, default=3, help="how often (3)")
    parser.add_argument("--linger", type=float, default=LINGER, help=f"quiet seconds after each ({LINGER})")
    parser.add_argument("--alone", action="store_true", help="our server only")
    arguments = parser.parse_args()
    kinds: list[type[Trunkline] | type[Kamailio]] = [Trunkline]
    if not arguments.alone:
        missing = missing_for_kamailio()
        if missing:
            print(f"soak: kamailio was not measured: {missing}")
        else:
            kinds.append(Kamailio)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="trunkline-soak-") as folder:
        try:
            for kind in kinds:
                failed += soak(kind, Path(folder), arguments)
        except PeerError as error:
            print(f"soak: {error}", file=sys.stderr)
            return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
