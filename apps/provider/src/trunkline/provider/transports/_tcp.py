"""SIP over connections, TCP or TLS: accepted and opened, framed by the parser's stream reader.

A connection is found again by its number (the flow a request came by) or by whom it reaches (a request to
a peer that already has a connection). A peer that takes up more than `Limits` allow is cut off.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
from collections.abc import Callable
from typing import Protocol

import trio

from trunkline.sip_parser import KeepAlive, Message, RemoteProtocolError, StreamReader
from trunkline.sip_transaction import Flow

from ._codecs import PLAIN, Codec, CodecError
from ._connection import RECEIVE_SIZE, Connection
from ._limits import Admission, Limits, TransportStatistics
from ._listen import ListenPoint

ACCEPT = 64
"Connections accepted in one go before other tasks get their turn."
CONNECT_TIMEOUT = 4.0
"Seconds for a connection to come up, three attempts of the kernel: well under the 32 s of a transaction."
UNACKNOWLEDGED_MS = 20_000
"""Milliseconds after which a connection has failed whose peer acknowledges nothing. A phone whose router lost
power says no goodbye, and a kernel would try for a quarter of an hour; its other flow should get the call."""
LINGER = 1.0
"Seconds in which a peer whose connection we end can still read why."

Peer = tuple[tuple[str, int], str | None]
"Whom a connection reaches: address, and the name that was proved."


class Security(Protocol):
    """Makes the codecs of connections; `Certificates` is one."""

    def accepting(self) -> Codec:
        """Give the codec of a connection that a peer opened."""

    def opening(self, name: str) -> Codec:
        """Give the codec of a connection to a peer that has to prove this name or address."""


class TcpTransport:
    """All the connections of one listening point, TCP or TLS.

    Args:
        point: a listening socket; this object owns it from now on.
        receive: called with each message and its flow.
        garbage: called with a parse error and the flow it came by.
        failed: called with (key, flow, reason) when a message cannot be sent.
        lost: called with (flow, reason) when a connection that was used ended, or could not be opened.
        drained: called after each batch of input.
        numbers: gives every connection of the node its number.
        limits: what a peer may take up.
        admission: counts connections, over all listening points.
        statistics: what is counted.
        security: TLS; None = plain TCP.
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
        *,
        limits: Limits | None = None,
        admission: Admission | None = None,
        statistics: TransportStatistics | None = None,
        security: Security | None = None,
    ) -> None:
        self.local = point.address
        self.statistics = statistics or TransportStatistics()
        self._transport = point.transport
        self._listener = point.sock
        self._receive = receive
        self._garbage = garbage
        self._failed = failed
        self._lost = lost
        self._drained = drained
        self._numbers = numbers
        self._limits = limits or Limits()
        self._admission = admission or Admission(self._limits, self.statistics)
        self._security = security
        self._by_number: dict[int, Connection] = {}
        self._by_peer: dict[Peer, Connection] = {}
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

    # -- connections come

    async def _accept_all(self, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._listener)
            for _ in range(ACCEPT):
                try:
                    sock, address = self._listener.accept()
                except BlockingIOError:
                    break
                except OSError:
                    # out of file descriptors, or the peer gave up: do not spin
                    await trio.sleep(0.1)
                    break
                if self._admission.admit(address[0]) is not None:
                    sock.close()
                    continue
                self.statistics.accepted += 1
                codec = PLAIN if self._security is None else self._security.accepting()
                flow = Flow(self._transport, self.local, address[:2], next(self._numbers))
                connection = self._enter(flow, sock, codec, outgoing=False)
                nursery.start_soon(self._serve, connection)

    def _enter(self, flow: Flow, sock: socket.socket, codec: Codec, *, outgoing: bool) -> Connection:
        assert self._nursery is not None, "run() comes first"
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        limits = self._limits
        reader = StreamReader(
            max_head=limits.message_size,
            max_body=limits.message_size,
            max_headers=limits.headers,
            max_message=limits.message_size,
        )
        connection = Connection(flow, sock, codec, reader, self._nursery.start_soon)
        connection.is_outgoing = outgoing
        connection.connecting = outgoing
        self._by_number[flow.connection] = connection
        self._by_peer[flow.remote, connection.name] = connection
        return connection

    def is_open(self, flow: Flow) -> bool:
        """Tell whether the very connection of `flow` still stands."""
        connection = self._by_number.get(flow.connection)
        return connection is not None and connection.flow.remote == flow.remote

    def alias(self, flow: Flow, port: int) -> None:
        """Let requests to where the peer of an accepted connection says it listens go by that connection.

        Only those to a name that its certificate is for: who connects from an address need not be the one
        who listens there.

        Source: RFC 5923 §8.1, §9
        """
        connection = self._by_number.get(flow.connection)
        if connection is None or connection.is_outgoing or connection.aliases:
            return
        host = flow.remote[0]
        for name in connection.proved():
            peer = (host, port), None if name == host else name
            connection.aliases.append(peer)
            self._by_peer[peer] = connection

    # -- messages go

    def send(self, data: bytes, flow: Flow, key: object) -> None:
        """Send over the flow's connection; where it names none, over one to its peer, opened if need be."""
        if flow.connection:
            connection = self._by_number.get(flow.connection)
            if connection is None or connection.flow.remote != flow.remote:
                self._failed(key, flow, "the connection has ended")
                return
        else:
            connection = self._by_peer.get((flow.remote, flow.server_name))
        if connection is None:
            reason = "the connection has ended" if flow.connection else self._admission.admit(flow.remote[0])
            if reason is not None:
                self._failed(key, flow, reason)
                return
            try:
                connection = self._open(flow)
            except OSError as error:  # out of file descriptors
                self._admission.release(flow.remote[0])
                self.statistics.connect_failures += 1
                self._failed(key, flow, error.strerror or str(error))
                return
        if connection.reason is not None:
            return  # it is being ended, which is told in a moment, and with it that this was not sent
        if connection.unwritten + len(data) > self._limits.unwritten_bytes:
            self.statistics.not_reading += 1
            connection.used = True
            connection.abort("the peer does not read")
            return
        connection.write(data)

    def _open(self, wanted: Flow) -> Connection:
        host = wanted.remote[0]
        name = wanted.server_name
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        flow = Flow(self._transport, self.local, wanted.remote, next(self._numbers), name)
        codec = PLAIN if self._security is None else self._security.opening(name or host)
        connection = self._enter(flow, sock, codec, outgoing=True)
        self.statistics.opened += 1
        assert self._nursery is not None
        self._nursery.start_soon(self._connect, connection)
        return connection

    async def _connect(self, connection: Connection) -> None:
        reason = "no answer to the connection request"
        try:
            with connection.scope, trio.move_on_after(CONNECT_TIMEOUT):
                try:
                    if self.local[0] not in ("0.0.0.0", "::"):
                        connection.sock.bind((self.local[0], 0))
                    await _connect(connection.sock, connection.flow.remote)
                    connection.connecting = False
                except OSError as error:
                    reason = error.strerror or str(error)
        finally:
            if connection.connecting:
                self.statistics.connect_failures += 1
                self._leave(connection, connection.reason or reason)
        if not connection.connecting:
            connection.began = trio.current_time()
            await self._serve(connection)

    # -- messages come

    async def _serve(self, connection: Connection) -> None:
        reason = "closed"
        try:
            connection.begin()
            reason = await self._listen(connection)
        except CodecError as error:
            reason = str(error)
        finally:
            if not connection.is_ready:
                self.statistics.handshake_failures += 1
            self._leave(connection, connection.reason or reason)

    def _leave(self, connection: Connection, reason: str) -> None:
        flow = connection.flow
        del self._by_number[flow.connection]
        for peer in ((flow.remote, connection.name), *connection.aliases):
            if self._by_peer.get(peer) is connection:
                del self._by_peer[peer]
        connection.finish()
        connection.close()
        self._admission.release(flow.remote[0])
        if connection.used:
            # nobody depends on the others, and a flood of them must not make the stack look for who might
            self._lost(flow, reason)
            self._drained()

    async def _listen(self, connection: Connection) -> str:
        """Read until the end, which is the peer's, ours, or that of our patience."""
        while connection.reason is None:
            with trio.CancelScope(deadline=self._due(connection)) as connection.scope:
                return await self._read(connection)
            if connection.reason is None and trio.current_time() >= self._due(connection):
                return self._out_of_patience(connection)
        return connection.reason

    def _due(self, connection: Connection) -> float:
        if connection.began is not None:
            return connection.began + self._limits.message_seconds
        return connection.heard + self._limits.idle_seconds

    def _out_of_patience(self, connection: Connection) -> str:
        if connection.began is None:
            self.statistics.idle += 1
            return "idle"
        self.statistics.half_sent += 1
        return "half a message"

    async def _read(self, connection: Connection) -> str:
        sock, flow, reader = connection.sock, connection.flow, connection.reader
        if connection.is_outgoing and connection.is_ready:
            connection.began = None  # the peer owes us nothing until it begins to speak
        while True:
            await trio.lowlevel.wait_readable(sock)
            try:
                data = connection.receive()
            except OSError as error:
                return error.strerror or "connection lost"
            if data is None:
                if connection.is_outgoing and not reader.is_midway and connection.is_ready:
                    connection.began = None
                continue
            if not data:
                return "closed by the peer"
            complete = False
            try:
                for item in reader.receive(data):
                    complete = True
                    if isinstance(item, KeepAlive):
                        self.statistics.keepalives_answered += 1
                        connection.write(b"\r\n")
                    elif isinstance(item, RemoteProtocolError):
                        self._garbage(item, flow)  # this message only: the framing still holds
                    else:
                        connection.used = True
                        self._receive(item, flow)
            except RemoteProtocolError as error:
                return await self._lose_framing(connection, error)
            finally:
                self._drained()
            if reader.lost is not None:
                return await self._lose_framing(connection, reader.lost)
            self._heard(connection, complete=complete)

    def _heard(self, connection: Connection, *, complete: bool) -> None:
        """Note what the peer owes us after what it has sent."""
        connection.heard = trio.current_time()
        if connection.reader.is_midway:
            if complete or connection.began is None:
                connection.began = connection.heard
                # only an earlier end is set at once; a later one is seen when this one comes
                scope = connection.scope
                scope.deadline = min(scope.deadline, self._due(connection))
        elif complete:
            connection.began = None

    async def _lose_framing(self, connection: Connection, error: RemoteProtocolError) -> str:
        """Answer what can be answered, and leave the peer the time to read it before the connection ends."""
        self._garbage(error, connection.flow)
        connection.finish()
        with trio.move_on_after(LINGER):
            for _ in range(64):
                await trio.lowlevel.wait_readable(connection.sock)
                try:
                    if not connection.sock.recv(RECEIVE_SIZE):
                        break
                except BlockingIOError:
                    continue
                except OSError:
                    break
        return "not SIP"


async def _connect(sock: socket.socket, remote: tuple[str, int]) -> None:
    try:
        sock.connect(remote)
    except BlockingIOError:
        await trio.lowlevel.wait_writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code)) from None
