"""Results for a person or a program: a table on a terminal, aligned text in a pipe, JSON when asked for.

What strangers sent (display names, user agents) is shown without the control characters that would steer the
terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Record = Mapping[str, Any]


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=True))


def show_line(text: str) -> None:
    """Print one line."""
    print(printable(text))


def show_table(columns: Sequence[tuple[str, str]], rows: Sequence[Record], *, empty: str) -> None:
    """Print records as a table.

    Args:
        columns: key and title of each.
        rows: the records.
        empty: what to say when there are none.
    """
    if not rows:
        if sys.stdout.isatty():
            print(empty)
        return
    cells = [[_cell(row.get(key)) for key, _ in columns] for row in rows]
    titles = [title for _, title in columns]
    if sys.stdout.isatty():
        _show_rich(titles, cells)
        return
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    for line in (titles, *cells):
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def _show_rich(titles: list[str], cells: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for line in cells:
        table.add_row(*(Text(text) for text in line))
    Console(highlight=False).print(table)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return local_time(value)
    if isinstance(value, list | tuple):
        return printable(", ".join(str(item) for item in value)) or "-"
    return printable(str(value))


def printable(text: str) -> str:
    """Replace control characters by U+FFFD."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def local_time(at: datetime | str | None) -> str:
    """Give a time as people read it: local, with its offset; whole seconds."""
    if at is None:
        return "-"
    if isinstance(at, str):
        text = at
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return printable(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at.astimezone().isoformat(" ", "seconds")


def json_time(at: datetime | None, timespec: str = "milliseconds") -> str | None:
    """Give a time as programs read it: ISO 8601 in UTC."""
    if at is None:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
