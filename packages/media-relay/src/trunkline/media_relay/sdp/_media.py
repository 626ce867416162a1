"""One media description: an `m=` line and the lines under it, read once and edited in place.

What belongs here is what one `m=` section says and how one of its lines is replaced. What the session
level says is `_description`; what a relay replaces together is `_rewriting`.
"""

import re
from typing import TYPE_CHECKING

import attrs

from trunkline.media_relay._errors import RemoteProtocolError

from ._values import Connection, Direction, RtcpAttribute

if TYPE_CHECKING:
    from ._description import Sdp

_MEDIA = re.compile(r"m=(\S+) +(\d{1,5})(?:/(\d{1,5}))? +(\S+)((?: +\S+)*)\s*\Z")
_RTPMAP = re.compile(r"(\d{1,3}) +([^/\s]+)/(\d+)")
DIRECTIONS = {direction.value: direction for direction in Direction}


@attrs.define(eq=False)
class MediaDescription:
    """A media section of an `Sdp`. The setters change the description's bytes at once."""

    _sdp: "Sdp" = attrs.field(repr=False)
    _line: int
    kind: str
    """"audio", "video", "image", "application" …"""
    port: int
    """0 when the stream is offered as disabled or was rejected (RFC 3264 §6)."""
    port_count: int
    """1, or the number of consecutive port pairs of a layered stream."""
    protocol: str
    """"RTP/AVP", "UDP/TLS/RTP/SAVPF", "udptl" …, as spelled."""
    formats: list[str]
    """Payload types, or the formats of a protocol that is not RTP."""
    own_connection: Connection | None = None
    """The section's own `c=`; None when the session's holds."""
    attributes: list[tuple[str, str | None, int]] = attrs.field(factory=list)
    """Name, value (None for a flag) and line index, in order."""
    _connection_line: int = -1
    _title_line: int = -1
    _last_line: int = -1

    @classmethod
    def parse(cls, sdp: "Sdp", line: int, text: str, offset: int) -> "MediaDescription":
        """Read an `m=` line; `read_line` takes the lines under it.

        Raises: RemoteProtocolError
        Source: RFC 8866 §5.14
        """
        match = _MEDIA.match(text)
        if match is None or int(match[2]) > 65535:
            reason = f"expected 'm=kind port protocol format …' with a port up to 65535, got {text!r}"
            raise RemoteProtocolError(reason, section="RFC 8866 §5.14", offset=offset)
        port, count = int(match[2]), int(match[3] or 1)
        return cls(sdp, line, match[1], port, count, match[4], match[5].split(), last_line=line)

    def read_line(self, line: int, text: str, offset: int) -> None:
        """Take in one line of this section."""
        kind = text[:2]
        if text:
            self._last_line = line
        if kind == "a=":
            name, colon, value = text[2:].partition(":")
            self.attributes.append((name.strip(), value.strip() if colon else None, line))
        elif kind == "c=" and self.own_connection is None:
            self.own_connection = Connection.parse(text[2:], offset)
            self._connection_line = line
        elif kind == "i=":
            self._title_line = line

    @property
    def connection(self) -> Connection | None:
        """Tell the connection in force: the section's own, or the session's."""
        return self.own_connection or self._sdp.connection

    @property
    def direction(self) -> Direction:
        """Tell the direction in force: the section's own, the session's, or sendrecv."""
        for name, _, _ in self.attributes:
            if name in DIRECTIONS:
                return DIRECTIONS[name]
        return self._sdp.direction or Direction.SENDRECV

    @property
    def rtcp(self) -> RtcpAttribute | None:
        """Tell where RTCP is wanted, when the section says so.

        Raises: RemoteProtocolError
        """
        value = self.attribute("rtcp")
        return RtcpAttribute.parse(value) if value is not None else None

    @property
    def rtcp_mux(self) -> bool:
        """Tell whether RTP and RTCP may share the port (RFC 5761 §5.1.1)."""
        return self.has_attribute("rtcp-mux")

    @property
    def clock_rates(self) -> dict[int, int]:
        """Tell the clock rate in Hz of each payload type that has an `a=rtpmap`."""
        rates = {}
        for name, value, _ in self.attributes:
            if name == "rtpmap" and value is not None:
                match = _RTPMAP.match(value)
                if match is not None:
                    rates[int(match[1])] = int(match[3])
        return rates

    def has_attribute(self, name: str) -> bool:
        """Tell whether the section has the attribute, as a flag or with a value."""
        return any(item[0] == name for item in self.attributes)

    def attribute(self, name: str) -> str | None:
        """Give the value of the first attribute of that name that has one."""
        for item, value, _ in self.attributes:
            if item == name and value is not None:
                return value
        return None

    def set_port(self, port: int) -> None:
        """Replace the port; a port count becomes 1."""
        self.port, self.port_count = port, 1
        formats = "".join(" " + item for item in self.formats)
        self._sdp.replace_line(self._line, f"m={self.kind} {port} {self.protocol}{formats}")

    def set_connection(self, connection: Connection) -> None:
        """Replace the section's own `c=`, or add it in its place after `m=` and `i=` (RFC 8866 §5)."""
        if self._connection_line >= 0:
            self._sdp.replace_line(self._connection_line, f"c={connection}")
        else:
            below = self._title_line if self._title_line >= 0 else self._line
            self._connection_line = self._sdp.insert_line(below, f"c={connection}")
        self.own_connection = connection

    def set_attribute(self, name: str, value: str | None = None) -> None:
        """Replace the first attribute of that name, or add it at the section's end."""
        text = f"a={name}" if value is None else f"a={name}:{value}"
        for index, (item, _, line) in enumerate(self.attributes):
            if item == name:
                self.attributes[index] = (name, value, line)
                self._sdp.replace_line(line, text)
                return
        self._last_line = self._sdp.insert_line(self._last_line, text)
        self.attributes.append((name, value, self._last_line))

    def remove_attributes(self, *names: str) -> int:
        """Remove every attribute of these names and tell how many there were."""
        kept = []
        for item in self.attributes:
            if item[0] in names:
                self._sdp.remove_line(item[2])
            else:
                kept.append(item)
        removed = len(self.attributes) - len(kept)
        self.attributes = kept
        return removed
