"""The relay's own process: UDP sockets around `media_relay.Relay`.

Media sockets are watched by one epoll instance that trio waits for, so that a thousand streams are
one task; each ready socket is drained and written at once.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from trunkline.media_relay import (
    Address,
    ClosePort,
    Effect,
    Interface,
    NgServer,
    OpenPort,
    Relay,
    Reply,
    SessionTimedOut,
)

DRAIN = 16
"Datagrams taken from one socket before the others get their turn."
DATAGRAM = 2048
"Bytes of the largest media datagram: no path carries more unfragmented."


class RelayNode:
    """Sockets for one relay.

    Args:
        relay: the sessions.
        control: the NG server over them.
        ng: the bound control socket.
    """

    def __init__(self, relay: Relay, control: NgServer, ng: socket.socket) -> None:
        self._relay = relay
        self._control = control
        self._ng = ng
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._by_fd: dict[int, tuple[socket.socket, int]] = {}
        self._timer = trio.CancelScope()
        self._carry_out: dict[type, Callable[[Any], bool]] = {
            OpenPort: self._open,
            ClosePort: self._close,
            Reply: self._reply,
            SessionTimedOut: self._timed_out,
        }

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._control_datagrams)
                nursery.start_soon(self._media)
                nursery.start_soon(self._tick)
        finally:
            for sock in self._sockets.values():
                sock.close()
            self._epoll.close()
            self._ng.close()

    # -- media

    async def _media(self) -> None:
        epoll, by_fd, sockets = self._epoll, self._by_fd, self._sockets
        packet, clock = self._relay.packet, trio.current_time
        while True:
            await trio.lowlevel.wait_readable(epoll.fileno())
            now = clock()
            for fd, _ in epoll.poll(0):
                entry = by_fd.get(fd)
                if entry is None:
                    continue
                sock, port = entry
                recvfrom = sock.recvfrom
                for _ in range(DRAIN):
                    try:
                        data, source = recvfrom(DATAGRAM)
                    except BlockingIOError:
                        break
                    except OSError:
                        continue  # ICMP about an earlier datagram: the peer is not there (yet)
                    hop = packet(port, data, source, now)
                    if hop is None:
                        continue
                    out = sockets.get(hop[0])
                    if out is not None:
                        try:
                            out.sendto(data, hop[1])
                        except OSError:
                            pass  # full or unreachable: media are lost, never late
            await trio.lowlevel.checkpoint()

    # -- control

    async def _control_datagrams(self) -> None:
        ng = self._ng
        while True:
            await trio.lowlevel.wait_readable(ng)
            while True:
                try:
                    data, source = ng.recvfrom(65535)
                except BlockingIOError:
                    break
                except OSError:
                    continue
                now = trio.current_time()
                self._perform(partial(self._control.receive, data, source, now=now))
            self._set_alarm()

    async def _tick(self) -> None:
        while True:
            due = self._relay.next_timeout()
            with trio.CancelScope(deadline=float("inf") if due is None else due) as self._timer:
                await trio.sleep_forever()
            self._perform(partial(self._relay.handle_timeout, now=trio.current_time()))

    def _set_alarm(self) -> None:
        due = self._relay.next_timeout()
        if due is not None and due < self._timer.deadline:
            self._timer.deadline = due

    # -- effects

    def _perform(self, ask: Callable[[], list[Effect]]) -> None:
        """Carry out effects in order; a port that cannot be bound brings a new list in their place."""
        effects = ask()
        while effects:
            for effect in effects:
                act = self._carry_out.get(type(effect))
                if act is not None and not act(effect):
                    assert isinstance(effect, OpenPort)
                    effects = self._control.port_failed(effect.port, now=trio.current_time())
                    break
            else:
                return

    def _open(self, effect: OpenPort) -> bool:
        family = socket.AF_INET6 if ":" in effect.address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((effect.address, effect.port))
        except OSError as error:
            _log(
                "warning",
                "a media port cannot be had; another is taken",
                port=effect.port,
                reason=error.strerror,
            )
            sock.close()
            return False
        self._sockets[effect.port] = sock
        self._by_fd[sock.fileno()] = (sock, effect.port)
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        return True

    def _close(self, effect: ClosePort) -> bool:
        sock = self._sockets.pop(effect.port)
        self._by_fd.pop(sock.fileno(), None)
        self._epoll.unregister(sock.fileno())
        sock.close()
        return True

    def _reply(self, effect: Reply) -> bool:
        self._send_control(effect.data, effect.destination)
        return True

    def _timed_out(self, effect: SessionTimedOut) -> bool:
        _log("info", "nothing was heard on a call", call_id=effect.call_id, reason=effect.reason.value)
        for notice in self._control.session_timed_out(effect):
            if isinstance(notice, Reply):
                self._reply(notice)
        return True

    def _send_control(self, data: bytes, destination: Address) -> None:
        try:
            self._ng.sendto(data, destination)
        except OSError:
            pass  # the controller asks again, or is gone


def run(
    *,
    ng: tuple[str, int],
    address: str,
    ports: tuple[int, int],
    other_address: str = "",
    timeout: float = 60.0,
    until_stdin_closes: bool = False,
) -> int:
    """Run a relay until SIGINT or SIGTERM; prints one line that says where it is controlled.

    Args:
        ng: where NG commands are received; port 0 lets the system choose.
        address: where media are received; a wildcard takes the advertised address from each command.
        ports: lowest and highest media port.
        other_address: the same of the other family of addresses; empty = that family is not served.
        timeout: seconds of silence after which an answered call's session is over.
        until_stdin_closes: end when standard input does: the sign that the parent is gone.

    Returns:
        an exit status.
    """
    family = socket.AF_INET6 if ":" in ng[0] else socket.AF_INET
    control = socket.socket(family, socket.SOCK_DGRAM)
    control.setblocking(False)
    try:
        control.bind(ng)
    except OSError as error:
        sys.stderr.write(f"cannot listen for NG commands on {ng[0]}:{ng[1]}: {error.strerror}\n")
        return 1
    interfaces = [Interface(each) for each in (address, other_address) if each]
    relay = Relay(interfaces, ports, token=os.urandom, timeout=timeout)
    node = RelayNode(relay, NgServer(relay), control)
    sys.stdout.write(
        f"relaying media on {ports[0]} to {ports[1]}, controlled at {ng[0]}:{control.getsockname()[1]}\n"
    )
    sys.stdout.flush()
    trio.run(_until_told, node, until_stdin_closes)
    return 0


async def _until_told(node: RelayNode, until_stdin_closes: bool) -> None:
    import signal

    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run)
        if until_stdin_closes:
            nursery.start_soon(_end_with_stdin, nursery.cancel_scope)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                nursery.cancel_scope.cancel()


async def _end_with_stdin(scope: trio.CancelScope) -> None:
    stdin = trio.lowlevel.FdStream(os.dup(0))
    while await stdin.receive_some(4096):
        pass
    scope.cancel()


def _log(level: str, event: str, **facts: Any) -> None:
    """Log a rare event; structlog costs a tenth of a second to import, which the start need not wait for."""
    import structlog

    getattr(structlog.get_logger("relay"), level)(event, **facts)
