"""The server itself: `trunkline run`, `check`, `relay`, `version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.provider.cli import _common, _output
from trunkline.provider.cli._common import CliError, ConfigOption, JsonOption

if TYPE_CHECKING:
    from trunkline.provider.config import Settings


def run(ctx: typer.Context, config: ConfigOption = None) -> None:
    """Run the server until it is stopped (SIGTERM, Ctrl-C).

    Example: trunkline run --config /etc/trunkline.toml
    """
    from trunkline.provider.startup import run as run_node

    raise typer.Exit(run_node(_common.settings_of(ctx, config)))


def check(ctx: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check configuration, database and ports, changing nothing.

    Example: trunkline check --config /etc/trunkline.toml
    """
    from trunkline.provider.config import ConfigError

    report: dict[str, Any] = {}
    problems: list[str] = []
    try:
        settings = _common.settings_of(ctx, config)
    except ConfigError as error:
        problems = error.problems
    else:
        report = _describe(settings)
        problems = _find_problems(settings, report)
    if as_json:
        _output.show_json({"ok": not problems, "problems": problems, **report})
    else:
        for name, value in report.items():
            for line in value if isinstance(value, list) else [value]:
                _output.show_line(f"{name:<14} {line}")
        if not problems:
            _output.show_line("OK")
        for problem in problems:
            _common.note(problem)
    raise typer.Exit(1 if problems else 0)


def relay(
    ng: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Listen for the rtpengine NG protocol.")
    ] = "127.0.0.1:2223",
    rtpproxy: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Listen for the rtpproxy protocol.")
    ] = None,
    address: Annotated[str, typer.Option(help="Where phones send audio.")] = "127.0.0.1",
    ports: Annotated[str, typer.Option(metavar="LOW-HIGH", help="UDP ports for audio.")] = "30000-40000",
    engine: Annotated[str, typer.Option(help="auto, python or kernel.")] = "auto",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds without audio that end a call.")] = 60.0,
) -> None:
    """Run the media relay on its own.

    Example: trunkline relay --ng 127.0.0.1:2223 --address 192.0.2.1
    """
    if engine not in ("auto", "python", "kernel"):
        raise CliError(f"--engine {engine!r} is unknown; write auto, python or kernel")
    if rtpproxy is not None:
        raise CliError("the rtpproxy protocol is not in this version; use --ng")
    if engine == "kernel":
        _common.note("the kernel engine is not in this version; audio is relayed in user space")
    endpoint, low_and_high = _endpoint("--ng", ng), _ports(ports)
    from trunkline.provider.relay import run as run_relay

    raise typer.Exit(
        run_relay(
            ng=endpoint,
            address=address,
            ports=low_and_high,
            timeout=timeout,
        )
    )


def version(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show which versions are installed.

    Example: trunkline version --json
    """
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    versions = {}
    for part in ("provider", "sip-proxy", "media-relay", "acct", "sip-transaction", "sip-parser"):
        try:
            versions[f"trunkline-{part}"] = installed(f"trunkline-{part}")
        except PackageNotFoundError:
            versions[f"trunkline-{part}"] = "not installed"
    if as_json:
        _output.show_json(versions)
    else:
        for name, number in versions.items():
            _output.show_line(f"{name} {number}")


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("run")(run)
    app.command("check")(check)
    app.command("relay")(relay)
    app.command("version")(version)


def _describe(settings: Settings) -> dict[str, Any]:
    from trunkline.provider.config import local_names

    media = settings.media
    where = f"relay at {media.ng.authority}" if media.ng else f"ports {media.ports[0]}-{media.ports[1]}"
    return {
        "configuration": str(settings.path.absolute()) if settings.path else "defaults",
        "listen": [str(address) for address in settings.server.listen],
        "domains": settings.server.domains
        or [f"those of the database, otherwise {', '.join(local_names(settings.server.listen))}"],
        "web": f"http://{settings.web.listen.authority}" if settings.web.listen else "off",
        "media": f"{media.mode}, {media.engine}, {where}",
        "control": str(settings.control_path.absolute()),
        "database": settings.database.url if settings.database.sqlite_path else "",
    }


def _find_problems(settings: Settings, report: dict[str, Any]) -> list[str]:
    from trunkline.provider.rpc import ControlError, RpcError, ServerDown, call
    from trunkline.provider.store import StoreError, check_database

    problems = _find_bad_certificates(settings)
    try:
        report["database"] = check_database(settings.database.url)
    except StoreError as error:
        problems.append(str(error))
    try:
        call(settings.control_path, "stats")
    except ServerDown:
        problems += _find_taken_ports(settings)
        folder = settings.control_path.absolute().parent
        if not folder.is_dir():
            problems.append(f"the folder of the control socket does not exist; create it: mkdir -p {folder}")
    except RpcError:
        report["server"] = "running"
    except ControlError as error:
        problems.append(str(error))
    else:
        report["server"] = "running"
    return problems


def _find_bad_certificates(settings: Settings) -> list[str]:
    from trunkline.provider.transports import CertificateError, open_certificates

    try:
        open_certificates(settings.tls, settings.server.listen)
    except CertificateError as error:
        return [str(error)]
    return []


def _find_taken_ports(settings: Settings) -> list[str]:
    from trunkline.provider.transports import ListenError, bind_all
    from trunkline.provider.web import WebError, bind

    problems = []
    try:
        for point in bind_all(settings.server.listen):
            point.sock.close()
    except ListenError as error:
        problems += error.problems
    if settings.web.listen is not None:
        try:
            bind(settings.web.listen).close()
        except WebError as error:
            problems.append(str(error))
    return problems


def _endpoint(option: str, text: str) -> tuple[str, int]:
    from trunkline.provider.config import ListenAddress

    try:
        address = ListenAddress.parse_authority(text, transport="udp")
    except ValueError as error:
        raise CliError(
            f"{option} {text!r} is not HOST:PORT ({error}); write for example 127.0.0.1:2223"
        ) from None
    return address.host, address.port


def _ports(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not (low.isdigit() and high.isdigit() and 0 < int(low) < int(high) <= 65535):
        raise CliError(f"--ports {text!r} is not a range; write for example 30000-40000")
    return int(low), int(high)
