"""Name-addr: a URI with a display name before it and header parameters after it.

From, To, Contact, Route, Record-Route and their kin. The URI itself is `_uri`.

Source: RFC 3261 §20.10, §25.1
"""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

from ._errors import RemoteProtocolError, shown
from ._grammar import (
    NO_PARAMS,
    Params,
    format_params,
    one_line,
    parse_params,
    quote,
    same_values,
    unquote,
)
from ._memory import REMEMBERED_VALUES, Memory
from ._uri import URIS, AnyUri, parse_uri

SECTION: Final = "RFC 3261 §25.1"

_NEVER_ALONE: Final = ("tag", "q", "expires")

# A display name without quotes is taken whatever its characters, if none of them could be something else.
_DISPLAY_NAME: Final = r"(\"(?:[^\"\\]|\\.)*+\"|[^\"<>;,:]*+)[ \t]*"
_match_name_addr = re.compile(rf"{_DISPLAY_NAME}<([^<>]*)>[ \t]*(?:;(.*))?", re.DOTALL).fullmatch
match_display_name: Final = re.compile(_DISPLAY_NAME, re.DOTALL).fullmatch
# What nearly all are: nothing or a string without escapes, a URI in brackets, parameters right behind it.
_is_plain_string = re.compile(r'"[^"\\]*+"[ \t]*+').fullmatch
_PLAIN_ENDS: Final = ("", ";")


class OpenAddress:
    """What becomes a `NameAddr` once it is filled: setting a field of a frozen one costs a call."""

    __slots__ = ("display_name", "params", "uri")

    display_name: str | None
    uri: AnyUri
    params: Params


@attrs.frozen(slots=True, weakref_slot=False)
class NameAddr(OpenAddress):
    """An address in a header; immutable, `replace` makes a changed copy."""

    display_name: str | None
    """The text, without its quotes and escapes; None when there is none."""
    uri: AnyUri
    params: Params = attrs.field(factory=dict)
    """The header's parameters, not the URI's: lower-case names, values as spelled (quotes included)."""

    @classmethod
    def parse(cls, text: str, header: str = "address") -> NameAddr:
        """Read one `"display name" <uri>;params` or `uri;params`.

        Without angle brackets every parameter belongs to the header, and the URI holds no `?` and no comma.

        Args:
            text: one value, not a list of them.
            header: what to call it in an error message.

        Raises:
            RemoteProtocolError: the text is something else.

        Source: RFC 3261 §20.10
        """
        try:
            found: NameAddr = _ADDRESSES[text]
        except RemoteProtocolError as error:
            raise of_header(error, header) from None
        return found

    @property
    def tag(self) -> str | None:
        """The tag parameter, None when absent or empty. Source: RFC 3261 §19.3"""
        return self.params.get("tag") or None

    def equivalent(self, other: NameAddr) -> bool:
        """Compare the URIs and the parameters; the display name and the brackets do not count.

        `tag`, `q` and `expires` must be in both or in none; another parameter that only one has is ignored.

        Source: RFC 3261 §20.20, §20.39, §20.10
        """
        ours, theirs = self.params, other.params
        return (
            self.uri.equivalent(other.uri)
            and same_values(ours, theirs)
            and all((name in ours) == (name in theirs) for name in _NEVER_ALONE)
        )

    def replace(self, **changes: Any) -> NameAddr:
        """Make a copy with some fields changed, such as `address.replace(params={"tag": "1"})`."""
        return attrs.evolve(self, **changes)

    def __str__(self) -> str:
        name = "" if self.display_name is None else quote(self.display_name) + " "
        return f"{name}<{self.uri}>{format_params(self.params)}"


def of_header(error: RemoteProtocolError, header: str) -> RemoteProtocolError:
    """Say in which header the error was."""
    return RemoteProtocolError(f"{header}: {error.reason}", error.status_hint, error.section)


def read_address(text: str) -> NameAddr:
    """Read an address that is on one line, without blanks around it; errors do not say in which header."""
    name, _, rest = text.partition("<")
    uri, closing, params = rest.partition(">")
    if closing and params[:1] in _PLAIN_ENDS and "<" not in uri and (not name or _is_plain_string(name)):
        address: Any = OpenAddress()
        address.display_name = name.rstrip(" \t")[1:-1] or None
        address.uri = URIS[uri]
        address.params = parse_params(params[1:], "parameters") if len(params) > 1 else NO_PARAMS
        address.__class__ = NameAddr
        return address  # type: ignore[no-any-return]
    return read_any_address(text)


def read_any_address(text: str) -> NameAddr:
    """Read an address however it is spelled, as `read_address` does."""
    match = _match_name_addr(text)
    if match is None:
        return _parse_addr_spec(text)
    name, uri, params = match.groups()
    return NameAddr(
        display_name_from(name),
        parse_uri(uri),
        parse_params(params, "parameters") if params else NO_PARAMS,
    )


def display_name_from(name: str) -> str | None:
    """Give what a matched display name says; None when there is none, or nothing between its quotes."""
    if not name or name[0] != '"':
        return name.rstrip(" \t") or None
    return (unquote(name) if "\\" in name else name[1:-1]) or None


def _parse(text: str) -> NameAddr:
    return read_address(one_line(text))


_ADDRESSES: Final = Memory(_parse, REMEMBERED_VALUES)


def _parse_addr_spec(text: str) -> NameAddr:
    uri, _, params = text.partition(";")
    if "<" in text or '"' in uri or "?" in uri or "," in uri:
        raise RemoteProtocolError(
            f"expected an address, with <> around a URI that has a comma or question mark, got {shown(text)}",
            section="RFC 3261 §20.10",
        )
    return NameAddr(
        None, parse_uri(uri.rstrip(" \t")), parse_params(params, "parameters") if params else NO_PARAMS
    )
