"""ICMP errors of UDP: the one who is meant is told, nobody else suffers, and the loop does not spin."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator

import pytest
import trio

from trunkline.provider.transports import ListenPoint, UdpTransport
from trunkline.sip_transaction import Flow

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps ICMP errors")


class Wire:
    """A transport on a loopback address and what it reported."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((host, 0))
        self.host = host
        self.received: list[bytes] = []
        self.failed: list[object] = []
        self.unreachable: list[tuple[bytes, str]] = []
        self.batches = 0
        self.transport = UdpTransport(
            ListenPoint("UDP", self.sock.getsockname()[:2], self.sock),
            lambda data, flow: self.received.append(data),
            lambda key, flow, reason: self.failed.append(key),
            self._drained,
            lambda data, reason: self.unreachable.append((data, reason)),
        )

    def _drained(self) -> None:
        self.batches += 1

    def send(self, data: bytes, port: int, key: object = None) -> None:
        self.transport.send(data, Flow("UDP", self.transport.local, (self.host, port)), key)


def dead_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


@pytest.fixture(params=["127.0.0.1", "::1"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    try:
        wire = Wire(request.param)
    except OSError:
        pytest.skip(f"no {request.param} here")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.transport.run)
        yield wire
        nursery.cancel_scope.cancel()


async def until(wire: Wire, count: int) -> None:
    with trio.fail_after(2):
        while len(wire.unreachable) < count:
            await trio.lowlevel.checkpoint()


async def test_datagram_to_a_closed_port_is_reported_with_its_beginning(wire: Wire) -> None:
    data = b"OPTIONS sip:a SIP/2.0\r\n" + b"x" * 300
    wire.send(data, dead_port(wire.host))
    await until(wire, 1)
    [(quoted, reason)] = wire.unreachable
    assert quoted == data
    assert reason == "Connection refused"
    assert not wire.failed


async def test_error_of_one_datagram_is_not_taken_for_that_of_the_next(wire: Wire) -> None:
    """The kernel tells a pending error to whoever sends next, however innocent."""
    with socket.socket(wire.sock.family, socket.SOCK_DGRAM) as live:
        live.bind((wire.host, 0))
        live.settimeout(2)
        dead = dead_port(wire.host)
        for number in range(20):
            wire.send(b"lost %d" % number, dead, "dead")
            wire.send(b"kept %d" % number, live.getsockname()[1], "live")
        assert [live.recv(100) for _ in range(20)] == [b"kept %d" % number for number in range(20)]
    await until(wire, 20)
    assert {data for data, _ in wire.unreachable} == {b"lost %d" % number for number in range(20)}
    assert not wire.failed


async def test_errors_do_not_keep_the_loop_busy_nor_hide_datagrams(wire: Wire) -> None:
    wire.send(b"lost", dead_port(wire.host))
    await until(wire, 1)
    batches = wire.batches
    with trio.move_on_after(0.1):
        await trio.sleep_forever()
    assert wire.batches - batches <= 1
    with socket.socket(wire.sock.family, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"hello", wire.transport.local)
    with trio.fail_after(2):
        while not wire.received:
            await trio.lowlevel.checkpoint()
    assert wire.received == [b"hello"]


async def test_error_that_somebody_else_was_told_is_taken_out_of_the_queue(wire: Wire) -> None:
    """As long as one is there the socket counts as readable, though there is nothing to read."""
    wire.send(b"lost", dead_port(wire.host))
    assert wire.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    await until(wire, 1)
    batches = wire.batches
    with trio.move_on_after(0.1):
        await trio.sleep_forever()
    assert wire.batches - batches <= 1


async def test_datagram_that_cannot_be_sent_at_all_still_fails(wire: Wire) -> None:
    wire.send(b"x" * 70_000, 9, "too long")
    assert wire.failed == ["too long"]
