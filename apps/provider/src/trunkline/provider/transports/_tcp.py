"""SIP over TCP: connections accepted and opened, framed by the parser's stream reader.

A connection is found again by its number (the flow a request came by) or by the remote address
(a request to a peer that already has a connection). Writing never waits: what the kernel does not
take at once is queued, up to a limit, and a peer that does not read is cut off.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections import deque
from collections.abc import Callable

import trio

from trunkline.sip_parser import KeepAlive, Message, RemoteProtocolError, StreamReader
from trunkline.sip_transaction import Flow

from ._listen import ListenPoint

RECEIVE_SIZE = 65536
MAX_QUEUED = 1 << 20
"Bytes that may wait for one peer to read."
CONNECT_TIMEOUT = 8.0
"Seconds for a connection to come up: well under the 32 s of a transaction."
IDLE_TIMEOUT = 7200.0
"Seconds without a byte after which a connection is closed."


class TcpTransport:
    """All the connections of one TCP listening point.

    Args:
        point: a listening socket; this object owns it from now on.
        receive: called with each message and its flow.
        garbage: called with a parse error and the flow it came by.
        failed: called with (key, flow, reason) when the connection that a message is for is gone.
        lost: called with (flow, reason) when a connection ended or could not be opened.
        drained: called after each batch of input.
        numbers: gives the connections of all transports their numbers.
    """

    def __init__(
        self,
        point: ListenPoint,
        receive: Callable[[Message, Flow], None],
        garbage: Callable[[RemoteProtocolError, Flow], None],
        failed: Callable[[object, Flow, str], None],
        lost: Callable[[Flow, str], None],
        drained: Callable[[], None],
        numbers: itertools.count[int],
    ) -> None:
        self.local = point.address
        self._listener = point.sock
        self._receive = receive
        self._garbage = garbage
        self._failed = failed
        self._lost = lost
        self._drained = drained
        self._numbers = numbers
        self._by_number: dict[int, _Connection] = {}
        self._by_remote: dict[tuple[str, int], _Connection] = {}
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        return len(self._by_number)

    async def run(self) -> None:
        """Accept and serve until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await self._accept_all(nursery)
        finally:
            self._listener.close()
            for connection in self._by_number.values():  # those that were still being opened
                connection.sock.close()

    async def _accept_all(self, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._listener)
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                continue
            except OSError:
                # out of file descriptors, or the peer gave up: do not spin
                await trio.sleep(0.1)
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            flow = Flow("TCP", self.local, address[:2], next(self._numbers))
            connection = _Connection(flow, sock)
            self._enter(connection)
            nursery.start_soon(self._serve, connection)

    def is_open(self, flow: Flow) -> bool:
        """Tell whether the very connection of `flow` still stands."""
        return flow.connection in self._by_number

    def send(self, data: bytes, flow: Flow, key: object) -> None:
        """Send over the flow's connection; open one when the flow names none and there is none yet."""
        connection = self._by_number.get(flow.connection) or self._by_remote.get(flow.remote)
        if connection is None:
            if flow.connection:  # nobody listens at the port that a peer had connected from
                self._failed(key, flow, "the connection is gone")
                return
            connection = self._open(Flow("TCP", self.local, flow.remote, next(self._numbers)))
        if connection.queued + len(data) > MAX_QUEUED:
            connection.abort("the peer does not read")
            return
        connection.write(data)

    def _open(self, flow: Flow) -> _Connection:
        family = socket.AF_INET6 if ":" in flow.remote[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(flow, sock)
        connection.connecting = True
        self._enter(connection)
        assert self._nursery is not None, "run() comes before send()"
        self._nursery.start_soon(self._connect, connection)
        return connection

    async def _connect(self, connection: _Connection) -> None:
        reason = "no answer to the connection request"
        with trio.move_on_after(CONNECT_TIMEOUT):
            try:
                if self.local[0] not in ("0.0.0.0", "::"):
                    connection.sock.bind((self.local[0], 0))
                await _connect(connection.sock, connection.flow.remote)
                connection.connecting = False
            except OSError as error:
                reason = error.strerror or str(error)
        if connection.connecting:
            self._leave(connection, reason)
            return
        connection.writable.set()
        await self._serve(connection)

    def _enter(self, connection: _Connection) -> None:
        self._by_number[connection.flow.connection] = connection
        self._by_remote[connection.flow.remote] = connection

    def _leave(self, connection: _Connection, reason: str) -> None:
        flow = connection.flow
        self._by_number.pop(flow.connection, None)
        if self._by_remote.get(flow.remote) is connection:
            del self._by_remote[flow.remote]
        connection.sock.close()
        self._lost(flow, reason)
        self._drained()

    async def _serve(self, connection: _Connection) -> None:
        reason = "closed"
        try:
            async with trio.open_nursery() as nursery:
                connection.scope = nursery.cancel_scope
                nursery.start_soon(connection.write_waiting)
                reason = await self._read(connection)
                nursery.cancel_scope.cancel()
        finally:
            self._leave(connection, connection.reason or reason)

    async def _read(self, connection: _Connection) -> str:
        sock, flow, reader = connection.sock, connection.flow, StreamReader()
        while True:
            with trio.move_on_after(IDLE_TIMEOUT) as idle:
                await trio.lowlevel.wait_readable(sock)
            if idle.cancelled_caught:
                return "idle"
            try:
                data = sock.recv(RECEIVE_SIZE)
            except BlockingIOError:
                continue
            except OSError as error:
                return error.strerror or "connection lost"
            if not data:
                return "closed by the peer"
            try:
                for item in reader.receive(data):
                    if isinstance(item, KeepAlive):
                        connection.write(b"\r\n")
                    elif isinstance(item, RemoteProtocolError):
                        self._garbage(item, flow)  # this message only: the framing still holds
                    else:
                        self._receive(item, flow)
                if reader.lost is not None:
                    raise reader.lost
            except RemoteProtocolError as error:
                self._garbage(error, flow)
                return "not SIP"
            finally:
                self._drained()
            if reader.lost is not None:
                self._garbage(reader.lost, flow)
                return "not SIP"


class _Connection:
    """One TCP connection and what waits to be written to it."""

    __slots__ = ("_waiting", "connecting", "flow", "queued", "reason", "scope", "sock", "writable")

    def __init__(self, flow: Flow, sock: socket.socket) -> None:
        self.flow = flow
        self.sock = sock
        self.connecting = False
        self.queued = 0
        self.reason: str | None = None
        self.scope: trio.CancelScope | None = None
        self.writable = trio.Event()
        self._waiting: deque[memoryview] = deque()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        if not self._waiting and not self.connecting:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                pass
            except OSError:
                return  # the reader sees the broken connection and reports it
            if not view:
                return
        self._waiting.append(view)
        self.queued += len(view)
        if not self.connecting:
            self.writable.set()

    def abort(self, reason: str) -> None:
        self.reason = reason
        if self.scope is not None:
            self.scope.cancel()

    async def write_waiting(self) -> None:
        while True:
            await self.writable.wait()
            while self._waiting:
                await trio.lowlevel.wait_writable(self.sock)
                view = self._waiting[0]
                try:
                    sent = self.sock.send(view)
                except BlockingIOError:
                    continue
                except OSError:
                    return
                self.queued -= sent
                if sent == len(view):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = view[sent:]
            self.writable = trio.Event()


async def _connect(sock: socket.socket, remote: tuple[str, int]) -> None:
    try:
        sock.connect(remote)
    except BlockingIOError:
        await trio.lowlevel.wait_writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code)) from None
