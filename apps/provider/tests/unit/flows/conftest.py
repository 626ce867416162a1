"""A provider without sockets, for tests of the way that a message takes.

Flows are values here: a connection is a number, and it stands until the test says that it does not. Nobody
is asked for credentials. Time is virtual.
"""

from __future__ import annotations

import itertools
import shutil
import socket
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from trunkline.provider.assembly import assemble
from trunkline.provider.config import Settings
from trunkline.provider.stack import AskRelay, AskSubscribers, BadMessage, Barrier, Write
from trunkline.provider.store import Store
from trunkline.provider.transports import ListenPoint
from trunkline.sip_parser import Request, Response, make_response, parse_datagram
from trunkline.sip_transaction import Flow, Send

DOMAIN = "example.test"
LOCAL = {
    ("UDP", 4): ("192.0.2.1", 5060),
    ("TCP", 4): ("192.0.2.1", 5060),
    ("TLS", 4): ("192.0.2.1", 5061),
    ("UDP", 6): ("2001:db8::1", 5060),
    ("TCP", 6): ("2001:db8::1", 5060),
    ("TLS", 6): ("2001:db8::1", 5061),
}


class Provider:
    """The stack, and what it sent."""

    def __init__(self, store: Store, settings: dict[str, dict[str, Any]]) -> None:
        sections = {
            "server": {"domains": [DOMAIN], "listen": ["udp:192.0.2.1:5060"]},
            "auth": {"challenge": False},
            "media": {"mode": "never"},
            **settings,
        }
        self.now = 1000.0
        self.open: set[int] = set()
        self.sent: deque[Send] = deque()
        self.written: list[tuple[str, Any]] = []
        self.relayed: list[tuple[str, Any]] = []
        self.points = [ListenPoint(name, address, socket.socket()) for (name, _), address in LOCAL.items()]
        self.stack = assemble(
            Settings(**sections),  # type: ignore[arg-type]
            store,
            self.points,
            token=Random(1).randbytes,
            clock=self.clock,
            now=self.now,
            connection_open=lambda flow: flow.connection in self.open,
        ).stack
        self._numbers = itertools.count(1)

    def clock(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now)

    def flow(self, transport: str, host: str, port: int) -> Flow:
        """Give the flow of a phone; with a connection of its own, unless it is UDP."""
        local = LOCAL[transport, 6 if ":" in host else 4]
        number = 0 if transport == "UDP" else next(self._numbers)
        if number:
            self.open.add(number)
        return Flow(transport, local, (host, port), number)

    def deliver(self, message: Request | Response, flow: Flow) -> None:
        self.perform(self.stack.message(parse_datagram(message.to_bytes()), flow, now=self.now))

    def lose(self, flow: Flow, reason: str = "closed by the peer") -> None:
        self.open.discard(flow.connection)
        self.perform(self.stack.flow_lost(flow, reason, now=self.now))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.stack.next_timeout()) is not None and due <= end:
            self.now = max(due, self.now)
            self.perform(self.stack.handle_timeout(now=self.now))
        self.now = end

    def perform(self, effects: list[Any]) -> None:
        waiting = deque(effects)
        while waiting:
            effect = waiting.popleft()
            answer: Any = True
            if isinstance(effect, Send):
                self.sent.append(effect)
                continue
            if isinstance(effect, BadMessage):
                continue
            if isinstance(effect, Write):
                self.written.append((effect.method, effect.arguments))
                continue
            if isinstance(effect, AskRelay):
                self.relayed.append((effect.command, effect.fields))
                answer = {"result": "ok", "sdp": effect.fields.get("sdp", b"")}
            else:
                assert isinstance(effect, Barrier | AskSubscribers)
                if isinstance(effect, AskSubscribers):
                    for name in effect.names:
                        self.stack.directory.learn(name, None, now=self.now)
            waiting += self.stack.resume(effect, answer, now=self.now)

    # -- reading

    def take(self) -> tuple[Any, Flow]:
        """Take the oldest message sent, and where it went."""
        assert self.sent, "nothing was sent"
        send = self.sent.popleft()
        return parse_datagram(send.data), send.flow

    def request(self, method: str) -> tuple[Request, Flow]:
        """Take the next request sent, passing over responses."""
        while True:
            message, flow = self.take()
            if isinstance(message, Request):
                assert message.method == method
                return message, flow

    def status(self) -> int:
        """Take the next final response sent, and give its status."""
        while True:
            message, _ = self.take()
            if isinstance(message, Response) and message.status >= 200:
                return message.status

    # -- phones

    def compose(self, method: str, uri: str, flow: Flow, user: str, **headers: str) -> Request:
        """Write a request of a phone that says of itself what is true."""
        host, port = flow.remote
        number = next(self._numbers)
        host = f"[{host}]" if ":" in host else host
        lines = {
            "Via": f"SIP/2.0/{flow.transport} {host}:{port};branch=z9hG4bK{number};rport",
            "Max-Forwards": "70",
            "From": f"<sip:{user}@{DOMAIN}>;tag={user}",
            "To": f"<{uri}>",
            "Call-ID": f"call-{number}",
            "CSeq": f"{number} {method}",
            "Contact": f"<sip:{user}@{host}:{port};transport={flow.transport.lower()}>",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return Request(method, uri, [(name, value) for name, value in lines.items() if value])

    def register(self, user: str, flow: Flow, **headers: str) -> Response:
        """Register, and give the answer."""
        to = f"<sip:{user}@{DOMAIN}>"
        self.deliver(self.compose("REGISTER", f"sip:{DOMAIN}", flow, user, To=to, **headers), flow)
        response, way = self.take()
        assert way == flow
        assert isinstance(response, Response)
        return response

    def invite(
        self, caller: Flow, callee: str = f"sip:bob@{DOMAIN}", body: bytes = b"", **headers: str
    ) -> Request:
        """Call, and give the INVITE as it was sent to the server."""
        request = self.compose("INVITE", callee, caller, "alice", **headers)
        request.body = body
        self.deliver(request, caller)
        return request

    def answer(self, request: Request, flow: Flow, status: int, contact: str | None = None) -> None:
        """Answer a request that was sent to a phone."""
        response = make_response(request, status, to_tag="bobtag")
        if status < 300 and request.method == "INVITE":
            response.headers.extend("Record-Route", request.headers.get_all("record-route"))
            host, port = flow.remote
            host = f"[{host}]" if ":" in host else host
            own = f"<sip:bob@{host}:{port};transport={flow.transport.lower()}>"
            response.headers.add("Contact", contact or own)
        self.deliver(response, flow)

    def in_dialog(self, method: str, sender: Flow, remote: Request | Response, invite: Request) -> Request:
        """Write a request within a dialog, as the side does that got `remote` from the other side."""
        from_caller = isinstance(remote, Response)
        routes = remote.headers.values("record-route")
        request = self.compose(
            method,
            str(remote.contacts[0].uri),
            sender,
            "alice" if from_caller else "bob",
            Call_ID=invite.call_id,
            Route=", ".join(reversed(routes) if from_caller else routes),
        )
        caller = str(invite.headers.get("from"))
        callee = f"{invite.headers.get('to')};tag=bobtag"
        request.headers.set("From", caller if from_caller else callee)
        request.headers.set("To", callee if from_caller else caller)
        return request


@pytest.fixture(scope="session")
def no_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flows") / "trunkline.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def new_provider(tmp_path: Path, no_rows: Path) -> Iterator[Callable[..., Provider]]:
    """Make a provider with the given sections of the configuration."""
    shutil.copy(no_rows, tmp_path / "trunkline.db")
    made: list[Provider] = []
    with Store.open(f"sqlite:///{tmp_path}/trunkline.db", create=False) as store:

        def make(**settings: dict[str, Any]) -> Provider:
            made.append(Provider(store, settings))
            return made[-1]

        yield make
    for provider in made:
        for point in provider.points:
            point.sock.close()


@pytest.fixture
def provider(new_provider: Callable[..., Provider]) -> Provider:
    """A provider that listens for everything, on IPv4 and IPv6."""
    return new_provider()
