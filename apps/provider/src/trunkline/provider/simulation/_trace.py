"""The trace: everything that travelled, as one digest and, when asked for, line by line.

Two runs of one seed are the same run when their digests are. Here too: the ladder of one call, made of the
messages that were kept.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import attrs

Address = tuple[str, int]


@attrs.define
class Message:
    """One message on the wire."""

    at: float
    transport: str
    source: Address
    destination: Address
    data: bytes
    arrived: bool
    "False when it is only sent."


class Trace:
    """Collects what happens.

    Args:
        clock: gives the virtual time.
        keep: whether the messages are kept, for a ladder or a capture; the digest is made in any case.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.now: Callable[[], float] = float
        self.keep = keep
        self.messages: list[Message] = []
        self.notes: list[tuple[float, str]] = []
        self._hash = blake2b(digest_size=16)

    def sent(self, transport: str, source: Address, destination: Address, data: bytes) -> None:
        """Take a message that was sent."""
        at = self.now()
        self._hash.update(b"%d %s:%d" % (round(at * 1e6), destination[0].encode(), destination[1]))
        self._hash.update(data)
        if self.keep:
            self.messages.append(Message(at, transport, source, destination, data, False))

    def received(self, transport: str, source: Address, destination: Address, data: bytes) -> None:
        """Take a message that has arrived."""
        if self.keep:
            self.messages.append(Message(self.now(), transport, source, destination, data, True))

    def note(self, text: str) -> None:
        """Take something else that happened."""
        self._hash.update(text.encode("utf-8", "surrogateescape"))
        if self.keep:
            self.notes.append((self.now(), text))

    @property
    def digest(self) -> str:
        """Give the digest of all so far."""
        return self._hash.hexdigest()

    def ladder(self, call_id: str | None = None, *, limit: int = 400) -> list[str]:
        """Write the messages of a call, or all, one a line; what was lost says so by not arriving."""
        needle = None if call_id is None else call_id.encode()
        lines: list[tuple[float, str]] = []
        for message in self.messages:
            data = message.data
            if needle is not None and needle not in data:
                continue
            if data[:1] in b"\x80\r\n\0" or not data:
                continue
            start = data.partition(b"\r\n")[0].decode("utf-8", "replace")
            cseq = data.partition(b"\r\nCSeq: ")[2].partition(b"\r\n")[0].decode("utf-8", "replace")
            arrow = "=>" if message.arrived else "->"
            ends = f"{message.source[0]}:{message.source[1]} {arrow} "
            ends += f"{message.destination[0]}:{message.destination[1]}"
            lines.append((message.at, f"{message.at:10.3f} {message.transport} {ends:<48} {start} ({cseq})"))
        lines += [(at, f"{at:10.3f} -- {text}") for at, text in self.notes if call_id is None or "!" in text]
        lines.sort(key=lambda line: line[0])
        return [text for _, text in lines[:limit]]
