"""Many runs, spread over processes; each process takes the next seed when it is free."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from ._run import Outcome, run


def one(calls: int, plant: str, seed: int) -> Outcome:
    """Run one seed and keep only what became of it."""
    return run(seed, calls, plant=plant)[0]


def soak(
    seeds: Iterable[int],
    calls: int,
    *,
    plant: str = "",
    jobs: int | None = None,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run many seeds.

    Args:
        seeds: which.
        calls: how many each.
        plant: a bug to plant in each, or nothing.
        jobs: processes; None for one a core.
        told: called with each outcome as it comes, in the order of the seeds.

    Returns:
        what became of them, in the order of the seeds.
    """
    seeds = list(seeds)
    work = partial(one, calls, plant)
    jobs = min(jobs or os.cpu_count() or 1, len(seeds))
    outcomes: list[Outcome] = []
    if jobs <= 1:
        for seed in seeds:
            outcomes.append(work(seed))
            told(outcomes[-1])
        return outcomes
    # of the two pools this is the one that says so when a process of it is killed
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for outcome in pool.map(work, seeds):
            outcomes.append(outcome)
            told(outcome)
    return outcomes
