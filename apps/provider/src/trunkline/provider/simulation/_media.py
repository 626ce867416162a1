"""The media relay of a simulated provider: the real relay and NG server, and a client that repeats itself.

Here: what the relay's process and the node's end of the control socket do. Not here: sessions and ports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

import attrs

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
from trunkline.provider.relay._client import REPEAT_AFTER

from ._agenda import Agenda, Alarm
from ._network import Address, Network

CONTROL: Address = ("127.0.0.1", 2223)
NODE: Address = ("127.0.0.1", 50000)
LOOPBACK = 0.0005
"Seconds between node and relay."


class RelayHost:
    """A relay process: media ports on a host, and control over loopback.

    Args:
        host: the address that media ports are bound to.
        ports: the range.
        timeout: seconds of silence after which a session is over.
        reply: what carries datagrams back to the node.
    """

    def __init__(
        self,
        agenda: Agenda,
        network: Network,
        random: Random,
        *,
        host: str,
        ports: tuple[int, int],
        timeout: float,
        reply: Callable[[bytes], None],
    ) -> None:
        self.relay = Relay([Interface(host)], ports, token=random.randbytes, timeout=timeout)
        self.open_ports: dict[int, None] = {}
        self.forwarded = 0
        self._server = NgServer(self.relay)
        self._agenda = agenda
        self._network = network
        self._host = host
        self._reply = reply
        self._dead = False
        self._alarm = Alarm(agenda, self.relay, self._timeout)
        self.total_pairs = self.relay.free_pairs

    def control(self, data: bytes) -> None:
        """Take a control datagram."""
        if not self._dead:
            self._perform(self._server.receive(data, NODE, now=self._agenda.now, at=self._agenda.clock()))
            self._alarm.set()

    def kill(self) -> None:
        """End: every port is closed by the kernel."""
        self._dead = True
        self._alarm.cancel()
        for port in self.open_ports:
            self._network.unbind((self._host, port))
        self.open_ports.clear()

    def _timeout(self) -> None:
        self._perform(self.relay.handle_timeout(now=self._agenda.now))

    def _perform(self, effects: list[Any]) -> None:
        for effect in effects:
            kind = type(effect)
            if kind is OpenPort:
                self.open_ports[effect.port] = None
                self._network.bind((self._host, effect.port), partial(self._packet, effect.port))
            elif kind is ClosePort:
                del self.open_ports[effect.port]
                self._network.unbind((self._host, effect.port))
            elif kind is Reply:
                self._agenda.after(LOOPBACK, self._reply, effect.data)
            elif kind is SessionTimedOut:
                self._perform(self._server.session_timed_out(effect))

    def _packet(self, port: int, data: bytes, source: Address) -> None:
        hop = self.relay.packet(port, data, source, self._agenda.now)
        if hop is not None:
            self.forwarded += 1
            self._network.datagram(data, (self._host, hop[0]), (hop[1][0], hop[1][1]))


@attrs.define(eq=False)
class _Waiting:
    data: bytes
    answered: Callable[[dict[str, Any]], None]
    attempt: int = 0


class RelayEnd:
    """The node's end: commands repeated until answered, as `RelayClient` does on a socket.

    Args:
        send: what carries datagrams to the relay.
        noticed: told of the relay's notices.
    """

    def __init__(
        self, agenda: Agenda, send: Callable[[bytes], None], noticed: Callable[[dict[str, Any]], None]
    ) -> None:
        self._agenda = agenda
        self._send = send
        self._noticed = noticed
        self._count = 0
        self.waiting: dict[str, _Waiting] = {}
        self._dead = False

    def command(
        self, command: str, fields: Mapping[str, Any], answered: Callable[[dict[str, Any]], None]
    ) -> None:
        """Give a command; `answered` gets the reply, or an error when there is none."""
        self._count += 1
        cookie = str(self._count)
        data = ng_request(cookie, command, **fields)
        self.waiting[cookie] = _Waiting(data, answered)
        self._attempt(cookie)

    def received(self, data: bytes) -> None:
        """Take a datagram of the relay."""
        if self._dead:
            return
        cookie, reply = ng_reply(data)
        waiting = self.waiting.pop(cookie, None)
        if "command" in reply:
            self._noticed(reply)
        elif waiting is not None:
            waiting.answered(reply)

    def kill(self) -> None:
        """End with the node."""
        self._dead = True
        self.waiting.clear()

    def _attempt(self, cookie: str) -> None:
        waiting = self.waiting.get(cookie)
        if waiting is None or self._dead:
            return
        if waiting.attempt >= len(REPEAT_AFTER):
            del self.waiting[cookie]
            waiting.answered({"result": "error", "error-reason": "the media relay does not answer"})
            return
        delay = REPEAT_AFTER[waiting.attempt]
        waiting.attempt += 1
        self._agenda.after(LOOPBACK, self._send, waiting.data)
        self._agenda.after(delay, self._attempt, cookie)
