"""The fuzzer's target under pytest: over its corpus, over mutations, and some seconds guided by coverage.

FUZZ_RUNS says how many inputs the last of these tries, which is 5,000 otherwise, and 100,000 in CI.
"""

import os
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trunkline.sip_parser.testing import header_lines, message_bytes, mutated_bytes

HERE = Path(__file__).parent
TORTURE = HERE.parents[1] / "packages/sip-parser/tests/conformance/torture"

RUNS = int(os.environ.get("FUZZ_RUNS") or (100_000 if os.environ.get("CI") == "true" else 5000))
SEEDS = [*sorted(TORTURE.glob("*.dat")), *sorted((HERE / "corpus").glob("[!.]*"))]
_TARGET = runpy.run_path(str(HERE / "target.py"))
probe_all, probe_value = _TARGET["probe_all"], _TARGET["probe_value"]
bounded = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_a_seed(path):
    probe_all(path.read_bytes())


@pytest.mark.parametrize("path", sorted(TORTURE.glob("*.dat")), ids=lambda path: path.stem)
def test_every_truncation_of_a_torture_message(path):
    data = path.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 100)):
        probe_all(data[:end])


@bounded
@given(mutated_bytes())
def test_mutated_messages(data):
    probe_all(data)


@bounded
@given(st.lists(mutated_bytes() | message_bytes(), min_size=2, max_size=3).map(b"".join))
def test_mutated_streams(data):
    probe_all(data)


@bounded
@given(header_lines().map(lambda line: line[1]) | st.text(max_size=80))
def test_values(text):
    probe_value(text)


def test_some_seconds_guided_by_coverage(tmp_path):
    if find_spec("atheris") is None:
        missing = "atheris is not installed: make fuzzer"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    run = subprocess.run(
        [sys.executable, HERE / "fuzz_parser.py", f"-runs={RUNS}", "-max_total_time=100", "-seed=1"],
        cwd=tmp_path,
        env={"TRUNKLINE_FUZZ_FOUND": str(tmp_path / "found"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    done = re.search(r"Done (\d+) runs", run.stderr)
    assert done is not None, run.stderr[-3000:]
    assert int(done[1]) >= 5000
