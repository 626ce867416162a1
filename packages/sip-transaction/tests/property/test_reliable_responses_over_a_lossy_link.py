"""Reliable provisional responses, their PRACKs, the 2xx and its ACK over a link that loses and reorders.

What must hold: the caller uses each reliable response once and in order, a 2xx comes only after them,
everything comes to an end. Not here: single steps, which are in conformance.
"""

from __future__ import annotations

import heapq
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import Request, make_response, parse_datagram
from trunkline.sip_transaction import (
    AcceptedInvite,
    AckMissing,
    AckReceived,
    Arrival,
    DialogConfirmed,
    DialogSet,
    Flow,
    PrackMissing,
    ReliableOrder,
    ReliableResponses,
    RequestReceived,
    Respond,
    ResponseReceived,
    Send,
    TransactionLayer,
    make_prack,
)

ADDRESSES = (("192.0.2.1", 5060), ("192.0.2.2", 5060))
FLOWS = (Flow("UDP", *ADDRESSES), Flow("UDP", *reversed(ADDRESSES)))


class Call:
    """One call from its INVITE to its end: `statuses` are sent reliably, one after the other, then a 200."""

    def __init__(self, statuses: list[int], seed: int, loss: float, doubling: float, delay: float) -> None:
        self.random = Random(seed)
        self.loss, self.doubling, self.delay = loss, doubling, delay
        self.layers = [TransactionLayer(token=self.random.randbytes) for _ in ADDRESSES]
        self.now, self.order = 0.0, 0
        self.agenda: list[tuple[float, int, int, bytes]] = []
        self.to_send = list(statuses)
        self.used: list[int] = []
        self.finals: list[int] = []
        self.missing = 0
        self.reliable: ReliableResponses | None = None
        self.accepted: AcceptedInvite | None = None
        self.server: Any = None
        self.arrivals = ReliableOrder()
        lines = [
            ("Via", f"SIP/2.0/UDP 192.0.2.1;branch={self.layers[0].new_branch()}"),
            ("Max-Forwards", "70"),
            ("From", "<sip:alice@example.test>;tag=from"),
            ("To", "<sip:bob@example.test>"),
            ("Call-ID", "call@192.0.2.1"),
            ("CSeq", "1 INVITE"),
            ("Contact", "<sip:alice@192.0.2.1>"),
            ("Supported", "100rel"),
        ]
        invite = Request("INVITE", "sip:bob@192.0.2.2", lines)
        self.dialogs = DialogSet(invite)
        self.client, effects = self.layers[0].send_request(invite, FLOWS[0], now=0.0)
        self.act(0, effects)
        self.run()

    def run(self) -> None:
        for _ in range(5000):
            parts = [*self.layers, self.dialogs, self.reliable, self.accepted]
            moments = [m for part in parts if part is not None and (m := part.next_timeout()) is not None]
            moments += [self.agenda[0][0]] if self.agenda else []
            if not moments and self.client.last_status < 200 and self.now < 200:
                self.now = 200.0  # nobody listens to a ringing tone for ever
                self.act(0, self.layers[0].cancel(self.client, now=self.now))
                continue
            if not moments:
                return
            self.now = max(self.now, min(moments))
            while self.agenda and self.agenda[0][0] <= self.now:
                _, _, side, data = heapq.heappop(self.agenda)
                effects = self.layers[side].receive(parse_datagram(data), FLOWS[side], now=self.now)
                self.act(side, effects)
            for side in (0, 1):
                self.act(side, self.layers[side].handle_timeout(now=self.now))
            self.dialogs.handle_timeout(now=self.now)
            self.repeat()
        raise AssertionError("this goes on for ever")

    def act(self, side: int, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                for _ in range(2 if self.random.random() < self.doubling else 1):
                    if self.random.random() >= self.loss:
                        self.order += 1
                        arrival = self.now + self.random.uniform(0, self.delay)
                        heapq.heappush(self.agenda, (arrival, self.order, 1 - side, effect.data))
            elif side == 0 and isinstance(effect, ResponseReceived):
                self.caller(effect)
            elif side == 1 and isinstance(effect, RequestReceived):
                self.callee(effect)
            elif side == 1 and isinstance(effect, AckReceived) and self.accepted is not None:
                self.accepted.acknowledge()
            elif type(effect).__name__ == "CancelReceived":
                self.respond(487)

    # The callee.

    def callee(self, effect: RequestReceived) -> None:
        if effect.request.method == "INVITE":
            self.server = effect.transaction
            self.reliable = ReliableResponses(effect.request, token=self.random.randbytes)
            self.proceed()
            return
        assert self.reliable is not None
        status = self.reliable.receive_prack(effect.request) if effect.request.method == "PRACK" else 481
        response = make_response(effect.request, status)
        self.act(1, self.layers[1].respond(effect.transaction, response, now=self.now))
        if status == 200 and self.server.last_status < 200:
            self.proceed()

    def proceed(self) -> None:
        assert self.reliable is not None
        if not self.to_send:
            self.respond(200)
            return
        response = self.response(self.to_send.pop(0))
        for respond in self.reliable.send(response, now=self.now):
            self.act(1, self.layers[1].respond(self.server, respond.response, now=self.now))

    def response(self, status: int) -> Any:
        contact = [("Contact", "<sip:bob@192.0.2.2>")]
        return make_response(self.server.request, status, to_tag="bob", headers=contact)

    def respond(self, status: int) -> None:
        assert self.reliable is not None
        self.reliable.finish()
        response = self.response(status)
        self.act(1, self.layers[1].respond(self.server, response, now=self.now))
        if status == 200 and self.accepted is None:
            self.accepted = AcceptedInvite(response, now=self.now)

    def repeat(self) -> None:
        for machine in (self.reliable, self.accepted):
            for effect in machine.handle_timeout(now=self.now) if machine is not None else ():
                if isinstance(effect, Respond):
                    self.act(1, self.layers[1].respond(self.server, effect.response, now=self.now))
                elif isinstance(effect, PrackMissing):
                    self.missing += 1
                    self.respond(504)
                else:
                    assert isinstance(effect, AckMissing)
                    self.missing += 1

    # The caller.

    def caller(self, effect: ResponseReceived) -> None:
        response = effect.response
        if effect.transaction is not self.client:
            return
        arrival = self.arrivals.receive(response) if response.status < 200 else Arrival.UNRELIABLE
        if arrival in (Arrival.COPY, Arrival.OUT_OF_ORDER):
            return
        for told in self.dialogs.receive(response, now=self.now):
            if isinstance(told, Send):
                self.act(0, [told])
            elif isinstance(told, DialogConfirmed):
                ack = told.dialog.make_ack(via=f"SIP/2.0/UDP 192.0.2.1;branch={self.layers[0].new_branch()}")
                self.act(0, [self.dialogs.acknowledge(told.dialog, ack, FLOWS[0])])
        if arrival is Arrival.IN_ORDER:
            self.used.append(response.rseq or 0)
            [dialog] = self.dialogs
            via = f"SIP/2.0/UDP 192.0.2.1;branch={self.layers[0].new_branch()}"
            prack = make_prack(dialog, response, via=via)
            self.act(0, self.layers[0].send_request(prack, FLOWS[0], now=self.now)[1])
        elif response.status >= 200:
            self.finals.append(response.status)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([180, 181, 182, 183]), max_size=5),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.1, 0.3, 0.6]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.01, 0.4]),
)
def test_each_is_used_once_and_in_order_and_all_comes_to_an_end(statuses, seed, loss, doubling, delay):
    call = Call(statuses, seed, loss, doubling, delay)
    if call.used:
        assert call.used == list(range(call.used[0], call.used[0] + len(call.used)))
    assert len(call.used) <= len(statuses)
    if 200 in call.finals:
        assert len(call.used) == len(statuses), "no 2xx before the last was acknowledged"
    assert len([status for status in call.finals if status >= 300]) <= 1
    for layer in call.layers:
        assert (layer.len_client, layer.len_server, layer.next_timeout()) == (0, 0, None)
    if not loss:
        assert (len(call.used), call.missing) == (len(statuses), 0)
        assert set(call.finals) == {200}
