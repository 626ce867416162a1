"""What the tests of this package share: flows, messages, a counting token, and a layer on its own.

The simulated link of the property tests is in `property/conftest.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trunkline.sip_parser import Request, Response, make_response, parse_datagram
from trunkline.sip_transaction import (
    AckReceived,
    CancelReceived,
    ClientTransaction,
    Effect,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    ServerTransaction,
    State,
    TransactionLayer,
)
from trunkline.sip_transaction._tables import ClientInput, ServerInput

ALICE = ("192.0.2.1", 5060)
BOB = ("192.0.2.2", 5060)


class Token:
    """Give different bytes at each call, the same in each test."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")


class Desk:
    """One layer with a clock that only its test turns, and short words for what is done with it."""

    def __init__(self, transport: str = "UDP", **options: Any) -> None:
        self.layer = TransactionLayer(token=Token(), **options)
        self.now = 1000.0
        connection = 0 if transport == "UDP" else 7
        self.transport = transport
        self.flow = Flow(transport, BOB, ALICE, connection)

    def request(self, method: str = "INVITE", *, branch: str | None = "z9hG4bKa1", **changes: Any) -> Request:
        """Make a request as it comes from Alice."""
        values = {
            "uri": "sip:bob@example.test",
            "via": f"SIP/2.0/{self.transport} 192.0.2.1:5060",
            "via_params": "",
            "from": "<sip:alice@example.test>;tag=from",
            "to": "<sip:bob@example.test>",
            "call_id": "call@192.0.2.1",
            "cseq": f"1 {method}",
            "more": "",
        } | changes
        branch_param = "" if branch is None else f";branch={branch}"
        return_value = parse_datagram(
            (
                f"{method} {values['uri']} SIP/2.0\r\n"
                f"Via: {values['via']}{branch_param}{values['via_params']}\r\n"
                "Max-Forwards: 70\r\n"
                f"From: {values['from']}\r\n"
                f"To: {values['to']}\r\n"
                f"Call-ID: {values['call_id']}\r\n"
                f"CSeq: {values['cseq']}\r\n"
                f"{values['more']}"
                "Content-Length: 0\r\n\r\n"
            ).encode()
        )
        assert isinstance(return_value, Request)
        return return_value

    def receive(self, message: Request | Response) -> list[Effect]:
        """Let a copy of the message come in, as from the network."""
        return self.layer.receive(parse_datagram(message.to_bytes()), self.flow, now=self.now)

    def serve(self, method: str = "INVITE", **changes: Any) -> ServerTransaction:
        """Receive a request, and give the transaction made for it."""
        (effect,) = [e for e in self.receive(self.request(method, **changes)) if type(e) is RequestReceived]
        return effect.transaction

    def respond(self, transaction: ServerTransaction, status: int, to_tag: str = "to") -> list[Effect]:
        """Answer as the transaction user; one that has answered before has the request no more."""
        request = getattr(transaction, "request", None) or self.request(transaction.method)
        response = make_response(request, status, to_tag=to_tag)
        return self.layer.respond(transaction, response, now=self.now)

    def send(self, method: str = "INVITE", **changes: Any) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request as the transaction user."""
        changes.setdefault("branch", self.layer.new_branch())
        return self.layer.send_request(self.request(method, **changes), self.flow, now=self.now)

    def answer(self, transaction: ClientTransaction, status: int, to_tag: str = "to") -> list[Effect]:
        """Let the peer's response come in."""
        return self.receive(make_response(transaction.request, status, to_tag=to_tag))

    def subject(self, transaction: Any, input_: ClientInput | ServerInput) -> Any:
        """Make what the actions of an input work on."""
        if isinstance(input_, ClientInput):
            status = {
                ClientInput.RECEIVED_1XX: 180,
                ClientInput.RECEIVED_2XX: 200,
                ClientInput.RECEIVED_300_699: 486,
            }.get(input_)
            if status is not None:
                response = make_response(transaction.request, status, to_tag="to")
                return ResponseReceived(transaction, response, self.flow)
            return "why"
        status = {
            ServerInput.TU_100: 100,
            ServerInput.TU_101_199: 180,
            ServerInput.TU_2XX: 200,
            ServerInput.TU_300_699: 486,
            ServerInput.TU_408: 408,
        }.get(input_)
        if status is not None:
            return make_response(transaction.request, status, to_tag="to")
        if input_ is ServerInput.ACK:
            return AckReceived(transaction.request, self.flow, transaction)
        if input_ is ServerInput.CANCEL:
            return CancelReceived(transaction, transaction.request)
        return None if input_ is ServerInput.REQUEST else "why"

    def running(self) -> list[tuple[int, float, Any]]:
        """Give the timers that run, each with its input, its deadline and its transaction.

        What lingered and is over keeps its place in its line until its time; that is none.
        """
        queue = self.layer._timers
        found: list[tuple[int, float, Any]] = []
        for line in queue._prompt.values():
            found += [(line.input, deadline, owner) for owner, deadline in line.items()]
        for waiting in queue._lingering.values():
            for deadline, owners in waiting.batches:
                found += [(waiting.input, deadline, owner) for owner in owners]
        return [timer for timer in found if timer[2].state is not State.TERMINATED]

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass, timers firing each at its moment."""
        end = self.now + seconds
        effects: list[Effect] = []
        while (moment := self.layer.next_timeout()) is not None and moment <= end:
            self.now = max(self.now, moment)
            effects += self.layer.handle_timeout(now=self.now)
        self.now = end
        return effects

    def moments(self, kind: type, seconds: float) -> list[float]:
        """Let time pass, and tell after how many seconds each effect of a kind came."""
        start, end = self.now, self.now + seconds
        found = []
        while (moment := self.layer.next_timeout()) is not None and moment <= end:
            self.now = max(self.now, moment)
            found += [
                round(self.now - start, 6)
                for effect in self.layer.handle_timeout(now=self.now)
                if isinstance(effect, kind)
            ]
        self.now = end
        return found


@pytest.fixture(scope="session")
def new_desk() -> Callable[..., Desk]:
    return Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def tcp_desk() -> Desk:
    return Desk("TCP")


@pytest.fixture
def token() -> Token:
    return Token()


@pytest.fixture
def names() -> Callable[[list[Effect]], list[str]]:
    def names(effects: list[Effect]) -> list[str]:
        return [type(effect).__name__ for effect in effects]

    return names


@pytest.fixture
def sent() -> Callable[[list[Effect]], list[str]]:
    """Give the start of each message to be sent: the method, or the status."""

    def sent(effects: list[Effect]) -> list[str]:
        words = [effect.data.decode().split(" ", 2) for effect in effects if isinstance(effect, Send)]
        return [second if first == "SIP/2.0" else first for first, second, _ in words]

    return sent
