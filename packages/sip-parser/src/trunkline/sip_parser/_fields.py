"""The values of the remaining headers of RFC 3261: `value;params`, dates, Retry-After, Warning.

A message has no attributes for these: read them with `headers.get` or `headers.values` and parse them here.

Source: RFC 3261 §20
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import attrs

from ._errors import LocalProtocolError, RemoteProtocolError, shown
from ._grammar import NO_PARAMS, Params, format_params, number_from, parse_params, quote, unfold, unquote

# Only the inner loops are possessive: if the outer one is too, CPython 3.11.2 takes `"a` for a whole string.
_match_value = re.compile(r"((?:\"(?:[^\"\\]|\\.)*+\"|<[^<>]*>|[^\";<]++)*)(?:;(.*))?", re.DOTALL).fullmatch
_is_quality = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?").fullmatch
_match_retry = re.compile(r"([0-9]+)[ \t]*(\(.*\))?[ \t]*(?:;(.*))?", re.DOTALL).fullmatch
_match_warning = re.compile(r"([0-9]{3})[ \t]+([^ \t\"]+)[ \t]+(\"(?:[^\"\\]|\\.)*+\")", re.DOTALL).fullmatch
_match_date = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
).fullmatch
_MAX_SECONDS: Final = (1 << 32) - 1
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@attrs.frozen
class ParamValue:
    """A value and its parameters.

    Accept, Accept-Encoding, Accept-Language, Alert-Info, Call-Info, Content-Disposition, Content-Type,
    Error-Info, Event, Reason, Session-Expires, Subscription-State and their kin.
    """

    value: str
    """As spelled, such as `application/sdp` or `<https://example.com/ring.wav>`."""
    params: Params = NO_PARAMS
    """Lower-case names; values as spelled (quotes included), None for a parameter without `=`."""

    @classmethod
    def parse(cls, text: str, header: str = "value") -> ParamValue:
        """Read one `value;params`.

        Args:
            text: one value, not a list of them.
            header: what to call it in an error message.

        Raises:
            RemoteProtocolError: no value, or parameters that are none.
        """
        match = _match_value((unfold(text) if "\n" in text else text).strip(" \t"))
        value = match[1].rstrip(" \t") if match is not None else ""
        if match is None or not value:
            raise RemoteProtocolError(
                f"{header}: expected a value and parameters, got {shown(text)}", section="RFC 3261 §25.1"
            )
        return cls(value, parse_params(match[2], header) if match[2] else NO_PARAMS)

    @property
    def q(self) -> float:
        """The preference, 0 to 1; 1 when absent.

        Raises:
            RemoteProtocolError: the parameter is no such number.

        Source: RFC 3261 §25.1 (qvalue)
        """
        text = self.params.get("q", "1") or ""
        if _is_quality(text) is None:
            raise RemoteProtocolError(f"expected q from 0 to 1, got {shown(text)}", section="RFC 3261 §25.1")
        return float(text)

    def __str__(self) -> str:
        return f"{self.value}{format_params(self.params)}"


@attrs.frozen
class RetryAfter:
    """When to try again. Source: RFC 3261 §20.33"""

    seconds: int
    comment: str | None = None
    """The text between the parentheses."""
    params: Params = NO_PARAMS
    """`duration` in seconds, and others."""

    @classmethod
    def parse(cls, text: str) -> RetryAfter:
        """Read a Retry-After value.

        Raises:
            RemoteProtocolError: the text is something else, or 2**32 seconds or more.
        """
        match = _match_retry((unfold(text) if "\n" in text else text).strip(" \t"))
        if match is None or (seconds := number_from(match[1], _MAX_SECONDS)) > _MAX_SECONDS:
            raise RemoteProtocolError(
                f"Retry-After: expected seconds below 2**32, got {shown(text)}", section="RFC 3261 §20.33"
            )
        comment = None if match[2] is None else match[2][1:-1]
        return cls(seconds, comment, parse_params(match[3], "Retry-After") if match[3] else NO_PARAMS)

    def __str__(self) -> str:
        comment = "" if self.comment is None else f" ({self.comment})"
        return f"{self.seconds}{comment}{format_params(self.params)}"


@attrs.frozen
class WarningValue:
    """One warning. Source: RFC 3261 §20.43"""

    code: int
    """Three digits, 300 to 399 for SIP's own."""
    agent: str
    """The host, or pseudonym, that warns."""
    text: str
    """Without quotes and escapes."""

    @classmethod
    def parse(cls, text: str) -> WarningValue:
        """Read one Warning value.

        Raises:
            RemoteProtocolError: the text is something else.
        """
        match = _match_warning((unfold(text) if "\n" in text else text).strip(" \t"))
        if match is None:
            raise RemoteProtocolError(
                f'Warning: expected three digits, a host and "text", got {shown(text)}',
                section="RFC 3261 §20.43",
            )
        return cls(int(match[1]), match[2], unquote(match[3]))

    def __str__(self) -> str:
        return f"{self.code:03d} {self.agent} {quote(self.text)}"


def parse_date(text: str) -> datetime:
    """Read a Date value, which is always in GMT.

    Returns:
        An aware time in UTC.

    Raises:
        RemoteProtocolError: the text is something else, another time zone included.

    Source: RFC 3261 §20.17
    """
    match = _match_date(text.strip(" \t"))
    if match is not None and match[2] in _MONTHS:
        day, year, hour, minute, second = (int(match[number]) for number in (1, 3, 4, 5, 6))
        second = 59 if second == 60 else second  # a leap second
        try:
            return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            pass
    raise RemoteProtocolError(
        f"Date: expected such as Sat, 13 Nov 2010 23:29:00 GMT, got {shown(text)}", section="RFC 3261 §20.17"
    )


def format_date(at: datetime) -> str:
    """Write a Date value.

    Args:
        at: an aware time of any zone.

    Raises:
        LocalProtocolError: the time is naive.

    Source: RFC 3261 §20.17
    """
    if at.tzinfo is None:
        raise LocalProtocolError("expected an aware time, got a naive one")
    at = at.astimezone(UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02d} {month} {at.year:04d} {at.hour:02d}:{at.minute:02d}:{at.second:02d} GMT"
