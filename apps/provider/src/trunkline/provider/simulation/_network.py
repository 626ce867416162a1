"""The network: datagrams that get lost, doubled, late and out of order, and connections that break.

Here: hosts by their addresses, and the links between them. What the bytes are is of no concern.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

import attrs

from ._agenda import Agenda
from ._trace import Trace

Address = tuple[str, int]
Receive = Callable[[bytes, Address], None]
Unreachable = Callable[[bytes, str], None]

REFUSED = "connection refused"
QUOTED = 548
"Bytes that an ICMP error quotes of a datagram. Source: RFC 1812 §4.3.2.3"
SILENT_AFTER = 12.0
"Seconds after which bytes that a vanished host never acknowledged break the connection."
CONNECT_TIMEOUT = 8.0


@attrs.define
class Link:
    """What the way to and from a host does to datagrams."""

    delay: float = 0.02
    "Seconds one way, at least."
    jitter: float = 0.0
    "Seconds more, at most: what makes datagrams overtake each other."
    loss: float = 0.0
    "How many of one get lost."
    doubling: float = 0.0
    "How many of one arrive twice."


class Receiver(Protocol):
    """One end of a connection."""

    def stream_received(self, stream: Stream, data: bytes) -> None: ...

    def stream_lost(self, stream: Stream, reason: str) -> None: ...


class Listener(Protocol):
    """Who takes connections at an address."""

    def stream_accepted(self, stream: Stream) -> Receiver | None: ...


class Stream:
    """One end of a connection: what is written comes out at the other end, in order, or not at all."""

    __slots__ = ("_network", "is_open", "local", "other", "owner", "remote", "silent_since", "sure_until")

    def __init__(self, network: Network, local: Address, remote: Address) -> None:
        self._network = network
        self.local = local
        self.remote = remote
        self.other: Stream | None = None
        self.owner: Receiver | None = None
        self.is_open = False
        self.sure_until = 0.0
        "When what was written last will have arrived."
        self.silent_since: float | None = None

    def write(self, data: bytes) -> None:
        """Send bytes; nobody is told when they arrive."""
        self._network.stream_write(self, data)

    def close(self) -> None:
        """Close this end; the other one learns of it after all that was written."""
        self._network.stream_close(self)


class Network:
    """All hosts and the links between them."""

    def __init__(self, agenda: Agenda, random: Random, trace: Trace) -> None:
        self.agenda = agenda
        self.trace = trace
        self.sent = 0
        self.lost = 0
        self.doubled = 0
        self.broken = 0
        self.links: dict[str, Link] = {}
        "By host; a host without one is as near as the next rack."
        self.backbone = Link(0.001)
        self.streams: list[Stream] = []
        self._random = random
        self.unreachable = 0
        "Datagrams whose sender was told that nobody listens."
        self._receivers: dict[Address, Receive] = {}
        self._told: dict[Address, Unreachable] = {}
        self._closed: set[Address] = set()
        self._listeners: dict[Address, Listener] = {}
        self._copies: dict[bytes, int] = {}
        self._ephemeral = 40000

    # -- datagrams

    def bind(self, address: Address, receive: Receive, unreachable: Unreachable | None = None) -> None:
        """Let datagrams to an address arrive, and the ICMP errors of those that are sent from it."""
        self._receivers[address] = receive
        self._closed.discard(address)
        if unreachable is not None:
            self._told[address] = unreachable

    def unbind(self, address: Address, *, closed: bool = False) -> None:
        """Let them vanish from now on; where only a port is closed, its host tells who sends there."""
        self._receivers.pop(address, None)
        self._told.pop(address, None)
        if closed:
            self._closed.add(address)

    def link(self, one: str, other: str) -> Link:
        """Give the link between two hosts: the worse one's."""
        return self.links.get(one) or self.links.get(other) or self.backbone

    def datagram(self, data: bytes, source: Address, destination: Address) -> None:
        """Send a datagram."""
        self.sent += 1
        link, random, agenda = self.link(source[0], destination[0]), self._random, self.agenda
        if data[:1] != b"\x80":  # audio packets are all different
            copies = self._copies.get(data, 0) + 1
            self._copies[data] = copies
        self.trace.sent("UDP", source, destination, data)
        if link.loss and random.random() < link.loss:
            self.lost += 1
            return
        delay = link.delay + (random.random() * link.jitter if link.jitter else 0.0)
        agenda.after(delay, self._arrive, data, source, destination)
        if link.doubling and random.random() < link.doubling:
            self.doubled += 1
            delay = link.delay + random.random() * link.jitter
            agenda.after(delay, self._arrive, data, source, destination)

    def _arrive(self, data: bytes, source: Address, destination: Address) -> None:
        receive = self._receivers.get(destination)
        if receive is not None:
            self.trace.received("UDP", source, destination, data)
            receive(data, source)
        elif destination in self._closed:
            link = self.link(source[0], destination[0])
            if not link.loss or self._random.random() >= link.loss:
                self.agenda.after(link.delay, self._tell_unreachable, data[:QUOTED], source)

    def _tell_unreachable(self, quoted: bytes, source: Address) -> None:
        told = self._told.get(source)
        if told is not None:
            self.unreachable += 1
            self.trace.note(f"port unreachable, to {source[0]}")
            told(quoted, REFUSED)

    def copies_above(self, limit: int) -> list[tuple[int, bytes]]:
        """List the datagrams that were sent more often than that."""
        return [(times, data) for data, times in self._copies.items() if times > limit]

    # -- connections

    def listen(self, address: Address, listener: Listener) -> None:
        """Take connections at an address."""
        self._listeners[address] = listener

    def unlisten(self, address: Address) -> None:
        """Take none any more."""
        self._listeners.pop(address, None)

    def connect(
        self, host: str, destination: Address, owner: Receiver, opened: Callable[[Stream], None]
    ) -> Stream:
        """Open a connection; `opened` is called, or the owner's `stream_lost`."""
        self._ephemeral = 40000 if self._ephemeral >= 60000 else self._ephemeral + 1
        stream = Stream(self, (host, self._ephemeral), destination)
        stream.owner = owner
        delay = self.link(host, destination[0]).delay
        self.agenda.after(delay, self._knock, stream, opened)
        return stream

    def _knock(self, stream: Stream, opened: Callable[[Stream], None]) -> None:
        listener = self._listeners.get(stream.remote)
        delay = self.link(stream.local[0], stream.remote[0]).delay
        if listener is None:
            self.agenda.after(delay, self._tell_lost, stream, REFUSED)
            return
        other = Stream(self, stream.remote, stream.local)
        owner = listener.stream_accepted(other)
        if owner is None:
            self.agenda.after(CONNECT_TIMEOUT, self._tell_lost, stream, "no answer")
            return
        other.owner = owner
        stream.other, other.other = other, stream
        other.is_open = True
        self.streams.append(stream)
        self.trace.note(f"connected {stream.local[0]}:{stream.local[1]} to {stream.remote[0]}")
        self.agenda.after(delay, self._opened, stream, opened)

    def _opened(self, stream: Stream, opened: Callable[[Stream], None]) -> None:
        if stream.owner is None:
            return
        if stream.other is None or stream.other.owner is None:
            self._tell_lost(stream, "reset")
            return
        stream.is_open = True
        opened(stream)

    def stream_write(self, stream: Stream, data: bytes) -> None:
        """See `Stream.write`."""
        other = stream.other
        if not stream.is_open or other is None:
            return
        self.trace.sent("TCP", stream.local, stream.remote, data)
        link = self.link(stream.local[0], stream.remote[0])
        # what is lost is sent again by the kernels, which shows as delay
        delay = link.delay + self._random.random() * (link.jitter + 4 * link.loss)
        stream.sure_until = max(stream.sure_until, self.agenda.now + delay)
        if len(data) > 200 and self._random.random() < 0.1:
            cut = self._random.randrange(1, len(data))
            self.agenda.at(stream.sure_until, self._deliver, stream, data[:cut])
            stream.sure_until += 0.001
            data = data[cut:]
        self.agenda.at(stream.sure_until, self._deliver, stream, data)

    def _deliver(self, stream: Stream, data: bytes) -> None:
        other = stream.other
        if other is None:
            return
        if other.owner is not None:
            if other.is_open:
                self.trace.received("TCP", stream.local, stream.remote, data)
                other.owner.stream_received(other, data)
        elif stream.owner is not None and stream.silent_since is None:
            # the host vanished without a word: the sender's kernel notices in time
            stream.silent_since = self.agenda.now
            self.agenda.after(SILENT_AFTER, self._tell_lost, stream, "timed out")

    def stream_close(self, stream: Stream) -> None:
        """See `Stream.close`."""
        other = stream.other
        was_open, stream.is_open, stream.owner = stream.is_open, False, None
        if was_open and other is not None:
            delay = self.link(stream.local[0], stream.remote[0]).delay
            self.agenda.at(max(stream.sure_until, self.agenda.now + delay), self._tell_lost, other, "closed")
        self._forget(stream)

    def cut(self, stream: Stream, reason: str = "reset") -> None:
        """Break a connection: what is under way is gone, both ends learn of it."""
        self.broken += 1
        self.trace.note(f"cut {stream.local[0]}:{stream.local[1]} from {stream.remote[0]}")
        for end in (stream, stream.other):
            if end is not None and end.owner is not None:
                end.is_open = False
                self.agenda.after(self.link(end.local[0], end.remote[0]).delay, self._tell_lost, end, reason)
        self._forget(stream)

    def vanish(self, stream: Stream) -> None:
        """Take one end away without a word: its host lost power."""
        stream.is_open, stream.owner = False, None
        self._forget(stream)

    def _tell_lost(self, stream: Stream, reason: str) -> None:
        owner, stream.owner, stream.is_open = stream.owner, None, False
        self._forget(stream)
        if owner is not None:
            owner.stream_lost(stream, reason)

    def _forget(self, stream: Stream) -> None:
        for end in (stream, stream.other):
            if end in self.streams:
                self.streams.remove(end)
