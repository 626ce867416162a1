"""What can be set: one class per section of trunkline.toml, with defaults, limits and what each key means.

Here: all sections together, and those that are not about SIP; the others are in `_sip_sections`. How a value
may be written is in `_values`, where it comes from in `_loading`, the wording of errors in `_problems`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from trunkline.provider.config._addresses import ListenAddress
from trunkline.provider.config._section import ListOf, Section, section_field
from trunkline.provider.config._sip_sections import (
    DnsSection,
    LimitsSection,
    ProxySection,
    RegistrarSection,
    ServerSection,
    TlsSection,
)
from trunkline.provider.config._values import (
    database_url,
    host,
    lower,
    optional_authority,
    split_ports,
)

__all__ = [
    "AuthSection",
    "DatabaseSection",
    "DnsSection",
    "LimitsSection",
    "MediaSection",
    "ProxySection",
    "RegistrarSection",
    "ServerSection",
    "Settings",
    "TlsSection",
    "WebSection",
]


class AuthSection(Section):
    """[auth]: how users prove who they are."""

    challenge: bool = section_field(
        True,
        expected="true or false",
        write="challenge = true",
        description="Ask for digest credentials; false lets everybody in and is for tests only.",
    )
    algorithms: ListOf[Literal["MD5", "SHA-256", "SHA-512-256"]] = section_field(
        ["MD5"],
        expected="a list of MD5, SHA-256 and SHA-512-256",
        write='algorithms = ["SHA-256", "MD5"]',
        description="Digest algorithms offered, the preferred first (RFC 8760).",
        min_length=1,
    )
    nonce_lifetime: float = section_field(
        30,
        expected="seconds from 1 to 86400",
        write="nonce_lifetime = 30",
        description="How long a challenge can be answered, in seconds.",
        ge=1,
        le=86400,
    )
    secret: str = section_field(
        "",
        expected="text",
        write='secret = "a long random text"',
        description="Signs challenges and our Record-Routes; empty: one is drawn and kept in the database "
        "for these, for challenges at each start. Nodes behind one name share it.",
    )


class DatabaseSection(Section):
    """[database]: where everything is kept."""

    url: Annotated[str, PlainValidator(database_url)] = section_field(
        "sqlite:///trunkline.db",
        expected="sqlite:///FILE, postgresql://…, mysql://… or mariadb://…",
        write='url = "sqlite:///trunkline.db"',
        description="The database; an SQLite path is relative to the working directory.",
    )
    commit_interval_ms: int = section_field(
        20,
        expected="milliseconds from 0 to 1000",
        write="commit_interval_ms = 20",
        description="How long writes are gathered before they are committed together.",
        ge=0,
        le=1000,
    )

    @property
    def sqlite_path(self) -> Path | None:
        """Give the SQLite file, or None for another engine."""
        parts = urlsplit(self.url)
        if parts.scheme.partition("+")[0] != "sqlite":
            return None
        return Path(unquote(parts.path)[1:])


class MediaSection(Section):
    """[media]: when and where audio is relayed."""

    mode: Annotated[Literal["auto", "always", "never"], BeforeValidator(lower)] = section_field(
        "auto",
        expected="auto, always or never",
        write='mode = "auto"',
        description="auto: relay where a party is behind NAT.",
    )
    engine: Annotated[Literal["auto", "python", "kernel"], BeforeValidator(lower)] = section_field(
        "auto",
        expected="auto, python or kernel",
        write='engine = "auto"',
        description="auto: the kernel where it may, otherwise user space.",
    )
    address: Annotated[str, PlainValidator(host)] = section_field(
        "",
        expected='an address of this machine, or ""',
        write='address = "192.0.2.1"',
        description="Where phones send audio; empty: the address the call came in on.",
    )
    ports: Annotated[tuple[int, int], BeforeValidator(split_ports)] = section_field(
        (30000, 40000),
        expected="two port numbers from 1024 to 65535, the lower first",
        write="ports = [30000, 40000]",
        description="The UDP ports of the relay.",
    )
    timeout: float = section_field(
        60,
        expected="seconds from 1 to 86400",
        write="timeout = 60",
        description="A call without any audio for this long is ended, in seconds.",
        ge=1,
        le=86400,
    )
    ng: Annotated[ListenAddress | None, optional_authority("udp")] = section_field(
        None,
        expected='HOST:PORT, or ""',
        write='ng = "127.0.0.1:2223"',
        description="A running relay (ours or rtpengine) to use; empty: one is started.",
    )

    @model_validator(mode="after")
    def _ports_in_order(self) -> MediaSection:
        low, high = self.ports
        if not (1024 <= low < high <= 65535 and high - low >= 3):
            raise ValueError(
                f"expected two port numbers from 1024 to 65535, the lower first and at least 4 ports, "
                f"got [{low}, {high}]; write ports = [30000, 40000]"
            )
        return self


class WebSection(Section):
    """[web]: the web server."""

    listen: Annotated[ListenAddress | None, optional_authority("http")] = section_field(
        "127.0.0.1:8080",
        expected='HOST:PORT, or "" for none',
        write='listen = "127.0.0.1:8080"',
        description="Where the web server listens; empty: no web server.",
    )


class Settings(BaseSettings):
    """Everything that can be set; made by `load_settings`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

    server: ServerSection = Field(default_factory=ServerSection)
    tls: TlsSection = Field(default_factory=TlsSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    auth: AuthSection = Field(default_factory=AuthSection)
    database: DatabaseSection = Field(default_factory=DatabaseSection)
    registrar: RegistrarSection = Field(default_factory=RegistrarSection)
    proxy: ProxySection = Field(default_factory=ProxySection)
    dns: DnsSection = Field(default_factory=DnsSection)
    media: MediaSection = Field(default_factory=MediaSection)
    web: WebSection = Field(default_factory=WebSection)

    _path: Path | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path | None:
        """Give the file it was read from, or None when there was none."""
        return self._path

    @property
    def control_path(self) -> Path:
        """Give the path of the control socket, chosen when the configuration names none."""
        if self.server.control:
            return Path(self.server.control)
        database = self.database.sqlite_path
        return database.with_suffix(".sock") if database is not None else Path("trunkline.sock")
