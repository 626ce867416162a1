"""When each session is to be looked at again.

Strategy: nothing is re-armed per packet. A session has one deadline that counts; when it comes, the relay
looks when the session was last heard and, if it lives, sets the next one. A deadline that is brought forward
leaves its old entry in the heap, which is thrown away when it surfaces.
"""

import heapq
import math

import attrs

from ._effects import TimeoutReason
from ._session import Session


@attrs.define(eq=False)
class Deadlines:
    """The sessions' deadlines, earliest first."""

    timeout: float
    """Seconds without a packet after which an answered call is over."""
    silent_timeout: float
    """The same while every stream is held."""
    offer_timeout: float
    """The same while an offer waits for its answer."""
    _heap: list[tuple[float, int, Session]] = attrs.field(factory=list)
    _serial: int = 0

    def due(self, session: Session) -> tuple[TimeoutReason, float]:
        """Tell when a session will be over if nothing more is heard, and why."""
        since = max(session.last_heard, session.last_signal)
        if session.awaiting_answer:
            return TimeoutReason.OFFER, since + self.offer_timeout
        if session.held:
            return TimeoutReason.SILENCE, since + self.silent_timeout
        return TimeoutReason.MEDIA, since + self.timeout

    def arm(self, session: Session) -> None:
        """Look at the session when it is due, or earlier if that is set already."""
        when = self.due(session)[1]
        if when >= session.deadline:
            return
        session.deadline = when
        self._serial += 1
        heapq.heappush(self._heap, (when, self._serial, session))

    def disarm(self, session: Session) -> None:
        """Do not look at the session again."""
        session.deadline = math.inf

    def next(self) -> float | None:
        """Tell the earliest deadline."""
        heap = self._heap
        while heap and heap[0][2].deadline != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> Session | None:
        """Take out a session whose deadline has come; it has none then."""
        when = self.next()
        if when is None or when > now:
            return None
        session = heapq.heappop(self._heap)[2]
        session.deadline = math.inf
        return session
