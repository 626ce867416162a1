"""URIs: sip and sips whole, tel by its number and parameters, any other scheme as opaque text.

Only URIs: a display name or a header parameter around one is `_address`. Values are immutable, because
what was parsed is remembered and shared; `replace` makes a changed copy.

Source: RFC 3261 §19.1, RFC 3966
"""

from __future__ import annotations

import re
import string
from sys import intern
from typing import Any, Final, TypeAlias

import attrs

from ._errors import RemoteProtocolError, shown
from ._grammar import (
    HOST_PORT,
    NO_PARAMS,
    FrozenParams,
    Params,
    check_escapes,
    format_host,
    format_params,
    host_from,
    port_from,
    same_host,
    unescape,
)
from ._memory import REMEMBERED_VALUES, Memory

SECTION: Final = "RFC 3261 §19.1.1"

# The user part is read more liberally than the grammar has it: real phones dial "#" and the like.
_match_uri = re.compile(
    r"([sS][iI][pP][sS]?):(?:([^@:\s<>\"\x00-\x1f\x7f]++)(?::([^@:\s<>\"\x00-\x1f\x7f]*+))?@)?"
    + HOST_PORT.replace(r"[ \t]*", "")
    + r"(;[^?\s<>\"\x00-\x1f\x7f]*+)?(\?[^\s<>\"\x00-\x1f\x7f]++)?"
).fullmatch
_is_paramname = re.compile(r"[A-Za-z0-9\-_.!~*'()\[\]/:&+$%`]+").fullmatch
_match_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):([^\s<>\"\x00-\x1f\x7f]+)").fullmatch
_match_tel = re.compile(r"\+[().\-]*+[0-9][0-9().\-]*+|[().\-]*+[0-9A-Fa-f*#][0-9A-Fa-f*#().\-]*+").fullmatch
_TEL_SEPARATORS: Final = str.maketrans("", "", "-.()")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
# ; / ? : @ & = + $ , and % itself. Source: RFC 2396 §2.2
_RESERVED = re.compile(r"%(2[456BCFbcf]|3[ABDFabdf]|40)")
_UNRESERVED: Final = frozenset(string.ascii_letters + string.digits + "-_.!~*'()")
_NEVER_ALONE: Final = ("user", "transport", "ttl", "method", "maddr")
_COMMON_PARAMS: Final[dict[str, Params]] = {
    ";lr": FrozenParams(lr=None),
    ";transport=udp": FrozenParams(transport="udp"),
    ";transport=tcp": FrozenParams(transport="tcp"),
    ";transport=tls": FrozenParams(transport="tls"),
}


class _OpenUri:
    """What becomes a `Uri` once it is filled: setting a field of a frozen one costs a call."""

    __slots__ = ("_text", "headers", "host", "params", "password", "port", "scheme", "user")

    _text: str
    """How it is written, once reading it told or it was asked for; takes no part in `==`."""
    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    params: Params
    headers: str | None


@attrs.frozen(slots=True, weakref_slot=False)
class Uri(_OpenUri):
    """A sip or sips URI; immutable, `replace` makes a changed copy."""

    scheme: str
    """`sip` or `sips`, lower case."""
    user: str | None
    """As spelled, escapes included; None without `@`."""
    password: str | None
    """As spelled; None without one."""
    host: str
    """As spelled; an IPv6 address without its brackets."""
    port: int | None = None
    """0 to 65535; None when the URI does not say."""
    params: Params = attrs.field(factory=dict)
    """Lower-case names; values as spelled, None for a parameter without `=`."""
    headers: str | None = None
    """What follows `?`, as spelled."""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Read a sip or sips URI, without angle brackets around it.

        Raises:
            RemoteProtocolError: the text is something else.

        Source: RFC 3261 §19.1.1
        """
        uri = parse_uri(text)
        if not isinstance(uri, Uri):
            raise _misread(text)
        return uri

    @property
    def address_of_record(self) -> str:
        """`user@host`, the user unescaped and the host in lower case; the host alone without a user."""
        host = format_host(self.host).lower()
        return host if self.user is None else f"{unescape(self.user)}@{host}"

    @property
    def transport(self) -> str:
        """The transport to use, lower case: the parameter's, else `udp`, and `tls` where sips asks for it.

        Source: RFC 3261 §19.1.2, §26.2.2
        """
        transport = (self.params.get("transport") or "").lower()
        if self.scheme == "sips":
            return "tls" if transport in ("", "tcp", "udp") else transport
        return transport or "udp"

    @property
    def is_lr(self) -> bool:
        """Whether a loose router is at this URI. Source: RFC 3261 §19.1.1"""
        return "lr" in self.params

    def equivalent(self, other: object) -> bool:
        """Compare as URIs are compared: what is escaped, upper case or in another order may still be equal.

        Source: RFC 3261 §19.1.4, RFC 5954 §4.2
        """
        if not isinstance(other, Uri):
            return False
        return (
            self.scheme == other.scheme
            and self.port == other.port
            and same_host(self.host, other.host)
            and _comparable(self.user) == _comparable(other.user)
            and _comparable(self.password) == _comparable(other.password)
            and _same_params(self.params, other.params)
            and (self.headers == other.headers or _same_headers(self.headers, other.headers))
        )

    def replace(self, **changes: Any) -> Uri:
        """Make a copy with some fields changed, such as `uri.replace(port=5080, params={})`."""
        return attrs.evolve(self, **changes)

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            text = self._write()
            if isinstance(self.params, FrozenParams):
                object.__setattr__(self, "_text", text)
            return text

    def _write(self) -> str:
        host = self.host
        if ":" in host:
            host = format_host(host)
        user = "" if self.user is None else self.user + "@"
        if self.password is not None:
            user = f"{self.user}:{self.password}@"
        port = "" if self.port is None else f":{self.port}"
        headers = "" if self.headers is None else "?" + self.headers
        return f"{self.scheme}:{user}{host}{port}{format_params(self.params)}{headers}"


@attrs.frozen(slots=True)
class TelUri:
    """A telephone number as a URI. Source: RFC 3966"""

    number: str
    """As spelled, visual separators included; a global number begins with `+`."""
    params: Params = attrs.field(factory=dict)
    """`ext`, `isub`, `phone-context` and others: lower-case names, values as spelled."""

    scheme = "tel"

    @classmethod
    def parse(cls, text: str) -> TelUri:
        """Read a tel URI.

        Raises:
            RemoteProtocolError: the text is something else.
        """
        uri = parse_uri(text)
        if not isinstance(uri, TelUri):
            raise RemoteProtocolError(f"expected tel: and a number, got {shown(text)}", section="RFC 3966 §3")
        return uri

    @property
    def digits(self) -> str:
        """The number without visual separators."""
        return self.number.translate(_TEL_SEPARATORS)

    def equivalent(self, other: object) -> bool:
        """Compare without separators, parameters in any order. Source: RFC 3966 §4

        Separators in `ext`, and in a `phone-context` that is a number, do not count either.
        """
        return (
            isinstance(other, TelUri)
            and self.digits.lower() == other.digits.lower()
            and _number_params(self.params) == _number_params(other.params)
        )

    def __str__(self) -> str:
        return f"tel:{self.number}{format_params(self.params)}"


@attrs.frozen(slots=True)
class OtherUri:
    """A URI whose scheme this package does not read further."""

    scheme: str
    """Lower case."""
    rest: str
    """Everything after the colon, as spelled."""

    def equivalent(self, other: object) -> bool:
        """Compare the scheme in any case and the rest exactly. Source: RFC 3986 §6.2.1"""
        return self == other

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


AnyUri: TypeAlias = Uri | TelUri | OtherUri


def parse_uri(text: str) -> AnyUri:
    """Read a URI of any scheme, without angle brackets around it.

    Raises:
        RemoteProtocolError: the text is no URI, or breaks the rules of its scheme.
    """
    uri: AnyUri = URIS[text]
    return uri


def _parse_any(text: str) -> AnyUri:
    match = _match_uri(text)
    if match is not None:
        return _sip_uri(text, match)
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme == "tel":
        return _tel_uri(text, rest)
    if scheme in ("sip", "sips") or _match_scheme(text) is None:
        raise _misread(text)
    return OtherUri(scheme, rest)


URIS: Final = Memory(_parse_any, REMEMBERED_VALUES)
"""What each text means as a URI."""


def _sip_uri(text: str, match: re.Match[str]) -> Uri:
    scheme, user, password, host, port, params, headers = match.groups()
    if "%" in text:
        check_escapes(text, "URI")
    uri: Any = _OpenUri()
    # thousands of URIs are remembered: what nearly all of them say is held once
    uri.scheme = "sip" if scheme == "sip" else scheme.lower()
    uri.user = user
    uri.password = password
    uri.host = intern(host) if host[0] != "[" else host_from(host, "URI")
    uri.port = None if port is None else port_from(port, "URI")
    uri.params = NO_PARAMS if params is None else _parse_uri_params(params)
    uri.headers = None if headers is None else headers[1:]
    if (
        scheme == uri.scheme
        and headers is None
        and host[0] != "["
        and (port is None or port[0] != "0")
        and (params is None or params in _COMMON_PARAMS)
    ):
        uri._text = text  # which is what writing it would give
    uri.__class__ = Uri
    return uri  # type: ignore[no-any-return]


def _tel_uri(text: str, rest: str) -> TelUri:
    number, semicolon, params = rest.partition(";")
    if _match_tel(number) is None:
        raise RemoteProtocolError(f"expected tel: and a number, got {shown(text)}", section="RFC 3966 §3")
    check_escapes(params, "tel URI")
    return TelUri(number, _parse_uri_params(semicolon + params))


def _misread(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"expected a URI such as sip:user@host:port;params without blanks or brackets, got {shown(text)}",
        section=SECTION,
    )


def _parse_uri_params(text: str) -> Params:
    known = _COMMON_PARAMS.get(text)
    if known is not None:
        return known
    params: Params = {}
    for part in text.split(";"):
        if not part:
            continue
        name, equals, value = part.partition("=")
        if "%" in name:
            name = _plain(name)
        name = name.lower()
        if _is_paramname(name) is None:
            raise RemoteProtocolError(f"URI: expected a parameter name, got {shown(name)}", section=SECTION)
        if name in params:
            raise RemoteProtocolError(
                f"URI: expected parameter {shown(name)} once, got it twice", section=SECTION
            )
        params[name] = value if equals else None
    return FrozenParams(params)


def _plain(text: str) -> str:
    """Undo the escapes that no parameter name needs."""

    def one(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if char in _UNRESERVED else match[0]

    return _ESCAPE.sub(one, text)


def _comparable(text: str | None) -> str | None:
    """Undo the escapes of all but reserved characters, which mean something else when they are escaped."""
    return text if text is None or "%" not in text else unescape(_RESERVED.sub(_keep, text))


def _keep(match: re.Match[str]) -> str:
    return "%25" + match[1].upper()


def _folded(params: Params) -> dict[str, str | None]:
    return {
        name: None if value is None else (_comparable(value) or "").lower() for name, value in params.items()
    }


def _number_params(params: Params) -> dict[str, str | None]:
    folded = _folded(params)
    for name in ("ext", "phone-context"):
        value = folded.get(name)
        if value and (name == "ext" or value[0] == "+"):
            folded[name] = value.translate(_TEL_SEPARATORS)
    return folded


def _same_params(ours: Params, theirs: Params) -> bool:
    if ours == theirs:
        return True
    mine, others = _folded(ours), _folded(theirs)
    if any(name in others and others[name] != value for name, value in mine.items()):
        return False
    return all((name in mine) == (name in others) for name in _NEVER_ALONE)


def _same_headers(ours: str | None, theirs: str | None) -> bool:
    from ._comparison import same_uri_headers  # which needs addresses, and they need URIs

    return same_uri_headers(ours, theirs)
