"""What a peer may take up, on real sockets: each limit strikes, is counted, and leaves the others alone."""

from __future__ import annotations

import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio

from trunkline.provider.config import ListenAddress
from trunkline.provider.transports import (
    Admission,
    Limits,
    TcpTransport,
    TransportStatistics,
    UdpTransport,
    bind_all,
)
from trunkline.sip_parser import RemoteProtocolError
from trunkline.sip_transaction import Flow


def request(extra: bytes = b"", body: bytes = b"") -> bytes:
    return (
        b"OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\n"
        b"From: <sip:a@example.test>;tag=1\r\nTo: <sip:example.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
        + extra
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
    )


class World:
    """One TCP listening point; it answers each message with `ok`, and each error with its status."""

    def __init__(self, limits: Limits, host: str = "127.0.0.1") -> None:
        [point] = bind_all([ListenAddress("tcp", host, 0)])
        self.address = point.address
        self.statistics = TransportStatistics()
        self.messages: list[Any] = []
        self.lost: list[tuple[Flow, str]] = []
        self.failed: list[tuple[object, str]] = []
        self.transport = TcpTransport(
            point,
            self._receive,
            self._garbage,
            lambda key, flow, reason: self.failed.append((key, reason)),
            lambda flow, reason: self.lost.append((flow, reason)),
            lambda: None,
            itertools.count(1),
            limits=limits,
            statistics=self.statistics,
        )

    def _receive(self, message: Any, flow: Flow) -> None:
        self.messages.append(message)
        self.transport.send(b"ok", flow, None)

    def _garbage(self, error: RemoteProtocolError, flow: Flow) -> None:
        self.transport.send(b"%d" % error.status_hint, flow, None)

    async def until(self, what: Callable[[], Any]) -> None:
        with trio.fail_after(5):
            while not what():
                await trio.sleep(0.005)

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(*self.address)


async def read_to_the_end(stream: trio.SocketStream) -> bytes:
    data = b""
    try:
        while part := await stream.receive_some(65536):
            data += part
    except trio.BrokenResourceError:
        pass
    return data


Serve = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def run(host: str = "127.0.0.1", **limits: Any) -> AsyncIterator[World]:
        async with trio.open_nursery() as nursery:
            world = World(Limits(**limits), host)
            nursery.start_soon(world.transport.run)
            await trio.testing.wait_all_tasks_blocked()
            yield world
            nursery.cancel_scope.cancel()

    return run


# -- size


@pytest.mark.parametrize(
    "too_much",
    [request(body=b"x" * 3000), request(extra=b"X-Long: " + b"y" * 3000 + b"\r\n"), b"z" * 3000],
    ids=["body", "header", "no end of the head"],
)
async def test_too_large_message_is_answered_and_the_connection_ends(serve: Serve, too_much: bytes) -> None:
    async with serve(message_size=2000) as world:
        stream = await world.connect()
        await stream.send_all(request() + too_much)
        assert await read_to_the_end(stream) == b"ok513"
        assert len(world.messages) == 1


async def test_message_of_just_the_size_passes(serve: Serve) -> None:
    size = len(request(body=b"x" * 1000))
    for limit, answer in ((size, b"ok"), (size - 1, b"513")):
        async with serve(message_size=limit) as world:
            stream = await world.connect()
            await stream.send_all(request(body=b"x" * 1000))
            assert await stream.receive_some(10) == answer


async def test_too_many_headers_are_answered_513(serve: Serve) -> None:
    async with serve(headers=20) as world:
        stream = await world.connect()
        await stream.send_all(request(b"X: y\r\n" * 14) + request(b"X: y\r\n" * 15))
        assert await read_to_the_end(stream) == b"ok513"


# -- time


async def test_message_that_comes_drop_by_drop_is_cut_off(
    serve: Serve, autojump_clock: trio.testing.MockClock
) -> None:
    """Every byte is new, so that no timeout between bytes would ever strike."""
    async with serve(message_seconds=15) as world:
        stream = await world.connect()
        await stream.send_all(request())
        assert await stream.receive_some(10) == b"ok"
        started = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):
            for byte in itertools.cycle(b"a"):
                await stream.send_all(bytes([byte]))
                await trio.sleep(1)
        assert 14 <= trio.current_time() - started <= 17
        assert world.statistics.half_sent == 1
        assert world.statistics.connections == 0


async def test_body_that_does_not_come_is_not_waited_for(
    serve: Serve, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(message_seconds=15) as world:
        stream = await world.connect()
        await stream.send_all(request(body=b"x" * 100)[:-1])
        assert await read_to_the_end(stream) == b""
        assert world.statistics.half_sent == 1


@pytest.mark.parametrize("noise", [b"", b"\r\n"])
async def test_connection_that_never_says_anything_is_cut_off(
    serve: Serve, autojump_clock: trio.testing.MockClock, noise: bytes
) -> None:
    async with serve(message_seconds=15) as world:
        stream = await world.connect()
        started = trio.current_time()
        if noise:
            await stream.send_all(noise)
        assert await read_to_the_end(stream) == b""
        assert trio.current_time() - started == pytest.approx(15, abs=1)
        assert world.statistics.half_sent == 1
        assert not world.lost


async def test_slow_but_steady_messages_are_welcome(
    serve: Serve, autojump_clock: trio.testing.MockClock
) -> None:
    data = request()
    async with serve(message_seconds=15) as world:
        stream = await world.connect()
        for _ in range(5):
            for start in range(0, len(data), 50):
                await stream.send_all(data[start : start + 50])
                await trio.sleep(2)
        assert len(world.messages) == 5
        assert world.statistics.half_sent == 0


async def test_idle_connection_is_closed_and_keep_alives_hold_it(
    serve: Serve, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(idle_seconds=100) as world:
        stream = await world.connect()
        await stream.send_all(request())
        assert await stream.receive_some(10) == b"ok"
        for _ in range(10):
            await trio.sleep(60)
            await stream.send_all(b"\r\n\r\n")
            assert await stream.receive_some(10) == b"\r\n"
        last = trio.current_time()
        assert await read_to_the_end(stream) == b""
        assert trio.current_time() - last == pytest.approx(100, abs=1)
        assert world.statistics.idle == 1
        assert world.statistics.keepalives_answered == 10
        assert [reason for _, reason in world.lost] == ["idle"]


# -- memory


async def test_peer_that_does_not_read_is_cut_off(serve: Serve) -> None:
    async with serve(unwritten_bytes=100_000) as world:
        stream = await world.connect()
        await stream.send_all(request())
        await world.until(lambda: world.messages)
        [connection] = world.transport._by_number.values()
        for _ in range(2000):
            world.transport.send(b"x" * 10_000, connection.flow, None)
        await world.until(lambda: world.lost)
        assert world.lost[0][1] == "the peer does not read"
        assert world.statistics.not_reading == 1
        assert world.statistics.connections == 0


async def test_what_waits_for_a_connection_is_bounded_too(serve: Serve) -> None:
    with socket.socket() as full:  # its queue of one is full: nobody else is let in
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            async with serve(unwritten_bytes=100_000) as world:
                flow = Flow("TCP", world.address, full.getsockname())
                for _ in range(11):
                    world.transport.send(b"x" * 10_000, flow, "key")
                await world.until(lambda: world.lost)
                assert world.lost[0][1] == "the peer does not read"


# -- numbers


async def test_one_address_cannot_take_every_connection(serve: Serve) -> None:
    async with serve(connections_per_address=3) as world:
        streams = [await world.connect() for _ in range(3)]
        for stream in streams:
            await stream.send_all(request())
            assert await stream.receive_some(10) == b"ok"
        for _ in range(5):
            assert await read_to_the_end(await world.connect()) == b""
        assert world.statistics.refused_per_address == 5
        await streams.pop().aclose()
        await world.until(lambda: len(world.transport) == 2)
        again = await world.connect()
        await again.send_all(request())
        assert await again.receive_some(10) == b"ok"


async def test_flood_from_one_address_leaves_room_for_others(serve: Serve) -> None:
    async with serve(connections=60, connections_per_address=50) as world:
        flood = []
        for _ in range(300):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(world.address)
            flood.append(sock)
        await world.until(lambda: world.statistics.refused_per_address >= 200)
        other = trio.socket.socket()
        await other.bind(("127.0.0.2", 0))
        await other.connect(world.address)
        await other.send(request())
        assert await other.recv(10) == b"ok"
        assert world.statistics.connections <= 51
        other.close()
        for sock in flood:
            sock.close()


async def test_all_together_are_bounded(serve: Serve) -> None:
    async with serve(connections=2) as world:
        streams = [await world.connect() for _ in range(2)]
        assert await read_to_the_end(await world.connect()) == b""
        assert world.statistics.refused_connections == 1
        world.transport.send(b"x", Flow("TCP", world.address, ("127.0.0.1", 9)), "key")
        assert world.failed == [("key", "too many connections")]
        assert len(streams) == len(world.transport)


def test_an_ipv6_customer_counts_once() -> None:
    statistics = TransportStatistics()
    admission = Admission(Limits(connections_per_address=1), statistics)
    assert admission.admit("2001:db8:0:1::1") is None
    assert admission.admit("2001:db8:0:1:ffff::2") is not None
    assert admission.admit("2001:db8:0:2::1") is None
    assert admission.admit("192.0.2.1") is None
    admission.release("2001:db8:0:1::1")
    assert admission.admit("2001:db8:0:1:ffff::2") is None
    assert statistics.connections == 3


@pytest.mark.parametrize("first", [BlockingIOError, ConnectionRefusedError(111, "Connection refused")])
async def test_datagrams_that_the_kernel_does_not_take_are_bounded(first: Exception) -> None:
    [point] = bind_all([ListenAddress("udp", "127.0.0.1", 0)])
    errors = [first]

    class Full:
        """A socket whose buffer is full, and which may have an ICMP error to tell of first."""

        def sendto(self, data: bytes, remote: tuple[str, int]) -> int:
            raise errors.pop() if errors else BlockingIOError

    statistics = TransportStatistics()
    limits = Limits(unwritten_bytes=100_000)
    udp = UdpTransport(
        point, lambda d, f: None, lambda *_: None, lambda: None, limits=limits, statistics=statistics
    )
    point.sock.close()
    udp._sock = Full()  # type: ignore[assignment]
    for _ in range(150):
        udp.send(b"x" * 1000, Flow("UDP", point.address, ("127.0.0.1", 9)), None)
    assert statistics.unsent_datagrams == 50
