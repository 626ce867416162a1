"""What is going on: `trunkline location show`, `calls`, `stats`, `rpc`. Of the server, or of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.provider.cli import _common, _output
from trunkline.provider.cli._common import ConfigOption, JsonOption

if TYPE_CHECKING:
    from trunkline.provider.config import Settings

location_app = typer.Typer(help="Show who is registered where.", no_args_is_help=True, rich_markup_mode=None)


@location_app.command("show")
def show_location(
    ctx: typer.Context,
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="USER or USER@DOMAIN; all users without it.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who is registered where.

    While the server is down: the registrations it will know when it starts.

    Example: trunkline location show alice@example.test
    """
    settings = _common.settings_of(ctx, config)
    wanted = user.removeprefix("sip:") if user else None
    records = _ask(settings, "location_show", *([wanted] if wanted and "@" in wanted else []))
    if records is None:
        records = _stored_bindings(settings)
    if wanted:
        records = [
            record for record in records if wanted in (record["aor"], record["aor"].rpartition("@")[0])
        ]
    if as_json:
        _output.show_json(records)
        return
    rows = [{**record, "expires": _expiry(record.get("expires"))} for record in records]
    columns = (
        ("aor", "USER"),
        ("contact", "CONTACT"),
        ("received", "RECEIVED"),
        ("expires", "EXPIRES"),
        ("user_agent", "USER AGENT"),
    )
    _output.show_table(columns, rows, empty="Nobody is registered." if wanted is None else "Not registered.")


def show_calls(ctx: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the calls in progress.

    While the server is down: those that it was carrying.

    Example: trunkline calls --json
    """
    settings = _common.settings_of(ctx, config)
    records = _ask(settings, "calls")
    if records is None:
        records = _stored_calls(settings)
    if as_json:
        _output.show_json(records)
        return
    rows = [
        {**record, "start": _output.local_time(record.get("start") or record.get("started_at"))}
        for record in records
    ]
    columns = (
        ("caller", "CALLER"),
        ("callee", "CALLEE"),
        ("state", "STATE"),
        ("start", "SINCE"),
        ("call_id", "CALL-ID"),
    )
    _output.show_table(columns, rows, empty="There are no calls.")


def show_stats(ctx: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the server's counters.

    While it is down: how many rows the database has.

    Example: trunkline stats
    """
    settings = _common.settings_of(ctx, config)
    stats = _ask(settings, "stats")
    if stats is None:
        with _common.open_store(settings) as store:
            stats = {"server": "down", "database": store.counts(datetime.now(UTC))}
    elif isinstance(stats, dict):
        stats = {"server": "up", **stats}
    if as_json:
        _output.show_json(stats)
        return
    rows = [{"name": name, "value": value} for name, value in _flat(stats)]
    _output.show_table((("name", "NAME"), ("value", "VALUE")), rows, empty="There are no counters.")


def give_command(
    ctx: typer.Context,
    method: Annotated[str, typer.Argument(metavar="METHOD")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARG", help="JSON, or text as it is.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer.")] = 5.0,
) -> None:
    """Give the running server a command by its name.

    The answer is printed as JSON.

    Example: trunkline rpc domain_reload
    """
    from trunkline.provider.rpc import call

    settings = _common.settings_of(ctx, config)
    parameters = [_argument(text) for text in arguments or ()]
    _output.show_json(call(settings.control_path, method, *parameters, timeout=timeout))


def add_to(app: typer.Typer) -> None:
    """Add the commands that stand alone."""
    app.command("calls")(show_calls)
    app.command("stats")(show_stats)
    app.command("rpc")(give_command)


def _ask(settings: Settings, method: str, *params: Any) -> Any:
    """Ask the running server; None when there is none."""
    from trunkline.provider.rpc import ServerDown, call

    try:
        return call(settings.control_path, method, *params)
    except ServerDown:
        return None


def _stored_bindings(settings: Settings) -> list[dict[str, Any]]:
    from trunkline.provider.rpc import binding_record

    with _common.open_store(settings) as store:
        bindings = list(store.load_bindings(datetime.now(UTC)))
    return [binding_record(one) for one in sorted(bindings, key=lambda one: (one.aor, -one.q))]


def _stored_calls(settings: Settings) -> list[dict[str, Any]]:
    with _common.open_store(settings) as store:
        journalled = [
            record["call"]
            for record in store.load_calls().values()
            if isinstance(record.get("call"), Mapping)
        ]
    return [{**call, "state": "confirmed" if call.get("answer") else "early"} for call in journalled]


def _expiry(at: str | None) -> str:
    return "never" if at is None else _output.local_time(at)


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        return [(prefix, value)]
    return [
        pair
        for name, inner in value.items()
        for pair in _flat(inner, f"{prefix}:{name}" if prefix else str(name))
    ]


def _argument(text: str) -> Any:
    """Read an argument: objects, lists, true, false and null as JSON; all else, a number too, is text."""
    if text[:1] in '[{"' or text in ("true", "false", "null"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
