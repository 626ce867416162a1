"""Media relays for the world: the real one, without sockets, and one that says what the test wrote.

Both take a command and give its reply at once; the world holds questions back where a test wants that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

from trunkline.media_relay import (
    ClosePort,
    Interface,
    NgServer,
    OpenPort,
    Relay,
    Reply,
    SessionTimedOut,
    ng_reply,
    ng_request,
)

NODE = ("127.0.0.1", 2000)
"Where the commands come from."


class RealRelay:
    """The media relay itself, driven by NG datagrams; its ports are a set of numbers."""

    def __init__(self, *, timeout: float = 60.0, address: str = "0.0.0.0") -> None:
        self.relay = Relay([Interface(address)], (30000, 30100), token=Random(7).randbytes, timeout=timeout)
        self.control = NgServer(self.relay)
        self.ports: set[int] = set()
        "Ports that are open."
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self._cookies = 0

    def command(self, command: str, fields: Mapping[str, Any], now: float) -> dict[str, Any]:
        self.commands.append((command, dict(fields)))
        self._cookies += 1
        datagram = ng_request(f"c{self._cookies}", command, **fields)
        [reply] = self._perform(self.control.receive(datagram, NODE, now=now))
        return ng_reply(reply.data)[1]

    def hear(self, port: int, source: tuple[str, int], now: float) -> tuple[str, int] | None:
        """Let a packet of audio arrive; gives where it goes."""
        packet = b"\x80\x00\x00\x01" + bytes(8) + bytes(160)
        hop = self.relay.packet(port, packet, source, now)
        return None if hop is None else hop[1][:2]

    def next_timeout(self) -> float | None:
        return self.relay.next_timeout()

    def handle_timeout(self, now: float) -> list[dict[str, Any]]:
        """Give the notices for the node."""
        return [ng_reply(notice.data)[1] for notice in self._perform(self.relay.handle_timeout(now=now))]

    def _perform(self, effects: Iterable[object]) -> list[Reply]:
        replies: list[Reply] = []
        for effect in effects:
            if isinstance(effect, OpenPort):
                assert effect.port not in self.ports
                self.ports.add(effect.port)
            elif isinstance(effect, ClosePort):
                self.ports.remove(effect.port)
            elif isinstance(effect, Reply):
                replies.append(effect)
            elif isinstance(effect, SessionTimedOut):
                replies += self._perform(self.control.session_timed_out(effect))
        return replies


class ScriptedRelay:
    """A relay that answers by a function of the command; without one it marks every SDP that it sees."""

    def __init__(self, answer: Callable[[str, Mapping[str, Any]], dict[str, Any]] | None = None) -> None:
        self._answer = answer or mark
        self.commands: list[tuple[str, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        """The commands so far, by name."""
        return [name for name, _ in self.commands]

    def command(self, command: str, fields: Mapping[str, Any], now: float) -> dict[str, Any]:
        self.commands.append((command, dict(fields)))
        return self._answer(command, fields)

    def next_timeout(self) -> float | None:
        return None

    def handle_timeout(self, now: float) -> list[dict[str, Any]]:
        return []


def mark(command: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Put a line into the SDP that tells the command."""
    if command == "delete":
        return {"result": "ok"}
    return {"result": "ok", "sdp": fields["sdp"] + f"a=x-{command}\r\n".encode()}
