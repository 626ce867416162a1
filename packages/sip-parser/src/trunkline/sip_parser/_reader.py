"""From bytes to messages: one datagram at a time, or out of a stream.

What a head means is `_head`; here is where one begins and where its body ends.

Source: RFC 3261 §7.5, §18.3, RFC 5626 §3.5.1
"""

from __future__ import annotations

from typing import Final

import attrs

from ._errors import RemoteProtocolError
from ._head import MAX_HEAD, MAX_HEADERS, framed_length, has_stray_line_end, parse_head, salvage
from ._messages import Message
from ._typed import content_length

MAX_BODY: Final = 1 << 20
"""Bytes of body taken from a stream."""


@attrs.define(slots=True)
class KeepAlive:
    """The peer sent the double CRLF that asks for a single one back. Source: RFC 5626 §3.5.1"""


def parse_datagram(
    data: bytes, *, max_head: int = MAX_HEAD, max_headers: int = MAX_HEADERS, read_ahead: bool = False
) -> Message:
    """Read the one message a datagram carries.

    Empty lines before the message are ignored, and so are bytes after the body that Content-Length announces.
    Without Content-Length the body reaches to the end of the datagram.

    Args:
        data: the whole datagram.
        max_head: bytes of start line and headers, at most.
        max_headers: header lines, at most.
        read_ahead: whether to read To, From, CSeq, Max-Forwards, Contact, and a request's Call-ID at once,
            which is quicker for who asks for most of them, as a server does. What is wrong with them is told
            when they are asked for.

    Returns:
        The message; other typed headers are not yet read.

    Raises:
        RemoteProtocolError: `message` is set when enough was understood to answer.

    Source: RFC 3261 §7, §18.3
    """
    if data[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or len(head) > max_head:
        raise _no_head(data, len(head) if end else -1, max_head, max_headers)
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("utf-8", "surrogateescape")
    message = parse_head(text, max_headers, read_ahead)
    length = message.headers._cache.get("content-length")
    if length is None or length == len(body):
        message._body = body
        return message
    message._body = body[:length]
    if length > len(body):
        raise RemoteProtocolError(
            f"Content-Length: expected at most the {len(body)} bytes after the head, got {length}",
            section="RFC 3261 §18.3",
            message=message,
        )
    return message


def _no_head(data: bytes, end: int, max_head: int, max_headers: int) -> RemoteProtocolError:
    message = salvage(data[:max_head].decode("utf-8", "surrogateescape"), max_headers) if data else None
    if end > max_head:
        return RemoteProtocolError(
            f"expected a head of at most {max_head} bytes, got {end}", 513, "RFC 3261 §21.5.7", None, message
        )
    return RemoteProtocolError(
        f"expected a head that ends in an empty line, got {len(data)} bytes without one",
        section="RFC 3261 §7",
        offset=len(data),
        message=message,
    )


class StreamReader:
    """Cuts a stream of bytes into messages.

    A message that is wrong in itself but whose end is known does not cost the connection: the error takes its
    place in the list. When the end of a message cannot be known, framing is lost and the error is raised.
    """

    __slots__ = (
        "_blank",
        "_buffer",
        "_missing",
        "_pending",
        "_searched",
        "lost",
        "max_body",
        "max_head",
        "max_headers",
        "max_message",
    )

    def __init__(
        self,
        max_head: int = MAX_HEAD,
        max_body: int = MAX_BODY,
        max_headers: int = MAX_HEADERS,
        max_message: int = MAX_HEAD + MAX_BODY,
    ) -> None:
        """Begin at the beginning of a connection.

        Args:
            max_head: bytes of start line and headers, at most.
            max_body: bytes of body, at most.
            max_headers: header lines, at most.
            max_message: bytes of head and body together, at most.
        """
        self.max_message = max_message
        self.max_head = max_head
        self.max_body = max_body
        self.max_headers = max_headers
        self.lost: RemoteProtocolError | None = None
        """Why framing was lost, set at once; nothing more can be read and the connection must close."""
        self._buffer = bytearray()
        self._searched = 0
        self._blank = False
        self._pending: Message | RemoteProtocolError | None = None
        self._missing = 0

    @property
    def is_midway(self) -> bool:
        """Whether a message has begun to come and is not complete."""
        return self._pending is not None or bool(self._buffer)

    def receive(self, data: bytes) -> list[Message | KeepAlive | RemoteProtocolError]:
        """Take bytes in, in pieces of any size.

        Args:
            data: what came from the stream; empty is allowed.

        Returns:
            What has become complete, in order: messages, keep-alives to be answered with one CRLF, and errors
            of messages that were complete but wrong (the connection goes on).

        Raises:
            RemoteProtocolError: framing is lost, the connection must close. What was complete before is
                returned first: then `lost` is set and the next call raises.

        Source: RFC 3261 §18.3
        """
        if self.lost is not None:
            raise self.lost
        self._buffer += data
        complete: list[Message | KeepAlive | RemoteProtocolError] = []
        try:
            while self._step(complete):
                pass
        except RemoteProtocolError as error:
            self.lost = error
            self._buffer.clear()
            if not complete:
                raise
        return complete

    def _step(self, complete: list[Message | KeepAlive | RemoteProtocolError]) -> bool:
        """Take the next whole thing out of the buffer; False when more bytes are needed."""
        buffer = self._buffer
        if self._pending is None:
            if buffer[:1] == b"\r" and self._searched == 0:
                return self._skip_blank(complete)
            if not self._read_head():
                return False
        pending = self._pending
        if pending is None or len(buffer) < self._missing:
            return False
        if not isinstance(pending, RemoteProtocolError):
            pending._body = bytes(buffer[: self._missing])
        del buffer[: self._missing]
        self._pending = None
        complete.append(pending)
        return True

    def _skip_blank(self, complete: list[Message | KeepAlive | RemoteProtocolError]) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        if buffer[1] != 10:
            raise RemoteProtocolError(
                "expected LF after CR between messages", section="RFC 3261 §7.5", offset=1
            )
        del buffer[:2]
        self._blank = not self._blank
        if not self._blank:
            complete.append(KeepAlive())
        return True

    def _read_head(self) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > self.max_head:
                raise _no_head(bytes(buffer), len(buffer), self.max_head, self.max_headers)
            return False
        if end > self.max_head:
            raise _no_head(bytes(buffer), end, self.max_head, self.max_headers)
        self._blank = False
        self._searched = 0
        head = buffer[:end].decode("utf-8", "surrogateescape")
        result: Message | RemoteProtocolError
        message: Message | None
        try:
            result = message = parse_head(head, self.max_headers, True)
            length = content_length(message.headers)
        except RemoteProtocolError as error:
            if error.status_hint == 513 or has_stray_line_end(head):
                raise
            result, message = error, error.message
            length = framed_length(head, error)
        if length is None:
            if isinstance(result, RemoteProtocolError):
                raise result
            raise RemoteProtocolError(
                "expected a Content-Length header on a stream, got none",
                section="RFC 3261 §18.3",
                message=message,
            )
        most = min(self.max_body, self.max_message - end - 4)
        if length > most:
            raise RemoteProtocolError(
                f"expected a body of at most {max(most, 0)} bytes, got Content-Length {length}",
                513,
                "RFC 3261 §21.5.7",
                message=message,
            )
        self._pending = result
        self._missing = length
        del buffer[: end + 4]
        return True
