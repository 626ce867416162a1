"""The connections of one host: found by number or by peer, opened when there is none, as `TcpTransport` does.

Here: bytes to messages and messages to bytes. Not here: what becomes of either.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from trunkline.sip_parser import KeepAlive, Message, RemoteProtocolError, StreamReader
from trunkline.sip_transaction import Flow

from ._agenda import Agenda
from ._network import CONNECT_TIMEOUT, Address, Network, Stream


class Connections:
    """All connections of a host.

    Args:
        agenda: the time.
        network: where the peers are.
        host: the host's address on the network.
        local: what its flows name as their own end, which differs behind a NAT.
        message: takes each message and its flow.
        garbage: takes what could not be read.
        lost: told of each flow that ended, and why.
    """

    def __init__(
        self,
        agenda: Agenda,
        network: Network,
        *,
        host: str,
        local: Address,
        message: Callable[[Message, Flow], None],
        garbage: Callable[[RemoteProtocolError, Flow], None],
        lost: Callable[[Flow, str], None],
    ) -> None:
        self._agenda = agenda
        self._network = network
        self._host = host
        self._local = local
        self._message = message
        self._garbage = garbage
        self._lost = lost
        self._numbers = itertools.count(1)
        self._flows: dict[Stream, Flow] = {}
        self._by_number: dict[int, Stream] = {}
        self._by_remote: dict[Address, Stream] = {}
        self._readers: dict[Stream, StreamReader] = {}
        self._unsent: dict[Stream, list[bytes]] = {}

    def is_open(self, flow: Flow) -> bool:
        """Tell whether the very connection of a flow stands."""
        return flow.connection in self._by_number

    def flow_to(self, remote: Address) -> Flow | None:
        """Give the flow of the connection to a peer, if there is one."""
        stream = self._by_remote.get(remote)
        return None if stream is None else self._flows[stream]

    def open(self, remote: Address) -> Flow:
        """Give the flow of the connection to a peer; it is opened where there is none."""
        stream = self._by_remote.get(remote)
        if stream is None:
            stream = self._network.connect(self._host, remote, self, self._opened)
            self._enter(stream, remote)
            self._unsent[stream] = []
            self._agenda.after(CONNECT_TIMEOUT, self._too_late, stream)
        return self._flows[stream]

    def send(self, data: bytes, flow: Flow) -> None:
        """Send by the flow's connection, or by one to its peer."""
        number = flow.connection
        if number not in self._by_number:
            number = self.open(flow.remote).connection
        stream = self._by_number[number]
        unsent = self._unsent.get(stream)
        if unsent is None:
            stream.write(data)
        else:
            unsent.append(data)

    def end(self, *, silently: bool) -> None:
        """Lose every connection without telling this host; `silently`: nor the peers, who must find out."""
        streams = list(self._flows)
        self._flows.clear()
        self._by_number.clear()
        self._by_remote.clear()
        self._readers.clear()
        self._unsent.clear()
        for stream in streams:
            stream.owner = None
            if silently or not stream.is_open:
                self._network.vanish(stream)
            else:
                self._network.cut(stream)

    def streams(self) -> list[Stream]:
        """List the connections that stand."""
        return [stream for stream in self._flows if stream.is_open]

    # -- what the network tells

    def stream_accepted(self, stream: Stream) -> Connections:
        """Take a connection."""
        self._enter(stream, stream.remote)
        return self

    def stream_received(self, stream: Stream, data: bytes) -> None:
        """Take bytes."""
        flow, reader = self._flows[stream], self._readers[stream]
        try:
            for item in reader.receive(data):
                if isinstance(item, KeepAlive):
                    stream.write(b"\r\n")
                elif isinstance(item, RemoteProtocolError):
                    self._garbage(item, flow)
                else:
                    self._message(item, flow)
                if stream not in self._flows:
                    return  # the host ended meanwhile
        except RemoteProtocolError as error:
            self._garbage(error, flow)
            stream.close()
            self.stream_lost(stream, "not SIP")

    def stream_lost(self, stream: Stream, reason: str) -> None:
        """Take the end of a connection."""
        flow = self._flows.pop(stream, None)
        if flow is None:
            return
        del self._by_number[flow.connection]
        del self._readers[stream]
        self._unsent.pop(stream, None)
        if self._by_remote.get(flow.remote) is stream:
            del self._by_remote[flow.remote]
        self._lost(flow, reason)

    def _enter(self, stream: Stream, remote: Address) -> None:
        flow = Flow("TCP", self._local, remote, next(self._numbers))
        self._flows[stream] = flow
        self._by_number[flow.connection] = self._by_remote[remote] = stream
        self._readers[stream] = StreamReader()

    def _opened(self, stream: Stream) -> None:
        for data in self._unsent.pop(stream, ()):
            stream.write(data)

    def _too_late(self, stream: Stream) -> None:
        if stream in self._unsent:
            stream.owner = None
            self.stream_lost(stream, "no answer to the connection request")
