"""The small grammar every header shares: tokens, quoted strings, lists, parameters, escapes, hosts and ports.

Nothing here knows a header by name. Every loop over hostile text is linear in its length: the expressions
have no two ways to match the same text, and an unterminated string swallows the rest and is not retried.

Source: RFC 3261 §25.1
"""

from __future__ import annotations

import re
from enum import Enum
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NoReturn, TypeAlias

from ._errors import LocalProtocolError, RemoteProtocolError, shown

Params: TypeAlias = dict[str, str | None]
"""Parameters in order: lower-case name, value as spelled (quotes included), None without `=`."""


class FrozenParams(dict[str, str | None]):
    """Parameters that cannot be changed, because messages share them; `dict(params)` is a free copy."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("parsed values are shared and immutable: use replace(params={...})")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenParams], tuple[dict[str, str | None]]]:
        return FrozenParams, (dict(self),)


NO_PARAMS: Final = FrozenParams()


class Unchanged(Enum):
    """Stands for an argument that was not given where None has a meaning."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED

GRAMMAR: Final = "RFC 3261 §25.1"

TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]+"
is_token: Final = re.compile(TOKEN).fullmatch

_UNESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NEEDS_PAIR = re.compile(r'["\\\x00-\x08\x0a-\x1f\x7f]')
_FOLD = re.compile(r"(?<![ \t])[ \t]*+(?:\r\n[ \t]++)+")
# A comment may hold escaped parentheses, and comments; of those, one level is read.
_COMMENT = r"\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*+\))*+\)"
_LIST_MARK = re.compile(rf'"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)|<[^<>]*>|{_COMMENT}|,', re.DOTALL)

# RFC 3261's grammar allowed this by mistake; both spellings are to be tolerated. Source: RFC 5118 §4.10
_one_colon_more = re.compile(r":::(?=[0-9]+\.[0-9.]+\Z)")

_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+"
HOST_PORT: Final = rf"({_HOST})(?:[ \t]*:[ \t]*([0-9]+))?"

# Text made of these characters alone can be cut at every ";" and "=" without looking for strings or blanks.
are_plain_params: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~;=:\[\]/@&$?()|#]*+").fullmatch
_PARAM = re.compile(
    rf"[ \t]*({TOKEN})[ \t]*(?:=[ \t]*(\"(?:[^\"\\]|\\.)*+\"|[^\s;\",<>]*+)[ \t]*)?(;|\Z)",
    re.DOTALL,
)
_COMMON: Final = (
    "branch expires isub lr maddr method ob phone-context q received reg-id rport tag transport ttl user"
)
_PARAM_NAMES: Final[dict[str, str]] = {name: name for name in _COMMON.split()}


BLANKS: Final = " \t\r\n"


def unfold(text: str) -> str:
    """Make one line of a folded value: each fold becomes one space. Source: RFC 3261 §7.3.1."""
    return _FOLD.sub(" ", text)


def one_line(text: str) -> str:
    """Unfold a value and take off the blanks around it."""
    return (unfold(text) if "\n" in text else text).strip(BLANKS)


def split_list(text: str) -> list[str]:
    """Split at the commas outside quoted strings, angle brackets and comments; empty elements are dropped."""
    if "," not in text:
        text = text.strip(" \t\r\n")
        return [text] if text else []
    values: list[str] = []
    start = 0
    for mark in _LIST_MARK.finditer(text):
        if mark[0] == ",":
            values.append(text[start : mark.start()])
            start = mark.end()
    values.append(text[start:])
    return [value for value in (part.strip(" \t\r\n") for part in values) if value]


def first_comma(text: str, start: int = 0) -> int:
    """Find the first comma that separates list elements, or -1."""
    for mark in _LIST_MARK.finditer(text, start):
        if mark[0] == ",":
            return mark.start()
    return -1


def parse_params(text: str, what: str) -> Params:
    """Read what follows the first `;` of a header value.

    Args:
        text: `name[=value]` parts between semicolons; empty parts are tolerated.
        what: the header or value this is about, for the error message.

    Raises:
        RemoteProtocolError: a name that is no token, a name given twice, or text between parameters.
    """
    if text[:4] == "tag=" and text.isascii() and text[4:].isalnum():
        return FrozenParams(tag=text[4:])  # as in nearly every From and To
    if are_plain_params(text) is None:
        return _parse_spaced_params(text, what)
    return parse_plain_params(text, what)


def parse_plain_params(text: str, what: str) -> Params:
    """Read parameters that `are_plain_params`, as `parse_params` does."""
    params: Params = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        known = _PARAM_NAMES.get(name)
        if known is None:
            if not part:
                continue
            if is_token(name) is None:
                raise RemoteProtocolError(
                    f"{what}: expected a parameter name, got {shown(name)}", section=GRAMMAR
                )
            known = name.lower()
        if known in params:
            raise RemoteProtocolError(
                f"{what}: expected parameter {known!r} once, got it twice", section="RFC 3261 §7.3.1"
            )
        params[known] = value if equals else None
    return FrozenParams(params)


def _parse_spaced_params(text: str, what: str) -> Params:
    params: Params = {}
    position = 0
    end = len(text)
    while position < end:
        match = _PARAM.match(text, position)
        if match is None:
            stop = text.find(";", position)
            stop = end if stop < 0 else stop
            if text[position:stop].strip(" \t"):
                raise RemoteProtocolError(
                    f"{what}: expected a parameter `name[=value]`, got {shown(text[position:])}",
                    section=GRAMMAR,
                    offset=position,
                )
            position = stop + 1
            continue
        name = match[1].lower()
        if name in params:
            raise RemoteProtocolError(
                f"{what}: expected parameter {name!r} once, got it twice", section="RFC 3261 §7.3.1"
            )
        params[name] = match[2]
        position = match.end()
    return FrozenParams(params)


def format_params(params: Params) -> str:
    """Write parameters, each with its leading semicolon."""
    if not params:
        return ""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params.items()])


def same_values(ours: Params, theirs: Params) -> bool:
    """Whether the parameters that both have are equal: tokens in any case, quoted strings to the letter.

    Source: RFC 3261 §7.3.1
    """
    return all(
        comparable(value) == comparable(theirs[name]) for name, value in ours.items() if name in theirs
    )


def comparable(value: str | None) -> str | None:
    """Give a parameter's value the spelling it is compared by. Source: RFC 3261 §7.3.1"""
    return value if value is None or value[:1] == '"' else value.lower()


def quote(text: str) -> str:
    """Write text as a quoted-string.

    Source: RFC 3261 §25.1
    """
    return '"' + _NEEDS_PAIR.sub(r"\\\g<0>", text) + '"'


def unquote(text: str) -> str:
    """Read a quoted-string; text without quotes is returned as it is.

    Source: RFC 3261 §25.1
    """
    if len(text) < 2 or text[0] != '"' or _QUOTED_STRING.fullmatch(text) is None:
        return text
    inner = text[1:-1]
    return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner


def unescape(text: str) -> str:
    """Replace every %HH by its byte, read as UTF-8; bytes that are not UTF-8 survive as surrogates."""
    if "%" not in text:
        return text
    raw = _UNESCAPED.sub(
        lambda match: bytes.fromhex(match[1].decode()), text.encode("utf-8", "surrogateescape")
    )
    return raw.decode("utf-8", "surrogateescape")


def encode_escaped(text: str) -> bytes:
    """Write text as UTF-8, and bytes of a peer that are none as they came; most text needs only `encode()`.

    Raises:
        LocalProtocolError: UTF-8 cannot carry it.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"expected text that UTF-8 can carry: {error}") from None


def check_escapes(text: str, what: str) -> None:
    """Refuse a `%` that two hexadecimal digits do not follow."""
    match = _BAD_ESCAPE.search(text)
    if match is not None:
        raise RemoteProtocolError(
            f"{what}: expected two hexadecimal digits after %, got {shown(text[match.start() :], 3)}",
            section="RFC 3261 §19.1.2",
            offset=match.start(),
        )


def host_from(text: str, what: str) -> str:
    """Take the brackets off an IPv6 reference, and look closely at what is inside."""
    if text[0] != "[":
        return text
    host = text[1:-1]
    if ":::" in host:
        host = _one_colon_more.sub("::", host)
    try:
        IPv6Address(host)
    except AddressValueError:
        raise RemoteProtocolError(
            f"{what}: expected an IPv6 address in brackets, got {shown(text)}", section=GRAMMAR
        ) from None
    return host


def number_from(digits: str, limit: int) -> int:
    """Read decimal digits, any number of leading zeros among them; what is over the limit gives limit + 1."""
    if len(digits) > 18:
        digits = digits.lstrip("0") or "0"
        if len(digits) > 18:
            return limit + 1
    return min(int(digits), limit + 1)


def port_from(text: str, what: str) -> int:
    """Read a port number."""
    port = int(text) if len(text) <= 5 else number_from(text, 65535)
    if port > 65535:
        raise RemoteProtocolError(f"{what}: expected a port up to 65535, got {shown(text)}", section=GRAMMAR)
    return port


def same_host(one: str, other: str) -> bool:
    """Compare names in any case, and IPv6 addresses by what they stand for. Source: RFC 5954 §4.2"""
    if one.lower() == other.lower():
        return True
    if ":" not in one or ":" not in other:
        return False
    try:
        return IPv6Address(one.strip("[]")) == IPv6Address(other.strip("[]"))
    except AddressValueError:
        return False


def format_host(host: str) -> str:
    """Write a host, with brackets around an IPv6 address that has none."""
    return f"[{host}]" if ":" in host and host[0] != "[" else host
