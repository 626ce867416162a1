"""Which of our ports belongs to whom: the pool, and the table the hot path looks ports up in."""

import attrs

from ._effects import ClosePort
from ._leg import Leg
from ._ports import PortPool
from ._session import Session
from ._stream import Medium, Stream


@attrs.define(eq=False)
class Switchboard:
    """Every port that is in use, and the pairs that are not."""

    pool: PortPool
    streams: dict[int, tuple[Stream, Session]] = attrs.field(factory=dict)

    def give(self, session: Session, leg: Leg, index: int) -> Medium:
        """Give a media section its two ports."""
        medium = leg.add_medium(index, self.pool.take())
        self._enter(session, medium)
        return medium

    def move(self, session: Session, medium: Medium) -> None:
        """Give a media section other ports; the old ones rest."""
        self._leave(medium)
        old = medium.pair
        medium.move(self.pool.take())
        self.pool.give_back(old)
        self._enter(session, medium)

    def take_back(self, medium: Medium) -> tuple[ClosePort, ClosePort]:
        """Let the two ports of a media section rest."""
        self._leave(medium)
        self.pool.give_back(medium.pair)
        return ClosePort(medium.rtp.port), ClosePort(medium.rtcp.port)

    def _enter(self, session: Session, medium: Medium) -> None:
        for stream in medium.streams:
            self.streams[stream.port] = (stream, session)

    def _leave(self, medium: Medium) -> None:
        for stream in medium.streams:
            del self.streams[stream.port]
