"""The harness itself, with a handful of calls: that it measures, not how fast anything is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


@pytest.mark.interop
def test_harness_measures_every_scenario(tmp_path):
    if shutil.which("sipp") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("sipp is not installed")
        pytest.skip("sipp is not installed")
    figures = tmp_path / "figures.json"
    small = ("--alone", "--rounds", "1", "--rate", "50", "--seconds", "1", "--users", "20")
    run = subprocess.run(
        [sys.executable, str(RUN), *small, "--registrations", "100", "--json", str(figures)],
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
