"""TLS on real sockets: what is asked of certificates, and what reaches the stack.

Not here: the files and their changes (`test_tls_certificates`), calls by real phones (interop).
"""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trustme

from trunkline.provider.config import ListenAddress
from trunkline.provider.transports import CertificateFiles, Certificates, Limits, TcpTransport, bind_all
from trunkline.sip_transaction import Flow

REQUEST = (
    b"OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK1\r\n"
    b"From: <sip:a@example.test>;tag=1\r\nTo: <sip:example.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class World:
    """One TLS listening point and what it hands up."""

    def __init__(self, certificates: Certificates, limits: Limits | None = None) -> None:
        [point] = bind_all([ListenAddress("tls", "127.0.0.1", 0)])
        self.messages: list[tuple[Any, Flow]] = []
        self.lost: list[tuple[Flow, str]] = []
        self.failed: list[tuple[object, str]] = []
        self.transport = TcpTransport(
            point,
            lambda message, flow: self.messages.append((message, flow)),
            lambda error, flow: None,
            lambda key, flow, reason: self.failed.append((key, reason)),
            lambda flow, reason: self.lost.append((flow, reason)),
            lambda: None,
            itertools.count(1),
            limits=limits,
            security=certificates,
        )
        self.address = point.address

    async def until(self, what: Callable[[], Any]) -> Any:
        with trio.fail_after(5):
            while not what():
                await trio.sleep(0.005)
        return what()

    async def connect(self, context: ssl.SSLContext, name: str = "sip.example.test") -> trio.SSLStream[Any]:
        stream = await trio.open_tcp_stream(*self.address)
        tls = trio.SSLStream(stream, context, server_hostname=name)
        await tls.do_handshake()
        return tls


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> CertificateFiles:
    authority.issue_cert("sip.example.test", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "server.pem")
    )
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return CertificateFiles(str(tmp_path / "server.pem"), server_ca=str(tmp_path / "ca.pem"))


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


Serve = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def run(files: CertificateFiles, limits: Limits | None = None) -> AsyncIterator[World]:
        async with trio.open_nursery() as nursery:
            world = World(Certificates(files), limits)
            nursery.start_soon(world.transport.run)
            await trio.testing.wait_all_tasks_blocked()
            yield world
            nursery.cancel_scope.cancel()

    return run


async def test_request_comes_up_and_its_answer_goes_back(
    serve: Serve, files: CertificateFiles, trusting: ssl.SSLContext
) -> None:
    async with serve(files) as world:
        client = await world.connect(trusting)
        await client.send_all(REQUEST)
        await world.until(lambda: world.messages)
        message, flow = world.messages[0]
        assert message.method == "OPTIONS"
        assert flow.transport == "TLS"
        assert flow.local == world.address
        world.transport.send(b"answer", flow, None)
        assert await client.receive_some(100) == b"answer"


async def test_message_cut_at_every_byte_comes_up_once(
    serve: Serve, files: CertificateFiles, trusting: ssl.SSLContext
) -> None:
    async with serve(files) as world:
        client = await world.connect(trusting)
        for place in range(len(REQUEST)):
            await client.send_all(REQUEST[place : place + 1])
        await world.until(lambda: world.messages)
        assert len(world.messages) == 1


async def test_long_answer_is_whole_for_a_peer_that_reads_late(
    serve: Serve, files: CertificateFiles, trusting: ssl.SSLContext
) -> None:
    body = bytes(range(256)) * 4000
    async with serve(files, Limits(unwritten_bytes=1 << 22)) as world:
        client = await world.connect(trusting)
        await client.send_all(REQUEST)
        await world.until(lambda: world.messages)
        world.transport.send(body, world.messages[0][1], None)
        await trio.sleep(0.05)
        received = b""
        while len(received) < len(body):
            received += await client.receive_some(65536)
        assert received == body


async def test_keep_alive_is_answered(
    serve: Serve, files: CertificateFiles, trusting: ssl.SSLContext
) -> None:
    async with serve(files) as world:
        client = await world.connect(trusting)
        await client.send_all(b"\r\n\r\n")
        assert await client.receive_some(10) == b"\r\n"


async def test_goodbye_of_the_peer_ends_the_connection_and_is_told(
    serve: Serve, files: CertificateFiles, trusting: ssl.SSLContext
) -> None:
    async with serve(files) as world:
        client = await world.connect(trusting)
        await client.send_all(REQUEST)
        await client.aclose()
        await world.until(lambda: world.lost)
        assert world.messages, "what came before the goodbye still counts"
        assert len(world.transport) == 0
        assert not world.transport.is_open(world.lost[0][0])


@pytest.mark.parametrize("hello", [b"OPTIONS sip:example.test SIP/2.0\r\n\r\n", b"\x16\x03\x01\xff", b""])
async def test_who_speaks_no_tls_is_sent_away_and_counted(
    serve: Serve, files: CertificateFiles, hello: bytes
) -> None:
    async with serve(files) as world:
        stream = await trio.open_tcp_stream(*world.address)
        if hello:
            await stream.send_all(hello)
        await stream.send_eof()
        while await stream.receive_some(100):
            pass
        await world.until(lambda: not len(world.transport))
        assert world.transport.statistics.handshake_failures == 1
        assert not world.messages
        assert not world.lost, "nobody depended on it"


async def test_name_asked_for_chooses_the_certificate(
    serve: Serve, authority: trustme.CA, files: CertificateFiles, trusting: ssl.SSLContext, tmp_path: Path
) -> None:
    for name in ("other.test", "*.wild.test"):
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(tmp_path / name[-9:]))
    named = {
        "other.test": (str(tmp_path / "ther.test"),),
        "*.wild.test": (str(tmp_path / "wild.test"),),
    }
    async with serve(CertificateFiles(files.certificate, names=named)) as world:
        for name in ("sip.example.test", "other.test", "OTHER.test", "a.wild.test"):
            client = await world.connect(trusting, name)
            await client.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await world.connect(trusting, "a.b.wild.test")


@pytest.mark.parametrize("name", ["sip.example.test", "other.test"])
@pytest.mark.parametrize(
    ("verify", "shows", "allowed"),
    [
        ("none", False, True),
        ("optional", False, True),
        ("optional", True, True),
        ("required", True, True),
        ("required", False, False),
    ],
)
async def test_certificate_of_a_phone_is_asked_for(
    serve: Serve,
    authority: trustme.CA,
    files: CertificateFiles,
    trusting: ssl.SSLContext,
    tmp_path: Path,
    verify: str,
    shows: bool,
    allowed: bool,
    name: str,
) -> None:
    """Under whatever name the phone asks for the server, with a certificate of its own."""
    if shows:
        authority.issue_cert("alice@example.test").configure_cert(trusting)
    authority.issue_cert("other.test").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "o.pem"))
    named = {"other.test": (str(tmp_path / "o.pem"),)}
    asking = CertificateFiles(files.certificate, verify=verify, ca=files.server_ca, names=named)
    async with serve(asking) as world:
        client = await world.connect(trusting, name)  # with TLS 1.3 the refusal comes only after it
        refused = False
        try:
            await client.send_all(REQUEST)
            await client.send_all(b"\r\n\r\n")
            refused = not await client.receive_some(10)
        except trio.BrokenResourceError:
            refused = True
        assert refused is not allowed
        assert bool(world.messages) is allowed


async def test_certificate_of_a_strange_authority_is_refused_even_when_optional(
    serve: Serve, files: CertificateFiles, trusting: ssl.SSLContext
) -> None:
    trustme.CA().issue_cert("mallory@example.test").configure_cert(trusting)
    async with serve(CertificateFiles(files.certificate, verify="optional", ca=files.server_ca)) as world:
        client = await world.connect(trusting)
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(REQUEST)
            await client.receive_some(10)
        assert not world.messages


# -- connections that we open


class Peer:
    """Another provider's server, which takes one connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self._context = context

    async def take(self) -> trio.SSLStream[Any]:
        sock, _ = await trio.socket.from_stdlib_socket(self.listener).accept()
        stream = trio.SSLStream(trio.SocketStream(sock), self._context, server_side=True)
        await stream.do_handshake()
        return stream


@pytest.fixture
def peer(authority: trustme.CA) -> Peer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("peer.test").configure_cert(context)
    return Peer(context)


async def test_connection_is_opened_to_a_peer_that_proves_its_name(
    serve: Serve, files: CertificateFiles, peer: Peer
) -> None:
    async with serve(files) as world, trio.open_nursery() as nursery:
        flow = Flow("TLS", world.address, peer.address, server_name="peer.test")
        world.transport.send(REQUEST, flow, "key")
        world.transport.send(REQUEST, flow, "key")
        stream = await peer.take()
        received = b""
        while len(received) < 2 * len(REQUEST):
            received += await stream.receive_some(65536)
        assert received == 2 * REQUEST
        assert len(world.transport) == 1, "the second message uses the first's connection"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["other.test", None])
async def test_peer_that_cannot_prove_its_name_hears_nothing(
    serve: Serve, files: CertificateFiles, peer: Peer, name: str | None
) -> None:
    async with serve(files) as world:
        flow = Flow("TLS", world.address, peer.address, server_name=name)
        world.transport.send(REQUEST, flow, "key")
        heard = b""
        try:
            stream = await peer.take()
            heard = await stream.receive_some(100)
        except trio.BrokenResourceError:
            pass
        assert not heard
        await world.until(lambda: world.lost)
        lost, reason = world.lost[0]
        assert lost.remote == peer.address
        assert lost.server_name == name
        assert "TLS: " in reason
        assert "match" in reason, reason


async def test_peer_of_an_unknown_authority_hears_nothing(serve: Serve, files: CertificateFiles) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("peer.test").configure_cert(context)
    stranger = Peer(context)
    async with serve(files) as world:
        flow = Flow("TLS", world.address, stranger.address, server_name="peer.test")
        world.transport.send(REQUEST, flow, "key")
        with pytest.raises(trio.BrokenResourceError):
            await stranger.take()
        await world.until(lambda: world.lost)
        assert "certificate" in world.lost[0][1]


async def test_one_address_under_two_names_is_proved_twice(
    serve: Serve, files: CertificateFiles, peer: Peer
) -> None:
    async with serve(files) as world:
        world.transport.send(REQUEST, Flow("TLS", world.address, peer.address, server_name="peer.test"), 1)
        stream = await peer.take()
        await stream.receive_some(65536)
        world.transport.send(REQUEST, Flow("TLS", world.address, peer.address, server_name="evil.test"), 2)
        assert len(world.transport) == 2
        with pytest.raises(trio.BrokenResourceError):
            await peer.take()
        await world.until(lambda: world.lost)
        assert world.lost[0][0].server_name == "evil.test"


@pytest.mark.parametrize("verify", ["optional", "none"])
async def test_accepted_connection_is_used_for_whom_its_certificate_proves(
    serve: Serve, authority: trustme.CA, files: CertificateFiles, trusting: ssl.SSLContext, verify: str
) -> None:
    authority.issue_cert("peer.test", "127.0.0.1").configure_cert(trusting)
    asking = attrs.evolve(files, verify=verify, ca=files.server_ca)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        listens = closed.getsockname()

        def towards(name: str | None) -> Flow:
            return Flow("TLS", world.address, listens, server_name=name)

        async with serve(asking) as world:
            client = await world.connect(trusting)
            await client.send_all(REQUEST)
            [(_, flow)] = await world.until(lambda: world.messages)
            world.transport.alias(flow, listens[1])
            for name in ("peer.test", None):
                world.transport.send(REQUEST, towards(name), "key")
                if verify == "optional":
                    assert await client.receive_some(65536) == REQUEST
            lost = 0 if verify == "optional" else 2
            await world.until(lambda: len(world.lost) == lost)
            world.transport.send(REQUEST, towards("other.test"), "key")
            await world.until(lambda: len(world.lost) == lost + 1)
            flow, reason = world.lost[-1]
            assert (flow.server_name, reason) == ("other.test", "Connection refused")
            await client.aclose()
            await world.until(lambda: not len(world.transport))
            assert not world.transport._by_peer


async def test_peer_that_accepts_and_says_nothing_is_given_up(
    serve: Serve, files: CertificateFiles, autojump_clock: trio.testing.MockClock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with serve(files, Limits(message_seconds=15)) as world:
            world.transport.send(REQUEST, Flow("TLS", world.address, silent.getsockname()), "key")
            await trio.sleep(16)
            assert world.lost
            assert world.transport.statistics.half_sent == 1
