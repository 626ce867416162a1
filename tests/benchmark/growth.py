"""Measure whether a call gets dearer when there are many: with more calls up, and with more bindings.

    .venv/bin/python tests/benchmark/growth.py [--quick]

The stack alone, in virtual time (`world.py`), garbage collection set as the server sets it. Each size has a
process of its own, so that the objects of one are no burden to the other; the rounds go from one to the next,
and the ratio of large to small is the median over the rounds. Calls that are up have no transactions left.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from world import Clock, World, call, name_of, registration, set_up

from trunkline.provider.garbage import Garbage
from trunkline.provider.store import Batch
from trunkline.sip_proxy import Binding

SIZES = {"calls": (100, 10_000), "bindings": (1_000, 200_000)}
"What there is few and much of."
LINGER = 40.0
"Seconds after which no transaction of a call is left."
LOOK_EVERY = 5.0
"Seconds between two looks for bindings that have expired."
IN_A_ROUND = 200


def measure(
    kinds: list[str],
    *,
    rounds: int,
    sizes: dict[str, tuple[int, int]] = SIZES,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Measure and say it line by line.

    Args:
        kinds: calls, bindings.
        rounds: how many, of 200 calls and 200 registrations each.
        sizes: how much is few and how much is many.
        say: takes each line.

    Returns:
        A row for each kind and each thing done: microseconds with few and with many, and the ratio.
    """
    found = []
    for kind in kinds:
        with ExitStack() as stack:
            subjects = [stack.enter_context(_Subject(kind, size)) for size in sizes[kind]]
            few: list[dict[str, float]] = []
            many: list[dict[str, float]] = []
            for _ in range(rounds):
                few.append(subjects[0].round())
                many.append(subjects[1].round())
            for act in few[0]:
                ratios = [large[act] / small[act] for small, large in zip(few, many, strict=True)]
                row = {
                    "kind": kind,
                    "act": act,
                    "sizes": sizes[kind],
                    "few_us": round(statistics.median(run[act] for run in few), 1),
                    "many_us": round(statistics.median(run[act] for run in many), 1),
                    "ratio": round(statistics.median(ratios), 3),
                    "least": round(min(ratios), 3),
                    "most": round(max(ratios), 3),
                }
                found.append(row)
                say(
                    f"growth: {act:12} with {sizes[kind][0]:,} {kind} {row['few_us']:.0f} us, with "
                    f"{sizes[kind][1]:,} {row['many_us']:.0f} us: {row['ratio']:.2f} times "
                    f"({row['least']:.2f}-{row['most']:.2f})"
                )
            if kind == "bindings":
                loads = [subject.ready["load_us"] for subject in subjects]
                row = {
                    "kind": kind,
                    "act": "load",
                    "sizes": sizes[kind],
                    "few_us": loads[0],
                    "many_us": loads[1],
                }
                found.append({**row, "ratio": round(loads[1] / loads[0], 3)})
                say(
                    f"growth: read at start  {loads[0]:.1f} us a binding of {sizes[kind][0]:,}, "
                    f"{loads[1]:.1f} us of {sizes[kind][1]:,}"
                )
    return found


class _Subject:
    """A process with so many calls up, or so many bindings, that makes a round when told to."""

    def __init__(self, kind: str, size: int) -> None:
        self._child = subprocess.Popen(
            [sys.executable, __file__, "--work", kind, str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready: dict[str, float] = {}

    def __enter__(self) -> "_Subject":
        self.ready = self._read()
        return self

    def __exit__(self, *raised: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()  # which ends it
        self._child.wait()

    def round(self) -> dict[str, float]:
        """Make one round and give the microseconds of each thing done."""
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, float]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the growth measurement ended with {self._child.wait()}")
        figures: dict[str, float] = json.loads(line)
        return figures


def work(kind: str, size: int) -> None:
    """Have so many calls up, or so many bindings; then make a round for each line on standard input."""
    users = size if kind == "bindings" else 1000
    with tempfile.TemporaryDirectory() as folder:
        empty = World(Path(folder), challenge=False, users=users)
        fill(empty, users)
        begun = time.process_time()
        world = World(Path(folder), challenge=False, users=users)
        load = (time.process_time() - begun) * 1e6 / users
        Garbage(0.0).settle()
        numbers = itertools.count(100_000)
        if kind == "calls":
            for _ in range(size):
                set_up(world, Clock(), next(numbers))
        world.pass_time(LINGER)
        assert len(world.stack.location) == users
        assert len(world.stack.calls) == (size if kind == "calls" else 0)
        print(json.dumps({"load_us": load}), flush=True)
        for _ in sys.stdin:
            print(json.dumps(one_round(world, numbers)), flush=True)


def one_round(world: World, numbers: "itertools.count[int]") -> dict[str, float]:
    """Make calls, then registrations, each with what it leaves behind for later."""
    found = {}
    for name, act in (("call", call), ("registration", registration)):
        clock = Clock()
        for _ in range(IN_A_ROUND):
            act(world, clock, next(numbers))
        clock(live_on, world)
        found[name] = clock.spent * 1e6 / IN_A_ROUND
    return found


def live_on(world: World) -> None:
    """Let the time pass that transactions linger, with what a server does at times."""
    for _ in range(int(LINGER / LOOK_EVERY)):
        world.pass_time(LOOK_EVERY)
        world.perform(world.stack.expire_bindings())
        world.perform(world.stack.heartbeat())


def fill(world: World, users: int) -> None:
    """Store a binding for each user."""
    batch = Batch()
    expires = 1_900_000_000.0 + 1e8
    for number in range(users):
        user = name_of(number)
        batch.save_binding(
            Binding(
                aor=f"{user}@127.0.0.1",
                contact=f"sip:{user}@127.0.0.1:27080",
                expires=expires,
                call_id=f"{number}-4711@127.0.0.1",
                cseq=1,
            )
        )
    world.store.write(batch)


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="growth.py"
    )
    parser.add_argument("kinds", nargs="*", metavar="kind", help=f"of {', '.join(SIZES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--rounds", type=int, help="rounds that alternate (9, quick 3)")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work[0], int(arguments.work[1]))
        return 0
    if unknown := set(arguments.kinds) - set(SIZES):
        parser.error(f"no kind {', '.join(sorted(unknown))}; of {', '.join(SIZES)}")
    measure(arguments.kinds or list(SIZES), rounds=arguments.rounds or (3 if arguments.quick else 9))
    return 0


if __name__ == "__main__":
    sys.exit(main())
