"""The small user agent of sip_transaction's tests on real sockets: one for UDP, a listener for TCP, in trio.

What it answers is `packages/sip-transaction/tests/small_user_agent.py`, the same that gets the bytes there
without any socket.
"""

import contextlib
import itertools
import runpy
import secrets
from pathlib import Path
from typing import Any

import trio

from trunkline.sip_parser import StreamReader
from trunkline.sip_transaction import Flow, Send

from .ports import HOST

_ROOT = Path(__file__).parents[3]
_SCRIPT = runpy.run_path(str(_ROOT / "packages/sip-transaction/tests/small_user_agent.py"))
verdicts_met = _SCRIPT["verdicts_met"]
TICK = 0.05


class Agent:
    """A user agent on the loopback address; `async with trio.open_nursery() as n: await n.start(agent.run)`.

    The kernel chooses both ports; they are set once `run` has started.
    """

    def __init__(self) -> None:
        self.udp_port = 0
        self.tcp_port = 0
        self.core: Any = None
        "The SmallUserAgent."
        self._streams: dict[int, trio.SocketStream] = {}
        self._numbers = itertools.count(1)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        (listener,) = await trio.open_tcp_listeners(0, host=HOST)
        self.tcp_port = listener.socket.getsockname()[1]
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as self._udp:
            await self._udp.bind((HOST, 0))
            self.udp_port = self._udp.getsockname()[1]
            self.core = _SCRIPT["SmallUserAgent"](
                f"sip:agent@{HOST}:{self.udp_port}", token=secrets.token_bytes
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._datagrams)
                nursery.start_soon(trio.serve_listeners, self._connection, [listener])
                nursery.start_soon(self._time)
                task_status.started()

    async def carry_out(self, sends: list[Send]) -> None:
        """Send; what has no way any more is lost."""
        for send in sends:
            if send.flow.transport == "UDP":
                await self._udp.sendto(send.data, send.flow.remote)
            elif (stream := self._streams.get(send.flow.connection)) is not None:
                with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await stream.send_all(send.data)

    def udp_flow(self, remote: tuple[str, int]) -> Flow:
        """Give the way to a peer."""
        return Flow("UDP", (HOST, self.udp_port), remote)

    async def _datagrams(self) -> None:
        while True:
            data, remote = await self._udp.recvfrom(65536)
            await self.carry_out(self.core.datagram(data, self.udp_flow(remote), now=trio.current_time()))

    async def _connection(self, stream: trio.SocketStream) -> None:
        number = next(self._numbers)
        flow = Flow("TCP", (HOST, self.tcp_port), stream.socket.getpeername(), number)
        reader = StreamReader()
        self._streams[number] = stream
        try:
            with contextlib.suppress(trio.BrokenResourceError):
                while reader.lost is None and (data := await stream.receive_some(65536)):
                    await self.carry_out(self.core.piece(reader, bytes(data), flow, now=trio.current_time()))
        finally:
            del self._streams[number]
            self.core.connection_lost(flow, now=trio.current_time())

    async def _time(self) -> None:
        while True:
            await trio.sleep(TICK)
            now = trio.current_time()
            moment = self.core.next_timeout()
            if moment is not None and moment <= now:
                await self.carry_out(self.core.handle_timeout(now=now))
