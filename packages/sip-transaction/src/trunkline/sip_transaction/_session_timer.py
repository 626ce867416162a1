"""SessionTimer: a user agent's side of session timers, one for each call.

Here: the headers of requests and 2xx, what is refused with 422, when to refresh and when to hang up. Not
here: a proxy's hand in it (`trunkline.sip_proxy`), and the requests themselves (`Dialog`).

Source: RFC 4028 §7, §9, §10
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import Request, Response

from ._machine import Machine, Rows


class SessionState(Enum):
    """Who keeps the session alive."""

    OFF = "Off"
    """The session does not expire."""
    OURS = "Ours"
    """We refresh it."""
    REFRESHING = "Refreshing"
    """Our refresh is under way."""
    THEIRS = "Theirs"
    """The peer refreshes it."""
    OVER = "Over"
    """It is to be ended, or has ended."""


class SessionInput(Enum):
    """What can happen to a session."""

    AGREED_OURS = "2xx: we refresh"
    AGREED_THEIRS = "2xx: the peer refreshes"
    AGREED_NONE = "2xx without Session-Expires"
    REFRESH_DUE = "half of the interval"
    REFRESH_LOST = "408, 481 or none to our refresh"
    EXPIRY_DUE = "a third, at most 32 s, before the end"
    BYE = "BYE of either"


class SessionAction(Enum):
    """What is done about it."""

    START_REFRESH = "start half of the interval"
    START_EXPIRY = "start the interval less a third, at most 32 s"
    STOP = "stop timers"
    REFRESH = "send re-INVITE or UPDATE"
    EXPIRE = "send BYE"


def _session() -> Rows[SessionState, SessionInput, SessionAction]:
    s, i, a = SessionState, SessionInput, SessionAction
    rows: dict[tuple[SessionState, SessionInput], tuple[tuple[SessionAction, ...], SessionState]] = {}
    for state in (s.OFF, s.OURS, s.REFRESHING, s.THEIRS):
        stop = () if state is s.OFF else (a.STOP,)
        rows[state, i.AGREED_OURS] = ((a.START_REFRESH, a.START_EXPIRY), s.OURS)
        rows[state, i.AGREED_THEIRS] = ((a.START_EXPIRY,), s.THEIRS)
        rows[state, i.AGREED_NONE] = (stop, s.OFF)
        rows[state, i.BYE] = (stop, s.OVER)
    rows[s.OURS, i.AGREED_THEIRS] = ((a.STOP, a.START_EXPIRY), s.THEIRS)
    # The end never comes before the refresh, which is at half of the interval.
    rows[s.OURS, i.REFRESH_DUE] = ((a.REFRESH,), s.REFRESHING)
    rows[s.REFRESHING, i.REFRESH_LOST] = ((a.STOP, a.EXPIRE), s.OVER)
    rows[s.REFRESHING, i.EXPIRY_DUE] = ((a.EXPIRE,), s.OVER)
    rows[s.THEIRS, i.EXPIRY_DUE] = ((a.EXPIRE,), s.OVER)
    return rows


SESSION: Final = _session()


@attrs.define(slots=True, eq=False)
class RefreshDue:
    """Send a re-INVITE or an UPDATE with `SessionTimer.headers()`."""


@attrs.define(slots=True, eq=False)
class SessionExpired:
    """Send a BYE: the session was not refreshed."""


SessionEffect = RefreshDue | SessionExpired


class SessionTimer:
    """Follow the session of one call, as its caller or its callee."""

    __slots__ = ("_interval", "_machine", "_min_se", "_session_expires", "_wanted")

    def __init__(self, *, session_expires: int = 1800, min_se: int = 90) -> None:
        """Begin before the call does.

        Args: `session_expires` is what we ask for, `min_se` the least we accept, both in seconds.
        Raises: ValueError unless 0 < min_se <= session_expires. Source: RFC 4028 §4, §5
        """
        if not 0 < min_se <= session_expires:
            raise ValueError(f"expected 0 < min_se <= session_expires, got {min_se} and {session_expires}")
        self._session_expires = session_expires
        self._min_se = min_se
        self._wanted = min_se  # the most that a 422 has asked for
        self._interval = 0
        self._machine = Machine(SESSION, SessionState.OFF)

    @property
    def state(self) -> SessionState:
        """The state of its machine."""
        return self._machine.state

    @property
    def interval(self) -> int | None:
        """The seconds agreed upon; None while the session does not expire."""
        return self._interval or None

    def headers(self) -> list[tuple[str, str]]:
        """Give the headers of an INVITE or UPDATE of ours: Supported, Session-Expires, Min-SE.

        Within a call they keep the roles as they are.

        Source: RFC 4028 §7.1, §7.4
        """
        refresher = {
            SessionState.OURS: ";refresher=uac",
            SessionState.REFRESHING: ";refresher=uac",
            SessionState.THEIRS: ";refresher=uas",
        }.get(self._machine.state, "")
        headers = [("Supported", "timer"), ("Session-Expires", f"{self._asked}{refresher}")]
        if self._wanted > 90:
            headers.append(("Min-SE", str(self._wanted)))
        return headers

    def raise_interval(self, response: Response) -> bool:
        """Take a 422 to our request: the next `headers` ask for as much as it wants.

        Returns: whether it is worth sending the request again, with a higher CSeq; not when it wants no more
        than was asked for.
        Raises: RemoteProtocolError when its Min-SE cannot be read.
        Source: RFC 4028 §7.3
        """
        wanted = response.min_se or 0
        if wanted <= self._asked:
            return False
        self._wanted = wanted
        return True

    def receive_2xx(self, response: Response, *, now: float) -> None:
        """Take the 2xx to an INVITE or UPDATE of ours: it says who refreshes and how often.

        Raises: RemoteProtocolError when its Session-Expires cannot be read.
        Source: RFC 4028 §7.2
        """
        expires = response.session_expires
        interval = 0 if expires is None else int(expires.value)
        refresher = "" if expires is None else (expires.params.get("refresher") or "uac").lower()
        self._agree(interval, refresher != "uas", now)

    def accept(self, request: Request, *, now: float) -> tuple[int, list[tuple[str, str]]]:
        """Take an INVITE or UPDATE of the peer that we are about to accept.

        Returns: 200 and the headers to add to the 2xx, with which the session has begun anew; or 422 and its
        Min-SE, with which nothing has changed.
        Raises: RemoteProtocolError when its Session-Expires or Min-SE cannot be read.
        Source: RFC 4028 §9
        """
        asked, smallest = request.session_expires, max(request.min_se or 0, self._min_se)
        peer_knows = "timer" in request.supported or "timer" in request.require
        if asked is None:
            interval, refresher = max(self._session_expires, smallest), None
        else:
            interval, refresher = int(asked.value), (asked.params.get("refresher") or "").lower()
            if interval < self._min_se:
                if peer_knows:
                    return 422, [("Min-SE", str(self._min_se))]
                interval = smallest
            elif interval > self._session_expires:
                interval = max(self._session_expires, min(smallest, interval))
        # Who does not know timers cannot refresh; who has no wish refreshes, as it sent the request.
        we_refresh = not peer_knows or refresher == "uas"
        headers = [("Supported", "timer")]
        headers.append(("Session-Expires", f"{interval};refresher={'uas' if we_refresh else 'uac'}"))
        if peer_knows:
            headers.append(("Require", "timer"))
        self._agree(interval, we_refresh, now)
        return 200, headers

    def refresh_failed(self, status: int | None) -> list[SessionEffect]:
        """Take a failure of our refresh, None when no response came at all.

        After 408, 481 or none the peer has lost the call. After another the refresh may be tried again until
        SessionExpired says that it is too late.

        Source: RFC 4028 §10
        """
        return self._step(SessionInput.REFRESH_LOST, 0.0) if status in (408, 481, None) else []

    def stop(self) -> None:
        """Learn that the call is over."""
        self._step(SessionInput.BYE, 0.0)

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`; None when nothing waits."""
        return self._machine.next_timeout()

    def handle_timeout(self, *, now: float) -> list[SessionEffect]:
        """Let time pass; calling early returns []."""
        effects: list[SessionEffect] = []
        while (due := self._machine.take_due(now)) is not None:
            effects += self._step(due, now)
        return effects

    @property
    def _asked(self) -> int:
        return max(self._interval or self._session_expires, self._wanted)

    def _agree(self, interval: int, ours: bool, now: float) -> None:
        if self._machine.state is SessionState.OVER:
            return
        self._interval = interval
        agreed = SessionInput.AGREED_OURS if ours else SessionInput.AGREED_THEIRS
        self._step(agreed if interval else SessionInput.AGREED_NONE, now)

    def _step(self, input_: SessionInput, now: float) -> list[SessionEffect]:
        effects: list[SessionEffect] = []
        deadlines, interval = self._machine.deadlines, self._interval
        for action in self._machine.step(input_):
            if action is SessionAction.STOP:
                deadlines.clear()
            elif action is SessionAction.START_REFRESH:
                deadlines[SessionInput.REFRESH_DUE] = now + interval / 2
            elif action is SessionAction.START_EXPIRY:
                deadlines[SessionInput.EXPIRY_DUE] = now + interval - min(32, interval / 3)
            elif action is SessionAction.REFRESH:
                effects.append(RefreshDue())
            else:
                effects.append(SessionExpired())
        return effects
