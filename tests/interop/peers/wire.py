"""SIP as bytes: requests written by hand and what comes back, over UDP or TCP.

For what no well-behaved phone sends. Understands just enough of a message to tell its status.
"""

import contextlib
import itertools
import os
import re
import socket
import time
from dataclasses import dataclass

from .ports import HOST

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Reply:
    """A response as it came."""

    data: bytes

    @property
    def status(self) -> int:
        found = re.match(rb"SIP/2\.0 (\d{3}) ", self.data)
        return int(found[1]) if found else 0

    def header(self, name: str) -> str:
        """Give the first value of a header, empty when it is not there."""
        found = re.search(rb"(?im)^%s[ \t]*:[ \t]*(.*?)\r?$" % re.escape(name.encode()), self.data)
        return found[1].decode() if found else ""


class Wire:
    """One socket towards a server: `udp` or `tcp`."""

    def __init__(self, port: int, *, transport: str = "udp", host: str = HOST) -> None:
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.transport = transport.upper()
        self.server = (host, port)
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.settimeout(2)
        self.socket.bind((HOST, 0))
        self.socket.connect(self.server)
        self.local: tuple[str, int] = self.socket.getsockname()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, seconds: float = 2.0) -> Reply | None:
        """Give the next response, or None when nothing comes or the connection ends."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, ConnectionError):
            return None
        return Reply(data) if data else None

    def ask(self, data: bytes, seconds: float = 2.0) -> Reply | None:
        """Send a request and give the first final response to come."""
        self.send(data)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            reply = self.receive(left)
            if reply is None or reply.status >= 200:
                return reply
        return None

    def request(
        self,
        method: str,
        uri: str,
        *,
        sender: str = "sip:probe@invalid",
        to: str | None = None,
        headers: tuple[str, ...] = (),
        body: bytes = b"",
        sequence: int = 1,
        call_id: str | None = None,
    ) -> bytes:
        """Write a request that is in order; what is to be wrong with it, the caller puts in."""
        number = f"{os.getpid()}x{next(_numbers)}"
        host, port = self.local
        lines = (
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {host}:{port};branch=z9hG4bK{number};rport",
            "Max-Forwards: 70",
            f"From: <{sender}>;tag=f{number}",
            f"To: <{to or uri}>",
            f"Call-ID: {call_id or f'{number}@{host}'}",
            f"CSeq: {sequence} {method}",
            *headers,
            f"Content-Length: {len(body)}",
            "\r\n",
        )
        return "\r\n".join(lines).encode() + body


def options_answered(port: int, *, transport: str = "udp", seconds: float = 0.5) -> bool:
    """Tell whether the server there answers an OPTIONS to itself with 200."""
    with contextlib.suppress(OSError), Wire(port, transport=transport) as wire:
        reply = wire.ask(wire.request("OPTIONS", f"sip:{HOST}:{port}"), seconds)
        return reply is not None and reply.status == 200
    return False
