"""The node's side of the media relay: NG commands over UDP, repeated until answered.

It speaks to our own relay process or to rtpengine alike. One socket, one task that reads replies;
a command is answered through a callback, so that the stack never waits.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import trio

from trunkline.media_relay import MediaError, ng_reply, ng_request

Reply = dict[str, Any]
Answered = Callable[[Reply], None]

REPEAT_AFTER = (0.2, 0.4, 0.8)
"Seconds after which a command is sent again; then it has failed: well under a caller's patience."


@attrs.define
class _Waiting:
    data: bytes
    answered: Answered
    attempt: int = 0
    due: float = 0.0


class RelayClient:
    """Sends NG commands to one relay.

    Args:
        address: host and port of the relay's NG socket.
        token: randomness for the cookies.
        noticed: called with each notice of the relay, such as a timeout.
    """

    def __init__(
        self, address: tuple[str, int], token: Callable[[int], bytes], noticed: Callable[[Reply], None]
    ) -> None:
        self.address = address
        self._noticed = noticed
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._sock = socket.socket(family, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.connect(address)
        self._prefix = token(4).hex()
        self._count = 0
        self._waiting: dict[str, _Waiting] = {}
        self._wake = trio.Event()
        self.failures = 0
        self.healthy = True
        "False from a command without an answer to the next answer."

    def command(self, command: str, fields: Mapping[str, Any], answered: Answered) -> None:
        """Send a command; `answered` gets the reply dict, or `{"result": "error", …}` when none came."""
        self._count += 1
        cookie = f"{self._prefix}_{self._count:x}"
        waiting = _Waiting(ng_request(cookie, command, **fields), answered)
        self._waiting[cookie] = waiting
        self._send(waiting)
        self._wake.set()

    def _send(self, waiting: _Waiting) -> None:
        waiting.due = trio.current_time() + REPEAT_AFTER[waiting.attempt]
        waiting.attempt += 1
        try:
            self._sock.send(waiting.data)
        except OSError:
            pass  # refused or full: the next attempt, or the failure after the last one, says it

    async def run(self) -> None:
        """Read replies and repeat commands until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._repeat)
            await self._read()

    async def _read(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            while True:
                try:
                    data = self._sock.recv(65535)
                except BlockingIOError:
                    break
                except OSError:
                    await trio.sleep(0.01)  # the relay's port is closed: it is being started again
                    break
                try:
                    cookie, reply = ng_reply(data)
                except MediaError:
                    continue
                waiting = self._waiting.pop(cookie, None)
                if "command" in reply:
                    self._noticed(reply)
                elif waiting is not None:
                    self.healthy = True
                    waiting.answered(reply)

    async def _repeat(self) -> None:
        while True:
            while not self._waiting:
                self._wake = trio.Event()
                await self._wake.wait()
            await trio.sleep_until(min(waiting.due for waiting in self._waiting.values()))
            now = trio.current_time()
            for cookie, waiting in list(self._waiting.items()):
                if waiting.due > now:
                    continue
                if waiting.attempt < len(REPEAT_AFTER):
                    self._send(waiting)
                    continue
                del self._waiting[cookie]
                self.failures += 1
                self.healthy = False
                waiting.answered({"result": "error", "error-reason": "the media relay does not answer"})
