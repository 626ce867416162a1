"""From raw header lines to typed values: one function a header, found by its canonical name.

Strategy: a line means the same wherever it stands, and the messages of a call repeat each other's lines. So
what a line means is remembered by its whole text, and most headers are one look-up from raw to typed. A list
is a tuple for each line, put together where there are several.

Only the headers a message has as attributes; the values themselves are read in `_via`, `_address`, `_fields`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ._address import NameAddr, OpenAddress, display_name_from, match_display_name, of_header, read_address
from ._errors import RemoteProtocolError, shown
from ._fields import ParamValue, RetryAfter, WarningValue, parse_date
from ._grammar import (
    BLANKS,
    NO_PARAMS,
    FrozenParams,
    Params,
    is_token,
    number_from,
    parse_params,
    split_list,
    unfold,
)
from ._headers import Headers
from ._memory import REMEMBERED_LINES, REMEMBERED_VALUES, Memory
from ._names import CANONICAL, NOT_LISTS, WRITTEN_NAMES, learn_name
from ._uri import URIS
from ._via import CSeq, Via, read_cseq, read_via

Reader = Callable[[str], Any]
"""Makes the typed value of one value's text."""

_SECONDS: Final = (1 << 32) - 1


def read_number(value: str, what: str, limit: int, section: str) -> int:
    """Read a decimal number from 0 to `limit`."""
    if not (value.isascii() and value.isdigit()):
        raise RemoteProtocolError(f"{what}: expected a number, got {shown(value)}", section=section)
    number = number_from(value, limit)
    if number > limit:
        raise RemoteProtocolError(f"{what}: expected at most {limit}, got {shown(value)}", section=section)
    return number


def _number(name: str, limit: int, section: str) -> Reader:
    written = WRITTEN_NAMES[name]
    return lambda value: read_number(value, written, limit, section)


def _address(name: str) -> Reader:
    written = WRITTEN_NAMES[name]

    def read(value: str) -> NameAddr:
        try:
            return read_address(value)
        except RemoteProtocolError as error:
            raise of_header(error, written) from None

    return read


def _value(name: str) -> Reader:
    written = WRITTEN_NAMES[name]
    return lambda value: ParamValue.parse(value, written)


def _seconds_with_params(name: str, section: str) -> Callable[[str], ParamValue]:
    written = WRITTEN_NAMES[name]

    def read(value: str) -> ParamValue:
        found = ParamValue.parse(value, written)
        read_number(found.value, written, _SECONDS, section)
        return found

    return read


_min_se_with_params = _seconds_with_params("min-se", "RFC 4028 §5")


def _min_se(value: str) -> int:
    return int(_min_se_with_params(value).value)


def _call_id(value: str) -> str:
    if not value or " " in value or "\t" in value:
        raise RemoteProtocolError(
            f"Call-ID: expected an identifier without blanks, got {shown(value)}", section="RFC 3261 §20.8"
        )
    return value


def _content_type(value: str) -> str:
    kind, slash, subtype = value.partition(";")[0].partition("/")
    kind, subtype = kind.strip(" \t"), subtype.strip(" \t")
    if not slash or is_token(kind) is None or is_token(subtype) is None:
        raise RemoteProtocolError(
            f"Content-Type: expected type/subtype, got {shown(value)}", section="RFC 3261 §20.15"
        )
    return f"{kind}/{subtype}".lower()


def _rack(value: str) -> tuple[int, CSeq]:
    number, _, cseq = value.replace("\t", " ").partition(" ")
    response_number = read_number(number, "RAck", _SECONDS, "RFC 3262 §7.2")
    try:
        return response_number, read_cseq(cseq.strip(" \t"))
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"RAck: {error.reason}", section="RFC 3262 §7.2") from None


def _privacy(value: str) -> tuple[str, ...]:
    parts = value.replace(",", ";").split(";")  # some write it as a list
    return tuple([part for part in (piece.strip(" \t").lower() for piece in parts) if part])


_BARE_ENDS: Final = ("", ";")
_LISTS_OF_ADDRESSES: Final = (
    "record-route route path service-route p-asserted-identity p-preferred-identity diversion history-info"
)
READERS: Final[dict[str, Reader]] = {
    "via": read_via,
    "contact": _address("contact"),
    **{name: _address(name) for name in _LISTS_OF_ADDRESSES.split()},
    **{name: _address(name) for name in ("from", "to", "refer-to", "referred-by", "reply-to")},
    **dict.fromkeys(("require", "proxy-require", "supported", "unsupported"), str.lower),
    **dict.fromkeys(("allow", "allow-events"), str),
    **{name: _value(name) for name in ("reason", "accept", "call-info", "alert-info", "content-disposition")},
    **{name: _value(name) for name in ("event", "subscription-state", "replaces", "join", "target-dialog")},
    "call-id": _call_id,
    "cseq": read_cseq,
    "max-forwards": _number("max-forwards", 255, "RFC 3261 §20.22"),
    "expires": _number("expires", _SECONDS, "RFC 3261 §20.19"),
    "min-expires": _number("min-expires", _SECONDS, "RFC 3261 §20.23"),
    "content-length": _number("content-length", _SECONDS, "RFC 3261 §20.14"),
    "content-type": _content_type,
    "session-expires": _seconds_with_params("session-expires", "RFC 4028 §4"),
    "min-se": _min_se,
    "rseq": _number("rseq", _SECONDS, "RFC 3262 §7.1"),
    "rack": _rack,
    "privacy": _privacy,
    "retry-after": RetryAfter.parse,
    "date": parse_date,
    "warning": WarningValue.parse,
    "max-breadth": _number("max-breadth", _SECONDS, "RFC 5393 §5.3.3"),
    "flow-timer": _number("flow-timer", _SECONDS, "RFC 5626 §10.3"),
}


_WITH_ADDRESS: Final = {
    WRITTEN_NAMES[name]: name not in NOT_LISTS for name in ("from", "to", "contact", "route")
}
"""The names of lines that hold an address, and whether their header is a list."""


def _before_address(begin: str) -> tuple[str | None, bool] | None:
    """Give the display name that stands before an address, and whether its header is a list.

    Returns:
        None where the line is spelled in another way than nearly all are.
    """
    name, _, before = begin.partition(": ")
    listed = _WITH_ADDRESS.get(name)
    found = None if listed is None or before[:1].isspace() or "\n" in before else match_display_name(before)
    return None if listed is None or found is None else (display_name_from(found[1]), listed)


_BEFORE_ADDRESSES: Final = Memory(_before_address, REMEMBERED_VALUES)
"""The same, by what stands before the address: a phone's display name comes with each of its calls."""


def _read(line: str) -> Any:
    """Give the typed value of a line, or the tuple of them when its header is a list."""
    begin, _, address = line.partition("<")
    before = _BEFORE_ADDRESSES[begin] if address else None
    if before is None:
        return _read_any(line)
    params: Params
    # Nearly every line that was not met before is one of these, as its tag is another in each call.
    uri, tagged, tag = address.partition(">;tag=")
    try:
        if tagged and tag.isalnum() and tag.isascii():
            params = FrozenParams(tag=tag)
        else:
            uri, closing, rest = address.partition(">")
            if not closing or rest[:1] not in _BARE_ENDS or "<" in uri or "," in address or "\n" in address:
                return _read_any(line)
            params = parse_params(rest[1:], "parameters") if rest else NO_PARAMS
        value: Any = OpenAddress()
        value.uri = URIS[uri]
    except RemoteProtocolError:
        return _read_any(line)  # which says in which header it is
    value.display_name, listed = before
    value.params = params
    value.__class__ = NameAddr
    return (value,) if listed else value


def _read_any(line: str) -> Any:
    """Give what `_read` gives, however the line is spelled."""
    spelled, _, value = line.partition(":")
    name = CANONICAL.get(spelled) or learn_name(spelled)
    read = READERS[name]
    value = (unfold(value) if "\n" in value else value).strip(BLANKS)
    if name in NOT_LISTS:
        return read(value)
    if "," not in value and value and value != "*":
        return (read(value),)
    values = split_list(value)
    if name == "contact" and "*" in values:
        if len(values) > 1:
            raise _star_not_alone()
        return ()
    return tuple([read(value) for value in values])


TYPED: Final = Memory(_read, REMEMBERED_LINES)
"""The typed value of each line."""


def read_header(headers: Headers, name: str) -> Any:
    """Give a header's typed value, or for a list all of them as a tuple, from however many lines.

    Raises:
        RemoteProtocolError: it cannot be read, or holds one value and is absent.
    """
    own = _OWN_READERS.get(name)
    if own is not None:
        return own(headers)
    lines = headers._lines_of(name)
    if name in NOT_LISTS:
        if not lines:
            raise _missing(name)
        return TYPED[lines[0]]
    found = [TYPED[line] for line in lines]
    if name == "contact" and len(found) > 1 and "*" in headers.get_all(name):
        raise _star_not_alone()
    return tuple([value for values in found for value in values])


def read_top_via(headers: Headers) -> Via:
    """Give the topmost Via, whatever those below it are.

    Raises:
        RemoteProtocolError: there is none, or it cannot be read.
    """
    value = headers.top_value("via")
    if value is None:
        raise _missing("via")
    return read_via(value)


def read_vias(headers: Headers) -> tuple[Via, ...]:
    """Give every Via, topmost first.

    They are not remembered by their lines: every request has a Via of its own, so that nothing would be
    found, and much that would be is pushed out.

    Raises:
        RemoteProtocolError: one of them cannot be read.
    """
    found: list[Via] = []
    for line in headers._lines_of("via"):
        value = line.partition(":")[2]
        if "\n" in value:
            value = unfold(value)
        if "," in value:
            found += [read_via(single) for single in split_list(value)]
        elif value := value.strip(BLANKS):
            found.append(read_via(value))
    return tuple(found)


def content_length(headers: Headers) -> int | None:
    """Read Content-Length, which must be the only one, or one of several that agree.

    Raises:
        RemoteProtocolError: no number, or two that differ.

    Source: RFC 3261 §20.14
    """
    names = headers._names
    count = names.count("content-length")
    if not count:
        return None
    if count > 1 and len(set(headers.get_all("content-length"))) > 1:
        raise RemoteProtocolError(
            "Content-Length: expected one, got several that differ", section="RFC 3261 §20.14"
        )
    length: int = TYPED[headers._lines[names.index("content-length")]]
    headers._cache["content-length"] = length
    return length


def _missing(name: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"expected a {WRITTEN_NAMES[name]} header, got none", section="RFC 3261 §8.1.1"
    )


def _star_not_alone() -> RemoteProtocolError:
    return RemoteProtocolError("Contact: expected * to stand alone", section="RFC 3261 §10.2.2")


_OWN_READERS: Final[dict[str, Callable[[Headers], Any]]] = {
    "*via": read_top_via,
    "via": read_vias,
    "content-length": content_length,
}
"""What is not simply read line by line."""
