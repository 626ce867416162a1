"""Whose user is meant: USER@DOMAIN as typed on a command line, and the domains that are served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.provider.cli._common import CliError

if TYPE_CHECKING:
    from trunkline.provider.config import Settings
    from trunkline.provider.store import Store


def served_domains(settings: Settings, store: Store) -> list[str]:
    """List the domains that are configured and those of the table, the default one first."""
    return list(dict.fromkeys([*settings.server.domains, *store.load_domains()]))


def split_user(text: str, settings: Settings, store: Store) -> tuple[str, str]:
    """Give user name and domain; without a domain, the first one that is served."""
    text = text.removeprefix("sip:")
    username, at, domain = text.rpartition("@")
    if at:
        if not username or not domain:
            raise CliError(f"{text!r} is not a user; write USER@DOMAIN, for example alice@example.test")
        return username, check_domain(domain)
    return text, _default_domain(settings, store)


def check_domain(text: str) -> str:
    """Give a domain as it is stored."""
    from trunkline.provider.config import parse_domain

    try:
        return parse_domain(text)
    except ValueError:
        raise CliError(
            f"{text!r} is not a domain; write a host name such as example.test, or an address"
        ) from None


def require_served(domain: str, settings: Settings, store: Store) -> None:
    """See that a user of this domain could ever be reached."""
    from trunkline.provider.config import local_names

    served = served_domains(settings, store)
    if domain in served:
        return
    remedy = f"add it first: trunkline domain add {domain}"
    if served:
        raise CliError(f"the domain {domain} is not served here, only {', '.join(served)}; {remedy}")
    names = local_names(settings.server.listen)
    if domain not in names:
        raise CliError(
            f"the domain {domain} is not served here: no domain is configured, and this machine is "
            f"{', '.join(names)}; {remedy}"
        )


def _default_domain(settings: Settings, store: Store) -> str:
    from trunkline.provider.config import local_names

    served = served_domains(settings, store)
    return served[0] if served else local_names(settings.server.listen)[0]
