"""`trunkline user`: who may use the service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.provider.cli import _common, _output
from trunkline.provider.cli._common import CliError, ConfigOption, JsonOption
from trunkline.provider.cli._names import check_domain, require_served, split_user

if TYPE_CHECKING:
    from trunkline.provider.store import Subscriber

app = typer.Typer(help="Add, change and list users.", no_args_is_help=True, rich_markup_mode=None)

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="USER@DOMAIN; without a domain: the first one served.")
]
PasswordOption = Annotated[
    str | None,
    typer.Option(help='"-" reads it from stdin; without it you are asked, or one is made and printed.'),
]


@app.command("add")
def add(
    ctx: typer.Context,
    user: UserArgument,
    password: PasswordOption = None,
    email: Annotated[str, typer.Option(help="For voicemail and letters.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a user.

    Example: trunkline user add alice@example.test --password secret
    """
    settings = _common.settings_of(ctx, config)
    with _common.open_store(settings, create=True) as store:
        username, domain = split_user(user, settings, store)
        require_served(domain, settings, store)
        chosen, made = _choose_password(password)
        subscriber = store.add_subscriber(username, domain, chosen, email=email)
    _common.tell_server(settings, "subscriber_changed", username, domain)
    _show_changed("added", subscriber, chosen if made else None, as_json)


@app.command("passwd")
def change_password(
    ctx: typer.Context,
    user: UserArgument,
    password: PasswordOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a user another password.

    Example: trunkline user passwd alice@example.test
    """
    settings = _common.settings_of(ctx, config)
    with _common.open_store(settings) as store:
        username, domain = split_user(user, settings, store)
        chosen, made = _choose_password(password)
        subscriber = store.set_password(username, domain, chosen)
    _common.tell_server(settings, "subscriber_changed", username, domain)
    _show_changed("changed", subscriber, chosen if made else None, as_json)


@app.command("rm")
def remove(
    ctx: typer.Context, user: UserArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Remove a user and their registrations.

    Example: trunkline user rm alice@example.test
    """
    settings = _common.settings_of(ctx, config)
    with _common.open_store(settings) as store:
        username, domain = split_user(user, settings, store)
        subscriber = store.remove_subscriber(username, domain)
    _common.tell_server(settings, "subscriber_changed", username, domain)
    _show_changed("removed", subscriber, None, as_json)


@app.command("list")
def show_all(
    ctx: typer.Context,
    domain: Annotated[str | None, typer.Option(help="Only users of this domain.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the users.

    Example: trunkline user list --domain example.test
    """
    settings = _common.settings_of(ctx, config)
    with _common.open_store(settings) as store:
        records = [_record(one) for one in store.subscribers(check_domain(domain) if domain else None)]
    if as_json:
        _output.show_json(records)
    else:
        columns = (("username", "USER"), ("domain", "DOMAIN"), ("email", "E-MAIL"))
        _output.show_table(columns, records, empty="There are no users; trunkline user add makes one.")


def _record(subscriber: Subscriber) -> dict[str, Any]:
    return {
        "username": subscriber.username,
        "domain": subscriber.domain,
        "email": subscriber.email_address,
    }


def _show_changed(deed: str, subscriber: Subscriber, password: str | None, as_json: bool) -> None:
    record = _record(subscriber)
    if password is not None:
        record["password"] = password
    if as_json:
        _output.show_json(record)
        return
    _output.show_line(f"{deed} {subscriber.username}@{subscriber.domain}")
    if password is not None:
        _output.show_line(f"password {password}")


def _choose_password(given: str | None) -> tuple[str, bool]:
    """Give the password, and whether it was made here and must be shown."""
    if given == "-":
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise CliError("no password came from stdin; write it there, or leave --password out")
        return line, False
    if given is not None:
        return given, False
    if sys.stdin.isatty():
        import getpass

        first = getpass.getpass("Password (empty: make one): ")
        if first:
            if getpass.getpass("Again: ") != first:
                raise CliError("the two passwords differ; nothing was changed")
            return first, False
    import secrets

    from trunkline.provider.store.administrators import generate_password

    return generate_password(secrets.token_bytes), True
