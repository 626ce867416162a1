"""What the tests of the media relay share: descriptions, packets, and an app that opens ports."""

import struct
from collections import deque
from collections.abc import Callable

import pytest

from trunkline.media_relay import (
    ClosePort,
    Effect,
    Hop,
    Interface,
    OpenPort,
    Relay,
    RtpPacket,
    Sdp,
    SdpReady,
)


def _sdp(
    host: str = "192.0.2.10",
    port: int = 4000,
    *more: str,
    media: str = "audio {port} RTP/AVP 0 8",
    version: int = 1,
    session: tuple[str, ...] = (),
) -> bytes:
    """One audio line at a host and port; further lines go below it, or at session level."""
    family = "IP6" if ":" in host else "IP4"
    lines = ["v=0", f"o=alice 2890844526 {version} IN {family} {host}", "s=-", f"c=IN {family} {host}"]
    lines += ["t=0 0", *session, "m=" + media.format(port=port), *more]
    return "".join(line + "\r\n" for line in lines).encode()


def _rtp(sequence: int = 1, ssrc: int = 0xA11CE, payload_type: int = 0) -> bytes:
    timestamp = sequence * 160 & 0xFFFFFFFF
    return RtpPacket(payload_type, sequence & 0xFFFF, timestamp, ssrc, bytes(160)).to_bytes()


def _sender_report(ssrc: int = 0xA11CE, middle: int = 0x12345678) -> bytes:
    return struct.pack("!BBHIIIIII", 0x80, 200, 6, ssrc, middle >> 16, (middle & 0xFFFF) << 16, 0, 0, 0)


def _receiver_report(about: int, last: int = 0, delay: float = 0.0, lost: int = 0, jitter: int = 0) -> bytes:
    block = struct.pack("!IIIIII", about, lost << 24, 0, jitter, last, int(delay * 65536))
    return struct.pack("!BBHI", 0x81, 201, 7, 0xB0B) + block


class _App:
    """The part of a program that owns the sockets: it binds, closes, and reports what is taken."""

    def __init__(self, relay: Relay, port_failed: Callable[..., list[Effect]] | None = None) -> None:
        self.relay = relay
        self.now = 100.0
        self.open: dict[int, str] = {}
        self.taken: set[int] = set()
        self.other: list[Effect] = []
        self.port_failed = port_failed or relay.port_failed

    def perform(self, effects: list[Effect]) -> list[Effect]:
        """Carry effects out and give those that are not about ports."""
        told: list[Effect] = []
        waiting = deque(effects)
        while waiting:
            effect = waiting.popleft()
            if isinstance(effect, OpenPort):
                assert effect.port not in self.open
                if effect.port in self.taken:
                    waiting = deque(self.port_failed(effect.port, now=self.now))
                else:
                    self.open[effect.port] = effect.address
            elif isinstance(effect, ClosePort):
                del self.open[effect.port]
            else:
                told.append(effect)
        self.other += told
        return told

    def offer(self, sdp: bytes, call_id: str = "c1", from_tag: str = "alice", **more: object) -> Sdp:
        told = self.perform(self.relay.offer(call_id, from_tag, sdp, now=self.now, **more))
        assert isinstance(told[-1], SdpReady), told
        return Sdp.parse(told[-1].sdp)

    def answer(
        self,
        sdp: bytes,
        call_id: str = "c1",
        from_tag: str = "alice",
        to_tag: str = "bob",
        **more: object,
    ) -> Sdp:
        told = self.perform(self.relay.answer(call_id, from_tag, to_tag, sdp, now=self.now, **more))
        assert isinstance(told[-1], SdpReady), told
        return Sdp.parse(told[-1].sdp)

    def packet(self, port: int, data: bytes, source: tuple[str, int]) -> Hop | None:
        assert port in self.open
        hop = self.relay.packet(port, data, source, self.now)
        assert hop is None or hop[0] in self.open
        return hop

    def heard(self, port: int, source: tuple[str, int], data: bytes | None = None) -> tuple | None:
        """Give where a packet goes, without the facts."""
        hop = self.packet(port, _rtp() if data is None else data, source)
        return hop[:2] if hop is not None else None


def _token(count: int) -> bytes:
    return bytes(place * 7919 % 251 for place in range(count))


def _make(ports: tuple[int, int] = (30000, 30099), **more: object) -> _App:
    interfaces = more.pop("interfaces", [Interface("198.51.100.1"), Interface("2001:db8::1")])
    return _App(Relay(interfaces, ports, token=_token, **more))


@pytest.fixture
def sdp() -> Callable[..., bytes]:
    """Give a description with one audio line."""
    return _sdp


@pytest.fixture
def rtp() -> Callable[..., bytes]:
    """Give an RTP packet of G.711."""
    return _rtp


@pytest.fixture
def sender_report() -> Callable[..., bytes]:
    """Give an RTCP sender report without blocks."""
    return _sender_report


@pytest.fixture
def receiver_report() -> Callable[..., bytes]:
    """Give an RTCP receiver report with one block."""
    return _receiver_report


@pytest.fixture
def make_app() -> Callable[..., _App]:
    """Make a relay with an app around it."""
    return _make


@pytest.fixture
def app() -> _App:
    """Give a relay of fifty port pairs with an app around it."""
    return _make()


@pytest.fixture
def app_class() -> type[_App]:
    """Give the app, to put around a relay or an NG server of one's own."""
    return _App


@pytest.fixture
def token() -> Callable[[int], bytes]:
    """Give what stands for randomness."""
    return _token
