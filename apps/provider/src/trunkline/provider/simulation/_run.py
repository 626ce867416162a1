"""One run: a seed in, what became of it out.

Source of all chance is the seed: the same seed and number of calls give the same messages at the same times.
"""

from __future__ import annotations

import gc
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from time import process_time

import attrs
from structlog.testing import capture_logs

from ._invariants import check
from ._planted import PLANTED
from ._scenario import draw
from ._world import World

COMMAND = "python -m trunkline.provider.simulation"


@attrs.define
class Outcome:
    """What became of a run."""

    seed: int
    calls: int
    planted: str
    digest: str
    "Of all that was sent: equal for equal runs."
    violations: list[tuple[float, str, str]]
    counts: dict[str, int]
    seconds: float
    "Of processor time."

    @property
    def command(self) -> str:
        """Give the command that does exactly this run again."""
        planted = f" --plant {self.planted}" if self.planted else ""
        return f"{COMMAND} --seed {self.seed} --calls {self.calls}{planted}"

    def lines(self) -> list[str]:
        """Say what broke, and how to see it again."""
        lines = [f"seed {self.seed}: {name} at {at:.3f}: {what}" for at, name, what in self.violations[:10]]
        if len(self.violations) > len(lines):
            lines.append(f"seed {self.seed}: … and {len(self.violations) - len(lines)} more")
        if lines:
            lines.append(f"again: {self.command} --trace")
        return lines


def run(seed: int, calls: int, *, plant: str = "", keep: bool = False) -> tuple[Outcome, World]:
    """Simulate.

    Args:
        seed: decides everything.
        calls: how many are made.
        plant: the name of a bug to plant, for seeing whether it is found.
        keep: whether the messages are kept in the world's trace.
    """
    began = process_time()
    planting: AbstractContextManager[object] = PLANTED[plant]() if plant else nullcontext()
    was_collecting = gc.isenabled()
    gc.disable()  # a run is short, and its garbage goes with it
    try:
        with capture_logs() as logs, planting:
            world = World(draw(seed, calls), keep=keep)
            world.run()
            check(world)
    finally:
        if was_collecting:
            gc.enable()
    for entry in logs:
        world.trace.note(f"{entry.get('log_level')} {entry.get('event')}")
    outcome = Outcome(
        seed,
        calls,
        plant,
        world.trace.digest,
        world.violations,
        counts_of(world),
        process_time() - began,
    )
    return outcome, world


def counts_of(world: World) -> dict[str, int]:
    """Count what happened, to see that it did."""
    counts: Counter[str] = Counter()
    network = world.network
    counts["datagrams"], counts["lost"], counts["doubled"] = network.sent, network.lost, network.doubled
    counts["unreachable"] = network.unreachable
    counts["connections cut"] = network.broken
    counts["registrations confirmed"] = world.confirmations
    counts["registrations refused"] = sum(phone.registering.refused for phone in world.phones)
    counts["right passwords rejected"] = sum(phone.registering.rejected for phone in world.phones)
    counts["kills"] = sum(len(server.downs) for server in world.servers)
    counts["power cuts"] = sum(len(phone.off_periods) for phone in world.phones)
    counts["commits"] = sum(server.database.commits for server in world.servers)
    counts["events"] = world.agenda.steps
    for server in world.servers:
        for records in server.database.cdrs.values():
            for record in records:
                counts[f"CDR: {record['cause']}"] += 1
        counts["media sessions"] += sum(media.relay.statistics.sessions for media in server.media)
        counts["media packets"] += sum(media.forwarded for media in server.media)
    for call in world.calls.values():
        counts["calls"] += 1
        counts["answered"] += bool(call.dialogs)
        counts[f"final {call.final}"] += 1
        counts["forked answers"] += len(call.answers) > 1
        counts["two providers"] += len(call.nodes) > 1 and bool(call.dialogs)
        counts["heard both ways"] += any(
            mine.heard and any(other.heard for other in call.answers) for mine in call.dialogs.values()
        )
    return dict(counts)
