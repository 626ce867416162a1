"""The two kinds of message: requests and responses, each with its start line.

What both have in common is `_message`; parsing one out of bytes is `_reader`, answering one is `_responses`.

Source: RFC 3261 §7.1, §7.2
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from ._errors import LocalProtocolError, RemoteProtocolError, shown
from ._grammar import is_token
from ._headers import Headers
from ._memory import Memory
from ._message import MessageBase, reads_slots
from ._uri import AnyUri, parse_uri

_bad_uri = re.compile(r"[\s\x00-\x1f\x7f]").search
_bad_reason = re.compile(r"[\r\n\0]").search
# A Via as a proxy writes it, and as it comes back from whoever filled in rport and received; on the same line
# others may follow.
_RPORT, _RECEIVED = r";rport(?:=[0-9]{1,5})?", r";received=[0-9A-Fa-f.:]+"
_match_returned_via = re.compile(
    r"Via: SIP/2\.0/(?:UDP|TCP|TLS) [0-9A-Za-z.\-]+(?::[1-9][0-9]{0,3}|:[1-5][0-9]{4})?"
    rf";branch=([0-9A-Za-z.\-]+)(?:{_RPORT}(?:{_RECEIVED})?|{_RECEIVED}(?:{_RPORT})?)?(?:,|\Z)"
).match

_is_plain_sender = re.compile(
    r"Via: SIP/2\.0/(?:UDP|TCP|TLS) [0-9A-Za-z.\-]+(?::[1-9][0-9]{0,3}|:[1-5][0-9]{4})?"
).fullmatch
_PLAIN_SENDERS: Final = Memory(lambda text: _is_plain_sender(text) is not None, 128)
"""Whether a Via's line begins so that its branch may follow; what comes back begins with our addresses."""


def check_uri(uri: str) -> None:
    """Refuse a text that cannot stand in a start line for a Request-URI."""
    if not uri or _bad_uri(uri) is not None:
        raise LocalProtocolError(f"expected a Request-URI without blanks, got {shown(uri)}")


@reads_slots("method", "uri", "version")
class Request(MessageBase):
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
        check_uri(uri)
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


@reads_slots("status", "reason", "version")
class Response(MessageBase):
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
        _check_status(status)
        _check_reason(reason)
        self._status = status
        self._reason = reason
        self._start = None
        self._body = body
        self._changed = True
        self._version = version

    @property
    def status(self) -> int:
        """The status code, 100 to 699."""
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        _check_status(status)
        self._status = status
        self._start = None
        self._changed = True

    @property
    def reason(self) -> str:
        """The reason phrase, as received or as set; may be empty."""
        return self._reason

    @reason.setter
    def reason(self, reason: str) -> None:
        _check_reason(reason)
        self._reason = reason
        self._start = None
        self._changed = True

    @property
    def version(self) -> str:
        """The protocol version, `SIP/2.0` in all good responses."""
        return self._version

    def likely_key(self) -> tuple[str, str]:
        """Give branch and method of the request it answers, where a plain Via and CSeq say so.

        To look for what is known: where it finds nothing, `top_via` and `cseq` are to be read.

        Returns:
            Both as `top_via` and `cseq` would give them, or two empty strings.
        """
        headers = self.headers
        names = headers._names
        cseq = headers._cache.get("cseq")
        if cseq is None:
            try:
                cseq = self.cseq
            except RemoteProtocolError:
                return "", ""
        if "via" not in names:
            return "", ""
        line = headers._lines[names.index("via")]
        sender, _, rest = line.partition(";branch=")
        branch = rest.partition(",")[0]
        # as bytes, of which a look into a table says at once what each is
        if branch.isascii() and branch.replace(".", "").encode().isalnum() and _PLAIN_SENDERS[sender]:
            return branch, cseq.method
        via = _match_returned_via(line)
        return ("", "") if via is None else (via[1], cseq.method)

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


def _check_status(status: int) -> None:
    if not 100 <= status <= 699:
        raise LocalProtocolError(f"expected a status from 100 to 699, got {status}")


def _check_reason(reason: str) -> None:
    if not reason.isprintable() and _bad_reason(reason) is not None:
        raise LocalProtocolError(f"expected a reason phrase on one line, got {shown(reason)}")


Message: TypeAlias = Request | Response
