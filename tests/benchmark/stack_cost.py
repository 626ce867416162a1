"""Measure what a call costs in the stack alone: bytes in, bytes out, no sockets, no disk.

    .venv/bin/python tests/benchmark/stack_cost.py [--profile]

The figures are microseconds of processor time, the least of several rounds: what the layers cost when
nothing disturbs them. `run.py` measures the server with everything around it, beside a peer.
"""

import argparse
import cProfile
import itertools
import pstats
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from world import Clock, World, call, name_of, registration

from trunkline.provider.garbage import Garbage
from trunkline.provider.store import Subscriber
from trunkline.sip_parser import ha1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--sort", default="tottime", help="order of the profile: tottime, cumtime, ncalls")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=200)
    arguments = parser.parse_args()
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        for challenge in (False, True):
            world = World(Path(folder), challenge=challenge)
            if challenge:
                for number in range(1000):
                    user = name_of(number)
                    subscriber = Subscriber(user, "127.0.0.1", ha1=ha1(user, "127.0.0.1", "pw"))
                    world.stack.directory.learn((user, "127.0.0.1"), subscriber, now=0)
            for number in range(1000):
                registration(world, Clock(), number, challenge=challenge)
            Garbage(0.0).settle()  # as the server does, or the collector takes a tenth
            for name, act in (("invite", call), ("register", registration)):
                best = float("inf")
                profile = cProfile.Profile()
                for _ in range(arguments.rounds):
                    clock = Clock(profile if arguments.profile else None)
                    for _ in range(arguments.calls):
                        act(world, clock, 10_000 + next(numbers), challenge=challenge)
                    clock(world.pass_time, 40.0)
                    best = min(best, clock.spent / arguments.calls)
                if not arguments.profile:
                    print(f"{name + chr(45) + 'auth' if challenge else name:14} {best * 1e6:7.0f} us")
                if arguments.profile:
                    pstats.Stats(profile).sort_stats(arguments.sort).print_stats(45)


if __name__ == "__main__":
    main()
