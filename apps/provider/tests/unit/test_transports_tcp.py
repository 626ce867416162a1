"""SIP over real TCP connections on loopback: framing, reuse, failures, and peers that misbehave."""

from __future__ import annotations

import itertools
import socket
import sys
from collections.abc import Callable

import pytest
import trio

from trunkline.provider.config import ListenAddress
from trunkline.provider.transports import TcpTransport, _tcp, bind_all
from trunkline.sip_parser import Message, RemoteProtocolError, Request
from trunkline.sip_transaction import Flow

ANY = ("127.0.0.1", 0)
PATIENCE = 5.0


def options(number: int, body: bytes = b"") -> bytes:
    """Write a whole request."""
    head = (
        "OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c{number}\r\nCSeq: {number} OPTIONS\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Ears:
    """What a transport told."""

    def __init__(self) -> None:
        self.messages: list[tuple[Message, Flow]] = []
        self.garbage: list[tuple[RemoteProtocolError, Flow]] = []
        self.failures: list[tuple[object, Flow, str]] = []
        self.lost: list[tuple[Flow, str]] = []
        self.drained = 0

    def heard(self) -> None:
        self.drained += 1

    @property
    def numbers(self) -> list[int]:
        """The requests that came, by number."""
        return [message.cseq.number for message, _ in self.messages]


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
async def transport(nursery: trio.Nursery, ears: Ears) -> TcpTransport:
    """A running transport on a free port."""
    [point] = bind_all([ListenAddress("tcp", *ANY)])
    made = TcpTransport(
        point,
        lambda message, flow: ears.messages.append((message, flow)),
        lambda error, flow: ears.garbage.append((error, flow)),
        lambda key, flow, reason: ears.failures.append((key, flow, reason)),
        lambda flow, reason: ears.lost.append((flow, reason)),
        ears.heard,
        itertools.count(1),
    )
    nursery.start_soon(made.run)
    await trio.testing.wait_all_tasks_blocked()
    return made


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has come true."""
    with trio.fail_after(PATIENCE):
        while not condition():
            await trio.sleep(0.001)


async def connected(transport: TcpTransport) -> trio.SocketStream:
    with trio.fail_after(PATIENCE):
        return await trio.open_tcp_stream(*transport.local)


async def received(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    with trio.fail_after(PATIENCE):
        while len(data) < size:
            part = await stream.receive_some(65536)
            if not part:
                break
            data += part
    return data


async def test_messages_are_cut_out_of_the_stream_however_it_is_cut(
    transport: TcpTransport, ears: Ears
) -> None:
    peer = await connected(transport)
    whole = options(1, b"body") + options(2) + b"\r\n" + options(3)
    for start in range(0, len(whole), 100):
        await peer.send_all(whole[start : start + 100])
        await trio.sleep(0)
    await until(lambda: len(ears.messages) == 3)
    assert ears.numbers == [1, 2, 3]
    assert ears.messages[0][0].body == b"body"
    assert ears.drained
    [flow] = {flow for _, flow in ears.messages}
    assert flow == Flow("TCP", transport.local, peer.socket.getsockname(), 1)
    assert transport.is_open(flow)
    assert len(transport) == 1


async def test_ping_is_answered(transport: TcpTransport) -> None:
    peer = await connected(transport)
    await peer.send_all(b"\r\n\r\n")
    assert await received(peer, 2) == b"\r\n"


async def test_answer_goes_over_the_connection_it_was_asked_by(transport: TcpTransport, ears: Ears) -> None:
    first, second = await connected(transport), await connected(transport)
    await second.send_all(options(1))
    await until(lambda: ears.messages)
    transport.send(b"answer", ears.messages[0][1], None)
    assert await received(second, 6) == b"answer"
    await first.aclose()


async def test_request_to_a_peer_takes_the_connection_that_it_has(
    transport: TcpTransport, ears: Ears
) -> None:
    peer = await connected(transport)
    await until(lambda: len(transport) == 1)
    transport.send(b"hello", Flow("TCP", transport.local, peer.socket.getsockname()), None)
    assert await received(peer, 5) == b"hello"
    assert len(transport) == 1


async def test_connection_is_opened_to_who_has_none_and_used_both_ways(
    transport: TcpTransport, ears: Ears
) -> None:
    [listener] = await trio.open_tcp_listeners(0, host=ANY[0])
    flow = Flow("TCP", transport.local, listener.socket.getsockname())
    for part in (b"one", b"two", b"three"):
        transport.send(part, flow, None)
    with trio.fail_after(PATIENCE):
        stream = await listener.accept()
    assert await received(stream, 11) == b"onetwothree"
    assert len(transport) == 1
    await stream.send_all(options(9))
    await until(lambda: ears.messages)
    assert ears.messages[0][1].remote == flow.remote
    transport.send(b"four", flow, None)
    assert await received(stream, 4) == b"four"
    await listener.aclose()


async def test_refused_connection_is_told(transport: TcpTransport, ears: Ears) -> None:
    with socket.socket() as closed:
        closed.bind(ANY)
        flow = Flow("TCP", transport.local, closed.getsockname())
        transport.send(b"hello", flow, "key")
        await until(lambda: ears.lost)
    [(lost, reason)] = ears.lost
    assert lost.remote == flow.remote
    assert reason == "Connection refused"
    assert len(transport) == 0


async def test_connection_for_which_there_is_no_file_descriptor_is_told(
    transport: TcpTransport, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise OSError(24, "Too many open files")

    flow = Flow("TCP", transport.local, ("127.0.0.1", 9))
    with monkeypatch.context() as patch:
        patch.setattr(_tcp.socket, "socket", exhausted)
        transport.send(b"hello", flow, "key")
    assert ears.failures == [("key", flow, "Too many open files")]
    assert transport.statistics.connections == len(transport) == 0


async def test_connection_that_does_not_come_up_is_given_up(
    transport: TcpTransport, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tcp, "CONNECT_TIMEOUT", 0.05)
    with socket.socket() as deaf:
        deaf.bind(ANY)
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:  # a full queue answers nothing
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        transport.send(b"hello", Flow("TCP", transport.local, deaf.getsockname()), None)
        await until(lambda: ears.lost)
        for filler in fillers:
            filler.close()
    assert ears.lost[0][1] == "no answer to the connection request"


async def test_message_for_a_connection_that_is_gone_fails(transport: TcpTransport, ears: Ears) -> None:
    peer = await connected(transport)
    await peer.send_all(options(1))
    await until(lambda: ears.messages)
    flow = ears.messages[0][1]
    await peer.aclose()
    await until(lambda: ears.lost)
    assert ears.lost == [(flow, "closed by the peer")]
    assert not transport.is_open(flow)
    transport.send(b"late", flow, "key")
    assert ears.failures == [("key", flow, "the connection has ended")]
    assert len(transport) == 0


async def test_reset_connection_is_told(transport: TcpTransport, ears: Ears) -> None:
    peer = await connected(transport)
    await peer.send_all(options(1))
    await until(lambda: ears.messages)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await peer.aclose()
    await until(lambda: ears.lost)
    assert ears.lost[0][1] == "Connection reset by peer"


async def test_peer_that_reads_slowly_gets_everything(transport: TcpTransport, ears: Ears) -> None:
    peer = await connected(transport)
    await peer.send_all(options(1))
    await until(lambda: ears.messages)
    data = bytes(range(256)) * 4000
    for start in range(0, len(data), 50_000):
        transport.send(data[start : start + 50_000], ears.messages[0][1], None)
    assert await received(peer, len(data)) == data


async def test_peer_that_does_not_read_is_cut_off(transport: TcpTransport, ears: Ears) -> None:
    peer = await connected(transport)
    await peer.send_all(options(1))
    await until(lambda: ears.messages)
    flow = ears.messages[0][1]
    for _ in range(200):
        transport.send(bytes(60_000), flow, None)
    await until(lambda: ears.lost)
    assert ears.lost == [(flow, "the peer does not read")]
    assert not transport.is_open(flow)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be told")
async def test_peer_that_acknowledges_nothing_is_given_up(
    transport: TcpTransport, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it takes nothing: its window stays shut, which counts like a wire that was cut."""
    monkeypatch.setattr(_tcp, "UNACKNOWLEDGED_MS", 300)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(ANY)
        listener.listen()
        flow = Flow("TCP", transport.local, listener.getsockname())
        transport.send(b"x" * 500_000, flow, "key")
        await until(lambda: ears.lost)
    assert ears.lost[0][1] == "Connection timed out"


async def test_message_that_is_wrong_in_itself_leaves_the_connection(
    transport: TcpTransport, ears: Ears
) -> None:
    peer = await connected(transport)
    await peer.send_all(options(1).replace(b"Call-ID: c1\r\n", b"") + options(2))
    await until(lambda: ears.messages)
    assert ears.numbers == [2]
    [(error, _)] = ears.garbage
    assert isinstance(error.message, Request)


@pytest.mark.parametrize("garbage", [b"\xff" * 70_000, b"GET / HTTP/1.1\r\n\r\n", b"\rx"])
async def test_stream_that_is_no_sip_is_closed_after_what_was_good_in_it(
    transport: TcpTransport, ears: Ears, garbage: bytes
) -> None:
    peer = await connected(transport)
    await peer.send_all(options(1) + garbage)
    await until(lambda: ears.lost)
    assert ears.numbers == [1]
    assert len(ears.garbage) == 1
    assert ears.lost[0][1] == "not SIP"


async def test_end_closes_every_socket(ears: Ears) -> None:
    [point] = bind_all([ListenAddress("tcp", *ANY)])
    ignore = lambda *_: None  # noqa: E731
    transport = TcpTransport(point, ignore, ignore, ignore, ignore, ears.heard, itertools.count(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.run)
        peer = await connected(transport)
        await until(lambda: len(transport) == 1)
        nursery.cancel_scope.cancel()
    assert await received(peer, 1) == b""
    assert point.sock.fileno() == -1
    with pytest.raises(OSError):
        await connected(transport)
