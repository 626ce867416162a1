"""REFER and the subscription that comes with it: who was referred tells who referred how it went.

Here: `ReferNotifier` for the one who does what a REFER asks, `ReferSubscriber` for the one who asked. Not
here: the call that is made because of it, and other event packages.

Source: RFC 3515 §2.4, RFC 6665 §4
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, Request, Response, reason_phrase

from ._machine import Machine, Rows
from ._timers import TimerValues

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


class SubscriberState(Enum):
    """Where the subscription of a REFER stands at its subscriber. Source: RFC 6665 §4.1.2"""

    NOTIFY_WAIT = "Notify wait"
    PENDING = "Pending"
    ACTIVE = "Active"
    TERMINATED = "Terminated"


class SubscriberInput(Enum):
    """What can happen to it."""

    REFUSED = "failure response to the REFER"
    NOTIFY_PENDING = "NOTIFY: pending"
    NOTIFY_ACTIVE = "NOTIFY: active"
    NOTIFY_TERMINATED = "NOTIFY: terminated"
    TIMER_N = "timer N"
    EXPIRED = "expires"


class SubscriberAction(Enum):
    """What is done about it."""

    RESTART = "start expires"
    STOP = "stop timers"
    REPORT = "silence to TU"


def _subscriber() -> Rows[SubscriberState, SubscriberInput, SubscriberAction]:
    s, i, a = SubscriberState, SubscriberInput, SubscriberAction
    rows: dict[
        tuple[SubscriberState, SubscriberInput], tuple[tuple[SubscriberAction, ...], SubscriberState]
    ] = {}
    for state in (s.NOTIFY_WAIT, s.PENDING, s.ACTIVE):
        stop = (a.STOP,) if state is s.NOTIFY_WAIT else ()
        rows[state, i.NOTIFY_PENDING] = ((*stop, a.RESTART), s.PENDING)
        rows[state, i.NOTIFY_ACTIVE] = ((*stop, a.RESTART), s.ACTIVE)
        rows[state, i.NOTIFY_TERMINATED] = ((a.STOP,), s.TERMINATED)
    rows[s.NOTIFY_WAIT, i.REFUSED] = ((a.STOP,), s.TERMINATED)
    rows[s.NOTIFY_WAIT, i.TIMER_N] = ((a.REPORT,), s.TERMINATED)
    for state in (s.PENDING, s.ACTIVE):
        rows[state, i.EXPIRED] = ((a.REPORT,), s.TERMINATED)
    return rows


SUBSCRIBER: Final = _subscriber()


@attrs.frozen
class Notify:
    """Send a NOTIFY with these headers and this body in the dialog of the REFER (`Dialog.make_request`)."""

    headers: tuple[tuple[str, str], ...]
    """Event, Subscription-State and Content-Type."""
    body: bytes
    """The status line of what has become of the request, as a message/sipfrag."""


@attrs.define(slots=True, eq=False)
class NotifierSilent:
    """The subscription is over without a word of how it went."""


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

# For a notifier that does not say how long, as it should: nothing is waited for without an end.
_LONGEST_SILENCE: Final = 3600.0

_STATES: Final = {
    "pending": SubscriberInput.NOTIFY_PENDING,
    "active": SubscriberInput.NOTIFY_ACTIVE,
    "terminated": SubscriberInput.NOTIFY_TERMINATED,
}


class ReferSubscriber:
    """Learn what became of a REFER we sent."""

    __slots__ = ("_cseq", "_is_first", "_machine", "status")

    def __init__(
        self, refer: Request, *, now: float, is_first: bool = True, timers: TimerValues | None = None
    ) -> None:
        """Begin when a REFER is sent.

        Args: `is_first` is false when there was a REFER in the same dialog before: then every NOTIFY must say
        which one it is about.
        """
        if refer.method != "REFER":
            raise LocalProtocolError(f"expected a REFER, got {refer.method}")
        self._cseq = refer.cseq.number
        self._is_first = is_first
        self.status = 0
        """The status that the last NOTIFY told; 0 before one."""
        self._machine = Machine(SUBSCRIBER, SubscriberState.NOTIFY_WAIT)
        self._machine.deadlines[SubscriberInput.TIMER_N] = now + (timers or TimerValues()).give_up

    @property
    def state(self) -> SubscriberState:
        """The state of its machine."""
        return self._machine.state

    def refused(self) -> None:
        """Note that the REFER was answered with a failure: there is no subscription."""
        self._machine_step(SubscriberInput.REFUSED, 0.0, 0.0)

    def receive_notify(self, notify: Request, *, now: float) -> int:
        """Take a NOTIFY of the REFER's dialog.

        Returns: the status to answer it with: 200; 489 for another event; 481 when it is about another
        REFER, or when the subscription is over; 400 without a state or body that can be read.
        Source: RFC 3515 §2.4.4 to §2.4.6, RFC 6665 §4.1.3
        """
        try:
            event, state = notify.event, notify.subscription_state
            if event is None or event.value.lower() != "refer":
                return 489
            if not self._is_about_us(event.params.get("id")) or self.state is SubscriberState.TERMINATED:
                return 481
            input_ = None if state is None else _STATES.get(state.value.lower())
            if state is None or input_ is None:
                return 400
            status = _sipfrag_status(notify.body)
            expires = state.params.get("expires")
        except RemoteProtocolError:
            return 400
        if status is None or (expires is not None and not (expires.isascii() and expires.isdigit())):
            return 400
        self.status = status
        seconds = None if expires is None else min(int(expires), 2**32)
        self._machine_step(input_, now, seconds)
        return 200

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`; None when nothing waits."""
        return self._machine.next_timeout()

    def handle_timeout(self, *, now: float) -> list[NotifierSilent]:
        """Give a subscription up of which nothing more was heard; calling early returns []."""
        due = self._machine.take_due(now)
        return [] if due is None else self._machine_step(due, now, None)

    def _is_about_us(self, id_: str | None) -> bool:
        return self._is_first if id_ is None else id_ == str(self._cseq)

    def _machine_step(
        self, input_: SubscriberInput, now: float, expires: float | None
    ) -> list[NotifierSilent]:
        silent: list[NotifierSilent] = []
        for action in self._machine.step(input_):
            if action is SubscriberAction.STOP:
                self._machine.deadlines.clear()
            elif action is SubscriberAction.RESTART:
                deadlines = self._machine.deadlines
                if expires is not None or SubscriberInput.EXPIRED not in deadlines:
                    left = _LONGEST_SILENCE if expires is None else expires
                    deadlines[SubscriberInput.EXPIRED] = now + left
            else:
                silent.append(NotifierSilent())
        return silent


def _sipfrag_status(body: bytes) -> int | None:
    """Read the status from a message/sipfrag that begins with a status line."""
    version, _, rest = body.partition(b" ")
    digits = rest[:3]
    return int(digits) if version.upper() == b"SIP/2.0" and len(digits) == 3 and digits.isdigit() else None
