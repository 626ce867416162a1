"""What requests and responses have in common: headers, body, writing, and the typed view of the headers.

Typed attributes are parsed when first asked for; each may raise RemoteProtocolError naming the header, unless
`check_message` has passed before. How a header is read is `_typed`; rarer headers are in `_more_headers`, the
two kinds of message in `_messages`.

Source: RFC 3261 §7
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ._address import NameAddr
from ._errors import RemoteProtocolError
from ._grammar import encode_escaped
from ._headers import Headers
from ._more_headers import MoreHeaders
from ._typed import TYPED, read_header
from ._via import CSeq, Via

if TYPE_CHECKING:
    from ._messages import Message


MessageClass = TypeVar("MessageClass", bound=type)


def reads_slots(*names: str) -> Callable[[MessageClass], MessageClass]:
    """Let properties that only give the slot of their name be read without a call into Python.

    A message's method or status is asked for some ten times by the layers above; setting one still checks it.
    """

    def quicken(cls: MessageClass) -> MessageClass:
        for name in names:
            slow = vars(cls)[name]
            setattr(cls, name, property(attrgetter(f"_{name}"), slow.fset, None, slow.__doc__))
        return cls

    return quicken


@reads_slots("body")
class MessageBase(MoreHeaders):
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
            head = text.encode()
        except UnicodeEncodeError:
            head = encode_escaped(text)
        return head + body if body else head

    def _typed(self, key: str) -> Any:
        """Read a header for the first time and remember the result; nearly all have one short line."""
        headers = self.headers
        names, at = headers._names, headers._at
        if at is not None:
            index = at.get(key, -1)
        else:
            index = names.index(key) if names.count(key) == 1 else -1
        if index >= 0:
            try:
                value = headers._cache[key] = TYPED[headers._lines[index]]
            except RemoteProtocolError as error:
                error.message = cast("Message", self)
                raise
            return value
        return self._read(key)

    def read_parties(self) -> None:
        """Read To and From, which are then known to be good.

        Raises:
            RemoteProtocolError: one of them cannot be read.
        """
        headers = self.headers
        names, lines, cache = headers._names, headers._lines, headers._cache
        for key in ("to", "from"):
            if key not in cache:
                if names.count(key) == 1:
                    try:
                        cache[key] = TYPED[lines[names.index(key)]]
                    except RemoteProtocolError as error:
                        error.message = cast("Message", self)
                        raise
                else:
                    self._read(key)

    def _read(self, key: str) -> Any:
        """Read a header for the first time, whatever its lines, and remember the result."""
        try:
            value = self.headers._cache[key] = read_header(self.headers, key)
        except RemoteProtocolError as error:
            error.message = cast("Message", self)
            raise
        return value

    def pack(self) -> None:
        """Keep the head as one text until something of it is asked for. See `Headers.pack`."""
        self.headers.pack()

    @property
    def top_via(self) -> Via:
        """The topmost Via. Source: RFC 3261 §20.42"""
        cache = self.headers._cache
        found: tuple[Via, ...] | None = cache.get("via")
        if found:
            return found[0]
        cached: Via | None = cache.get("*via")
        return self._read("*via") if cached is None else cached

    @property
    def vias(self) -> list[Via]:
        """Every Via, topmost first."""
        cached: tuple[Via, ...] | None = self.headers._cache.get("via")
        return list(self._read("via") if cached is None else cached)

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
        cached: NameAddr | None = self.headers._cache.get("from")
        address: NameAddr = self._typed("from") if cached is None else cached
        return address.params.get("tag") or None

    @property
    def to_tag(self) -> str | None:
        """The tag of To, None outside of a dialog."""
        cached: NameAddr | None = self.headers._cache.get("to")
        address: NameAddr = self._typed("to") if cached is None else cached
        return address.params.get("tag") or None

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
        return self._all("contact") if cached is None else list(cached)

    @property
    def first_contact(self) -> NameAddr | None:
        """The first Contact; None for `*`, and when there is none. Source: RFC 3261 §20.10"""
        headers = self.headers
        cached: tuple[NameAddr, ...] | None = headers._cache.get("contact")
        if cached is None:
            cached = self._typed("contact") if "contact" in headers._names else None
        return cached[0] if cached else None

    @property
    def contact_star(self) -> bool:
        """Whether Contact is `*`, which asks to remove every binding. Source: RFC 3261 §10.2.2"""
        return not self.contacts and self.headers.get("contact") == "*"

    @property
    def routes(self) -> list[NameAddr]:
        """Every Route, topmost first. Source: RFC 3261 §20.34"""
        return self._all("route")

    @property
    def record_routes(self) -> list[NameAddr]:
        """Every Record-Route, topmost first. Source: RFC 3261 §20.30"""
        return self._all("record-route")

    @property
    def max_forwards(self) -> int | None:
        """Hops left, 0 to 255; None when absent. Source: RFC 3261 §20.22"""
        cached: int | None = self.headers._cache.get("max-forwards")
        return self._optional("max-forwards") if cached is None else cached

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
        return self._all("require")

    @property
    def proxy_require(self) -> list[str]:
        """Option tags the peer requires of proxies, lower case. Source: RFC 3261 §20.29"""
        return self._all("proxy-require")

    @property
    def supported(self) -> list[str]:
        """Option tags the peer supports, lower case. Source: RFC 3261 §20.37"""
        return self._all("supported")

    @property
    def allow(self) -> list[str]:
        """Methods the peer allows, as spelled. Source: RFC 3261 §20.5"""
        return self._all("allow")

    def _optional(self, key: str) -> Any:
        headers = self.headers
        cached = headers._cache.get(key)
        if cached is not None:
            return cached
        at = headers._at
        return self._typed(key) if key in (headers._names if at is None else at) else None

    def _all(self, key: str) -> list[Any]:
        headers = self.headers
        cached: tuple[Any, ...] | None = headers._cache.get(key)
        if cached is not None:
            return list(cached)
        at = headers._at
        return list(self._typed(key)) if key in (headers._names if at is None else at) else []


def _with_length(headers: Headers, length: int) -> list[str]:
    """Give the lines with one Content-Length that is right, without changing the headers."""
    names, lines = headers._names, headers._lines
    if "content-length" not in names:
        return [*lines, f"Content-Length: {length}"]
    values = headers.get_all("content-length")
    if all(value == str(length) for value in values):
        return lines
    if len(values) == 1:
        index = names.index("content-length")
        name = lines[index].partition(":")[0]
        return [*lines[:index], f"{name}: {length}", *lines[index + 1 :]]
    kept = [line for line, name in zip(lines, names, strict=True) if name != "content-length"]
    return [*kept, f"Content-Length: {length}"]
