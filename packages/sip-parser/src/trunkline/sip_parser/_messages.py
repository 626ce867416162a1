"""Requests and responses: start line, headers, body, and the typed view of the headers everybody needs.

Parsing one out of bytes is `_reader`, answering one is `_responses`. Typed attributes are parsed when first
asked for; each may raise RemoteProtocolError naming the header, unless `check_message` has passed before.

Source: RFC 3261 §7
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from ._address import NameAddr
from ._errors import LocalProtocolError, RemoteProtocolError, shown
from ._grammar import is_token
from ._headers import Headers
from ._typed import PARSERS
from ._uri import AnyUri, parse_uri
from ._via import CSeq, Via

_bad_uri = re.compile(r"[\s\x00-\x1f\x7f]").search
_bad_reason = re.compile(r"[\r\n\0]").search


class _MessageBase:
    """What requests and responses have in common."""

    __slots__ = ("_body", "_changed", "_start", "headers")

    headers: Headers
    _start: str | None
    _body: bytes
    _changed: bool

    is_request: bool = False

    @property
    def body(self) -> bytes:
        """The payload, opaque; setting it lets Content-Length follow when the message is written."""
        return self._body

    @body.setter
    def body(self, body: bytes) -> None:
        self._body = body
        self._changed = True

    def start_line(self) -> str:
        """Give the first line, as it came or as it would be written."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Write the message.

        An untouched message gives the bytes it was parsed from. Otherwise Content-Length is made to agree
        with the body; every other line that was not changed stays as it was.

        Raises:
            LocalProtocolError: a text that was set has characters UTF-8 cannot carry.

        Source: RFC 3261 §7, §20.14
        """
        headers = self.headers
        lines = headers._lines
        body = self._body
        if (self._changed or headers._changed) and headers._cache.get("content-length") != len(body):
            lines = _with_length(headers, len(body))
        text = "\r\n".join([self._start or self.start_line(), *lines, "", ""])
        try:
            head = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"expected text that UTF-8 can carry: {error}") from None
        return head + body if body else head

    def _typed(self, key: str) -> Any:
        """Parse a header for the first time and remember the result."""
        try:
            value = PARSERS[key](self.headers)
        except RemoteProtocolError as error:
            if error.message is None and isinstance(self, Request | Response):
                error.message = self
            raise
        self.headers._cache[key] = value
        return value

    @property
    def top_via(self) -> Via:
        """The topmost Via. Source: RFC 3261 §20.42"""
        cached: Via | None = self.headers._cache.get("via")
        return self._typed("via") if cached is None else cached

    @property
    def vias(self) -> list[Via]:
        """Every Via, topmost first."""
        cached: tuple[Via, ...] | None = self.headers._cache.get("*via")
        return list(self._typed("*via") if cached is None else cached)

    @property
    def from_(self) -> NameAddr:
        """The From header. Source: RFC 3261 §20.20"""
        cached: NameAddr | None = self.headers._cache.get("from")
        return self._typed("from") if cached is None else cached

    @property
    def to(self) -> NameAddr:
        """The To header. Source: RFC 3261 §20.39"""
        cached: NameAddr | None = self.headers._cache.get("to")
        return self._typed("to") if cached is None else cached

    @property
    def from_tag(self) -> str | None:
        """The tag of From, None when there is none (RFC 2543 peers)."""
        return self.from_.tag

    @property
    def to_tag(self) -> str | None:
        """The tag of To, None outside of a dialog."""
        return self.to.tag

    @property
    def call_id(self) -> str:
        """The Call-ID. Source: RFC 3261 §20.8"""
        cached: str | None = self.headers._cache.get("call-id")
        return self._typed("call-id") if cached is None else cached

    @property
    def cseq(self) -> CSeq:
        """The CSeq. Source: RFC 3261 §20.16"""
        cached: CSeq | None = self.headers._cache.get("cseq")
        return self._typed("cseq") if cached is None else cached

    @property
    def contacts(self) -> list[NameAddr]:
        """Every Contact in order; empty for `*`. Source: RFC 3261 §20.10"""
        cached: tuple[NameAddr, ...] | None = self.headers._cache.get("contact")
        return list(self._typed("contact") if cached is None else cached)

    @property
    def contact_star(self) -> bool:
        """Whether Contact is `*`, which asks to remove every binding. Source: RFC 3261 §10.2.2"""
        return not self.contacts and self.headers.get("contact") == "*"

    @property
    def routes(self) -> list[NameAddr]:
        """Every Route, topmost first. Source: RFC 3261 §20.34"""
        cached: tuple[NameAddr, ...] | None = self.headers._cache.get("route")
        return list(self._typed("route") if cached is None else cached)

    @property
    def record_routes(self) -> list[NameAddr]:
        """Every Record-Route, topmost first. Source: RFC 3261 §20.30"""
        cached: tuple[NameAddr, ...] | None = self.headers._cache.get("record-route")
        return list(self._typed("record-route") if cached is None else cached)

    @property
    def max_forwards(self) -> int | None:
        """Hops left, 0 to 255; None when absent. Source: RFC 3261 §20.22"""
        value: int | None = self._optional("max-forwards")
        return value

    @property
    def expires(self) -> int | None:
        """The Expires header in seconds, below 2**32; None when absent. Source: RFC 3261 §20.19"""
        value: int | None = self._optional("expires")
        return value

    @property
    def min_expires(self) -> int | None:
        """The Min-Expires header in seconds, below 2**32; None when absent. Source: RFC 3261 §20.23"""
        value: int | None = self._optional("min-expires")
        return value

    @property
    def content_length(self) -> int | None:
        """The Content-Length header as it stands; None when absent. Source: RFC 3261 §20.14"""
        value: int | None = self._optional("content-length")
        return value

    @property
    def content_type(self) -> str | None:
        """`type/subtype` in lower case without parameters; None when absent. Source: RFC 3261 §20.15"""
        value: str | None = self._optional("content-type")
        return value

    @property
    def require(self) -> list[str]:
        """Option tags the peer requires, lower case. Source: RFC 3261 §20.32"""
        return self._tags("require")

    @property
    def proxy_require(self) -> list[str]:
        """Option tags the peer requires of proxies, lower case. Source: RFC 3261 §20.29"""
        return self._tags("proxy-require")

    @property
    def supported(self) -> list[str]:
        """Option tags the peer supports, lower case. Source: RFC 3261 §20.37"""
        return self._tags("supported")

    @property
    def allow(self) -> list[str]:
        """Methods the peer allows, as spelled. Source: RFC 3261 §20.5"""
        return self._tags("allow")

    def _optional(self, key: str) -> Any:
        headers = self.headers
        if key not in headers._names:
            return None
        cached = headers._cache.get(key)
        return self._typed(key) if cached is None else cached

    def _tags(self, key: str) -> list[str]:
        cached: tuple[str, ...] | None = self.headers._cache.get(key)
        return list(self._typed(key) if cached is None else cached)


class Request(_MessageBase):
    """A request."""

    __slots__ = ("_method", "_parsed_uri", "_uri", "_version")

    is_request = True

    def __init__(
        self,
        method: str,
        uri: str,
        headers: Headers | Iterable[tuple[str, str]] | None = None,
        body: bytes = b"",
        version: str = "SIP/2.0",
    ) -> None:
        """Build a request.

        Args:
            method: a token; methods are case-sensitive.
            uri: the Request-URI as it is to be written.
            headers: taken over, not copied, when they are `Headers`; otherwise names and values in order.
            body: the payload; Content-Length is written by `to_bytes`.
            version: the protocol version of the start line.

        Raises:
            LocalProtocolError: a method, URI or header that cannot be written.
        """
        self.headers = headers if isinstance(headers, Headers) else Headers(headers or ())
        self._body = body
        self._changed = True
        self._version = version
        self.method = method
        self.uri = uri

    @property
    def method(self) -> str:
        """The method, upper case for all registered ones."""
        return self._method

    @method.setter
    def method(self, method: str) -> None:
        if is_token(method) is None:
            raise LocalProtocolError(f"expected a method, got {shown(method)}")
        self._method = method
        self._start = None
        self._changed = True

    @property
    def uri(self) -> str:
        """The Request-URI as received or as set; setting it resets `parsed_uri`."""
        return self._uri

    @uri.setter
    def uri(self, uri: str) -> None:
        if not uri or _bad_uri(uri) is not None:
            raise LocalProtocolError(f"expected a Request-URI without blanks, got {shown(uri)}")
        self._uri = uri
        self._parsed_uri: AnyUri | None = None
        self._start = None
        self._changed = True

    @property
    def version(self) -> str:
        """The protocol version, `SIP/2.0` in all good requests."""
        return self._version

    @property
    def parsed_uri(self) -> AnyUri:
        """The Request-URI, parsed. Source: RFC 3261 §19.1"""
        parsed = self._parsed_uri
        if parsed is None:
            try:
                parsed = parse_uri(self._uri)
            except RemoteProtocolError as error:
                raise RemoteProtocolError(
                    f"Request-URI: {error.reason}", error.status_hint, error.section, message=self
                ) from None
            self._parsed_uri = parsed
        return parsed

    def start_line(self) -> str:
        """Give the request line, as it came or as it would be written."""
        start = self._start
        if start is None:
            self._start = start = f"{self._method} {self._uri} {self._version}"
        return start

    def copy(self) -> Request:
        """Make an independent copy; parsed values are shared, which is why they are immutable."""
        copy = Request.__new__(Request)
        copy.headers = self.headers.copy()
        copy._start = self._start
        copy._body = self._body
        copy._changed = self._changed
        copy._method = self._method
        copy._uri = self._uri
        copy._version = self._version
        copy._parsed_uri = self._parsed_uri
        return copy

    def __repr__(self) -> str:
        return f"<Request {self.start_line()}>"


class Response(_MessageBase):
    """A response."""

    __slots__ = ("_reason", "_status", "_version")

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Headers | Iterable[tuple[str, str]] | None = None,
        body: bytes = b"",
        version: str = "SIP/2.0",
    ) -> None:
        """Build a response from nothing; to answer a request, `make_response` copies what must be copied.

        Args:
            status: 100 to 699.
            reason: the phrase people read.
            headers: taken over, not copied, when they are `Headers`; otherwise names and values in order.
            body: the payload; Content-Length is written by `to_bytes`.
            version: the protocol version of the start line.

        Raises:
            LocalProtocolError: a status, reason or header that cannot be written.
        """
        self.headers = headers if isinstance(headers, Headers) else Headers(headers or ())
        self._body = body
        self._version = version
        self.status = status
        self.reason = reason

    @property
    def status(self) -> int:
        """The status code, 100 to 699."""
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        if not 100 <= status <= 699:
            raise LocalProtocolError(f"expected a status from 100 to 699, got {status}")
        self._status = status
        self._start = None
        self._changed = True

    @property
    def reason(self) -> str:
        """The reason phrase, as received or as set; may be empty."""
        return self._reason

    @reason.setter
    def reason(self, reason: str) -> None:
        if _bad_reason(reason) is not None:
            raise LocalProtocolError(f"expected a reason phrase on one line, got {shown(reason)}")
        self._reason = reason
        self._start = None
        self._changed = True

    @property
    def version(self) -> str:
        """The protocol version, `SIP/2.0` in all good responses."""
        return self._version

    def start_line(self) -> str:
        """Give the status line, as it came or as it would be written."""
        start = self._start
        if start is None:
            self._start = start = f"{self._version} {self._status} {self._reason}"
        return start

    def copy(self) -> Response:
        """Make an independent copy; parsed values are shared, which is why they are immutable."""
        copy = Response.__new__(Response)
        copy.headers = self.headers.copy()
        copy._start = self._start
        copy._body = self._body
        copy._changed = self._changed
        copy._status = self._status
        copy._reason = self._reason
        copy._version = self._version
        return copy

    def __repr__(self) -> str:
        return f"<Response {self.start_line()}>"


Message: TypeAlias = Request | Response


def _with_length(headers: Headers, length: int) -> list[str]:
    """Give the lines with one Content-Length that is right, without changing the headers."""
    names, lines = headers._names, headers._lines
    count = names.count("content-length")
    if count == 1:
        index = names.index("content-length")
        name, _, value = lines[index].partition(":")
        if value.strip(" \t\r\n") == str(length):
            return lines
        return [*lines[:index], f"{name}: {length}", *lines[index + 1 :]]
    kept = [line for line, name in zip(lines, names, strict=True) if name != "content-length"]
    return [*kept, f"Content-Length: {length}"]
