"""ReferNotifier: who was referred tells who sent the REFER how it goes.

Here: the subscription that comes with a REFER, at the one who does what it asks. Not here: its other end
(`_refer_subscriber`), the call that is made because of it, and other event packages.

Source: RFC 3515 §2.4, RFC 6665 §4.2
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import RemoteProtocolError, Request, Response, reason_phrase

from ._machine import Machine, Rows

SIPFRAG: Final = "message/sipfrag;version=2.0"
"""The Content-Type of what a NOTIFY says. Source: RFC 3420, RFC 3515 §2.4.5"""


class NotifierState(Enum):
    """Where the subscription of a REFER stands at its notifier. Source: RFC 6665 §4.2"""

    PENDING = "Pending"
    """It is not decided yet whether to do it."""
    ACTIVE = "Active"
    """It is being done."""
    TERMINATED = "Terminated"


class NotifierInput(Enum):
    """What can happen to it."""

    APPROVED = "TU does it"
    DECLINED = "TU declines"
    PROGRESS = "1xx to the request"
    FINISHED = "final response to the request"
    EXPIRED = "Expires"
    NOTIFY_LOST = "481 or none to a NOTIFY"


class NotifierAction(Enum):
    """What is done about it."""

    NOTIFY = "NOTIFY: active"
    NOTIFY_REJECTED = "NOTIFY: terminated, rejected"
    NOTIFY_NO_RESOURCE = "NOTIFY: terminated, noresource"
    NOTIFY_TIMEOUT = "NOTIFY: terminated, timeout"
    STOP = "stop timer"


def _notifier() -> Rows[NotifierState, NotifierInput, NotifierAction]:
    s, i, a = NotifierState, NotifierInput, NotifierAction
    rows: dict[tuple[NotifierState, NotifierInput], tuple[tuple[NotifierAction, ...], NotifierState]] = {
        (s.PENDING, i.APPROVED): ((a.NOTIFY,), s.ACTIVE),
        (s.PENDING, i.DECLINED): ((a.STOP, a.NOTIFY_REJECTED), s.TERMINATED),
        (s.ACTIVE, i.PROGRESS): ((a.NOTIFY,), s.ACTIVE),
        (s.ACTIVE, i.FINISHED): ((a.STOP, a.NOTIFY_NO_RESOURCE), s.TERMINATED),
    }
    for state in (s.PENDING, s.ACTIVE):
        rows[state, i.EXPIRED] = ((a.NOTIFY_TIMEOUT,), s.TERMINATED)
        rows[state, i.NOTIFY_LOST] = ((a.STOP,), s.TERMINATED)
    return rows


NOTIFIER: Final = _notifier()


@attrs.frozen
class Notify:
    """Send a NOTIFY with these headers and this body in the dialog of the REFER (`Dialog.make_request`)."""

    headers: tuple[tuple[str, str], ...]
    """Event, Subscription-State and Content-Type."""
    body: bytes
    """The status line of what has become of the request, as a message/sipfrag."""


class ReferNotifier:
    """Tell who sent a REFER how it goes."""

    __slots__ = ("_event", "_expires_at", "_last", "_machine")

    def __init__(self, refer: Request, *, now: float, expires: int = 60) -> None:
        """Begin when the REFER is answered 202; the first NOTIFY is to be sent at once.

        Args: `expires` is how long the subscription lasts at most, in seconds.
        Raises: RemoteProtocolError, to be answered 400, unless there is exactly one Refer-To that can be
        read.
        Source: RFC 3515 §2.4.2, §2.4.4
        """
        if len(refer.headers.get_all("refer-to")) != 1:
            reason = f"expected one Refer-To, got {len(refer.headers.get_all('refer-to'))}"
            raise RemoteProtocolError(reason, section="RFC 3515 §2.4.2", message=refer)
        _ = refer.refer_to
        # Several REFERs in one dialog are told apart by their numbers. Source: RFC 3515 §2.4.6
        self._event = f"refer;id={refer.cseq.number}"
        self._last = (100, "Trying")
        self._expires_at = now + expires
        self._machine = Machine(NOTIFIER, NotifierState.PENDING)
        self._machine.deadlines[NotifierInput.EXPIRED] = self._expires_at

    @property
    def state(self) -> NotifierState:
        """The state of its machine."""
        return self._machine.state

    def first(self, *, now: float) -> Notify:
        """Give the NOTIFY that follows the 202 at once, while it is not decided yet. Source: RFC 3515
        §2.4.4"""
        return self._notify(self._state_now(now))

    def approve(self, *, now: float) -> list[Notify]:
        """Note that the user agrees, and the request is sent."""
        return self._step(NotifierInput.APPROVED, now)

    def decline(self, *, now: float) -> list[Notify]:
        """Note that the user does not agree: the last NOTIFY says 603. Source: RFC 3515 §2.4.5"""
        self._last = (603, "Declined") if self._machine.state is NotifierState.PENDING else self._last
        return self._step(NotifierInput.DECLINED, now)

    def progress(self, response: Response, *, now: float) -> list[Notify]:
        """Take a response to the request that the REFER led to; a final one ends the subscription.

        Source: RFC 3515 §2.4.5, §2.4.7
        """
        if self._machine.state is not NotifierState.ACTIVE:
            return []
        self._last = (response.status, response.reason)
        done = response.status >= 200
        return self._step(NotifierInput.FINISHED if done else NotifierInput.PROGRESS, now)

    def notify_failed(self, status: int | None) -> None:
        """Take a failure of a NOTIFY, None when no response came at all: 481 and none end the subscription.

        Source: RFC 6665 §4.2.2
        """
        if status in (481, None):
            self._step(NotifierInput.NOTIFY_LOST, 0.0)

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`; None when nothing waits."""
        return self._machine.next_timeout()

    def handle_timeout(self, *, now: float) -> list[Notify]:
        """End a subscription that has lasted too long; calling early returns []."""
        due = self._machine.take_due(now)
        return [] if due is None else self._step(due, now)

    def _step(self, input_: NotifierInput, now: float) -> list[Notify]:
        notifies: list[Notify] = []
        for action in self._machine.step(input_):
            if action is NotifierAction.STOP:
                self._machine.deadlines.clear()
            elif action is NotifierAction.NOTIFY:
                notifies.append(self._notify(self._state_now(now)))
            else:
                notifies.append(self._notify(f"terminated;reason={_REASONS[action]}"))
        return notifies

    def _state_now(self, now: float) -> str:
        left = max(0, int(self._expires_at - now))
        return f"{self._machine.state.value.lower()};expires={left}"

    def _notify(self, state: str) -> Notify:
        status, reason = self._last
        headers = (("Event", self._event), ("Subscription-State", state), ("Content-Type", SIPFRAG))
        return Notify(headers, f"SIP/2.0 {status} {reason or reason_phrase(status)}\r\n".encode())


_REASONS: Final = {
    NotifierAction.NOTIFY_REJECTED: "rejected",
    NotifierAction.NOTIFY_NO_RESOURCE: "noresource",
    NotifierAction.NOTIFY_TIMEOUT: "timeout",
}
