"""AcceptedInvite: the 2xx of a user agent server, sent again until its ACK comes.

The transaction only carries a 2xx; that it arrives is the business of the two user agents, over reliable
transports too. Not here: the ACK of the other side (`DialogSet`).

Source: RFC 3261 §13.3.1.4, §15
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import Response

from ._machine import Machine, Rows
from ._timers import TimerValues


class AcceptedState(Enum):
    """Whether the caller knows that we have answered."""

    UNACKNOWLEDGED = "Unacknowledged"
    ACKNOWLEDGED = "Acknowledged"
    LEFT = "Left"
    """The caller has hung up, but its INVITE waits for the 2xx still."""
    ABANDONED = "Abandoned"


class AcceptedInput(Enum):
    """What can happen to a 2xx that was sent."""

    ACK = "ACK"
    BYE = "BYE"
    RETRANSMISSION_DUE = "T1, doubled up to T2"
    GIVE_UP_DUE = "64*T1"


class AcceptedAction(Enum):
    """What is done about it."""

    RESPOND = "2xx sent"
    BACK_OFF = "MIN(2*interval, T2)"
    STOP = "stop timers"
    REPORT = "no ACK: send BYE"


def _accepted() -> Rows[AcceptedState, AcceptedInput, AcceptedAction]:
    s, i, a = AcceptedState, AcceptedInput, AcceptedAction
    return {
        (s.UNACKNOWLEDGED, i.RETRANSMISSION_DUE): ((a.RESPOND, a.BACK_OFF), s.UNACKNOWLEDGED),
        (s.UNACKNOWLEDGED, i.ACK): ((a.STOP,), s.ACKNOWLEDGED),
        (s.UNACKNOWLEDGED, i.BYE): ((), s.LEFT),
        (s.UNACKNOWLEDGED, i.GIVE_UP_DUE): ((a.STOP, a.REPORT), s.ABANDONED),
        (s.LEFT, i.RETRANSMISSION_DUE): ((a.RESPOND, a.BACK_OFF), s.LEFT),
        (s.LEFT, i.ACK): ((a.STOP,), s.ACKNOWLEDGED),
        (s.LEFT, i.GIVE_UP_DUE): ((a.STOP,), s.ABANDONED),
    }


ACCEPTED: Final = _accepted()


@attrs.define(slots=True, eq=False)
class Respond:
    """Send this response, again perhaps, by the transaction of its request (`TransactionLayer.respond`)."""

    response: Response
    """The response."""


@attrs.define(slots=True, eq=False)
class AckMissing:
    """No ACK came within 64*T1: the dialog is confirmed all the same, and a BYE should end it."""

    response: Response
    """The 2xx."""


class AcceptedInvite:
    """Follow one 2xx that was sent to an INVITE."""

    __slots__ = ("_interval", "_machine", "_response", "_values")

    def __init__(self, response: Response, *, now: float, timers: TimerValues | None = None) -> None:
        """Begin when the 2xx has been given to `TransactionLayer.respond`.

        Args: `response` as it was sent; `now` in monotonic seconds.
        """
        self._response = response
        self._values = timers or TimerValues()
        self._interval = self._values.t1
        self._machine = Machine(ACCEPTED, AcceptedState.UNACKNOWLEDGED)
        self._machine.deadlines[AcceptedInput.RETRANSMISSION_DUE] = now + self._interval
        self._machine.deadlines[AcceptedInput.GIVE_UP_DUE] = now + self._values.give_up

    @property
    def state(self) -> AcceptedState:
        """The state of its machine."""
        return self._machine.state

    @property
    def may_bye(self) -> bool:
        """Whether the callee may hang up: not before the ACK, or before it can be expected no more.

        Source: RFC 3261 §15
        """
        return self._machine.state is not AcceptedState.UNACKNOWLEDGED

    def acknowledge(self) -> None:
        """Learn that the ACK with this INVITE's CSeq number has come."""
        self._step(AcceptedInput.ACK, 0.0)

    def hang_up(self) -> None:
        """Learn that the caller has sent a BYE.

        The 2xx is still sent, as nothing else ends the caller's INVITE; but no ACK will be missed.

        Source: RFC 3261 §13.3.1.4, §15.1.2
        """
        self._step(AcceptedInput.BYE, 0.0)

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`; None when nothing waits."""
        return self._machine.next_timeout()

    def handle_timeout(self, *, now: float) -> list[Respond | AckMissing]:
        """Let time pass; calling early returns []."""
        effects: list[Respond | AckMissing] = []
        while (due := self._machine.take_due(now)) is not None:
            effects += self._step(due, now)
        return effects

    def _step(self, input_: AcceptedInput, now: float) -> list[Respond | AckMissing]:
        effects: list[Respond | AckMissing] = []
        for action in self._machine.step(input_):
            if action is AcceptedAction.RESPOND:
                effects.append(Respond(self._response))
            elif action is AcceptedAction.BACK_OFF:
                self._interval = min(2 * self._interval, self._values.t2)
                self._machine.deadlines[AcceptedInput.RETRANSMISSION_DUE] = now + self._interval
            elif action is AcceptedAction.STOP:
                self._machine.deadlines.clear()
            else:
                effects.append(AckMissing(self._response))
        return effects
