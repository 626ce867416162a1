"""SIP over UDP: one raw non-blocking socket, drained whenever it is readable, written at once."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable

import trio

from trunkline.sip_proxy import is_ip
from trunkline.sip_transaction import Flow

from ._icmp import ask_for_errors, is_of_an_earlier_one, take_errors
from ._limits import Limits, TransportStatistics
from ._listen import ListenPoint

DRAIN = 64
"Datagrams taken in one go before other tasks get their turn."
MAX_DATAGRAM = 65535
MAX_FLOWS = 100_000
"Sources remembered; past that the memory of them starts anew (a flow is only a value)."

Receive = Callable[[bytes, Flow], None]


class UdpTransport:
    """Carries datagrams between one listening point and the stack.

    Args:
        point: a bound UDP listening point; this object owns its socket from now on.
        receive: called with each datagram and the flow it came by.
        failed: called with (key, flow, reason) when a datagram cannot be sent.
        drained: called after each batch of datagrams.
        unreachable: called with the beginning of a datagram that met an ICMP error, and with the reason; also
            from within `send`.
        limits: how many bytes may wait while the kernel takes none.
        statistics: what is counted.
    """

    def __init__(
        self,
        point: ListenPoint,
        receive: Receive,
        failed: Callable[[object, Flow, str], None],
        drained: Callable[[], None],
        unreachable: Callable[[bytes, str], None] | None = None,
        *,
        limits: Limits | None = None,
        statistics: TransportStatistics | None = None,
    ) -> None:
        self.local = point.address
        self.statistics = statistics or TransportStatistics()
        self._most_waiting = (limits or Limits()).unwritten_bytes
        self._waiting_bytes = 0
        self._sock = point.sock
        self._unreachable = unreachable
        if unreachable is not None:
            ask_for_errors(point.sock)
        self._receive = receive
        self._failed = failed
        self._drained = drained
        self._flows: dict[tuple[str, int], Flow] = {}
        self._waiting: deque[tuple[bytes, tuple[str, int]]] = deque()
        self._writable = trio.Event()

    async def run(self) -> None:
        """Receive until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_waiting)
            try:
                await self._receive_all()
            finally:
                self._sock.close()

    async def _receive_all(self) -> None:
        sock, receive, drained = self._sock, self._receive, self._drained
        flows = self._flows
        recvfrom = sock.recvfrom
        while True:
            await trio.lowlevel.wait_readable(sock)
            for number in range(DRAIN):
                try:
                    data, address = recvfrom(MAX_DATAGRAM)
                except BlockingIOError:
                    if not number:
                        self._take_errors()  # they alone woke us, and would do so for ever
                    break
                except OSError:
                    self._take_errors()
                    continue
                flow = flows.get(address)
                if flow is None:
                    if len(flows) >= MAX_FLOWS:
                        flows.clear()
                    flow = flows[address] = Flow("UDP", self.local, address[:2])
                receive(data, flow)
            drained()

    def send(self, data: bytes, flow: Flow, key: object) -> None:
        """Send a datagram now, or as soon as the socket takes it."""
        if not is_ip(flow.remote[0]):
            # the maddr of a Via may name a host (RFC 3261 §18.2.2): the loop must not wait for DNS
            self._failed(key, flow, f"{flow.remote[0]} is not an address")
            return
        if self._waiting:
            self._wait(data, flow.remote)
            return
        try:
            self._sock.sendto(data, flow.remote)
        except BlockingIOError:
            self._wait(data, flow.remote)
            self._writable.set()
        except OSError as error:
            own: OSError | None = error
            if is_of_an_earlier_one(error):
                self._take_errors()
                own = self._send_again(data, flow.remote)
            if own is not None:
                self._failed(key, flow, own.strerror or errno.errorcode.get(own.errno or 0, "cannot send"))

    def _send_again(self, data: bytes, remote: tuple[str, int]) -> OSError | None:
        try:
            self._sock.sendto(data, remote)
        except BlockingIOError:
            self._wait(data, remote)
            self._writable.set()
        except OSError as error:
            return error
        return None

    def _take_errors(self) -> None:
        unreachable = self._unreachable
        if unreachable is not None:
            for data, reason in take_errors(self._sock):
                unreachable(data, reason)

    def _wait(self, data: bytes, remote: tuple[str, int]) -> None:
        if self._waiting_bytes + len(data) > self._most_waiting:
            self.statistics.unsent_datagrams += 1  # lost, as a datagram may be
            return
        self._waiting.append((data, remote))
        self._waiting_bytes += len(data)

    async def _send_waiting(self) -> None:
        while True:
            await self._writable.wait()
            while self._waiting:
                await trio.lowlevel.wait_writable(self._sock)
                data, remote = self._waiting[0]
                try:
                    self._sock.sendto(data, remote)
                except BlockingIOError:
                    continue
                except OSError:
                    self._take_errors()  # lost, as a datagram may be: the transaction's timer repeats it
                self._waiting.popleft()
                self._waiting_bytes -= len(data)
            self._writable = trio.Event()
