"""The documents tell the truth: examples print what they say, links lead somewhere, keys are all there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trunkline.provider.config import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    path for path in ROOT.rglob("*.md") if ".venv" not in path.parts and "node_modules" not in path.parts
]


def test_the_example_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    match = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", text, re.DOTALL)
    assert match is not None
    result = subprocess.run(
        [sys.executable, "-c", match[1]], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert result.stdout.replace("\r\n", "\n").strip() == match[2].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    for link in links:
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page}: {link}"


def test_every_key_is_documented_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRUNKLINE_")]:
        monkeypatch.delenv(name)
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    settings = Settings()
    for section in Settings.model_fields:
        _, _, rest = page.partition(f"## [{section}]\n")
        table = rest.partition("\n## ")[0]
        for key, field in type(getattr(settings, section)).model_fields.items():
            row = re.search(rf"^\| `{key}` \| `(.*)` \| (.*) \|$", table, re.MULTILINE)
            assert row is not None, f"[{section}] {key} is not documented"
            assert row[2] == field.description
            default = getattr(getattr(settings, section), key)
            if isinstance(default, str | int | float) and not isinstance(default, bool):
                assert row[1].strip('"') == str(default)
