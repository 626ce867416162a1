"""The import contracts of monorepo.toml: they hold, and each is seen to catch a violation.

A copy of the sources gets one forbidden import and must then be reported; a contract that
cannot fail would say nothing.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = [*ROOT.glob("packages/*"), ROOT / "apps" / "provider"]


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    sources = [str(tree / member.relative_to(ROOT) / "src") for member in MEMBERS]
    # the copy must win over the installed packages, whose namespace is the same
    program = (
        f"import sys; sys.path[:0] = {sources!r};"
        "import trunkline; trunkline.__path__ = [p + '/trunkline' for p in sys.path[:6]];"
        "from importlinter.cli import lint_imports_command as command;"
        "command(['--config', 'monorepo.toml', '--no-cache'])"
    )
    return subprocess.run(
        [sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for member in MEMBERS:
        source = member / "src"
        target = tmp_path / member.relative_to(ROOT) / "src"
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "monorepo.toml", tmp_path)
    return tmp_path


def test_contracts_hold(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("packages/sip-parser/src/trunkline/sip_parser", "import trunkline.sip_transaction", "layers"),
        ("packages/sip-transaction/src/trunkline/sip_transaction", "import trunkline.sip_proxy", "layers"),
        ("packages/acct/src/trunkline/acct", "import trunkline.media_relay", "layers"),
        ("packages/sip-parser/src/trunkline/sip_parser", "import socket", "the five packages"),
        ("packages/sip-transaction/src/trunkline/sip_transaction", "import time", "the five packages"),
        ("packages/sip-proxy/src/trunkline/sip_proxy", "import random", "the five packages"),
        ("packages/media-relay/src/trunkline/media_relay", "import trio", "the five packages"),
        ("packages/acct/src/trunkline/acct", "import sqlalchemy", "the five packages"),
        (
            "packages/media-relay/src/trunkline/media_relay",
            "import trunkline.sip_parser",
            "media and accounting",
        ),
        ("packages/acct/src/trunkline/acct", "import trunkline.sip_parser", "media and accounting"),
    ],
)
def test_violation_is_caught(tree: Path, file: str, line: str, contract: str) -> None:
    (tree / file / "_seeded.py").write_text(line + "\n")
    result = lint(tree)
    assert result.returncode != 0
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), result.stdout + result.stderr
