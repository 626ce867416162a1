"""ReferSubscriber: who sent a REFER learns how it went.

Here: the table of RFC 6665 for the one subscription that a REFER makes. Not here: its other end (`_refer`),
and other event packages.

Source: RFC 3515 §2.4, RFC 6665 §4.1
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, Request

from ._machine import Machine, Rows
from ._timers import TimerValues


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


@attrs.define(slots=True, eq=False)
class NotifierSilent:
    """The subscription is over without a word of how it went."""


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
