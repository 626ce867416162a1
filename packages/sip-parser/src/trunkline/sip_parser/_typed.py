"""From raw header lines to typed values: one function a header, found by the key its value is cached under.

Only the headers a message has as attributes; the values themselves are read in `_via`, `_address`, `_fields`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from ._address import NameAddr
from ._errors import RemoteProtocolError, shown
from ._fields import ParamValue, RetryAfter, WarningValue, parse_date
from ._grammar import is_token, number_from
from ._headers import Headers
from ._names import WRITTEN_NAMES
from ._via import CSeq, Via


def _one(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise RemoteProtocolError(
            f"expected a {WRITTEN_NAMES[name]} header, got none", section="RFC 3261 §8.1.1"
        )
    return value


def _top_via(headers: Headers) -> Via:
    value = headers.top_value("via")
    if value is None:
        raise RemoteProtocolError("expected a Via header, got none", section="RFC 3261 §8.1.1.7")
    return Via.parse(value)


def _vias(headers: Headers) -> tuple[Via, ...]:
    vias = tuple([Via.parse(value) for value in headers.values("via")])
    if vias:
        headers._cache["via"] = vias[0]
    return vias


def _from(headers: Headers) -> NameAddr:
    return NameAddr.parse(_one(headers, "from"), "From")


def _to(headers: Headers) -> NameAddr:
    return NameAddr.parse(_one(headers, "to"), "To")


def _call_id(headers: Headers) -> str:
    value = _one(headers, "call-id")
    if not value or " " in value or "\t" in value:
        raise RemoteProtocolError(
            f"Call-ID: expected an identifier without blanks, got {shown(value)}", section="RFC 3261 §20.8"
        )
    return value


def _cseq(headers: Headers) -> CSeq:
    return CSeq.parse(_one(headers, "cseq"))


def _contacts(headers: Headers) -> tuple[NameAddr, ...]:
    values = headers.values("contact")
    if "*" in values:
        if len(values) > 1:
            raise RemoteProtocolError("Contact: expected * to stand alone", section="RFC 3261 §10.2.2")
        return ()
    return tuple([NameAddr.parse(value, "Contact") for value in values])


def _addresses(name: str) -> Callable[[Headers], tuple[NameAddr, ...]]:
    written = WRITTEN_NAMES[name]
    return lambda headers: tuple([NameAddr.parse(value, written) for value in headers.values(name)])


def _number(name: str, limit: int, section: str) -> Callable[[Headers], int]:
    def parse(headers: Headers) -> int:
        return read_number(_one(headers, name), WRITTEN_NAMES[name], limit, section)

    return parse


def read_number(value: str, what: str, limit: int, section: str) -> int:
    """Read a decimal number from 0 to `limit`."""
    if not (value.isascii() and value.isdigit()):
        raise RemoteProtocolError(f"{what}: expected a number, got {shown(value)}", section=section)
    number = number_from(value, limit)
    if number > limit:
        raise RemoteProtocolError(f"{what}: expected at most {limit}, got {shown(value)}", section=section)
    return number


def _content_type(headers: Headers) -> str:
    value = _one(headers, "content-type").partition(";")[0]
    kind, slash, subtype = value.partition("/")
    kind, subtype = kind.strip(" \t"), subtype.strip(" \t")
    if not slash or is_token(kind) is None or is_token(subtype) is None:
        raise RemoteProtocolError(
            f"Content-Type: expected type/subtype, got {shown(value)}", section="RFC 3261 §20.15"
        )
    return f"{kind}/{subtype}".lower()


def _option_tags(name: str) -> Callable[[Headers], tuple[str, ...]]:
    return lambda headers: tuple([value.lower() for value in headers.values(name)])


def _methods(headers: Headers) -> tuple[str, ...]:
    return tuple(headers.values("allow"))


def _events(headers: Headers) -> tuple[str, ...]:
    return tuple(headers.values("allow-events"))


def _address(name: str) -> Callable[[Headers], NameAddr]:
    return lambda headers: NameAddr.parse(_one(headers, name), WRITTEN_NAMES[name])


def _value(name: str) -> Callable[[Headers], ParamValue]:
    return lambda headers: ParamValue.parse(_one(headers, name), WRITTEN_NAMES[name])


def _values(name: str) -> Callable[[Headers], tuple[ParamValue, ...]]:
    written = WRITTEN_NAMES[name]
    return lambda headers: tuple([ParamValue.parse(value, written) for value in headers.values(name)])


def _seconds_with_params(name: str, section: str) -> Callable[[Headers], ParamValue]:
    def parse(headers: Headers) -> ParamValue:
        value = ParamValue.parse(_one(headers, name), WRITTEN_NAMES[name])
        read_number(value.value, WRITTEN_NAMES[name], _SECONDS, section)
        return value

    return parse


def _min_se(headers: Headers) -> int:
    return int(_seconds_with_params("min-se", "RFC 4028 §5")(headers).value)


def _rack(headers: Headers) -> tuple[int, CSeq]:
    number, _, cseq = _one(headers, "rack").replace("\t", " ").partition(" ")
    value = read_number(number, "RAck", _SECONDS, "RFC 3262 §7.2")
    try:
        return value, CSeq.parse(cseq)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"RAck: {error.reason}", section="RFC 3262 §7.2") from None


def _privacy(headers: Headers) -> tuple[str, ...]:
    text = (headers.get("privacy") or "").replace(",", ";")  # some write it as a list
    return tuple([part for part in (piece.strip(" \t").lower() for piece in text.split(";")) if part])


def _retry_after(headers: Headers) -> RetryAfter:
    return RetryAfter.parse(_one(headers, "retry-after"))


def _warnings(headers: Headers) -> tuple[WarningValue, ...]:
    return tuple([WarningValue.parse(value) for value in headers.values("warning")])


def _date(headers: Headers) -> datetime:
    return parse_date(_one(headers, "date"))


_SECONDS: Final = (1 << 32) - 1


def content_length(headers: Headers) -> int | None:
    """Read Content-Length, which must be the only one, or one of several that agree.

    Raises:
        RemoteProtocolError: no number, or two that differ.

    Source: RFC 3261 §20.14
    """
    count = headers._names.count("content-length")
    if not count:
        return None
    if count > 1 and len(set(headers.get_all("content-length"))) > 1:
        raise RemoteProtocolError(
            "Content-Length: expected one, got several that differ", section="RFC 3261 §20.14"
        )
    value = headers._lines[headers._names.index("content-length")].partition(":")[2].strip(" \t\r\n")
    length = read_number(value, "Content-Length", _SECONDS, "RFC 3261 §20.14")
    headers._cache["content-length"] = length
    return length


PARSERS: Final[dict[str, Callable[[Headers], Any]]] = {
    "via": _top_via,
    "*via": _vias,
    "from": _from,
    "to": _to,
    "call-id": _call_id,
    "cseq": _cseq,
    "contact": _contacts,
    "route": _addresses("route"),
    "record-route": _addresses("record-route"),
    "max-forwards": _number("max-forwards", 255, "RFC 3261 §20.22"),
    "expires": _number("expires", _SECONDS, "RFC 3261 §20.19"),
    "min-expires": _number("min-expires", _SECONDS, "RFC 3261 §20.23"),
    "content-length": content_length,
    "content-type": _content_type,
    "require": _option_tags("require"),
    "proxy-require": _option_tags("proxy-require"),
    "supported": _option_tags("supported"),
    "unsupported": _option_tags("unsupported"),
    "allow": _methods,
    "allow-events": _events,
    "path": _addresses("path"),
    "service-route": _addresses("service-route"),
    "p-asserted-identity": _addresses("p-asserted-identity"),
    "p-preferred-identity": _addresses("p-preferred-identity"),
    "diversion": _addresses("diversion"),
    "history-info": _addresses("history-info"),
    "refer-to": _address("refer-to"),
    "referred-by": _address("referred-by"),
    "reply-to": _address("reply-to"),
    "event": _value("event"),
    "subscription-state": _value("subscription-state"),
    "replaces": _value("replaces"),
    "join": _value("join"),
    "target-dialog": _value("target-dialog"),
    "content-disposition": _value("content-disposition"),
    "call-info": _values("call-info"),
    "alert-info": _values("alert-info"),
    "warning": _warnings,
    "max-breadth": _number("max-breadth", _SECONDS, "RFC 5393 §5.3.3"),
    "flow-timer": _number("flow-timer", _SECONDS, "RFC 5626 §10.3"),
    "reason": _values("reason"),
    "accept": _values("accept"),
    "session-expires": _seconds_with_params("session-expires", "RFC 4028 §4"),
    "min-se": _min_se,
    "rseq": _number("rseq", _SECONDS, "RFC 3262 §7.1"),
    "rack": _rack,
    "privacy": _privacy,
    "retry-after": _retry_after,
    "date": _date,
}
