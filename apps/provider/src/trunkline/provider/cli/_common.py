"""What commands share: their options, the configuration, the database, a word to the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trunkline.provider.config import Settings
    from trunkline.provider.store import Store

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file; otherwise TRUNKLINE_CONFIG, ./trunkline.toml, or defaults.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, times in UTC.")]


class CliError(Exception):
    """The command cannot be done; the message is one line and names the remedy."""


def settings_of(ctx: typer.Context, config: Path | None) -> Settings:
    """Load the configuration that is named after the command, before it, or nowhere."""
    from trunkline.provider.config import load_settings

    return load_settings(config or ctx.find_root().obj)


def open_store(settings: Settings, *, create: bool = False) -> Store:
    """Open the database; say so when that made one, for it may be in the wrong place."""
    from trunkline.provider.store import Store

    path = settings.database.sqlite_path
    existed = path is None or path.exists()
    store = Store.open(settings.database.url, create=create)
    if not existed and path is not None:
        note(f"created the database {path.absolute()}")
    return store


def tell_server(settings: Settings, method: str, *params: Any) -> None:
    """Let a running server know of a change; a server that is down reads it when it starts."""
    from trunkline.provider.rpc import ControlError, RpcError, ServerDown, call

    try:
        call(settings.control_path, method, *params)
    except ServerDown:
        return
    except (ControlError, RpcError) as error:
        note(f"the change is stored, but the running server was not told: {error}")


def note(text: str) -> None:
    """Write a line on stderr that is not the command's result."""
    print(f"trunkline: {text}", file=sys.stderr)
