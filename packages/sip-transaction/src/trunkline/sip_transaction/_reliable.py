"""Provisional responses that arrive: RSeq, RAck and PRACK, on both sides.

Here: `ReliableResponses` sends each one again until its PRACK comes, `ReliableOrder` tells which of those
received is to be acknowledged. Not here: the dialogs they belong to (`Dialog`, `DialogSet`).

Source: RFC 3262
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import LocalProtocolError, Request, Response

from ._accepted import Respond
from ._dialog import Dialog
from ._machine import Machine, Rows
from ._timers import TimerValues

_LARGEST_FIRST_RSEQ = 2**31 - 1


class ReliableState(Enum):
    """How the reliable provisional responses to one INVITE stand."""

    ACKNOWLEDGED = "Acknowledged"
    """None waits for its PRACK."""
    UNACKNOWLEDGED = "Unacknowledged"
    """The last one does."""
    ABANDONED = "Abandoned"
    """Its PRACK never came."""
    ANSWERED = "Answered"
    """The final response is sent."""


class ReliableInput(Enum):
    """What can happen to them."""

    TU_1XX = "reliable 1xx from TU"
    TU_FINAL = "final response from TU"
    PRACK = "PRACK that matches"
    RETRANSMISSION_DUE = "T1, doubled"
    GIVE_UP_DUE = "64*T1"


class ReliableAction(Enum):
    """What is done about it."""

    RESPOND = "1xx sent"
    START = "start T1 and 64*T1"
    BACK_OFF = "2*interval"
    STOP = "stop timers"
    REPORT = "no PRACK: refuse with 5xx"


def _reliable() -> Rows[ReliableState, ReliableInput, ReliableAction]:
    s, i, a = ReliableState, ReliableInput, ReliableAction
    return {
        (s.ACKNOWLEDGED, i.TU_1XX): ((a.RESPOND, a.START), s.UNACKNOWLEDGED),
        (s.ACKNOWLEDGED, i.TU_FINAL): ((), s.ANSWERED),
        (s.UNACKNOWLEDGED, i.PRACK): ((a.STOP,), s.ACKNOWLEDGED),
        (s.UNACKNOWLEDGED, i.RETRANSMISSION_DUE): ((a.RESPOND, a.BACK_OFF), s.UNACKNOWLEDGED),
        (s.UNACKNOWLEDGED, i.GIVE_UP_DUE): ((a.STOP, a.REPORT), s.ABANDONED),
        (s.UNACKNOWLEDGED, i.TU_FINAL): ((a.STOP,), s.ANSWERED),
        (s.ABANDONED, i.TU_FINAL): ((), s.ANSWERED),
    }


RELIABLE: Final = _reliable()


@attrs.define(slots=True, eq=False)
class PrackMissing:
    """No PRACK came within 64*T1: the INVITE should be refused with a 5xx. Source: RFC 3262 §3"""

    response: Response
    """The provisional response that was not acknowledged."""


class ReliableResponses:
    """Send the reliable provisional responses to one INVITE, one after the other."""

    __slots__ = ("_cseq", "_interval", "_machine", "_response", "_rseq", "_supports", "_values")

    def __init__(
        self, request: Request, *, token: Callable[[int], bytes], timers: TimerValues | None = None
    ) -> None:
        """Begin when an INVITE was received.

        Args: `token` gives that many random bytes, for the first RSeq.
        Raises: RemoteProtocolError when the CSeq cannot be read.
        """
        self._cseq = request.cseq
        self._supports = "100rel" in request.supported or "100rel" in request.require
        self._values = timers or TimerValues()
        self._rseq = int.from_bytes(token(4), "big") % _LARGEST_FIRST_RSEQ
        self._interval = 0.0
        self._response: Response | None = None
        self._machine = Machine(RELIABLE, ReliableState.ACKNOWLEDGED)

    @property
    def state(self) -> ReliableState:
        """The state of its machine."""
        return self._machine.state

    @property
    def may_accept(self) -> bool:
        """Whether a 2xx may be sent now: not before the PRACK of what carried a session description.

        Source: RFC 3262 §3
        """
        return self._response is None or not self._response.body

    def send(self, response: Response, *, now: float) -> list[Respond]:
        """Send a provisional response reliably: Require and RSeq are written into it.

        Args: `response` 101 to 199, with our To tag and Contact.
        Returns: the response to give to `TransactionLayer.respond`.
        Raises: LocalProtocolError when the caller does not know 100rel, when the one before waits for its
        PRACK still, or when the INVITE is answered.
        Source: RFC 3262 §3
        """
        if not 100 < response.status < 200:
            raise LocalProtocolError(
                f"only 101 to 199 are sent reliably, not {response.status} (RFC 3262 §3)"
            )
        if not self._supports:
            raise LocalProtocolError("the INVITE supports no 100rel: send the response as any other")
        if self._machine.state is not ReliableState.ACKNOWLEDGED:
            raise LocalProtocolError(f"no reliable response may be sent now: {self._machine.state.value}")
        self._rseq += 1
        response.headers.add("Require", "100rel")
        response.headers.set("RSeq", str(self._rseq))
        self._response = response
        return [effect for effect in self._step(ReliableInput.TU_1XX, now) if isinstance(effect, Respond)]

    def receive_prack(self, prack: Request) -> int:
        """Take a PRACK of the dialog.

        Returns: the status to answer it with: 200, or 481 when it acknowledges nothing that waits.
        Raises: RemoteProtocolError when its RAck is missing or cannot be read: answer 400.
        Source: RFC 3262 §3, §7.2
        """
        if self._response is None or prack.rack != (self._rseq, self._cseq):
            return 481
        self._response = None
        self._step(ReliableInput.PRACK, 0.0)
        return 200

    def finish(self) -> None:
        """Learn that the final response is sent: nothing is retransmitted, a late PRACK is still served.

        Whether a 2xx may be sent is not judged here, but by `may_accept`.

        Source: RFC 3262 §3
        """
        self._step(ReliableInput.TU_FINAL, 0.0)

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`; None when nothing waits."""
        return self._machine.next_timeout()

    def handle_timeout(self, *, now: float) -> list[Respond | PrackMissing]:
        """Let time pass; calling early returns []."""
        effects: list[Respond | PrackMissing] = []
        while (due := self._machine.take_due(now)) is not None:
            effects += self._step(due, now)
        return effects

    def _step(self, input_: ReliableInput, now: float) -> list[Respond | PrackMissing]:
        effects: list[Respond | PrackMissing] = []
        deadlines = self._machine.deadlines
        for action in self._machine.step(input_):
            if action is ReliableAction.STOP:
                deadlines.clear()
                continue
            assert self._response is not None
            if action is ReliableAction.RESPOND:
                effects.append(Respond(self._response))
            elif action is ReliableAction.START:
                self._interval = self._values.t1
                deadlines[ReliableInput.RETRANSMISSION_DUE] = now + self._interval
                deadlines[ReliableInput.GIVE_UP_DUE] = now + self._values.give_up
            elif action is ReliableAction.BACK_OFF:
                self._interval *= 2
                deadlines[ReliableInput.RETRANSMISSION_DUE] = now + self._interval
            else:
                effects.append(PrackMissing(self._response))
        return effects


class Arrival(Enum):
    """What a provisional response is to its receiver."""

    UNRELIABLE = "unreliable"
    """To be used as it is; no PRACK."""
    IN_ORDER = "in order"
    """To be used, and acknowledged with `make_prack`."""
    COPY = "copy"
    """Used before: its PRACK retransmits itself."""
    OUT_OF_ORDER = "out of order"
    """One before it is missing: neither to be used nor acknowledged, as it comes again."""


class ReliableOrder:
    """Tell which of the provisional responses to an INVITE of ours are to be acknowledged."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        """Begin before the first response; one is enough for all early dialogs of an INVITE."""
        self._last: dict[tuple[str | None, int], int] = {}

    def receive(self, response: Response) -> Arrival:
        """Judge a provisional response by its RSeq and those before it in the same early dialog.

        Raises: RemoteProtocolError when RSeq, CSeq or To cannot be read.
        Source: RFC 3262 §4
        """
        rseq = response.rseq
        if rseq is None or response.status == 100 or "100rel" not in response.require:
            return Arrival.UNRELIABLE
        key = (response.to_tag, response.cseq.number)
        last = self._last.get(key)
        if last is not None and rseq != last + 1:
            return Arrival.COPY if rseq <= last else Arrival.OUT_OF_ORDER
        self._last[key] = rseq
        return Arrival.IN_ORDER


def make_prack(
    dialog: Dialog,
    response: Response,
    *,
    via: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Request:
    """Make the PRACK of a reliable provisional response, in its early dialog.

    Args: as for `Dialog.make_request`; a `body` answers an offer of the response, or makes a new one.
    Raises: LocalProtocolError for a response without an RSeq.
    Source: RFC 3262 §4, §7.2
    """
    if response.rseq is None:
        raise LocalProtocolError(f"expected a response with an RSeq, got {response!r}")
    rack = ("RAck", f"{response.rseq} {response.cseq}")
    return dialog.make_request("PRACK", via=via, headers=[rack, *headers], body=body)
