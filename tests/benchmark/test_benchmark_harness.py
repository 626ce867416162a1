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
SERVER = ("invite", "invite-auth", "register", "options", "peak", "memory")


@pytest.mark.interop
def test_harness_measures_every_scenario(tmp_path):
    if shutil.which("sipp") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("sipp is not installed")
        pytest.skip("sipp is not installed")
    figures = tmp_path / "figures.json"
    small = ("--alone", "--rounds", "1", "--rate", "50", "--seconds", "1", "--users", "20")
    run = subprocess.run(
        [sys.executable, str(RUN), *SERVER, *small, "--registrations", "100", "--json", str(figures)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(figures.read_text())
    assert {row["scenario"] for row in found["load"]} == {"invite", "invite-auth", "register", "options"}
    assert all(row["failed"] == 0 for row in found["load"])
    assert len(found["memory"]) == 1


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
