"""User agents on the simulated network: callers and callees made of the machines of sip-transaction.

An agent does what RFC 3261, 3311 and 4028 ask of it: it acknowledges each 2xx, repeats its own until the
ACK, ends what was answered twice, refreshes its session, gives way at a glare, and hangs up where the peer is
gone. What is left to a script: when it answers, hangs up, asks for something, or dies without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import attrs
import pytest

from trunkline.sip_parser import Request, Response, make_response, parse_datagram
from trunkline.sip_transaction import (
    AcceptedInvite,
    AckMissing,
    AckReceived,
    CancelReceived,
    ClientTransaction,
    Dialog,
    DialogConfirmed,
    DialogSet,
    DialogState,
    Flow,
    Negotiation,
    RefreshDue,
    RequestReceived,
    Respond,
    ResponseReceived,
    Send,
    ServerTransaction,
    SessionExpired,
    SessionTimer,
    Terminated,
    TimedOut,
    TransactionLayer,
    dialog_id,
    glare_delay,
)

PROXY = ("192.0.2.1", 5060)


@attrs.frozen
class Script:
    """What an agent does; moments are in seconds, after the INVITE for a callee, else of the world."""

    answer_after: float | None = 1.0
    """When it answers; None: it rings for ever."""
    interval: int | None = 120
    """The Session-Expires it asks for; None: it knows no session timers."""
    refreshes_with: str = "UPDATE"
    bye_at: float | None = None
    """When it hangs up, if there is a call by then."""
    ask_at: tuple[float, ...] = ()
    """When it sends a re-INVITE."""
    die_at: float | None = None
    cancel_at: float | None = None


@attrs.define(eq=False)
class Session:
    """One dialog of an agent."""

    dialog: Dialog
    timer: SessionTimer | None
    negotiation: Negotiation
    accepted: dict[int, tuple[AcceptedInvite, ServerTransaction]] = attrs.Factory(dict)
    """The 2xx sent, by the CSeq number of their INVITE."""
    acks: dict[int, Send] = attrs.Factory(dict)
    """The ACKs sent, likewise."""
    wants_to_leave: bool = False

    @property
    def is_up(self) -> bool:
        return self.dialog.state is DialogState.CONFIRMED


class Agent:
    """One phone."""

    def __init__(self, network: Any, number: int, script: Script, look: Callable[[], None]) -> None:
        self.network, self.script, self.look = network, script, look
        self.address = (f"198.51.100.{number}", 5060)
        self.name = f"agent{number}"
        self.token = Random(number).randbytes
        self.layer = TransactionLayer(token=self.token)
        self.dialogs: DialogSet | None = None
        self.sessions: list[Session] = []
        self.said_bye: list[float] = []
        self.agreed: list[float] = []
        self.is_dead = False
        self.invite: ClientTransaction | None = None
        self._new_timer()
        self._wake: float | None = None
        network.listen(self.address, self._arrive)
        # Nobody listens to a ringing tone for ever.
        for moment in (script.cancel_at, 300.0):
            if moment is not None:
                network.at(moment, self.cancel)
        if script.die_at is not None:
            network.at(script.die_at, self.die)
        for moment in script.ask_at:
            network.at(moment, lambda: [self.ask(session, "INVITE") for session in self.sessions])
        if script.bye_at is not None:
            network.at(script.bye_at, lambda: [self.leave(session) for session in self.sessions])

    def _new_timer(self) -> None:
        interval = self.script.interval
        self.timer = None if interval is None else SessionTimer(session_expires=interval)

    # -- the world around it

    def die(self) -> None:
        self.is_dead = True
        self.network.listen(self.address, lambda data, source: None)

    def _arrive(self, data: bytes, source: tuple[str, int]) -> None:
        flow = Flow("UDP", self.address, source)
        self.act(self.layer.receive(parse_datagram(data), flow, now=self.network.now))

    def act(self, effects: list[Any]) -> None:
        for effect in effects:
            if self.is_dead:
                return
            if isinstance(effect, Send):
                self.network.send(effect.data, self.address, effect.flow.remote)
            else:
                self._handle(effect)
        self._schedule()
        self.look()

    def _timeouts(self) -> list[float]:
        parts: list[Any] = [self.layer, self.dialogs]
        for session in self.sessions:
            parts += [session.timer, *(accepted for accepted, _ in session.accepted.values())]
        moments = [part.next_timeout() for part in parts if part is not None]
        return [moment for moment in moments if moment is not None]

    def _schedule(self) -> None:
        earliest = min(self._timeouts(), default=None)
        if earliest is not None and (self._wake is None or earliest < self._wake):
            self._wake = earliest
            self.network.at(earliest, lambda: self._fire(earliest))

    def _fire(self, moment: float) -> None:
        if self._wake == moment:
            self._wake = None
        if self.is_dead:
            return
        now = self.network.now
        self.act(self.layer.handle_timeout(now=now))
        if self.dialogs is not None:
            self.dialogs.handle_timeout(now=now)
        for session in self.sessions:
            for accepted, transaction in list(session.accepted.values()):
                for effect in accepted.handle_timeout(now=now):
                    if isinstance(effect, Respond):
                        self.act(self.layer.respond(transaction, effect.response, now=now))
                    else:
                        assert isinstance(effect, AckMissing)
                        self.leave(session)
            for due in session.timer.handle_timeout(now=now) if session.timer is not None else ():
                if isinstance(due, RefreshDue):
                    self.ask(session, self.script.refreshes_with)
                else:
                    assert isinstance(due, SessionExpired)
                    self.leave(session)
        self._schedule()
        self.look()

    # -- what it sends

    def _via(self) -> str:
        return f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};branch={self.layer.new_branch()}"

    @property
    def contact(self) -> str:
        return f"<sip:{self.name}@{self.address[0]}:{self.address[1]}>"

    def call(self, uri: str, cseq: int = 1) -> None:
        lines = [
            ("Via", self._via()),
            ("Max-Forwards", "70"),
            ("From", f"<sip:alice@example.test>;tag={self.name}"),
            ("To", f"<{uri}>"),
            ("Call-ID", "call-1@world"),
            ("CSeq", f"{cseq} INVITE"),
            ("Contact", self.contact),
            *(self.timer.headers() if self.timer is not None else ()),
        ]
        request = Request("INVITE", uri, lines)
        self.dialogs = DialogSet(request)
        self.invite, effects = self.layer.send_request(request, self._flow, now=self.network.now)
        self.act(effects)

    def cancel(self) -> None:
        if self.invite is not None and not self.is_dead:
            self.act(self.layer.cancel(self.invite, now=self.network.now))

    def ask(self, session: Session, method: str) -> None:
        """Send a re-INVITE or an UPDATE, now or when it is our turn."""
        if self.is_dead or not session.is_up:
            return
        has_offer = method == "INVITE"
        unacknowledged = any(not accepted.may_bye for accepted, _ in session.accepted.values())
        if unacknowledged or not session.negotiation.may_ask(method, has_offer=has_offer):
            self.network.at(self.network.now + 1.0, lambda: self.ask(session, method))
            return
        session.negotiation.send_request(method, has_offer=has_offer)
        headers = session.timer.headers() if session.timer is not None else []
        self._send(session, method, headers)

    def leave(self, session: Session) -> None:
        """Hang up, now or when the ACK has come."""
        if self.is_dead or not session.is_up:
            return
        session.wants_to_leave = True
        if any(not accepted.may_bye for accepted, _ in session.accepted.values()):
            return
        self.said_bye.append(self.network.now)
        self._send(session, "BYE", [])
        self._end(session)

    def _send(self, session: Session, method: str, headers: list[tuple[str, str]]) -> None:
        request = session.dialog.make_request(method, via=self._via(), contact=self.contact, headers=headers)
        transaction, effects = self.layer.send_request(request, self._flow, now=self.network.now)
        transaction.user = session
        self.act(effects)

    @property
    def _flow(self) -> Flow:
        return Flow("UDP", self.address, PROXY)

    def _end(self, session: Session) -> None:
        session.dialog.terminate()
        if session.timer is not None:
            session.timer.stop()
        for accepted, _ in session.accepted.values():
            accepted.hang_up()

    # -- what it gets

    def _handle(self, effect: Any) -> None:
        if isinstance(effect, ResponseReceived):
            if effect.transaction.user is None:
                self._first_response(effect.response)
            else:
                self._response(effect.transaction, effect.transaction.user, effect.response)
        elif isinstance(effect, RequestReceived):
            self._request(effect.transaction, effect.request)
        elif isinstance(effect, AckReceived):
            self._ack(effect.request)
        elif isinstance(effect, CancelReceived):
            self._respond(effect.transaction, 487)
        elif isinstance(effect, TimedOut) and isinstance(effect.transaction.user, Session):
            self._no_response(effect.transaction, effect.transaction.user)
        else:
            assert isinstance(effect, Terminated | TimedOut) or type(effect).__name__ == "StrayResponse"

    def _first_response(self, response: Response) -> None:
        now = self.network.now
        assert self.dialogs is not None
        if response.status == 422:
            if self.timer is not None and self.timer.raise_interval(response):
                self.call(str(response.to.uri), response.cseq.number + 1)
            return
        for effect in self.dialogs.receive(response, now=now):
            if isinstance(effect, Send):
                self.act([effect])
            elif isinstance(effect, DialogConfirmed):
                timer = self.timer if effect.is_first else None
                session = self._open(effect.dialog, timer)
                if timer is not None:
                    timer.receive_2xx(response, now=now)
                ack = effect.dialog.make_ack(via=self._via())
                self.act([self.dialogs.acknowledge(effect.dialog, ack, self._flow)])
                if not effect.is_first:
                    self.leave(session)

    def _open(self, dialog: Dialog, timer: SessionTimer | None) -> Session:
        session = Session(dialog, timer, Negotiation(token=self.token))
        self.sessions.append(session)
        return session

    def _response(self, transaction: ClientTransaction, session: Session, response: Response) -> None:
        status, method, number = response.status, transaction.method, response.cseq.number
        if method == "INVITE" and number in session.acks:
            self.act([session.acks[number]])
            return
        if status < 200 or method == "BYE":
            return
        session.dialog.receive_response(response)
        if method == "INVITE":
            session.negotiation.our_invite_ends()
            session.negotiation.our_offer_ends()
            if status < 300:
                ack = session.dialog.make_ack(via=self._via())
                session.acks[number] = self.layer.send_ack(ack, self._flow)
                self.act([session.acks[number]])
        if status < 300 and session.timer is not None and session.is_up:
            session.timer.receive_2xx(response, now=self.network.now)
        elif status in (491, 500):
            wait = glare_delay(self.token, owns_call_id=session.dialog.is_caller)
            self.network.at(self.network.now + wait, lambda: self.ask(session, method))
        elif status in (408, 481):
            self._end(session)

    def _no_response(self, transaction: Any, session: Session) -> None:
        if transaction.is_client and transaction.method != "BYE":
            self.leave(session)

    def _request(self, transaction: ServerTransaction, request: Request) -> None:
        if request.to_tag is None:
            if request.method == "INVITE":
                self._ring(transaction)
            else:
                self._respond(transaction, 481)
            return
        session = next((one for one in self.sessions if one.dialog.id == dialog_id(request)), None)
        if session is None:
            self._respond(transaction, 481)
            return
        status = session.dialog.receive_request(request)
        if status is not None:
            self._respond(transaction, status)
        elif request.method == "BYE":
            self._end(session)
            self._respond(transaction, 200)
        else:
            self._changed(transaction, request, session)

    def _changed(self, transaction: ServerTransaction, request: Request, session: Session) -> None:
        has_offer = request.method == "INVITE"
        refusal = session.negotiation.receive_request(request, has_offer=has_offer)
        if refusal is not None:
            self._respond(transaction, refusal.status, list(refusal.headers))
            return
        status, headers = 200, [("Contact", self.contact)]
        if session.timer is not None:
            status, extra = session.timer.accept(request, now=self.network.now)
            headers += extra
        response = self._respond(transaction, status, headers)
        session.negotiation.their_update_ends()
        if has_offer:
            session.negotiation.their_offer_ends()
            session.negotiation.their_invite_ends()
            if status == 200:
                self._accept(session, transaction, response)
        elif status == 200:
            self.agreed.append(self.network.now)

    def _ring(self, transaction: ServerTransaction) -> None:
        network = self.network
        self._respond(transaction, 180)
        if self.script.answer_after is not None:
            network.at(network.now + self.script.answer_after, lambda: self._answer(transaction))
        network.at(network.now + 250.0, lambda: self._respond(transaction, 480))

    def _answer(self, transaction: ServerTransaction) -> None:
        if transaction.last_status >= 200 or self.is_dead:
            return
        request = transaction.request
        self._new_timer()
        headers = []
        if self.timer is not None:
            status, headers = self.timer.accept(request, now=self.network.now)
            if status == 422:
                self._respond(transaction, 422, headers)
                return
        headers += [("Record-Route", value) for value in request.headers.get_all("record-route")]
        response = self._respond(transaction, 200, [("Contact", self.contact), *headers])
        session = self._open(Dialog.from_uas(request, response), self.timer)
        self._accept(session, transaction, response)

    def _accept(self, session: Session, transaction: ServerTransaction, response: Response) -> None:
        self.agreed.append(self.network.now)
        accepted = AcceptedInvite(response, now=self.network.now)
        session.accepted[response.cseq.number] = (accepted, transaction)
        self._schedule()

    def _ack(self, request: Request) -> None:
        for session in self.sessions:
            if session.dialog.id == dialog_id(request) and request.cseq.number in session.accepted:
                session.accepted[request.cseq.number][0].acknowledge()
                if session.wants_to_leave:
                    self.leave(session)

    def _respond(
        self, transaction: ServerTransaction, status: int, headers: list[tuple[str, str]] | None = None
    ) -> Response:
        tag = f"{self.name}x{transaction.key[0][-4:]}"  # type: ignore[index]
        response = make_response(transaction.request, status, to_tag=tag, headers=headers or [])
        if not self.is_dead:
            self.act(self.layer.respond(transaction, response, now=self.network.now))
        return response


class Agents:
    """Both, for tests to reach through one fixture."""

    Agent = Agent
    Script = Script
    Session = Session


@pytest.fixture(scope="session")
def agents() -> type[Agents]:
    return Agents
