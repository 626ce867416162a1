"""What can be set: one class per section of trunkline.toml, with defaults, limits and what each key means.

Here: types and limits. How a value may be written is in `_values`, where it comes from in `_loading`, the
wording of errors in `_problems`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from trunkline.provider.config._addresses import ListenAddress
from trunkline.provider.config._values import (
    certificates_by_name,
    database_url,
    domain,
    host,
    listen_address,
    lower,
    name_server,
    optional_authority,
    split_list,
    split_ports,
)

_Item = TypeVar("_Item")
_List = Annotated[list[_Item], BeforeValidator(split_list)]


def _section_field(default: Any, *, expected: str, write: str, description: str, **limits: Any) -> Any:
    """Declare a key; `expected` and `write` are the words of its error message."""
    return Field(
        default, description=description, json_schema_extra={"expected": expected, "write": write}, **limits
    )


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, str_strip_whitespace=True)


class ServerSection(_Section):
    """[server]: where it listens and what it is called."""

    listen: _List[Annotated[ListenAddress, PlainValidator(listen_address)]] = _section_field(
        ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"],
        expected="a list of PROTO:HOST:PORT with PROTO udp, tcp or tls",
        write='listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]',
        description="Where SIP is received; IPv6 addresses in brackets.",
        min_length=1,
    )
    workers: int = _section_field(
        1,
        expected="1 (this version runs one worker)",
        write="workers = 1",
        description="Worker processes.",
        ge=1,
        le=1,
    )
    domains: _List[Annotated[str, PlainValidator(domain)]] = _section_field(
        [],
        expected="a list of domain names",
        write='domains = ["example.test"]',
        description="Domains served, beside those of table `domain`; with neither, this machine's addresses.",
    )
    user_agent: str = _section_field(
        "Trunkline",
        expected='text without line breaks ("" hides it)',
        write='user_agent = "Trunkline"',
        description="What the Server and User-Agent headers say; empty hides them.",
        max_length=200,
        pattern=r"^[^\r\n]*$",
    )
    control: str = _section_field(
        "",
        expected='the path of a Unix socket, or ""',
        write='control = "/run/trunkline/control.sock"',
        description="The control socket; empty: beside the SQLite file, otherwise ./trunkline.sock.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = (
        _section_field(
            "info",
            expected="debug, info, warning or error",
            write='log_level = "info"',
            description="The least severe message that is logged.",
        )
    )
    log_format: Annotated[Literal["auto", "console", "json"], BeforeValidator(lower)] = _section_field(
        "auto",
        expected="auto, console or json",
        write='log_format = "auto"',
        description="auto: console on a terminal, otherwise json.",
    )

    @model_validator(mode="after")
    def _no_address_twice(self) -> ServerSection:
        seen: set[ListenAddress] = set()
        for address in self.listen:
            if address in seen and address.port:
                raise ValueError(f"listen names {address} twice; write it once")
            seen.add(address)
        return self


class TlsSection(_Section):
    """[tls]: how SIP is encrypted on the addresses tls:HOST:PORT."""

    certificate: str = _section_field(
        "",
        expected="the path of a PEM file",
        write='certificate = "/etc/trunkline/certificate.pem"',
        description="The server's certificate and what leads to its authority; needed to listen on tls:.",
    )
    key: str = _section_field(
        "",
        expected="the path of a PEM file",
        write='key = "/etc/trunkline/key.pem"',
        description="Its private key; empty: it is in the file of the certificate.",
    )
    names: Annotated[dict[str, tuple[str, ...]], PlainValidator(certificates_by_name)] = _section_field(
        {},
        expected="a table of names, each with a PEM file or with certificate and key",
        write='names = { "example.test" = ["/etc/trunkline/example.pem", "/etc/trunkline/example.key"] }',
        description="Other certificates, by the name that the client asks for (SNI), which may be *.DOMAIN.",
    )
    verify: Annotated[Literal["none", "optional", "required"], BeforeValidator(lower)] = _section_field(
        "none",
        expected="none, optional or required",
        write='verify = "none"',
        description="Whether who connects has to show a certificate.",
    )
    ca: str = _section_field(
        "",
        expected="the path of a PEM file",
        write='ca = "/etc/trunkline/phones.pem"',
        description="The authorities that sign the certificates of those who connect.",
    )
    server_ca: str = _section_field(
        "",
        expected="the path of a PEM file",
        write='server_ca = "/etc/ssl/certs/ca-certificates.crt"',
        description="The authorities of servers we connect to, whose name is verified; empty: the system's.",
    )


class LimitsSection(_Section):
    """[limits]: what one peer, and all together, may take up."""

    message_size: int = _section_field(
        65535,
        expected="bytes from 1024 to 1048576",
        write="message_size = 65535",
        description="Bytes of one message; a longer one is answered 513, and counted as too_large_messages.",
        ge=1024,
        le=1 << 20,
    )
    headers: int = _section_field(
        256,
        expected="a number from 16 to 10000",
        write="headers = 256",
        description="Header lines of one message; more are answered 513, and counted as too_many_headers.",
        ge=16,
        le=10_000,
    )
    connections: int = _section_field(
        10_000,
        expected="a number, 1 or more",
        write="connections = 10000",
        description="TCP and TLS connections at one time; further ones are counted as refused_connections.",
        ge=1,
    )
    connections_per_address: int = _section_field(
        500,
        expected="a number, 1 or more",
        write="connections_per_address = 500",
        description="The same with one IPv4 address or one IPv6 /64; counted as refused_per_address.",
        ge=1,
    )
    message_seconds: float = _section_field(
        15,
        expected="seconds from 1 to 3600",
        write="message_seconds = 15",
        description="From a message's first byte to its last, or from connecting; counted as half_sent.",
        ge=1,
        le=3600,
    )
    idle_seconds: float = _section_field(
        7200,
        expected="seconds from 10 to 604800",
        write="idle_seconds = 7200",
        description="A connection without a byte for this long is closed, and counted as idle.",
        ge=10,
        le=604_800,
    )
    unwritten_bytes: int = _section_field(
        1 << 20,
        expected="bytes, 65536 or more",
        write="unwritten_bytes = 1048576",
        description="Bytes that wait for a peer to read; then it is cut off, and counted as not_reading.",
        ge=65536,
    )


class AuthSection(_Section):
    """[auth]: how users prove who they are."""

    challenge: bool = _section_field(
        True,
        expected="true or false",
        write="challenge = true",
        description="Ask for digest credentials; false lets everybody in and is for tests only.",
    )
    algorithms: _List[Literal["MD5", "SHA-256", "SHA-512-256"]] = _section_field(
        ["MD5"],
        expected="a list of MD5, SHA-256 and SHA-512-256",
        write='algorithms = ["SHA-256", "MD5"]',
        description="Digest algorithms offered, the preferred first (RFC 8760).",
        min_length=1,
    )
    nonce_lifetime: float = _section_field(
        30,
        expected="seconds from 1 to 86400",
        write="nonce_lifetime = 30",
        description="How long a challenge can be answered, in seconds.",
        ge=1,
        le=86400,
    )
    secret: str = _section_field(
        "",
        expected="text",
        write='secret = "a long random text"',
        description="Signs challenges; empty: a new one at each start. Nodes behind one name share it.",
    )


class DatabaseSection(_Section):
    """[database]: where everything is kept."""

    url: Annotated[str, PlainValidator(database_url)] = _section_field(
        "sqlite:///trunkline.db",
        expected="sqlite:///FILE, postgresql://…, mysql://… or mariadb://…",
        write='url = "sqlite:///trunkline.db"',
        description="The database; an SQLite path is relative to the working directory.",
    )
    commit_interval_ms: int = _section_field(
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


class RegistrarSection(_Section):
    """[registrar]: how long and how often a user may be registered."""

    default_expires: int = _section_field(
        3600,
        expected="seconds, from min_expires to max_expires",
        write="default_expires = 3600",
        description="Lifetime of a registration that asks for none, in seconds.",
        ge=1,
    )
    min_expires: int = _section_field(
        60,
        expected="seconds, 1 or more",
        write="min_expires = 60",
        description="Shorter ones are refused with 423.",
        ge=1,
    )
    max_expires: int = _section_field(
        7200,
        expected="seconds, 1 or more",
        write="max_expires = 7200",
        description="Longer ones are shortened.",
        ge=1,
        le=2**31 - 1,
    )
    max_contacts: int = _section_field(
        10,
        expected="a number from 1 to 1000",
        write="max_contacts = 10",
        description="Contacts per user.",
        ge=1,
        le=1000,
    )
    outbound: bool = _section_field(
        True,
        expected="true or false",
        write="outbound = true",
        description="Let phones name their bindings by instance and reg-id, one for each flow (RFC 5626).",
    )

    @model_validator(mode="after")
    def _in_order(self) -> RegistrarSection:
        if not self.min_expires <= self.default_expires <= self.max_expires:
            raise ValueError(
                "expected min_expires <= default_expires <= max_expires, "
                f"got {self.min_expires}, {self.default_expires}, {self.max_expires}"
            )
        return self


class ProxySection(_Section):
    """[proxy]: how calls are carried."""

    ring_timeout: float = _section_field(
        120,
        expected="seconds from 1 to 3600",
        write="ring_timeout = 120",
        description="How long a phone rings until the caller gets 408, in seconds.",
        ge=1,
        le=3600,
    )
    max_call_seconds: int = _section_field(
        43200,
        expected="seconds, 1 or more",
        write="max_call_seconds = 43200",
        description="A call is ended after this long, in seconds.",
        ge=1,
    )
    record_route: bool = _section_field(
        True,
        expected="true or false",
        write="record_route = true",
        description="Stay in the way of requests within a call; accounting needs it.",
    )
    udp_request_size: int = _section_field(
        1300,
        expected="bytes, 0 to 65535",
        write="udp_request_size = 1300",
        description="A request of more bytes goes by TCP if the peer takes it (RFC 3261 §18.1.1); 0: never.",
        ge=0,
        le=65535,
    )
    session_expires: int = _section_field(
        1800,
        expected="seconds, min_se or more, or 0",
        write="session_expires = 1800",
        description="Phones show this often that a call is up (RFC 4028), in seconds; 0: they need not.",
        ge=0,
        le=2**31 - 1,
    )
    min_se: int = _section_field(
        90,
        expected="seconds, 1 or more (the standard has 90 or more)",
        write="min_se = 90",
        description="Phones that want to show it more often than this are refused with 422, in seconds.",
        ge=1,
        le=2**31 - 1,
    )
    outbound: bool = _section_field(
        True,
        expected="true or false",
        write="outbound = true",
        description="Let users, once they have proved who they are, call other domains.",
    )
    recurse: bool = _section_field(
        False,
        expected="true or false",
        write="recurse = false",
        description="Go where a phone's 3xx says, within what the caller may call; false: tell the caller.",
    )
    preloaded_routes: bool = _section_field(
        False,
        expected="true or false",
        write="preloaded_routes = false",
        description="Let users, once they have proved who they are, choose a request's way by Route.",
    )
    number_length: int = _section_field(
        0,
        expected="a number from 0 to 15",
        write="number_length = 0",
        description="A shorter number that nobody has is answered 484, so that more is dialled; 0: 404.",
        ge=0,
        le=15,
    )
    blacklist_seconds: float = _section_field(
        240,
        expected="seconds from 0 to 86400",
        write="blacklist_seconds = 240",
        description="How long another domain's server that failed is left alone, in seconds; 0: not at all.",
        ge=0,
        le=86400,
    )

    @model_validator(mode="after")
    def _session_is_long_enough(self) -> ProxySection:
        if 0 < self.session_expires < self.min_se:
            raise ValueError(
                f"expected session_expires to be 0, or min_se or more, "
                f"got {self.session_expires} and {self.min_se}"
            )
        return self


class DnsSection(_Section):
    """[dns]: who is asked for the addresses of other domains and named phones."""

    servers: _List[Annotated[ListenAddress, PlainValidator(name_server)]] = _section_field(
        [],
        expected="a list of addresses, each with or without a port",
        write='servers = ["192.0.2.53", "127.0.0.1:5353"]',
        description="Name servers to ask, HOST or HOST:PORT; none: those of the system.",
    )
    timeout: float = _section_field(
        5,
        expected="seconds from 0.1 to 60",
        write="timeout = 5",
        description="How long a name is looked up until the lookup has failed, in seconds.",
        ge=0.1,
        le=60,
    )


class MediaSection(_Section):
    """[media]: when and where audio is relayed."""

    mode: Annotated[Literal["auto", "always", "never"], BeforeValidator(lower)] = _section_field(
        "auto",
        expected="auto, always or never",
        write='mode = "auto"',
        description="auto: relay where a party is behind NAT.",
    )
    engine: Annotated[Literal["auto", "python", "kernel"], BeforeValidator(lower)] = _section_field(
        "auto",
        expected="auto, python or kernel",
        write='engine = "auto"',
        description="auto: the kernel where it may, otherwise user space.",
    )
    address: Annotated[str, PlainValidator(host)] = _section_field(
        "",
        expected='an address of this machine, or ""',
        write='address = "192.0.2.1"',
        description="Where phones send audio; empty: the address the call came in on.",
    )
    ports: Annotated[tuple[int, int], BeforeValidator(split_ports)] = _section_field(
        (30000, 40000),
        expected="two port numbers from 1024 to 65535, the lower first",
        write="ports = [30000, 40000]",
        description="The UDP ports of the relay.",
    )
    timeout: float = _section_field(
        60,
        expected="seconds from 1 to 86400",
        write="timeout = 60",
        description="A call without any audio for this long is ended, in seconds.",
        ge=1,
        le=86400,
    )
    ng: Annotated[ListenAddress | None, optional_authority("udp")] = _section_field(
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


class WebSection(_Section):
    """[web]: the web server."""

    listen: Annotated[ListenAddress | None, optional_authority("http")] = _section_field(
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
