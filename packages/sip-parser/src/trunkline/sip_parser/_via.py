"""Via and CSeq: the two headers by which a response finds its request.

Source: RFC 3261 §20.42, §20.16, RFC 3581
"""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

from ._errors import RemoteProtocolError, shown
from ._grammar import (
    HOST_PORT,
    NO_PARAMS,
    TOKEN,
    UNCHANGED,
    FrozenParams,
    Params,
    Unchanged,
    are_plain_params,
    format_host,
    format_params,
    host_from,
    number_from,
    one_line,
    parse_params,
    parse_plain_params,
    port_from,
    same_host,
    same_values,
)
from ._memory import REMEMBERED_VALUES, Memory

MAX_CSEQ: Final = (1 << 31) - 1

MAGIC_COOKIE: Final = "z9hG4bK"
"""What a branch begins with when RFC 3261 made it. Source: RFC 3261 §8.1.1.7"""

_match_via = re.compile(
    rf"({TOKEN})[ \t]*/[ \t]*({TOKEN})[ \t]*/[ \t]*({TOKEN})[ \t]+{HOST_PORT}[ \t]*(?:;(.*))?", re.DOTALL
).fullmatch
# What nearly all are: with single blanks, and with parameters that need no closer look.
_match_plain_sender = re.compile(r"SIP/2\.0/([A-Z]++) ([A-Za-z0-9.\-]++)(?::([0-9]{1,5}))?").fullmatch
_match_usual_params = re.compile(
    r"branch=([A-Za-z0-9\-.]++)(?:(;rport)(?:=([0-9]++))?)?(?:;received=([0-9A-Fa-f.:]++))?"
).fullmatch
_match_cseq = re.compile(rf"([0-9]+)[ \t]+({TOKEN})").fullmatch

_DEFAULT_PORTS: Final = {"TLS": 5061, "WS": 80, "WSS": 443, "TLS-SCTP": 5061}


class OpenVia:
    """What becomes a `Via` once it is filled: setting a field of a frozen one costs a call."""

    __slots__ = ("host", "params", "port", "protocol", "transport")

    transport: str
    host: str
    port: int | None
    params: Params
    protocol: str


@attrs.frozen(slots=True, weakref_slot=False)
class Via(OpenVia):
    """One hop of the way a response takes; immutable, `replace` makes a changed copy."""

    transport: str
    """Upper case: UDP, TCP, TLS, WS, WSS, SCTP, or an unknown one."""
    host: str
    """The sent-by host as spelled; an IPv6 address without its brackets."""
    port: int | None = None
    """The sent-by port; None when it does not say."""
    params: Params = attrs.field(factory=dict)
    """Lower-case names; values as spelled, None for a parameter without `=`."""
    protocol: str = "SIP/2.0"

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read one Via value.

        Raises:
            RemoteProtocolError: the text is something else.

        Source: RFC 3261 §20.42
        """
        return read_via(one_line(text))

    @property
    def branch(self) -> str | None:
        """The branch parameter, None when absent or empty. Source: RFC 3261 §8.1.1.7"""
        return self.params.get("branch") or None

    @property
    def received(self) -> str | None:
        """The source address as the receiver wrote it, without brackets. Source: RFC 3261 §18.2.1"""
        received = self.params.get("received")
        return received.strip("[]") if received else None

    @property
    def rport(self) -> int | str | None:
        """The port the request came from; `""` while only asked for, None when not. Source: RFC 3581 §3

        A value that is no port counts as asked for.
        """
        if "rport" not in self.params:
            return None
        value = self.params["rport"]
        if value and value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= 65535:
            return int(value)
        return ""

    @property
    def sent_by(self) -> tuple[str, int]:
        """Host in lower case, and port or the transport's default. Source: RFC 3261 §18.1.1"""
        port = self.port
        return self.host.lower(), _DEFAULT_PORTS.get(self.transport, 5060) if port is None else port

    def equivalent(self, other: Via) -> bool:
        """Compare protocol, sent-by and every parameter; a default port that is written is another sent-by.

        Source: RFC 3261 §20.42
        """
        return (
            self.transport.upper() == other.transport.upper()
            and self.port == other.port
            and same_host(self.host, other.host)
            and self.protocol.upper() == other.protocol.upper()
            and self.params.keys() == other.params.keys()
            and same_values(self.params, other.params)
        )

    def replace(
        self,
        *,
        transport: str | None = None,
        host: str | None = None,
        port: int | Unchanged | None = UNCHANGED,
        params: Params | None = None,
    ) -> Via:
        """Make a copy with some fields changed.

        Args:
            params: all of them, such as `{**via.params, "received": "192.0.2.4"}`.
        """
        return Via(
            self.transport if transport is None else transport,
            self.host if host is None else host,
            self.port if isinstance(port, Unchanged) else port,
            self.params if params is None else params,
            self.protocol,
        )

    def __str__(self) -> str:
        host = self.host
        if ":" in host:
            host = format_host(host)
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol}/{self.transport} {host}{port}{format_params(self.params)}"


def made_via(transport: str, host: str, port: int | None, params: Params) -> Via:
    """Give what `Via` gives of these."""
    via: Any = OpenVia()
    via.transport = transport
    via.host = host
    via.port = port
    via.params = params
    via.protocol = "SIP/2.0"
    via.__class__ = Via
    return via  # type: ignore[no-any-return]


def read_via(text: str) -> Via:
    """Read a Via value that is on one line, without blanks around it."""
    sender, _, rest = text.partition(";")
    usual = _match_usual_params(rest)
    if usual is None and are_plain_params(rest) is None:
        return read_any_via(text)
    known = PLAIN_SENDERS[sender]
    if known is None:
        return read_any_via(text)
    transport, host, port = known
    if usual is None:
        return made_via(transport, host, port, parse_plain_params(rest, "Via") if rest else NO_PARAMS)
    branch, rport, shown_port, received = usual.groups()
    params: Params = {"branch": branch}
    if rport is not None:
        params["rport"] = shown_port
    if received is not None:
        params["received"] = received
    return made_via(transport, host, port, FrozenParams(params))


def _plain_sender(text: str) -> tuple[str, str, int | None] | None:
    """Give transport, host and port: what stands before the parameters, alike in all Vias of a sender."""
    match = _match_plain_sender(text)
    if match is None:
        return None
    transport, host, port = match.groups()
    return transport, host, None if port is None else port_from(port, "Via")


PLAIN_SENDERS: Final = Memory(_plain_sender, REMEMBERED_VALUES)
"""The same, by the text; None where it is spelled in another way."""


def read_any_via(text: str) -> Via:
    """Read a Via value however it is spelled, as `read_via` does."""
    match = _match_via(text)
    if match is None:
        raise RemoteProtocolError(
            f"Via: expected SIP/2.0/TRANSPORT host:port;params, got {shown(text)}", section="RFC 3261 §20.42"
        )
    name, version, transport, host, port, params = match.groups()
    return Via(
        transport.upper(),
        host if host[0] != "[" else host_from(host, "Via"),
        None if port is None else port_from(port, "Via"),
        parse_params(params, "Via") if params else NO_PARAMS,
        "SIP/2.0" if name == "SIP" and version == "2.0" else f"{name}/{version}",
    )


@attrs.frozen(slots=True)
class CSeq:
    """The number and method that order requests within a dialog."""

    number: int
    """0 to 2**31 - 1."""
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Read a CSeq value.

        Raises:
            RemoteProtocolError: the text is something else, or the number is 2**31 or more.

        Source: RFC 3261 §20.16
        """
        return read_cseq(one_line(text))

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def read_cseq(text: str) -> CSeq:
    """Read a CSeq value that is on one line, without blanks around it."""
    match = _match_cseq(text)
    if match is None:
        raise RemoteProtocolError(
            f"CSeq: expected a number and a method, got {shown(text)}", section="RFC 3261 §20.16"
        )
    digits = match[1]
    number = int(digits) if len(digits) < 10 else number_from(digits, MAX_CSEQ)
    if number > MAX_CSEQ:
        raise RemoteProtocolError(
            f"CSeq: expected a number below 2**31, got {shown(digits)}", section="RFC 3261 §8.1.1.5"
        )
    return CSeq(number, match[2])
