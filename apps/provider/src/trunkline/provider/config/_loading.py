"""Reading the configuration: defaults, the TOML file over them, environment variables over both.

Here: which file, which variables, and in what order. What a key may hold is in `_settings`, the wording of an
error in `_problems`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from trunkline.provider.config._problems import Origin, describe, section_keys, unknown_variable
from trunkline.provider.config._settings import Settings

PREFIX = "TRUNKLINE_"
DEFAULT_FILE = Path("trunkline.toml")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each mistake."""

    problems: list[str]
    """Each names the file or variable, section and key, what was expected, what came, and what to write."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration.

    Args:
        path: the TOML file; without it TRUNKLINE_CONFIG, then ./trunkline.toml, then nothing but defaults.
        environ: the environment; os.environ when None.

    Returns:
        the settings, complete and checked.

    Raises:
        ConfigError: with every mistake at once.
    """
    environ = os.environ if environ is None else environ
    file = _choose_file(path, environ)
    from_file = {} if file is None else _read_toml(file)
    from_environment, problems = _read_environment(environ)

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (_Environment(settings_cls, from_environment), InitSettingsSource(settings_cls, from_file))

    origin = Origin(file, from_environment, from_file)
    try:
        settings = Loaded()
    except ValidationError as error:
        raise ConfigError(describe(error, origin) + problems) from None
    if problems:
        raise ConfigError(problems)
    settings._path = file
    return settings


class _Environment(PydanticBaseSettingsSource):
    """Hands over the variables as read, so that an unknown one is an error and not overlooked."""

    def __init__(self, settings_cls: type[BaseSettings], values: dict[str, dict[str, str]]) -> None:
        super().__init__(settings_cls)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._values)


def _choose_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if named := environ.get("TRUNKLINE_CONFIG"):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _read_toml(file: Path) -> dict[str, Any]:
    text = ""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            [f"file {file}: expected a configuration file, got no such file; write one or leave --config out"]
        ) from None
    except OSError as error:
        raise ConfigError([f"file {file}: expected a readable file, got: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"file {file}, line {line}: expected UTF-8 text, got other bytes"]) from None
    except tomllib.TOMLDecodeError as error:
        end = f"(at line {text.count(chr(10)) + 1}, column {len(text.rpartition(chr(10))[2]) + 1}, the end)"
        reason = str(error).replace("(at end of document)", end)
        raise ConfigError([f"file {file}: expected TOML, got: {reason}"]) from None


def _read_environment(environ: Mapping[str, str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Sort the variables by section and key; what names no key is a problem."""
    known = {
        f"{PREFIX}{section}__{key}".upper(): (section, key)
        for section, keys in section_keys().items()
        for key in keys
    }
    flattened = {name.replace("__", "_"): name for name in known}
    values: dict[str, dict[str, str]] = {}
    problems = []
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        if name in known:
            section, key = known[name]
            values.setdefault(section, {})[key] = environ[name]
        elif "__" in name[len(PREFIX) :] or name in flattened:
            problems.append(unknown_variable(name, list(known), flattened.get(name)))
    return values, problems
