"""What the README says is what happens."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from trunkline.provider.config import Settings, load_settings

README = Path(__file__).parents[2] / "README.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_prints_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(block("python"), {})
    assert capsys.readouterr().out == block("text")


def test_the_configuration_shown_is_complete_and_the_default(tmp_path: Path) -> None:
    path = tmp_path / "shown.toml"
    path.write_text(block("toml"))
    shown = tomllib.loads(path.read_text())
    assert {name: set(keys) for name, keys in shown.items()} == {
        name: set(field.annotation.model_fields) for name, field in Settings.model_fields.items()
    }
    assert load_settings(path, environ={}).model_dump() == load_settings(environ={}).model_dump()
