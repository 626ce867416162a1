"""Registering: how a phone tells its provider where it is, again and again.

Source: RFC 3261 §10.2, §22
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.sip_parser import Request, Response
from trunkline.sip_transaction import ChallengeRefused, ClientTransaction

from ._records import Confirmed

if TYPE_CHECKING:
    from ._phone import Phone

MAX_CHALLENGES = 4
"Challenges in a row that a phone answers before it takes its password for wrong."


class Registering:
    """One phone's registration."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.expires = 60
        "Seconds it asks for."
        self.extra_contact: str | None = None
        "A second contact registered along: another user of the same provider, which makes calls spiral."
        self.wanted = True
        "False once it is to be registered no longer."
        self.confirmed: dict[str, Confirmed] = {}
        "By contact, across lives."
        self.refused = 0
        self.rejected = 0
        "Times that the provider took the right password for wrong."
        self._call_id = ""
        self._from_tag = ""
        self._number = 0
        self._challenges = 0
        self._under_way = False
        self._round = 0
        self._sent_at = 0.0

    def start(self) -> None:
        """Register, with the Call-ID of a new life."""
        phone = self.phone
        self._call_id = f"r{phone.random.randbytes(6).hex()}"
        self._from_tag = phone.tag()
        self._number = phone.random.randrange(1, 1000)
        self._under_way = False
        self._send()

    def stop(self) -> None:
        """Take the contacts back."""
        self.wanted = False
        if self.phone.is_on:
            self._send()

    def power_lost(self) -> None:
        """Forget what was asked for; what was confirmed stays so."""
        self._under_way = False
        self._round += 1

    def flow_lost(self) -> None:
        """Register by a new connection."""
        if self.phone.transport == "TCP" and self.wanted:
            self._again(0.5 + self.phone.random.random() * 2)

    def _again(self, delay: float) -> None:
        self._round += 1
        self.phone.later(delay, self._if_due, self._round)

    def _if_due(self, turn: int) -> None:
        if turn == self._round and not self._under_way:
            self._send()

    def _contacts(self) -> list[str]:
        contacts = [self.phone.contact_uri]
        if self.extra_contact is not None:
            contacts.append(self.extra_contact)
        return contacts

    def _send(self) -> None:
        if self._under_way:
            self._again(1.0)
            return
        phone = self.phone
        self._under_way = True
        self._challenges = 0
        self._number += 1
        flow = phone.server_flow()
        expires = self.expires if self.wanted else 0
        request = Request(
            "REGISTER",
            f"sip:{phone.domain}",
            [
                ("Via", phone.via(flow)),
                ("Max-Forwards", "70"),
                ("From", f"<sip:{phone.aor}>;tag={self._from_tag}"),
                ("To", f"<sip:{phone.aor}>"),
                ("Call-ID", self._call_id),
                ("CSeq", f"{self._number} REGISTER"),
                *[("Contact", f"<{contact}>;expires={expires}") for contact in self._contacts()],
                ("Content-Length", "0"),
            ],
        )
        phone.authenticator.preempt(request, phone.random.randbytes)
        for contact in self._contacts():
            confirmed = self.confirmed.get(contact)
            if confirmed is not None and expires == 0:
                confirmed.is_sure = False
        self._sent_at = phone.agenda.now
        phone.request(request, flow, self)

    def response(self, transaction: ClientTransaction, response: Response) -> None:
        """Take a response."""
        status = response.status
        if status < 200:
            return
        if status == 401:
            self._challenged(transaction, response)
            return
        self._under_way = False
        if status == 200:
            self._accepted(response)
        else:
            self.refused += 1
            self._again(3 + self.phone.random.random() * 5)

    def _challenged(self, transaction: ClientTransaction, response: Response) -> None:
        phone = self.phone
        self._challenges += 1
        try:
            if self._challenges > MAX_CHALLENGES:
                raise ChallengeRefused("challenged again and again")
            request = phone.authenticator.authorize(transaction.request, response, phone.random.randbytes)
        except ChallengeRefused as refusal:
            phone.observer.report("the right password is right", f"{phone.aor}: {refusal}")
            self._under_way = False
            self.rejected += 1
            self._again(4 + phone.random.random() * 4)
            return
        self._number = request.cseq.number
        self._sent_at = phone.agenda.now
        phone.request(request, transaction.flow, self)

    def _accepted(self, response: Response) -> None:
        phone = self.phone
        granted = {str(contact.uri): contact.params.get("expires") for contact in response.contacts}
        shortest = 60.0
        for contact in self._contacts():
            seconds = granted.get(contact)
            if seconds is None:
                self.confirmed.pop(contact, None)
                if self.wanted:
                    phone.observer.report("a 200 lists what was asked", f"{phone.aor}: no {contact} there")
                continue
            shortest = min(shortest, float(seconds))
            until = self._sent_at + float(seconds)
            confirmed = Confirmed(phone.aor, contact, phone.node, phone.agenda.now, until)
            self.confirmed[contact] = confirmed
            phone.observer.confirmed(confirmed)
        if self.wanted:
            self._again(shortest * (0.4 + 0.4 * phone.random.random()))

    def failed(self, transaction: ClientTransaction, status: int) -> None:
        """Take it that no answer came."""
        self._under_way = False
        self._again(2 + self.phone.random.random() * 4)
