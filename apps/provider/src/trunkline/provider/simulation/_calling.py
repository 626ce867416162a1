"""Calling: how a phone calls, rings, answers, refuses, gives up.

Here: a call until it is up, from either side, and which session a request within a call is for. Not here:
the call once it is up (`_session`).

Source: RFC 3261 §9, §13
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trunkline.sip_parser import Message, Request, Response, make_response
from trunkline.sip_transaction import (
    ChallengeRefused,
    ClientTransaction,
    Dialog,
    ServerTransaction,
    dialog_id,
)

from ._network import Address
from ._records import NEVER, CallSeen, DialogSeen
from ._refreshing import INTERVAL
from ._registering import MAX_CHALLENGES
from ._session import SDP_TYPE, Session, sdp

if TYPE_CHECKING:
    from ._phone import Phone

RINGS_FOR = 75.0
"Seconds after which a phone that rings stops by itself."


class Calling:
    """All calls of one phone."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.sessions: dict[tuple[str, str | None, str | None], Session] = {}
        "By Call-ID, local and remote tag."
        self.outgoing: dict[str, Outgoing] = {}
        "Calls under way, by Call-ID."
        self.incoming: dict[ServerTransaction, Incoming] = {}
        self._finals: dict[tuple[str, str], tuple[int, str | None, float]] = {}
        self._cancelled: set[str] = set()
        "Call-IDs."
        self._ports: list[int] = list(range(20000, 20400, 2))

    def power_lost(self) -> None:
        """Forget everything."""
        for session in self.sessions.values():
            seen = session.seen
            seen.bye_lost = seen.bye_sent_at != NEVER and seen.bye_done_at == NEVER
            session.over("power")
        for call in self.outgoing.values():
            call.seen.power_lost = True
        self.sessions.clear()
        self.outgoing.clear()
        self.incoming.clear()
        self._finals.clear()

    def take_port(self) -> int:
        """Take a port for audio."""
        return self._ports.pop(0)

    def free_port(self, port: int) -> None:
        """Give it back."""
        self._ports.append(port)

    def cancelled(self, call_id: str) -> None:
        """Note that a call of ours was given up."""
        self._cancelled.add(call_id)

    def is_idle(self) -> bool:
        """Tell whether no call is under way or up."""
        return not self.outgoing and not self.incoming and not any(s.is_up for s in self.sessions.values())

    def saw(self, message: Message) -> None:
        """Look at every response that arrives: one request has one failure, and none after an answer."""
        if not isinstance(message, Response) or message.status < 200:
            return
        key = message.top_via.branch or "", message.cseq.method
        status, tag = message.status, message.to_tag
        first = self._finals.get(key)
        if first is None:
            self._finals[key] = status, tag, self.phone.agenda.now
            return
        if (first[0], first[1]) == (status, tag):
            return
        # 500, 503: the way to the callee broke, which had heard it all the same
        given_up = first[0] < 300 or first[0] in (408, 487, 500, 503) or first[0] >= 600
        if key[1] == "INVITE" and status < 300 and given_up:
            return  # a 2xx is never held back: another callee's, or of one that was given up (§16.7 step 5)
        if (first[0], status) == (200, 487) and message.call_id in self._cancelled:
            return  # who cancels is answered in time, and an answer that crossed the CANCEL overtook that
        if not self.phone.observer.was_restarted(first[2] - 64.0):
            self.phone.observer.report(
                "one final response",
                f"{self.phone.aor}: {first[0]}, then {status} to {key} {message.call_id}",
            )

    # -- requests

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """Take a new request."""
        method = request.method
        if request.to_tag is None:
            if method == "INVITE":
                self._called(transaction, request)
            else:
                self.phone.answer(transaction, 481 if method in ("BYE", "CANCEL") else 200)
            return
        session = self.sessions.get(dialog_id(request))
        if session is None:
            self.phone.answer(transaction, 481)
        elif method == "BYE":
            session.bye_received(transaction, request)
        elif method == "INVITE":
            session.reinvited(transaction, request)
        else:
            self.phone.answer(transaction, 200)

    def ack_received(self, request: Request) -> None:
        """Take an ACK of a 2xx."""
        session = self.sessions.get(dialog_id(request))
        if session is not None:
            session.ack_received(request)

    def cancel_received(self, transaction: ServerTransaction) -> None:
        """Take a CANCEL."""
        call = self.incoming.pop(transaction, None)
        if call is not None:
            call.finish(487)

    def stray_response(self, response: Response) -> None:
        """Take a response whose transaction is over: a late copy of a 2xx is acknowledged again."""
        if 200 <= response.status < 300 and response.cseq.method == "INVITE":
            session = self.sessions.get(dialog_id(response))
            if session is not None:
                session.acknowledge(response.cseq.number)

    # -- being called

    def _called(self, transaction: ServerTransaction, request: Request) -> None:
        same = (request.call_id, request.from_tag, request.cseq.number)
        for other in self.incoming.values():
            before = other.transaction.request
            if (before.call_id, before.from_tag, before.cseq.number) == same:
                self.phone.answer(transaction, 482)  # RFC 3261 §8.2.2.2
                return
        call = Incoming(self.phone, transaction)
        self.incoming[transaction] = call
        call.begin()

    # -- calling

    def call(
        self,
        number: str,
        callee: str,
        server: Address,
        nodes: tuple[int, ...],
        *,
        is_stranger: bool,
        call_id: str,
    ) -> None:
        """Call somebody.

        Args:
            number: the Request-URI.
            callee: the address of record meant.
            server: the provider to send it to.
            nodes: the numbers of the providers on the way, that one's first.
            is_stranger: it is not ours.
            call_id: the Call-ID.
        """
        phone = self.phone
        from_tag = phone.tag()
        seen = CallSeen(call_id, from_tag, phone.aor, callee, nodes, phone.agenda.now, is_stranger)
        phone.observer.call_started(seen)
        call = Outgoing(phone, seen, number, server)
        self.outgoing[call_id] = call
        call.begin()


@attrs.define(eq=False)
class Incoming:
    """A call that has not been answered yet."""

    phone: Phone
    transaction: ServerTransaction
    tag: str = ""
    is_over: bool = False

    def begin(self) -> None:
        """Decide what will be done about it."""
        phone, random = self.phone, self.phone.random
        self.tag = phone.tag()
        habits, chance = phone.habits, random.random()
        if random.random() >= habits.silent:
            phone.later(random.random() * 0.6, self._ring)
        if chance < habits.answers:
            phone.later(0.2 + random.expovariate(1 / 4.0), self._answer)
        elif chance < habits.answers + habits.rejects:
            phone.later(0.1 + random.random() * 6, self._reject, random.choice((486, 603, 480, 486)))
        phone.later(RINGS_FOR, self._reject, 480)

    def _ring(self) -> None:
        if not self.is_over:
            self.phone.respond(self.transaction, self._response(180))

    def _reject(self, status: int) -> None:
        if not self.is_over:
            self.phone.calling.incoming.pop(self.transaction, None)
            self.finish(status)

    def finish(self, status: int) -> None:
        """Answer with a failure."""
        if not self.is_over:
            self.is_over = True
            self.phone.respond(self.transaction, self._response(status))

    def _response(self, status: int) -> Response:
        request = self.transaction.request
        response = make_response(request, status, to_tag=self.tag)
        if status < 300:
            for value in request.headers.get_all("record-route"):
                response.headers.add("Record-Route", value)
            response.headers.add("Contact", f"<{self.phone.contact_uri}>")
        return response

    def _answer(self) -> None:
        if self.is_over:
            return
        phone, request = self.phone, self.transaction.request
        self.is_over = True
        phone.calling.incoming.pop(self.transaction, None)
        response = self._response(200)
        dialog = Dialog.from_uas(request, response)
        seen = DialogSeen(
            request.call_id, self.tag, request.from_tag or "", False, phone.aor, phone.agenda.now
        )
        session = Session(phone, dialog, seen, phone.calling.take_port())
        phone.calling.sessions[dialog.id] = session
        response.headers.add(*SDP_TYPE)
        if session.refreshing is not None:
            for header in session.refreshing.accept(request):
                response.headers.add(*header)
        response.body = session.description()
        phone.observer.answered(seen)
        session.await_ack(self.transaction, response)
        if request.body:
            session.talk_to(request.body)
        plan_talk(session)


@attrs.define(eq=False)
class Outgoing:
    """A call of ours until all its answers are in."""

    phone: Phone
    seen: CallSeen
    number: str
    server: Address
    offer: bytes = b""
    port: int = 0
    transaction: ClientTransaction | None = None
    challenges: int = 0

    def begin(self) -> None:
        """Send the INVITE."""
        phone, seen, random = self.phone, self.seen, self.phone.random
        self.port = phone.calling.take_port()
        if random.random() >= phone.habits.late_offers:
            self.offer = sdp(phone.inside[0], self.port, 1)
        flow = phone.server_flow(self.server)
        headers = [
            ("Via", phone.via(flow)),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{phone.aor}>;tag={seen.from_tag}"),
            ("To", f"<sip:{seen.callee}>"),
            ("Call-ID", seen.call_id),
            ("CSeq", f"{random.randrange(1, 500)} INVITE"),
            ("Contact", f"<{phone.contact_uri}>"),
        ]
        if self.offer:
            headers.append(SDP_TYPE)
        if phone.habits.knows_timers:
            headers += [("Supported", "timer"), ("Session-Expires", str(INTERVAL))]
        request = Request("INVITE", self.number, headers, self.offer)
        if not seen.is_stranger:
            phone.authenticator.preempt(request, random.randbytes)
        seen.authorized_at = phone.agenda.now
        self.transaction = phone.request(request, flow, self)
        patience = phone.habits.patience * (0.5 + random.random())
        if random.random() < phone.habits.cancels:
            patience = random.random() * 6
        phone.later(patience, self._give_up)

    def _give_up(self) -> None:
        if self.seen.final or self.transaction is None:
            return
        if self.seen.cancelled_at == NEVER:
            self.seen.cancelled_at = self.phone.agenda.now
            self.phone.calling.cancelled(self.seen.call_id)
            self.phone.perform(self.phone.layer.cancel(self.transaction, now=self.phone.agenda.now))

    def response(self, transaction: ClientTransaction, response: Response) -> None:
        """Take a response."""
        status = response.status
        if status < 200:
            return
        if status < 300:
            self._answered(transaction, response)
        elif status in (401, 407) and self._authorized(transaction, response):
            return
        else:
            self._final(status)

    def failed(self, transaction: ClientTransaction, status: int) -> None:
        """Take it that no final response came."""
        self.seen.local_final = True
        self._final(status)

    def _authorized(self, transaction: ClientTransaction, response: Response) -> bool:
        phone = self.phone
        self.challenges += 1
        if self.challenges > MAX_CHALLENGES or self.seen.cancelled_at != NEVER:
            return False
        try:
            request = phone.authenticator.authorize(transaction.request, response, phone.random.randbytes)
        except ChallengeRefused:
            return False
        self.seen.authorized_at = phone.agenda.now
        self.transaction = phone.request(request, transaction.flow, self)
        return True

    def _final(self, status: int) -> None:
        if self.seen.final:
            return
        self.seen.final, self.seen.final_at = status, self.phone.agenda.now
        self.phone.calling.outgoing.pop(self.seen.call_id, None)
        if not self.seen.dialogs and self.port:
            self.phone.calling.free_port(self.port)

    def _answered(self, transaction: ClientTransaction, response: Response) -> None:
        phone, seen = self.phone, self.seen
        number = response.cseq.number
        known = phone.calling.sessions.get(dialog_id(response))
        if known is not None:
            known.acknowledge(number)  # a copy: its ACK was lost
            return
        dialog = Dialog.from_uac(transaction.request, response)
        to_tag = response.to_tag or ""
        first = not seen.dialogs
        dialog_seen = DialogSeen(
            seen.call_id, seen.from_tag, to_tag, True, phone.aor, phone.agenda.now, phone.agenda.now
        )
        seen.dialogs[to_tag] = dialog_seen
        session = Session(phone, dialog, dialog_seen, self.port if first else 0)
        phone.calling.sessions[dialog.id] = session
        session.acknowledge(number, b"" if self.offer else sdp(phone.inside[0], self.port, 2))
        self._final(response.status)
        if not first or seen.cancelled_at != NEVER:
            session.hang_up()  # another has answered before, or nobody wants to talk any more
            return
        if session.refreshing is not None:
            session.refreshing.agreed(response)
        session.talk_to(response.body)
        plan_talk(session)


def plan_talk(session: Session) -> None:
    """Decide how long this side will talk, and what it does meanwhile."""
    phone = session.phone
    random, habits = phone.random, phone.habits
    talk = min(0.05 + random.expovariate(1 / habits.talks), 6 * habits.talks)
    phone.later(talk, session.hang_up)
    if random.random() < habits.reinvites:
        phone.later(random.random() * talk, session.reinvite)
