"""Connection: one socket to one peer, its codec, and what waits to be written.

Writing never waits: what the kernel does not take at once is kept, and a task that lives only as long
drains it. How connections come and go, and what is read from them, is in `_tcp`.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import trio

from trunkline.sip_parser import StreamReader
from trunkline.sip_transaction import Flow

from ._codecs import Codec, CodecError

RECEIVE_SIZE = 65536


class Connection:
    """One connection.

    Args:
        flow: what its messages come and go by.
        sock: a non-blocking socket, connected or about to be.
        codec: what stands between the socket and SIP.
        reader: cuts what comes into messages.
        start_soon: starts a task that may live as long as the transport.
    """

    __slots__ = (
        "_codec",
        "_draining",
        "_held",
        "_start_soon",
        "_waiting",
        "aliases",
        "began",
        "connecting",
        "flow",
        "heard",
        "is_outgoing",
        "name",
        "reader",
        "reason",
        "scope",
        "sock",
        "unwritten",
        "used",
    )

    def __init__(
        self,
        flow: Flow,
        sock: socket.socket,
        codec: Codec,
        reader: StreamReader,
        start_soon: Callable[..., Any],
    ) -> None:
        self.flow = flow
        self.sock = sock
        self.reader = reader
        self.name = flow.server_name
        "The name the peer has proved, when that was asked of it."
        self.is_outgoing = False
        "Whether we opened it."
        self.connecting = False
        "Whether it has yet to come up."
        self.aliases: list[tuple[tuple[str, int], str | None]] = []
        "Whom else it reaches: addresses at which the peer listens, each with the name that was proved."
        self.used = False
        "Whether a message has gone or come by it."
        self.heard = trio.current_time()
        "When a byte last came."
        self.began: float | None = self.heard
        "Since when the peer owes us the rest of a message; at first, a message at all."
        self.unwritten = 0
        "Bytes that wait for the peer to read, or for the connection to stand."
        self.reason: str | None = None
        "Why it is to end, when that is our decision."
        self.scope = trio.CancelScope()
        "Around whatever is waited for."
        self._codec = codec
        self._start_soon = start_soon
        self._held: list[bytes] = []
        self._waiting: deque[memoryview] = deque()
        self._draining = False

    @property
    def is_ready(self) -> bool:
        """Whether messages can be written: it is connected, and the codec agrees."""
        return self._codec.established and not self.connecting

    def proved(self) -> list[str]:
        """Give the domains and addresses that the peer has proved to be."""
        return self._codec.proved()

    def begin(self) -> None:
        """Begin to speak, now that it is connected.

        Raises:
            CodecError: it cannot be.
        """
        self._codec.start()
        self._speak()

    def receive(self) -> bytes | None:
        """Give the plain bytes that have come: None when there are none yet, empty at the end.

        Raises:
            OSError: the connection broke.
            CodecError: the peer does not speak what it should.
        """
        try:
            data = self.sock.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return None
        if not data:
            return b""
        codec = self._codec
        try:
            plain = codec.decode(data)
        finally:
            self._speak()
        return plain or (b"" if codec.closed else None)

    def _speak(self) -> None:
        codec = self._codec
        data = codec.take()
        if data:
            self._put(data)
        if self._held and self.is_ready:
            held, self._held = self._held, []
            for message in held:
                self.unwritten -= len(message)
                self._put(codec.encode(message))

    def write(self, data: bytes) -> None:
        """Write a message, now or as soon as that can be."""
        self.used = True
        if self.is_ready:
            try:
                self._put(self._codec.encode(data))
            except CodecError as error:
                self.abort(str(error))
        else:
            self._held.append(data)
            self.unwritten += len(data)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        if not self._waiting:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                pass
            except OSError:
                return  # the reader sees the broken connection and reports it
            if not view:
                return
        self._waiting.append(view)
        self.unwritten += len(view)
        if not self._draining:
            self._draining = True
            self._start_soon(self._drain)

    async def _drain(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                await trio.lowlevel.wait_writable(self.sock)
                if not waiting:
                    return  # closed meanwhile
                view = waiting[0]
                try:
                    sent = self.sock.send(view)
                except BlockingIOError:
                    continue
                self.unwritten -= sent
                if sent == len(view):
                    waiting.popleft()
                else:
                    waiting[0] = view[sent:]
        except (OSError, trio.ClosedResourceError):
            pass  # the reader sees it too
        finally:
            self._draining = False

    def abort(self, reason: str) -> None:
        """End it, whatever is under way."""
        self.reason = reason
        self.scope.cancel()

    def finish(self) -> None:
        """Say that nothing more will be sent; the peer may still speak."""
        try:
            if not self._waiting:
                self.sock.send(self._codec.finish())
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is broken already

    def close(self) -> None:
        """Close the socket; what waits to be written is given up, and who writes it goes on and ends."""
        self._waiting.clear()
        self._held.clear()
        trio.lowlevel.notify_closing(self.sock)
        self.sock.close()
