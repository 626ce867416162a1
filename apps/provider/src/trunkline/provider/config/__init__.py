"""The configuration: one TOML file, environment variables over it, and every mistake named at once.

Here: what can be set, its limits and defaults, and where a value came from. Not here: what is done with it.
Addresses are importable without pydantic, which costs the media relay's start more than all else it imports.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from trunkline.provider.config._addresses import ListenAddress, local_names, parse_domain

if TYPE_CHECKING:
    from trunkline.provider.config._loading import ConfigError, load_settings
    from trunkline.provider.config._settings import (
        AuthSection,
        DatabaseSection,
        DnsSection,
        LimitsSection,
        MediaSection,
        ProxySection,
        RegistrarSection,
        ServerSection,
        Settings,
        TlsSection,
        WebSection,
    )

__all__ = [
    "AuthSection",
    "ConfigError",
    "DatabaseSection",
    "DnsSection",
    "LimitsSection",
    "ListenAddress",
    "MediaSection",
    "ProxySection",
    "RegistrarSection",
    "ServerSection",
    "Settings",
    "TlsSection",
    "WebSection",
    "load_settings",
    "local_names",
    "parse_domain",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "_loading" if name in ("ConfigError", "load_settings") else "_settings"
    return getattr(import_module(f"{__name__}.{home}"), name)
