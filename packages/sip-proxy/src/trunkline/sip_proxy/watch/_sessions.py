"""The sessions that expire unless they are refreshed, one for each callee who answered.

Here: which refresh counts, and when a session is over. Not here: what is written into messages
(`_session_timers`), and what becomes of the call (`_watch`).

Source: RFC 4028 §8.2, §8.3
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from trunkline.sip_parser import Response

from ._call import Call, Leg, Side
from ._limits import Limits
from ._session_timers import session_interval

Session = tuple[Call, Leg]

_CALLER: Final = Side.CALLER


class Sessions:
    """Find the sessions whose time is over."""

    __slots__ = ("_limits",)

    def __init__(self) -> None:
        self._limits: Limits[Session] = Limits()

    def refresh(
        self, call: Call, leg: Leg, by: Side, number: int, response: Response, *, at: datetime, now: float
    ) -> None:
        """Take a 2xx to an INVITE or UPDATE: it says how long the session lasts from now, if not for ever.

        Copies of a 2xx do not refresh anything.

        Args:
            by: who sent the request, CALLER or CALLEE.
            number: the CSeq number of the request.
        """
        if by is _CALLER:
            if number <= leg.refreshed_by_caller:
                return
            leg.refreshed_by_caller = number
        else:
            if number <= leg.refreshed_by_callee:
                return
            leg.refreshed_by_callee = number
        interval = leg.session_interval = session_interval(response)
        if interval is None:
            if leg.session_expires_at is not None:
                self.drop(call, leg)
        else:
            self._run(call, leg, interval, at, now)

    def restore(self, call: Call, *, at: datetime, now: float) -> None:
        """Let the sessions of a call from a journal last one more interval: we may have missed refreshes."""
        for leg in call.legs.values():
            if leg.session_interval is not None:
                self._run(call, leg, leg.session_interval, at, now)

    def _run(self, call: Call, leg: Leg, interval: int, at: datetime, now: float) -> None:
        # The header may say 136 years; what ends after the year 9999 has no date.
        leg.session_expires_at = at + timedelta(seconds=min(interval, 10**9))
        self._limits.set((call, leg), now + interval)

    def drop(self, call: Call, leg: Leg) -> None:
        """Forget about a session; a callee without one is left alone."""
        if leg.session_expires_at is None:
            return
        leg.session_expires_at = None
        self._limits.clear((call, leg))

    def next(self) -> float | None:
        """Give the moment of the next end, up to a second after it, or None."""
        return self._limits.next()

    def take_due(self, now: float) -> list[Session]:
        """Take out the sessions that are over, earliest first."""
        return self._limits.take_due(now)

    def __len__(self) -> int:
        """Count the sessions that expire."""
        return len(self._limits)
