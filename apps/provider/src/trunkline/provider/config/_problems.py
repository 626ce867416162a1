"""The wording of configuration errors: where, what was expected, what came, what to write.

Here: pydantic's errors put into an operator's words. Nothing is read or checked here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trunkline.provider.config._settings import Settings


@attrs.frozen
class Origin:
    """Where the values came from, to say whose the mistake is."""

    file: Path | None
    environment: dict[str, dict[str, str]]
    from_file: dict[str, Any]


def section_keys() -> dict[str, list[str]]:
    """List every section with its keys."""
    return {name: list(_model(name).model_fields) for name in Settings.model_fields}


def describe(error: ValidationError, origin: Origin) -> list[str]:
    """Give one line for each mistake, in the order of the sections."""
    problems: dict[tuple[Any, ...], str] = {}
    for details in error.errors(include_url=False):
        # A value that fits no member of a choice is one mistake, however many members refused it.
        location = tuple(details["loc"])
        problems.setdefault(location, _describe_one(details, location, origin))
    order = {name: place for place, name in enumerate(Settings.model_fields)}
    ranked = sorted(problems.items(), key=lambda item: order.get(item[0][0] if item[0] else "", len(order)))
    return [text for _, text in ranked]


def unknown_variable(name: str, known: Sequence[str], meant: str | None) -> str:
    """Describe a TRUNKLINE_… variable that names no key."""
    close = [meant] if meant else difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else f"; the sections are {', '.join(section_keys())}"
    return f"environment {name}: expected TRUNKLINE_<SECTION>__<KEY>, got an unknown name{hint}"


def _describe_one(details: ErrorDetails, location: tuple[Any, ...], origin: Origin) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        return _unknown_key(location, origin)
    section = str(location[0]) if location else ""
    if len(location) == 1:
        if kind == "value_error":  # two keys of a section that do not go together
            return f"{_where(section, None, origin)}: {_plain(details)}"
        return (
            f"{_where(section, None, origin)}: expected a table, got {_shown(details['input'])}; "
            f"write [{section}] on a line of its own and its keys below"
        )
    key = str(location[1])
    field = _model(section).model_fields[key]
    words = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    reason = f" ({_plain(details)})" if kind == "value_error" else ""
    items = "".join(f"[{part}]" for part in location[2:] if isinstance(part, int))
    place = _where(section, key, origin) + items
    return (
        f"{place}: expected {words.get('expected')}, got {_got(section, key, details['input'])}{reason}; "
        f"write {_remedy(section, key, str(words.get('write')), origin)}"
    )


def _unknown_key(location: tuple[Any, ...], origin: Origin) -> str:
    section = str(location[0])
    keys = section_keys()
    if len(location) == 1:
        close = difflib.get_close_matches(section, keys, n=1)
        where = f"file {origin.file}, [{section}]"
        if section not in keys and not isinstance(origin.from_file.get(section), dict):
            owners = [name for name, names in keys.items() if section in names]
            if owners:
                return (
                    f"file {origin.file}, {section}: expected inside a section, got it outside of any; "
                    f"write it below [{owners[0]}]"
                )
            where = f"file {origin.file}, {section}"
        hint = f"did you mean [{close[0]}]?" if close else f"the sections are {', '.join(keys)}"
        return f"{where}: expected a known section, got an unknown one; {hint}"
    key = str(location[1])
    close = difflib.get_close_matches(key, keys[section], n=1)
    owners = [name for name, names in keys.items() if key in names]
    if close:
        hint = f"did you mean {close[0]}?"
    elif owners:
        hint = f"{key} belongs below [{owners[0]}]"
    else:
        hint = f"the keys are {', '.join(keys[section])}"
    return f"{_where(section, key, origin)}: expected a known key, got an unknown one; {hint}"


def _where(section: str, key: str | None, origin: Origin) -> str:
    if key is not None and key in origin.environment.get(section, {}):
        return f"environment TRUNKLINE_{section.upper()}__{key.upper()}"
    place = f"file {origin.file}" if origin.file is not None else "configuration"
    return f"{place}, [{section}]" + (f" {key}" if key else "")


def _remedy(section: str, key: str, write: str, origin: Origin) -> str:
    if key not in origin.environment.get(section, {}):
        return write
    value = write.partition(" = ")[2].strip('"')
    if value.startswith("["):
        value = ",".join(part.strip().strip('"') for part in value.strip("[]").split(","))
    return f"TRUNKLINE_{section.upper()}__{key.upper()}={value}"


def _got(section: str, key: str, value: Any) -> str:
    if (section, key) == ("auth", "secret"):
        return "a hidden value"
    if (section, key) == ("database", "url") and isinstance(value, str):
        value = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", value)
    return _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not value:
        return "an empty list"
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _plain(details: ErrorDetails) -> str:
    return details["msg"].removeprefix("Value error, ")


def _model(section: str) -> type[BaseModel]:
    annotation = Settings.model_fields[section].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, BaseModel)
    return annotation
