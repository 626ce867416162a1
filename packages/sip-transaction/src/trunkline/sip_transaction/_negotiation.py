"""Negotiation: whose turn it is to change a session, so that two offers or two re-INVITEs do not meet.

Here: one table, used for INVITE transactions within a dialog and for offers, the refusals it asks for, and
how long to wait after a 491. Not here: what an offer says (SDP), and the refresh of sessions
(`_session_timer`).

Source: RFC 3261 §14.1, §14.2, RFC 3311 §5.1, §5.2, RFC 3264 §4
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import LocalProtocolError, Request

from ._machine import Machine, Rows


class Turn(Enum):
    """Whose INVITE, or whose offer, waits for its answer."""

    NOBODY = "Nobody"
    OURS = "Ours"
    THEIRS = "Theirs"


class TurnInput(Enum):
    """What can happen."""

    WE_ASK = "we ask"
    WE_ARE_ANSWERED = "we are answered"
    THEY_ASK = "they ask"
    THEY_ARE_ANSWERED = "they are answered"


class TurnAction(Enum):
    """What is to be said to it."""

    REFUSE_PENDING = "491"
    REFUSE_FOR_LATER = "500 with Retry-After"
    FORBID = "must not ask"


def _turns() -> Rows[Turn, TurnInput, TurnAction]:
    s, i, a = Turn, TurnInput, TurnAction
    return {
        (s.NOBODY, i.WE_ASK): ((), s.OURS),
        (s.NOBODY, i.THEY_ASK): ((), s.THEIRS),
        (s.OURS, i.WE_ASK): ((a.FORBID,), s.OURS),
        (s.OURS, i.WE_ARE_ANSWERED): ((), s.NOBODY),
        (s.OURS, i.THEY_ASK): ((a.REFUSE_PENDING,), s.OURS),
        (s.THEIRS, i.WE_ASK): ((a.FORBID,), s.THEIRS),
        (s.THEIRS, i.THEY_ASK): ((a.REFUSE_FOR_LATER,), s.THEIRS),
        (s.THEIRS, i.THEY_ARE_ANSWERED): ((), s.NOBODY),
    }


TURNS: Final = _turns()


@attrs.frozen
class Refusal:
    """What to answer a request with that may not be served now."""

    status: int
    """491 or 500."""
    headers: tuple[tuple[str, str], ...] = ()
    """Retry-After for a 500."""


class Negotiation:
    """Follow the INVITEs and the offers of one dialog, both ways.

    A request and what it carries are told apart, as an answer may come before the final response, in a
    reliable provisional one, or after it, in the ACK.
    """

    __slots__ = ("_has_their_update", "_invites", "_offers", "_token")

    def __init__(self, *, token: Callable[[int], bytes]) -> None:
        """Begin with nothing under way.

        Args: `token` gives that many random bytes, for Retry-After.
        """
        self._invites = Machine(TURNS, Turn.NOBODY)
        self._offers = Machine(TURNS, Turn.NOBODY)
        self._has_their_update = False
        self._token = token

    @property
    def invite_turn(self) -> Turn:
        """Whose INVITE has no final response yet."""
        return self._invites.state

    @property
    def offer_turn(self) -> Turn:
        """Whose offer has no answer yet."""
        return self._offers.state

    def may_ask(self, method: str, *, has_offer: bool) -> bool:
        """Tell whether we may send an INVITE, UPDATE or PRACK now. Source: RFC 3261 §14.1, RFC 3311 §5.1"""
        asking = self._asking(method, has_offer)
        return not any(TURNS[machine.state, TurnInput.WE_ASK][0] for machine in asking)

    def send_request(self, method: str, *, has_offer: bool) -> None:
        """Note that we send an INVITE, UPDATE or PRACK.

        Raises: LocalProtocolError when we may not. Source: RFC 3261 §14.1, RFC 3311 §5.1
        """
        if not self.may_ask(method, has_offer=has_offer):
            invites, offers = self._invites.state.value.lower(), self._offers.state.value.lower()
            raise LocalProtocolError(
                f"no {method} may be sent, RFC 3261 §14.1: INVITE under way: {invites}; offer: {offers}"
            )
        for machine in self._asking(method, has_offer):
            machine.step(TurnInput.WE_ASK)

    def receive_request(self, request: Request, *, has_offer: bool) -> Refusal | None:
        """Take an INVITE, UPDATE or PRACK of the peer.

        Returns: None when it is to be served; otherwise nothing of it counts.
        Source: RFC 3261 §14.2, RFC 3311 §5.2
        """
        is_update = request.method == "UPDATE"
        if is_update and self._has_their_update:
            return self._later()
        asking = self._asking(request.method, has_offer)
        for machine in asking:
            for action in TURNS[machine.state, TurnInput.THEY_ASK][0]:
                return Refusal(491) if action is TurnAction.REFUSE_PENDING else self._later()
        for machine in asking:
            machine.step(TurnInput.THEY_ASK)
        self._has_their_update |= is_update
        return None

    def _later(self) -> Refusal:
        seconds = int.from_bytes(self._token(2), "big") % 11
        return Refusal(500, (("Retry-After", str(seconds)),))

    def _asking(self, method: str, has_offer: bool) -> list[Machine[Turn, TurnInput, TurnAction]]:
        machines = [self._invites] if method == "INVITE" else []
        return [*machines, self._offers] if has_offer else machines

    def send_offer(self) -> None:
        """Note that a response of ours has the offer, as the INVITE it answers had none.

        Raises: LocalProtocolError when another offer waits. Source: RFC 3264 §4, RFC 3261 §13.2.1
        """
        if TURNS[self._offers.state, TurnInput.WE_ASK][0]:
            raise LocalProtocolError(f"no offer now: one waits already: {self._offers.state.value.lower()}")
        self._offers.step(TurnInput.WE_ASK)

    def receive_offer(self) -> bool:
        """Take a response that has the offer, as our INVITE had none.

        Returns: False when another offer waits: then it is no offer to be answered. Source: RFC 3264 §4
        """
        return not self._offers.step(TurnInput.THEY_ASK)

    def their_update_ends(self) -> None:
        """Note that we sent the final response to the peer's UPDATE."""
        self._has_their_update = False

    def our_offer_ends(self) -> None:
        """Note that our offer was answered, or that the request it was in was refused."""
        self._offers.step(TurnInput.WE_ARE_ANSWERED)

    def their_offer_ends(self) -> None:
        """Note that we answered the peer's offer, or refused the request it was in."""
        self._offers.step(TurnInput.THEY_ARE_ANSWERED)

    def our_invite_ends(self) -> None:
        """Note that our INVITE has its final response, or will never have one."""
        self._invites.step(TurnInput.WE_ARE_ANSWERED)

    def their_invite_ends(self) -> None:
        """Note that we sent the final response to the peer's INVITE."""
        self._invites.step(TurnInput.THEY_ARE_ANSWERED)


def glare_delay(token: Callable[[int], bytes], *, owns_call_id: bool) -> float:
    """Choose after how many seconds a request that was answered 491 may be sent again.

    Args: `token` gives that many random bytes; `owns_call_id` is true for the caller, who made the Call-ID.
    Returns: 2.1 to 4 seconds for the owner of the Call-ID, 0 to 2 for the other, in steps of 10 ms.
    Source: RFC 3261 §14.1, RFC 3311 §5.3
    """
    first, last = (210, 400) if owns_call_id else (0, 200)
    # 32 bits make the bias of the remainder too small to matter.
    return (first + int.from_bytes(token(4), "big") % (last - first + 1)) / 100
