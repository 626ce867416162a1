"""All commands under one name, and what becomes of an error: a line on stderr, an exit code, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from trunkline.provider.cli import domains, live, records, server, users
from trunkline.provider.cli._common import CliError, ConfigOption

# Which exceptions are a person's to mend. Named, not imported: one that was raised is loaded already.
_FOR_PEOPLE = (
    ("trunkline.provider.config", "ConfigError"),
    ("trunkline.provider.store", "StoreError"),
    ("trunkline.provider.rpc", "ControlError"),
    ("trunkline.provider.rpc", "RpcError"),
    ("trunkline.provider.web", "WebError"),
    ("trunkline.provider.transports", "ListenError"),
    ("trunkline.provider.relay", "RelayError"),
)

app = typer.Typer(
    name="trunkline",
    help="A VoIP provider: phones register, call each other and are accounted for.",
    epilog="First steps: trunkline run, then trunkline user add alice, then register a phone.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(ctx: typer.Context, config: ConfigOption = None) -> None:
    ctx.obj = config


server.add_to(app)
live.add_to(app)
app.add_typer(users.app, name="user")
app.add_typer(domains.app, name="domain")
app.add_typer(live.location_app, name="location")
app.add_typer(records.app, name="cdr")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code.

    Args:
        arguments: without the program's name; those of the process when None.
    """
    sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


def _run(arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = typer.main.get_command(app).main(arguments, prog_name="trunkline", standalone_mode=False)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has seen enough; what is left must not be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("TRUNKLINE_DEBUG"):
            raise
        return _explain(error)
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> int:
    """Say what went wrong, a line for each thing, and give the exit code."""
    if hasattr(error, "format_message"):
        return _explain_usage(error)
    if isinstance(error, typer.Abort):
        print("trunkline: stopped", file=sys.stderr)
        return 130
    for one in _leaves(error):
        if _is_for_people(one):
            lines = getattr(one, "problems", None) or [str(one)]
        elif isinstance(one, OSError):
            name = f"{one.filename}: " if one.filename else ""
            lines = [f"{name}{one.strerror or one}"]
        else:
            text = " ".join(str(one).split())
            lines = [f"internal error: {type(one).__name__}: {text} (TRUNKLINE_DEBUG=1 shows where)"]
        for line in lines:
            print(f"trunkline: {line}", file=sys.stderr)
    return 1


def _explain_usage(error: Any) -> int:
    """Say what is wrong with the command line; a group without a command shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.ctx.get_help())
        return 2
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "trunkline"
    message = error.format_message().rstrip(".")
    print(f"trunkline: {message}; see {command} --help", file=sys.stderr)
    return int(getattr(error, "exit_code", 2))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def _is_for_people(error: BaseException) -> bool:
    if isinstance(error, CliError):
        return True
    for module_name, name in _FOR_PEOPLE:
        module = sys.modules.get(module_name)
        kind = getattr(module, name, None) if module is not None else None
        if kind is not None and isinstance(error, kind):
            return True
    return False
