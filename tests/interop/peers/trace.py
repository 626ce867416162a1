"""What one end of a call sent and received, read from SIPp's trace, without what was sent again."""

import re
from dataclasses import dataclass

_ENTRY = re.compile(r"(?m)^-{20,} .*\n(?:UDP|TCP|TLS) message (sent|received) .*\n")


@dataclass(frozen=True)
class Message:
    """A SIP message as it was on the wire."""

    sent: bool
    start: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def read(cls, sent: bool, text: str) -> "Message":
        head, _, body = text.replace("\r\n", "\n").strip("\n").partition("\n\n")
        start, *lines = head.split("\n")
        fields = (line.partition(":") for line in lines)
        return cls(
            sent, start, tuple((name.strip().lower(), value.strip()) for name, _, value in fields), body
        )

    @property
    def is_response(self) -> bool:
        return self.start.startswith("SIP/2.0 ")

    @property
    def label(self) -> str:
        """Give the method of a request, the status of a response."""
        return self.start.split()[1 if self.is_response else 0]

    @property
    def uri(self) -> str:
        return self.start.split()[1]

    def all(self, name: str) -> list[str]:
        """Give every value of a header, those in one line told apart."""
        values = [value for header, value in self.headers if header == name.lower()]
        if name.lower() in ("via", "route", "record-route"):
            return [part.strip() for value in values for part in re.split(r",(?![^<]*>)", value)]
        return values

    def one(self, name: str) -> str:
        """Give the only value of a header."""
        values = self.all(name)
        assert len(values) == 1, f"{len(values)} {name} in\n{self.start}\n{self.headers}"
        return values[0]

    @property
    def sequence(self) -> tuple[int, str]:
        number, method = self.one("cseq").split()
        return int(number), method


def read_trace(text: str) -> list[Message]:
    """Give the messages of a trace in order; retransmissions are left out."""
    parts = _ENTRY.split(text)
    messages: list[Message] = []
    for direction, data in zip(parts[1::2], parts[2::2], strict=True):
        message = Message.read(direction == "sent", data)
        if message not in messages:
            messages.append(message)
    return messages
