"""The harness itself, with a handful of calls: that it measures, not how fast anything is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
PARSERS = Path(__file__).with_name("parsers.py")
SMALL = (
    *("--alone", "--rounds", "1", "--rate", "50", "--seconds", "0.6", "--users", "20", "--most", "50"),
    *("--held", "20", "--registrations", "40", "--linger", "0.2", "--quick", "--growth", "0.01"),
)


@pytest.mark.interop
@pytest.mark.timeout(170)
def test_harness_measures_every_scenario(tmp_path):
    if shutil.which("sipp") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("sipp is not installed")
        pytest.skip("sipp is not installed")
    figures = tmp_path / "figures.json"
    scenarios = ("invite", "invite-auth", "register", "options", "peak", "memory", "growth")
    run = subprocess.run(
        [sys.executable, str(RUN), *scenarios, *SMALL, "--json", str(figures)],
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(figures.read_text())
    assert [row["scenario"] for row in found["load"]] == ["invite", "options", "invite-auth", "register"]
    assert all(row["failed"] == 0 and row["calls"] == 30 for row in found["load"])
    # the system counts by hundredths of a second: thirty cheap calls may fit between two
    assert all(row["us_per_call"][0] >= 0 for row in found["load"])
    assert sum(row["us_per_call"][0] for row in found["load"]) > 0
    assert [row["calls_per_second"] for row in found["peak"]] == [50]  # the next would be beyond --most
    calls, registrations = found["memory"]
    assert (calls["what"], calls["count"]) == ("calls", 20)
    # so few calls may find room in what the interpreter has already
    assert {f"{when}_{nth}_kb" for when in ("up", "after") for nth in ("first", "second")} < set(calls)
    assert registrations["what"] == "registrations"
    assert {"grown_kb", "settled_kb", "restarted_kb"} < set(registrations)
    done = [(row["kind"], row["act"]) for row in found["growth"]]
    assert done == [
        *(("calls", "call"), ("calls", "registration")),
        *(("bindings", "call"), ("bindings", "registration"), ("bindings", "load")),
    ]
    assert all(row["few_us"] > 0 and row["many_us"] > 0 for row in found["growth"])


@pytest.mark.parametrize("peer", ["sipmessage", "sippy", "pyVoIP"])
def test_our_side_of_every_parser_ground_runs(peer):
    command = [sys.executable, str(PARSERS), "--work", peer, "--ours"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    figures = json.loads(run.stdout)
    assert {"read", "forward", "answer", "parse"} >= set(figures) >= {"read"}
    assert all(0 < microseconds < 10_000 for microseconds in figures.values())


def test_a_peer_that_is_not_there_is_named_and_passed_over(tmp_path):
    script = (
        f"import sys, pathlib; sys.path.insert(0, {str(PARSERS.parent)!r}); import parsers; "
        f"parsers.ENVIRONMENTS = pathlib.Path({str(tmp_path)!r}); "
        "assert parsers.measure(['sippy'], rounds=1, install=False) == []"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "parser: sippy was not measured: not installed\n"
