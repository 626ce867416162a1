"""The diagrams are those of the tables."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(PACKAGE / "tests" / "draw_states.py"))


def test_file_holds_exactly_what_is_drawn():
    assert (PACKAGE / "STATES.md").read_text(encoding="utf-8") == SCRIPT["draw"]()


def test_every_row_of_every_table_is_an_arrow():
    """With neither a colon nor a semicolon in its label, as Mermaid would end it there."""
    text = SCRIPT["draw"]()
    rows = sum(len(table) for _, _, table, _ in SCRIPT["DIAGRAMS"])
    assert len(re.findall(r"^    \w+ --> \w+: [^:;\n]+ / [^:;\n]+$", text, re.MULTILINE)) == rows
    assert text.count("[*] -->") == text.count("```mermaid") == len(SCRIPT["DIAGRAMS"])


def test_every_table_of_the_package_is_drawn():
    drawn = {id(table) for _, _, table, _ in SCRIPT["DIAGRAMS"]}
    source = PACKAGE / "src" / "trunkline" / "sip_transaction"
    named = []
    for path in source.glob("_*.py"):
        module = __import__(f"trunkline.sip_transaction.{path.stem}", fromlist=["_"])
        for name in re.findall(r"^([A-Z_]+): (?:Final|\w+Table) = _\w+\(\)$", path.read_text(), re.MULTILINE):
            named.append(name)
            assert id(getattr(module, name)) in drawn, name
    assert len(named) == len(drawn)
