"""What can be set about SIP: where it is spoken, by which limits, and what registrar and proxy do with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    PlainValidator,
    model_validator,
)

from trunkline.provider.config._addresses import ListenAddress
from trunkline.provider.config._section import ListOf, Section, section_field
from trunkline.provider.config._values import (
    certificates_by_name,
    domain,
    listen_address,
    lower,
    name_server,
)


class ServerSection(Section):
    """[server]: where it listens and what it is called."""

    listen: ListOf[Annotated[ListenAddress, PlainValidator(listen_address)]] = section_field(
        ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"],
        expected="a list of PROTO:HOST:PORT with PROTO udp, tcp or tls",
        write='listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]',
        description="Where SIP is received; IPv6 addresses in brackets.",
        min_length=1,
    )
    workers: int = section_field(
        1,
        expected="1 (this version runs one worker)",
        write="workers = 1",
        description="Worker processes.",
        ge=1,
        le=1,
    )
    domains: ListOf[Annotated[str, PlainValidator(domain)]] = section_field(
        [],
        expected="a list of domain names",
        write='domains = ["example.test"]',
        description="Domains served, beside those of table `domain`; with neither, this machine's addresses.",
    )
    user_agent: str = section_field(
        "Trunkline",
        expected='text without line breaks ("" hides it)',
        write='user_agent = "Trunkline"',
        description="What the Server and User-Agent headers say; empty hides them.",
        max_length=200,
        pattern=r"^[^\r\n]*$",
    )
    control: str = section_field(
        "",
        expected='the path of a Unix socket, or ""',
        write='control = "/run/trunkline/control.sock"',
        description="The control socket; empty: beside the SQLite file, otherwise ./trunkline.sock.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = (
        section_field(
            "info",
            expected="debug, info, warning or error",
            write='log_level = "info"',
            description="The least severe message that is logged.",
        )
    )
    log_format: Annotated[Literal["auto", "console", "json"], BeforeValidator(lower)] = section_field(
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


class TlsSection(Section):
    """[tls]: how SIP is encrypted on the addresses tls:HOST:PORT."""

    certificate: str = section_field(
        "",
        expected="the path of a PEM file",
        write='certificate = "/etc/trunkline/certificate.pem"',
        description="The server's certificate and what leads to its authority; needed to listen on tls:.",
    )
    key: str = section_field(
        "",
        expected="the path of a PEM file",
        write='key = "/etc/trunkline/key.pem"',
        description="Its private key; empty: it is in the file of the certificate.",
    )
    names: Annotated[dict[str, tuple[str, ...]], PlainValidator(certificates_by_name)] = section_field(
        {},
        expected="a table of names, each with a PEM file or with certificate and key",
        write='names = { "example.test" = ["/etc/trunkline/example.pem", "/etc/trunkline/example.key"] }',
        description="Other certificates, by the name that the client asks for (SNI), which may be *.DOMAIN.",
    )
    verify: Annotated[Literal["none", "optional", "required"], BeforeValidator(lower)] = section_field(
        "none",
        expected="none, optional or required",
        write='verify = "none"',
        description="Whether who connects has to show a certificate.",
    )
    ca: str = section_field(
        "",
        expected="the path of a PEM file",
        write='ca = "/etc/trunkline/phones.pem"',
        description="The authorities that sign the certificates of those who connect.",
    )
    server_ca: str = section_field(
        "",
        expected="the path of a PEM file",
        write='server_ca = "/etc/ssl/certs/ca-certificates.crt"',
        description="The authorities of servers we connect to, whose name is verified; empty: the system's.",
    )


class LimitsSection(Section):
    """[limits]: what one peer, and all together, may take up."""

    message_size: int = section_field(
        65535,
        expected="bytes from 1024 to 1048576",
        write="message_size = 65535",
        description="Bytes of one message; a longer one is answered 513, and counted as too_large_messages.",
        ge=1024,
        le=1 << 20,
    )
    headers: int = section_field(
        256,
        expected="a number from 16 to 10000",
        write="headers = 256",
        description="Header lines of one message; more are answered 513, and counted as too_many_headers.",
        ge=16,
        le=10_000,
    )
    connections: int = section_field(
        10_000,
        expected="a number, 1 or more",
        write="connections = 10000",
        description="TCP and TLS connections at one time; further ones are counted as refused_connections.",
        ge=1,
    )
    connections_per_address: int = section_field(
        500,
        expected="a number, 1 or more",
        write="connections_per_address = 500",
        description="The same with one IPv4 address or one IPv6 /64; counted as refused_per_address.",
        ge=1,
    )
    message_seconds: float = section_field(
        15,
        expected="seconds from 1 to 3600",
        write="message_seconds = 15",
        description="From a message's first byte to its last, or from connecting; counted as half_sent.",
        ge=1,
        le=3600,
    )
    idle_seconds: float = section_field(
        7200,
        expected="seconds from 10 to 604800",
        write="idle_seconds = 7200",
        description="A connection without a byte for this long is closed, and counted as idle.",
        ge=10,
        le=604_800,
    )
    unwritten_bytes: int = section_field(
        1 << 20,
        expected="bytes, 65536 or more",
        write="unwritten_bytes = 1048576",
        description="Bytes that wait for a peer to read; then it is cut off, and counted as not_reading.",
        ge=65536,
    )


class RegistrarSection(Section):
    """[registrar]: how long and how often a user may be registered."""

    default_expires: int = section_field(
        3600,
        expected="seconds, from min_expires to max_expires",
        write="default_expires = 3600",
        description="Lifetime of a registration that asks for none, in seconds.",
        ge=1,
    )
    min_expires: int = section_field(
        60,
        expected="seconds, 1 or more",
        write="min_expires = 60",
        description="Shorter ones are refused with 423.",
        ge=1,
    )
    max_expires: int = section_field(
        7200,
        expected="seconds, 1 or more",
        write="max_expires = 7200",
        description="Longer ones are shortened.",
        ge=1,
        le=2**31 - 1,
    )
    max_contacts: int = section_field(
        10,
        expected="a number from 1 to 1000",
        write="max_contacts = 10",
        description="Contacts per user.",
        ge=1,
        le=1000,
    )
    outbound: bool = section_field(
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


class ProxySection(Section):
    """[proxy]: how calls are carried."""

    ring_timeout: float = section_field(
        120,
        expected="seconds from 1 to 3600",
        write="ring_timeout = 120",
        description="How long a phone rings until the caller gets 408, in seconds.",
        ge=1,
        le=3600,
    )
    max_call_seconds: int = section_field(
        43200,
        expected="seconds, 1 or more",
        write="max_call_seconds = 43200",
        description="A call is ended after this long, in seconds.",
        ge=1,
    )
    record_route: bool = section_field(
        True,
        expected="true or false",
        write="record_route = true",
        description="Stay in the way of requests within a call; accounting needs it.",
    )
    udp_request_size: int = section_field(
        1300,
        expected="bytes, 0 to 65535",
        write="udp_request_size = 1300",
        description="A request of more bytes goes by TCP if the peer takes it (RFC 3261 §18.1.1); 0: never.",
        ge=0,
        le=65535,
    )
    session_expires: int = section_field(
        1800,
        expected="seconds, min_se or more, or 0",
        write="session_expires = 1800",
        description="Phones show this often that a call is up (RFC 4028), in seconds; 0: they need not.",
        ge=0,
        le=2**31 - 1,
    )
    min_se: int = section_field(
        90,
        expected="seconds, 1 or more (the standard has 90 or more)",
        write="min_se = 90",
        description="Phones that want to show it more often than this are refused with 422, in seconds.",
        ge=1,
        le=2**31 - 1,
    )
    outbound: bool = section_field(
        True,
        expected="true or false",
        write="outbound = true",
        description="Let users, once they have proved who they are, call other domains.",
    )
    recurse: bool = section_field(
        False,
        expected="true or false",
        write="recurse = false",
        description="Go where a phone's 3xx says, within what the caller may call; false: tell the caller.",
    )
    preloaded_routes: bool = section_field(
        False,
        expected="true or false",
        write="preloaded_routes = false",
        description="Let users, once they have proved who they are, choose a request's way by Route.",
    )
    number_length: int = section_field(
        0,
        expected="a number from 0 to 15",
        write="number_length = 0",
        description="A shorter number that nobody has is answered 484, so that more is dialled; 0: 404.",
        ge=0,
        le=15,
    )
    blacklist_seconds: float = section_field(
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


class DnsSection(Section):
    """[dns]: who is asked for the addresses of other domains and named phones."""

    servers: ListOf[Annotated[ListenAddress, PlainValidator(name_server)]] = section_field(
        [],
        expected="a list of addresses, each with or without a port",
        write='servers = ["192.0.2.53", "127.0.0.1:5353"]',
        description="Name servers to ask, HOST or HOST:PORT; none: those of the system.",
    )
    timeout: float = section_field(
        5,
        expected="seconds from 0.1 to 60",
        write="timeout = 5",
        description="How long a name is looked up until the lookup has failed, in seconds.",
        ge=0.1,
        le=60,
    )
