"""A session description that keeps its lines: what is not changed goes out byte for byte.

Strategy: the text is cut into lines that keep their own line ends. A line keeps its number for good: an edit
replaces or empties it, a new line gets the next number and a place in `_order`. Bytes are read as Latin-1,
which gives every byte back, whatever character set a phone used.
"""

import re

import attrs

from trunkline.media_relay._errors import RemoteProtocolError

from ._media import DIRECTIONS, MediaDescription
from ._values import Connection, Direction, Origin

_LINES = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


@attrs.define(eq=False)
class Sdp:
    """A session description, parsed far enough to relay its media.

    Source: RFC 8866 §5
    """

    _lines: list[str]
    _order: list[int]
    medias: list[MediaDescription] = attrs.field(factory=list)
    """The `m=` sections in order; an answer's match the offer's by place (RFC 3264 §6)."""
    connection: Connection | None = None
    """The session's own `c=`."""
    origin: Origin | None = None
    """The `o=` line; None when it is missing or no six words."""
    direction: Direction | None = None
    """The direction at session level, which sections inherit."""
    attributes: list[tuple[str, str | None, int]] = attrs.field(factory=list)
    """Session attributes: name, value (None for a flag), line index."""
    _connection_line: int = -1
    _origin_line: int = -1

    @classmethod
    def parse(cls, data: bytes) -> "Sdp":
        """Read a session description; lines may end in CRLF, LF or CR.

        Returns: the description; nothing in it has been changed yet.
        Raises: RemoteProtocolError where an `m=`, `c=` or the first line cannot be understood. Other lines
            are kept as they are.
        Source: RFC 8866 §5
        """
        lines = _LINES.findall(data.decode("latin-1"))
        if not lines or not lines[0].startswith("v="):
            got = repr(lines[0].rstrip()) if lines else "nothing"
            raise RemoteProtocolError(f"expected 'v=0' first, got {got}", section="RFC 8866 §5.1", offset=0)
        sdp = cls(lines, list(range(len(lines))))
        media: MediaDescription | None = None
        offset = 0
        for index, line in enumerate(lines):
            text = line.rstrip("\r\n")
            if text.startswith("m="):
                media = MediaDescription.parse(sdp, index, text, offset)
                sdp.medias.append(media)
            elif media is not None:
                media.read_line(index, text, offset)
            else:
                sdp._read_session_line(index, text, offset)
            offset += len(line)
        return sdp

    def _read_session_line(self, line: int, text: str, offset: int) -> None:
        kind = text[:2]
        if kind == "a=":
            name, colon, value = text[2:].partition(":")
            name = name.strip()
            self.attributes.append((name, value.strip() if colon else None, line))
            if self.direction is None:
                self.direction = DIRECTIONS.get(name)
        elif kind == "c=" and self.connection is None:
            self.connection = Connection.parse(text[2:], offset)
            self._connection_line = line
        elif kind == "o=" and self.origin is None and len(text.split()) == 6:
            self.origin = Origin.parse(text[2:], offset)
            self._origin_line = line

    def to_bytes(self) -> bytes:
        """Give the description as bytes: the same ones, but for the edits."""
        lines = self._lines
        return "".join([lines[number] for number in self._order]).encode("latin-1")

    def set_connection(self, connection: Connection) -> None:
        """Replace the session's own `c=`; a description without one stays without."""
        if self._connection_line >= 0:
            self.replace_line(self._connection_line, f"c={connection}")
            self.connection = connection

    def set_origin_address(self, family: str, address: str) -> None:
        """Replace the address in the `o=` line and leave its user, id and version."""
        if self.origin is not None:
            self.origin = attrs.evolve(self.origin, family=family, address=address)
            self.replace_line(self._origin_line, f"o={self.origin}")

    def remove_attributes(self, name: str, starting: str = "") -> int:
        """Remove the session attributes of that name whose value starts so, and tell how many."""
        kept = []
        for item in self.attributes:
            if item[0] == name and (item[1] or "").startswith(starting):
                self.remove_line(item[2])
            else:
                kept.append(item)
        removed = len(self.attributes) - len(kept)
        self.attributes = kept
        return removed

    def replace_line(self, line: int, text: str) -> None:
        """Replace one line and keep its line end."""
        old = self._lines[line]
        self._lines[line] = text + old[len(old.rstrip("\r\n")) :]

    def insert_line(self, line: int, text: str) -> int:
        """Insert a line below another one, with the same line end, and give its number."""
        old = self._lines[line]
        end = old[len(old.rstrip("\r\n")) :]
        if not end:
            self._lines[line] = old + "\r\n"
        self._lines.append(text + end)
        number = len(self._lines) - 1
        self._order.insert(self._order.index(line) + 1, number)
        return number

    def remove_line(self, line: int) -> None:
        """Remove one line."""
        self._lines[line] = ""
