"""Refreshing: how a phone shows that its call is still up, and notices when the other side no longer does.

Here: the session timer of one call, on the agenda. The requests are the session's.

Source: RFC 4028 §7, §9, §10
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.sip_parser import Request, Response
from trunkline.sip_transaction import RefreshDue, SessionTimer

from ._agenda import Alarm

if TYPE_CHECKING:
    from ._session import Session

INTERVAL = 90
"Seconds: the least that the RFC has, so that calls of a run live to be refreshed."
AGAIN = 2.0
"Seconds to the next try while another INVITE of the call is under way."


class Refreshing:
    """The session timer of one side of a call."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._phone = session.phone
        self._timer = SessionTimer(session_expires=INTERVAL, min_se=INTERVAL)
        self._alarm = Alarm(self._phone.agenda, self._timer, self._timeout)

    def headers(self) -> list[tuple[str, str]]:
        """Give the headers of an INVITE of ours."""
        return self._timer.headers()

    def accept(self, request: Request) -> list[tuple[str, str]]:
        """Give the headers of the 2xx to an INVITE of the peer's."""
        _, headers = self._timer.accept(request, now=self._phone.agenda.now)
        self._alarm.set()
        return headers

    def agreed(self, response: Response) -> None:
        """Take the 2xx to an INVITE of ours."""
        self._timer.receive_2xx(response, now=self._phone.agenda.now)
        self._alarm.set()

    def failed(self, status: int) -> None:
        """Take another final response to it."""
        if self._timer.refresh_failed(status):
            self._session.hang_up()

    def stop(self) -> None:
        """Learn that the call is over."""
        self._timer.stop()

    def _timeout(self) -> None:
        for effect in self._timer.handle_timeout(now=self._phone.agenda.now):
            if isinstance(effect, RefreshDue):
                self._refresh()
            else:
                self._session.hang_up()

    def _refresh(self) -> None:
        if self._session.is_busy:
            self._phone.later(AGAIN, self._refresh)
        else:
            self._session.reinvite(changed=False)
