"""`trunkline domain`: which domains are served."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.provider.cli import _common, _output
from trunkline.provider.cli._common import CliError, ConfigOption, JsonOption
from trunkline.provider.cli._names import check_domain

app = typer.Typer(help="Add, remove and list domains.", no_args_is_help=True, rich_markup_mode=None)

DomainArgument = Annotated[str, typer.Argument(metavar="DOMAIN")]


@app.command("add")
def add(
    ctx: typer.Context, domain: DomainArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Serve another domain, at once.

    Example: trunkline domain add example.test
    """
    settings = _common.settings_of(ctx, config)
    name = check_domain(domain)
    with _common.open_store(settings, create=True) as store:
        store.add_domain(name)
    _common.tell_server(settings, "domain_reload")
    _show_changed("added", name, as_json)


@app.command("rm")
def remove(
    ctx: typer.Context, domain: DomainArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Serve a domain no longer; its users stay in the database.

    Example: trunkline domain rm example.test
    """
    settings = _common.settings_of(ctx, config)
    name = check_domain(domain)
    with _common.open_store(settings) as store:
        if name in settings.server.domains and name not in store.load_domains():
            raise CliError(
                f"the domain {name} is not in the database but in [server] domains; take it out there"
            )
        store.remove_domain(name)
    _common.tell_server(settings, "domain_reload")
    _show_changed("removed", name, as_json)


@app.command("list")
def show_all(ctx: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the domains that are served.

    Example: trunkline domain list --json
    """
    settings = _common.settings_of(ctx, config)
    path = settings.database.sqlite_path
    stored: list[str] = []
    if path is None or path.exists():
        with _common.open_store(settings) as store:
            stored = store.load_domains()
    records = [{"domain": name, "source": "configuration"} for name in settings.server.domains]
    records += [{"domain": name, "source": "database"} for name in sorted(stored)]
    if as_json:
        _output.show_json(records)
    else:
        columns = (("domain", "DOMAIN"), ("source", "SOURCE"))
        _output.show_table(columns, records, empty="No domain: this machine's addresses are served.")


def _show_changed(deed: str, domain: str, as_json: bool) -> None:
    if as_json:
        _output.show_json({"domain": domain})
    else:
        _output.show_line(f"{deed} {domain}")
