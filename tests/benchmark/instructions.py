"""Count what a call or a registration costs in the stack, in instructions and in misses of the caches.

    .venv/bin/python tests/benchmark/instructions.py [SCENARIO ...] [--against ROOT]

Microseconds move by a tenth with whatever else the machine does; these figures do not move at all, so that
half a per cent can be seen while others work beside. Valgrind counts (Debian: valgrind), some fifty times
slower than life, with the first-level caches of 32 KB and a second of 1 MB. What the phones of `world.py`
cost is in the figures, about half of them: compare two states, and take the difference.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCENARIOS = ("invite", "register", "invite-auth", "register-auth")
EVENTS = ("I   refs", "I1  misses", "D   refs", "D1  misses", "LLd misses")
FEW, MANY = 100, 400


def run(scenario: str, count: int) -> None:
    """Make some calls or registrations; this is what is counted."""
    sys.path.insert(0, str(HERE))
    from world import Clock, World, call, name_of, registration

    from trunkline.provider.garbage import Garbage
    from trunkline.provider.store import Batch, Subscriber
    from trunkline.sip_parser import ha1

    challenge = scenario.endswith("-auth")
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), challenge=challenge)
        for number in range(1000 if challenge else 0):
            user = name_of(number)
            subscriber = Subscriber(user, "127.0.0.1", ha1=ha1(user, "127.0.0.1", "pw"))
            world.stack.directory.learn((user, "127.0.0.1"), subscriber, now=0)
        for number in range(1000):
            registration(world, Clock(), number, challenge=challenge)
        world.batch = Batch()  # so that later registrations are refreshed ones
        Garbage(0.0).settle()
        act = call if scenario.startswith("invite") else registration
        for number in range(count):
            act(world, Clock(), 10_000 + number, challenge=challenge)
    os._exit(0)  # the interpreter's last look for cycles would be counted with the calls


def counted(root: Path, scenario: str, count: int) -> list[int]:
    """Run a scenario under valgrind, with the sources and the Python of a checkout."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--cachegrind-out-file=/dev/null"]
    caches = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64"]
    script = [
        root / ".venv/bin/python",
        root / "tests/benchmark/instructions.py",
        "--run",
        str(count),
        scenario,
    ]
    told = subprocess.run(
        [*command, *caches, *script],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    found = [re.search(rf"{event}:\s+([\d,]+)", told) for event in EVENTS]
    return [int(match[1].replace(",", "")) for match in found if match]


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", default=["invite"], help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--against", type=Path, help="another checkout, set up, to count too")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        run(arguments.scenarios[0], arguments.run)
        return
    roots = [ROOT] if arguments.against is None else [arguments.against.resolve(), ROOT]
    runs = [
        (root, scenario, count) for scenario in arguments.scenarios for root in roots for count in (FEW, MANY)
    ]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda run: counted(*run), runs))
    print("each           instructions  I1 misses  data refs  D1 misses  L2 misses")
    for (root, scenario, _), few, many in zip(runs[::2], results[::2], results[1::2], strict=True):
        each = [(after - before) / (MANY - FEW) for before, after in zip(few, many, strict=True)]
        figures = "".join(f"{figure:11,.0f}" for figure in each)
        print(f"{scenario:14}  {figures}{f'  {root}' if len(roots) > 1 else ''}")


if __name__ == "__main__":
    main()
