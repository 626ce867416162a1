"""A session: one confirmed dialog of a phone, from the 2xx to the BYE, with its audio.

Here: what both sides do alike once a call is up: re-INVITEs, audio now and then, hanging up. Not here: how a
call is made (`_calling`).

Source: RFC 3261 §12, §14, §15
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from trunkline.sip_parser import Request, Response, make_response
from trunkline.sip_transaction import ClientTransaction, Dialog, DialogState, Flow, ServerTransaction

from ._network import Address
from ._records import NEVER, DialogSeen
from ._refreshing import Refreshing

if TYPE_CHECKING:
    from ._phone import Phone

T1, T2 = 0.5, 4.0
AUDIO_EVERY = 7.0
"Seconds between two packets of audio: enough to be heard, and cheap."
REINVITE_PATIENCE = 30.0
"Seconds for an answer to a re-INVITE that was heard of: no timer of the transaction's ends that wait."
SDP_TYPE = ("Content-Type", "application/sdp")
_media = re.compile(rb"c=IN IP4 (\S+)").search
_port = re.compile(rb"m=audio (\d+)").search


def sdp(host: str, port: int, version: int, direction: str = "sendrecv") -> bytes:
    """Write a description of one audio stream."""
    return (
        f"v=0\r\no=- 7 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8\r\na={direction}\r\n"
    ).encode()


def media_address(body: bytes) -> Address | None:
    """Find where a description wants audio."""
    host, port = _media(body), _port(body)
    return None if host is None or port is None else (host[1].decode(), int(port[1]))


class Session:
    """One side of a call that is up."""

    def __init__(self, phone: Phone, dialog: Dialog, seen: DialogSeen, port: int) -> None:
        self.phone = phone
        self.dialog = dialog
        self.seen = seen
        self.port = port
        "Where audio is heard; 0 for a dialog that is given up at once."
        self.ack: tuple[int, bytes, Flow] | None = None
        "The ACK of our last INVITE: its CSeq number, itself, its way."
        self.awaited_ack: tuple[int, ServerTransaction] | None = None
        "The INVITE of the peer whose 2xx waits for an ACK."
        self.inviting = False
        self.refreshing = Refreshing(self) if phone.habits.knows_timers else None
        self._hang_up_then = False
        self._version = 1
        self._remote_media: Address | None = None
        self._sequence = 0
        seen.transport = phone.transport
        self._packet = b"%s|" % seen.call_id.encode()
        if port:
            phone.network.bind((phone.outside[0], port), self._heard)

    @property
    def is_up(self) -> bool:
        """Whether this side takes the call for one that is up."""
        return self.seen.ended_at == NEVER

    @property
    def is_busy(self) -> bool:
        """Whether an INVITE of either side is under way."""
        return self.inviting or self.awaited_ack is not None

    def description(self, direction: str = "sendrecv") -> bytes:
        """Describe what we want to hear, anew."""
        self._version += 1
        return sdp(self.phone.inside[0], self.port, self._version, direction)

    # -- audio

    def talk_to(self, body: bytes) -> None:
        """Send audio to where a description says."""
        first = self._remote_media is None
        found = media_address(body)
        if found is not None:
            self._remote_media = found
            self.seen.relay_host = found[0]
        if first and self._remote_media is not None:
            self.phone.later(0.1 + self.phone.random.random(), self._speak)

    def _speak(self) -> None:
        if self.is_up and self._remote_media is not None:
            self._sequence += 1
            data = b"\x80\x08" + self._sequence.to_bytes(2, "big") + bytes(4) + b"\0\0\0\1" + self._packet
            phone = self.phone
            phone.network.datagram(data, (phone.outside[0], self.port), self._remote_media)
            phone.later(AUDIO_EVERY, self._speak)

    def _heard(self, data: bytes, source: Address) -> None:
        if data[12:] == self._packet:
            self.seen.heard += 1
        elif self.is_up and not self.phone.observer.was_restarted(0.0):
            # after a restart the ports of calls that go on may be given to new ones
            call_id = data[12:].decode("ascii", "replace").rstrip("|")
            self.phone.observer.report("nobody hears another's call", f"{self.seen.call_id} heard {call_id}")

    # -- ending

    def over(self, end: str) -> None:
        """Note that the call is over for this side."""
        if not self.is_up:
            return
        self.seen.ended_at = self.phone.agenda.now
        self.seen.end = end
        self.dialog.terminate()
        if self.refreshing is not None:
            self.refreshing.stop()
        if self.port:
            self.phone.network.unbind((self.phone.outside[0], self.port))
            self.phone.calling.free_port(self.port)

    def hang_up(self) -> None:
        """Send a BYE, if it is still to be sent; who was called waits for the ACK. Source: RFC 3261 §15"""
        if not self.is_up:
            return
        if self.awaited_ack is not None and not self.seen.is_caller and self.seen.acked_at == NEVER:
            self._hang_up_then = True
            return
        phone, dialog = self.phone, self.dialog
        flow = phone.flow_of_uri(dialog.next_hop)
        if flow is not None and dialog.state is not DialogState.TERMINATED:
            request = dialog.make_request("BYE", via=phone.via(flow))
            self.seen.bye_sent_at = phone.agenda.now
            phone.request(request, flow, _Goodbye(self))
        self.over("bye")

    def bye_received(self, transaction: ServerTransaction, request: Request) -> None:
        """Answer a BYE."""
        refusal = self.dialog.receive_request(request)
        if refusal is not None:
            self.phone.answer(transaction, refusal)
            return
        self.phone.answer(transaction, 200)
        by_server = "Reason" in request.headers
        self.over("server" if by_server else "peer")

    # -- an INVITE of the peer's that we answered

    def await_ack(self, transaction: ServerTransaction, response: Response) -> None:
        """Send a 2xx until its ACK comes. Source: RFC 3261 §13.3.1.4"""
        number = transaction.request.cseq.number
        self.awaited_ack = number, transaction
        self.phone.respond(transaction, response)
        self.phone.later(T1, self._repeat, transaction, response, T1, self.phone.agenda.now + 64 * T1)

    def _repeat(
        self, transaction: ServerTransaction, response: Response, interval: float, until: float
    ) -> None:
        if self.awaited_ack is None or self.awaited_ack[1] is not transaction:
            return
        if self.phone.agenda.now >= until:
            self.awaited_ack = None
            if self.is_up:
                self.hang_up()
                self.seen.end = "no ack"
            return
        self.phone.respond(transaction, response)
        interval = min(2 * interval, T2)
        delay = min(interval, max(until - self.phone.agenda.now, 0.001))
        self.phone.later(delay, self._repeat, transaction, response, interval, until)

    def ack_received(self, request: Request) -> None:
        """Take an ACK."""
        if self.awaited_ack is not None and request.cseq.number == self.awaited_ack[0]:
            self.awaited_ack = None
            if self.seen.acked_at == NEVER:
                self.seen.acked_at = self.phone.agenda.now
            if request.body:
                self.talk_to(request.body)
            if self._hang_up_then:
                self.hang_up()

    def reinvited(self, transaction: ServerTransaction, request: Request) -> None:
        """Answer a re-INVITE."""
        if self.is_busy:
            self.phone.answer(transaction, 491)
            return
        refusal = self.dialog.receive_request(request)
        if refusal is not None:
            self.phone.answer(transaction, refusal)
            return
        headers = [("Contact", f"<{self.phone.contact_uri}>"), SDP_TYPE]
        if self.refreshing is not None:
            headers += self.refreshing.accept(request)
        response = make_response(request, 200, headers=headers)
        response.body = self.description()
        self.await_ack(transaction, response)
        if request.body:
            self.seen.held = b"sendonly" in request.body
            self.talk_to(request.body)

    # -- an INVITE of ours

    def acknowledge(self, number: int, body: bytes = b"") -> None:
        """Send the ACK for the 2xx to our INVITE of that number; the same again for a copy of it."""
        phone = self.phone
        if self.ack is None or self.ack[0] != number:
            flow = phone.flow_of_uri(self.dialog.next_hop)
            if flow is None:
                phone.observer.report("a dialog has a way", f"{self.seen.call_id}: {self.dialog.next_hop}")
                return
            headers = (SDP_TYPE,) if body else ()
            request = self.dialog.make_ack(via=phone.via(flow), headers=headers, body=body)
            self.ack = number, request.to_bytes(), flow
        _, data, flow = self.ack
        if flow.transport == "TCP":
            flow = phone.flow_to("TCP", flow.remote)
            phone.connections.send(data, flow)
        else:
            phone.network.datagram(data, phone.outside, flow.remote)

    def reinvite(self, *, changed: bool = True) -> None:
        """Hold the call or take it up again, or only show that it is up."""
        if not self.is_up or self.is_busy:
            return
        phone = self.phone
        flow = phone.flow_of_uri(self.dialog.next_hop)
        if flow is None:
            return
        self.inviting = True
        direction = "sendrecv" if self.seen.held is changed else "sendonly"
        headers = [SDP_TYPE]
        if self.refreshing is not None:
            headers += self.refreshing.headers()
        request = self.dialog.make_request(
            "INVITE",
            via=phone.via(flow),
            contact=f"<{phone.contact_uri}>",
            headers=headers,
            body=self.description(direction),
        )
        transaction = phone.request(request, flow, _Reinvite(self, direction))
        phone.later(REINVITE_PATIENCE, self._stop_waiting, transaction)

    def _stop_waiting(self, transaction: ClientTransaction) -> None:
        if transaction.last_status < 200:
            self.phone.perform(self.phone.layer.cancel(transaction, now=self.phone.agenda.now))


class _Goodbye:
    """Waits for the response to a BYE."""

    def __init__(self, session: Session) -> None:
        self._seen = session.seen
        self._now = partial(getattr, session.phone.agenda, "now")

    def response(self, transaction: ClientTransaction, response: Response) -> None:
        """Take a response."""
        if response.status >= 200:
            self._seen.bye_done_at, self._seen.bye_status = self._now(), response.status

    def failed(self, transaction: ClientTransaction, status: int) -> None:
        """Take it that none came."""
        self._seen.bye_done_at, self._seen.bye_status = self._now(), status


class _Reinvite:
    """Waits for the responses to a re-INVITE."""

    def __init__(self, session: Session, direction: str) -> None:
        self._session = session
        self._direction = direction

    def response(self, transaction: ClientTransaction, response: Response) -> None:
        """Take a response."""
        session, status = self._session, response.status
        if status < 200:
            return
        session.inviting = False
        if status >= 300:
            if status in (408, 481):
                session.hang_up()
            elif session.refreshing is not None:
                session.refreshing.failed(status)
            return
        number = transaction.request.cseq.number
        if session.is_up:
            session.dialog.receive_response(response)
            if session.refreshing is not None:
                session.refreshing.agreed(response)
            session.seen.held = self._direction == "sendonly"
            session.talk_to(response.body)
        session.acknowledge(number)

    def failed(self, transaction: ClientTransaction, status: int) -> None:
        """Take it that no final response came: the peer is gone. Source: RFC 3261 §14.1"""
        self._session.inviting = False
        self._session.hang_up()
