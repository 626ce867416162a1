"""`trunkline cdr`: what calls there were."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.provider.cli import _common, _output
from trunkline.provider.cli._common import CliError, ConfigOption, JsonOption

if TYPE_CHECKING:
    from trunkline.provider.store.models import CdrRow

app = typer.Typer(help="Look at call detail records.", no_args_is_help=True, rich_markup_mode=None)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@app.command("list")
def show_all(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, the newest first.")] = 50,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="2026-01-31, 2026-01-31 09:00, or an age: 30m, 2h, 7d.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Calls from or to USER or USER@DOMAIN.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List calls that have ended, the newest first.

    Example: trunkline cdr list --since 7d --user alice@example.test
    """
    settings = _common.settings_of(ctx, config)
    start = _parse_since(since, datetime.now(UTC)) if since else None
    with _common.open_store(settings) as store:
        rows = store.cdrs(limit=limit, since=start, user=user)
    if as_json:
        _output.show_json([_record(row) for row in rows])
        return
    lines = [
        {
            "start": _output.local_time(row.call_start_time),
            "caller": row.caller,
            "callee": row.callee,
            "duration": _duration(row.duration_ms),
            "result": f"{row.sip_code} {row.cause}".strip(),
            "by": row.released_by,
        }
        for row in rows
    ]
    columns = (
        ("start", "START"),
        ("caller", "CALLER"),
        ("callee", "CALLEE"),
        ("duration", "DURATION"),
        ("result", "RESULT"),
        ("by", "ENDED BY"),
    )
    _output.show_table(columns, lines, empty="There are no calls.")


def _record(row: CdrRow) -> dict[str, Any]:
    return {
        "cdr_id": row.cdr_id,
        "call_id": row.sip_call_id,
        "from_tag": row.sip_from_tag,
        "to_tag": row.sip_to_tag,
        "caller": row.caller,
        "callee": row.callee,
        "request_uri": row.request_uri,
        "start": _output.json_time(row.call_start_time),
        "answer": _output.json_time(row.answer_time),
        "end": _output.json_time(row.end_time),
        "duration": row.duration,
        "duration_ms": row.duration_ms,
        "setup_ms": row.setup_ms,
        "released_by": row.released_by,
        "cause": row.cause,
        "code": int(row.sip_code) if row.sip_code.isdigit() else None,
        "reason": row.sip_reason,
    }


def _duration(milliseconds: int) -> str:
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _parse_since(text: str, now: datetime) -> datetime:
    if match := re.fullmatch(r"(\d{1,6})([smhdw])", text.strip()):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CliError(
            f"--since {text!r} is not a time; write 2026-01-31, 2026-01-31 09:00, or an age: 7d"
        ) from None
    # Without an offset it is what the clock on the wall showed.
    return at.astimezone()
