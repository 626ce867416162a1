"""Changelogs: monorepo.toml drives towncrier for every member, and its fragments are well-formed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = [*sorted(ROOT.glob("packages/*")), ROOT / "apps" / "provider"]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_fragments_make_a_changelog(member: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--config", str(ROOT / "monorepo.toml"),
         "--dir", str(member), "--version", "0.0", "--name", member.name],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    fragments = [path for path in (member / "changes").iterdir() if path.suffix == ".md"]
    for fragment in fragments:
        assert fragment.read_text().strip().splitlines()[0] in result.stdout
    assert (member / "CHANGELOG.md").exists()
