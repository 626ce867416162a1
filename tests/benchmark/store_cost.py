"""Measure what the database's part of a call and of a registration costs: batches of ten, one by one.

    .venv/bin/python tests/benchmark/store_cost.py [--folder FOLDER]

The figures are microseconds of processor time, user and system, the least of several rounds: of putting
rows into a batch (the loop's thread), and of committing it (the database's). Waiting for the disk is in
neither. Calls are up for a hundred commits, so that each commit journals some calls and strikes others out.
On a folder in memory (`--folder /dev/shm`) what is left is the database's own work.
"""

import argparse
import itertools
import tempfile
import time
from collections import deque
from pathlib import Path

from world import Clock, World, hang_up, registration, set_up

from trunkline.provider.store import Batch, Store

UP = 100
"How many commits a call is up."


class Spent:
    """Processor time of gathering and of committing, for one of `count` things."""

    def __init__(self) -> None:
        self.gather = self.commit = float("inf")

    def take(self, writes: list[list[tuple[str, tuple[object, ...]]]], store: Store, each: int) -> None:
        """Commit groups of writes, and keep the least of the two costs."""
        gather = commit = 0.0
        for group in writes:
            begun = time.process_time()
            batch = Batch()
            for method, arguments in group:
                getattr(batch, method)(*arguments)
            gathered = time.process_time()
            store.write(batch)
            commit += time.process_time() - gathered
            gather += gathered - begun
        count = len(writes) * each
        self.gather, self.commit = min(self.gather, gather / count), min(self.commit, commit / count)

    def __str__(self) -> str:
        return f"batch {self.gather * 1e6:5.1f} us, commit {self.commit * 1e6:5.1f} us"


class Recorder:
    """Stands in for the batch of a world, and keeps what would be written."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, tuple[object, ...]]] = []

    def __getattr__(self, method: str) -> object:
        return lambda *arguments: self.writes.append((method, arguments))

    def take(self) -> list[tuple[str, tuple[object, ...]]]:
        """Give what was written, and forget it."""
        writes, self.writes = self.writes, []
        return writes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="where the database is made")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--groups", type=int, default=100, help="commits in a round")
    parser.add_argument("--size", type=int, default=10, help="calls, or registrations, in a commit")
    arguments = parser.parse_args()
    numbers, size = itertools.count(10_000), arguments.size
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        world = World(Path(folder), challenge=False)
        recorder = Recorder()
        world.batch = recorder  # type: ignore[assignment]
        clock = Clock()
        for number in range(1000):
            registration(world, clock, number)
        recorder.take()
        calls, registrations, up = Spent(), Spent(), deque()
        for _ in range(arguments.rounds):
            groups = []
            for _ in range(arguments.groups):
                world.now += 0.02
                for _ in range(size):
                    up.append(set_up(world, clock, next(numbers)))
                while len(up) > UP * size:
                    hang_up(world, clock, up.popleft())
                groups.append(recorder.take())
            if len(up) == UP * size:
                calls.take(groups, world.store, size)
            groups = []
            for _ in range(arguments.groups):
                world.now += 0.02
                for _ in range(size):
                    registration(world, clock, next(numbers))
                groups.append(recorder.take())
            registrations.take(groups, world.store, size)
        print(f"a call          {calls}")
        print(f"a registration  {registrations}")
        world.store.close()


if __name__ == "__main__":
    main()
