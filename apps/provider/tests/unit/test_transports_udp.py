"""SIP over a real UDP socket on loopback: what comes, what goes, and what the kernel refuses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import pairwise

import attrs
import pytest
import trio

from trunkline.provider.config import ListenAddress
from trunkline.provider.transports import ListenPoint, UdpTransport, _udp, bind_all
from trunkline.sip_transaction import Flow

ANY = ("127.0.0.1", 0)


class Ears:
    """What a transport told."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Flow]] = []
        self.failures: list[tuple[object, Flow, str]] = []
        self.batches: list[int] = []

    def drained(self) -> None:
        self.batches.append(len(self.datagrams))


class BusySocket(socket.socket):
    """A socket whose buffer is full for some attempts, or which the kernel refuses to send by."""

    full = 0
    broken = False

    def sendto(self, *arguments: object) -> int:  # type: ignore[override]
        if self.full:
            self.full -= 1
            raise BlockingIOError
        if self.broken:
            raise OSError(101, "Network is unreachable")
        return super().sendto(*arguments)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def sock() -> BusySocket:
    made = BusySocket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(ANY)
    return made


@pytest.fixture
async def transport(nursery: trio.Nursery, ears: Ears, sock: BusySocket) -> UdpTransport:
    """A running transport on a free port."""
    made = UdpTransport(
        ListenPoint("UDP", sock.getsockname(), sock),
        lambda data, flow: ears.datagrams.append((data, flow)),
        lambda key, flow, reason: ears.failures.append((key, flow, reason)),
        ears.drained,
    )
    nursery.start_soon(made.run)
    await trio.testing.wait_all_tasks_blocked()
    return made


@pytest.fixture
async def peer() -> trio.socket.SocketType:
    made = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await made.bind(ANY)
    return made


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has come true."""
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.001)


async def test_datagram_comes_with_its_flow_and_is_answered_by_it(
    transport: UdpTransport, ears: Ears, peer: trio.socket.SocketType
) -> None:
    for data in (b"one", b"", b"three"):
        await peer.sendto(data, transport.local)
    await until(lambda: len(ears.datagrams) == 3)
    assert [data for data, _ in ears.datagrams] == [b"one", b"", b"three"]
    flow = ears.datagrams[0][1]
    assert flow == Flow("UDP", transport.local, peer.getsockname())
    assert all(other is flow for _, other in ears.datagrams)
    transport.send(b"answer", flow, None)
    assert await peer.recvfrom(100) == (b"answer", transport.local)


async def test_burst_is_taken_in_a_few_goes(
    transport: UdpTransport, ears: Ears, peer: trio.socket.SocketType
) -> None:
    for number in range(100):
        await peer.sendto(b"%d" % number, transport.local)
    await until(lambda: len(ears.datagrams) == 100)
    assert [data for data, _ in ears.datagrams] == [b"%d" % number for number in range(100)]
    assert all(later - earlier <= 64 for earlier, later in pairwise([0, *ears.batches]))


async def test_memory_of_sources_is_bounded(
    transport: UdpTransport, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_udp, "MAX_FLOWS", 3)
    for _ in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            source.sendto(b"x", transport.local)
    await until(lambda: len(ears.datagrams) == 10)
    assert len(transport._flows) <= 3


async def test_full_socket_delays_and_keeps_the_order(
    transport: UdpTransport, sock: BusySocket, peer: trio.socket.SocketType, ears: Ears
) -> None:
    sock.full = 3
    flow = Flow("UDP", transport.local, peer.getsockname())
    for data in (b"one", b"two", b"three"):
        transport.send(data, flow, None)
    with trio.fail_after(5):
        assert [(await peer.recvfrom(100))[0] for _ in range(3)] == [b"one", b"two", b"three"]
    transport.send(b"four", flow, None)
    assert (await peer.recvfrom(100))[0] == b"four"
    assert ears.failures == []


async def test_datagram_that_waited_in_vain_is_lost_and_the_next_goes(
    transport: UdpTransport, sock: BusySocket, peer: trio.socket.SocketType
) -> None:
    sock.full, sock.broken = 1, True
    flow = Flow("UDP", transport.local, peer.getsockname())
    transport.send(b"lost", flow, None)
    await trio.testing.wait_all_tasks_blocked()
    sock.broken = False
    transport.send(b"next", flow, None)
    assert (await peer.recvfrom(100))[0] == b"next"


async def test_refusal_of_the_kernel_is_told_with_the_key(
    transport: UdpTransport, ears: Ears, sock: BusySocket
) -> None:
    flow = Flow("UDP", transport.local, ("127.0.0.1", 5060))
    transport.send(bytes(70_000), flow, "large")
    sock.broken = True
    transport.send(b"x", flow, "far")
    assert ears.failures == [("large", flow, "Message too long"), ("far", flow, "Network is unreachable")]


async def test_name_is_never_looked_up(transport: UdpTransport, ears: Ears, sock: BusySocket) -> None:
    flow = attrs.evolve(Flow("UDP", transport.local, ("localhost", 9)))
    transport.send(b"x", flow, "key")
    assert ears.failures == [("key", flow, "localhost is not an address")]


async def test_port_where_nobody_listens_does_not_stop_the_reading(
    transport: UdpTransport, ears: Ears, peer: trio.socket.SocketType
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(ANY)
        gone = closed.getsockname()
    for _ in range(3):
        transport.send(b"x", Flow("UDP", transport.local, gone), None)
    await peer.sendto(b"still here", transport.local)
    await until(lambda: ears.datagrams)
    assert ears.datagrams[0][0] == b"still here"


async def test_end_closes_the_socket(ears: Ears) -> None:
    [point] = bind_all([ListenAddress("udp", *ANY)])
    ignore = lambda *_: None  # noqa: E731
    async with trio.open_nursery() as nursery:
        nursery.start_soon(UdpTransport(point, ignore, ignore, ears.drained).run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert point.sock.fileno() == -1
