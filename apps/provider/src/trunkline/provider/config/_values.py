"""How the values of keys may be written, in a file and in an environment variable.

Here: one function per kind of value, raising ValueError with the reason. Which key holds what: `_settings`.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from pydantic import PlainValidator

from trunkline.provider.config._addresses import ListenAddress, parse_domain, parse_host_name


def split_list(value: Any) -> Any:
    """Let an environment variable hold a list: JSON, or items with commas between."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            return json.loads(text)
        except ValueError:
            pass  # "[::1]" is a list of one IPv6 address, not JSON
    return [item.strip() for item in text.split(",") if item.strip()]


def split_ports(value: Any) -> Any:
    """Let a range be written LOW-HIGH or LOW,HIGH."""
    if isinstance(value, str) and not value.strip().startswith("["):
        return [item.strip() for item in value.replace("-", ",").split(",")]
    return split_list(value)


def listen_address(value: Any) -> ListenAddress:
    """Read PROTO:HOST:PORT."""
    if isinstance(value, ListenAddress):
        return value
    if not isinstance(value, str):
        raise ValueError("text is needed")
    return ListenAddress.parse(value)


def name_server(value: Any) -> ListenAddress:
    """Read the numeric address of a name server, HOST or HOST:PORT."""
    if isinstance(value, ListenAddress):
        return value
    if not isinstance(value, str):
        raise ValueError("text is needed")
    text = value.strip()
    try:
        found = ListenAddress("dns", str(ipaddress.ip_address(text.strip("[]"))), 53)
    except ValueError:
        found = ListenAddress.parse_authority(text, transport="dns")
        try:
            ipaddress.ip_address(found.host)
        except ValueError:
            raise ValueError(f"{found.host} is a name; a name server is given by its address") from None
    if not found.port:
        raise ValueError("port 0 is no name server's")
    return found


def optional_authority(transport: str) -> PlainValidator:
    """Read HOST:PORT, or nothing."""

    def parse(value: Any) -> ListenAddress | None:
        if isinstance(value, ListenAddress) or value is None:
            return value
        if not isinstance(value, str):
            raise ValueError("text is needed")
        return ListenAddress.parse_authority(value, transport=transport) if value.strip() else None

    return PlainValidator(parse)


def domain(value: Any) -> str:
    """Read a domain."""
    if not isinstance(value, str):
        raise ValueError("text is needed")
    return parse_domain(value)


def host(value: Any) -> str:
    """Read a host name or an address, IPv6 with or without brackets, or nothing."""
    if not isinstance(value, str):
        raise ValueError("text is needed")
    return parse_domain(value).strip("[]") if value.strip() else ""


def certificates_by_name(value: Any) -> dict[str, tuple[str, ...]]:
    """Read a table of NAME = "FILE.pem" or NAME = ["CERTIFICATE.pem", "KEY.pem"]; or *.DOMAIN."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            raise ValueError("in a variable it is a JSON object") from None
    if not isinstance(value, dict):
        raise ValueError("a table of names is needed")
    found: dict[str, tuple[str, ...]] = {}
    for name, files in value.items():
        given = (files,) if isinstance(files, str) else files
        is_list = isinstance(given, list | tuple) and 1 <= len(given) <= 2
        if not is_list or not all(isinstance(file, str) and file for file in given):
            raise ValueError(f"{name}: a file, or certificate and key, are needed")
        wildcard = "*." if name.startswith("*.") else ""
        found[wildcard + parse_host_name(name.removeprefix("*."))] = tuple(given)
    return found


def lower(value: Any) -> Any:
    """Let a choice be written in capitals."""
    return value.lower() if isinstance(value, str) else value


def database_url(value: Any) -> str:
    """Read a database URL."""
    if not isinstance(value, str):
        raise ValueError("text is needed")
    scheme, colon, rest = value.strip().partition("://")
    if not colon or scheme.partition("+")[0] not in ("sqlite", "postgresql", "mysql", "mariadb"):
        raise ValueError("it must begin with sqlite:///, postgresql://, mysql:// or mariadb://")
    if scheme.startswith("sqlite") and (
        not rest.startswith("/") or rest.partition("?")[0] in ("/", "/:memory:")
    ):
        raise ValueError("a SQLite database needs a file: sqlite:///relative.db or sqlite:////absolute.db")
    return value.strip()
