"""A phone played by the test: it writes messages, sends them as bytes and reads what comes back.

It does nothing by itself: no retransmission, no automatic answer. Here: how a phone's messages look. Not
here: where they go (`_world`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

from trunkline.sip_parser import Message, Request, Response, make_response
from trunkline.sip_transaction import ClientAuthenticator, Dialog, Flow

if TYPE_CHECKING:
    from ._world import World

SERVER = ("192.0.2.1", 5060)
DOMAIN = "example.test"
PASSWORD = "secret"
SDP = ("Content-Type", "application/sdp")


def sdp(address: str, port: int = 4000, *, direction: str = "sendrecv") -> bytes:
    """Write the description of one audio stream."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    ).encode()


class Phone:
    """One phone.

    Args:
        world: where it is plugged in.
        user: its user name, in the served domain.
        address: the address and port that its messages come from.
        own: the address and port that it believes to have; another than `address` behind a NAT.
        connection: for a phone on TCP, the number of its connection.
    """

    def __init__(
        self,
        world: World,
        user: str,
        address: tuple[str, int],
        *,
        own: tuple[str, int] | None = None,
        connection: int = 0,
        password: str = PASSWORD,
    ) -> None:
        self.world = world
        self.user = user
        self.flow = Flow("TCP" if connection else "UDP", SERVER, address, connection)
        self.own = own or address
        self.inbox: deque[Message] = deque()
        self.authenticator = ClientAuthenticator(user, password)
        self.uri = f"sip:{user}@{DOMAIN}"
        transport = ";transport=tcp" if connection else ""
        self.contact = f"<sip:{user}@{self.own[0]}:{self.own[1]}{transport}>"
        self._numbers = count(1)
        world.plug_in(self)

    # -- writing

    def via(self) -> str:
        """Write a Via of this phone, with a new branch."""
        host, port = self.own
        branch = f"z9hG4bK{self.user}{next(self._numbers)}"
        return f"SIP/2.0/{self.flow.transport} {host}:{port};branch={branch};rport"

    def request(
        self,
        method: str,
        uri: str,
        *,
        to: str | None = None,
        sender: str | None = None,
        call_id: str | None = None,
        cseq: int = 1,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """Write a request that begins something."""
        lines = [
            ("Via", self.via()),
            ("Max-Forwards", "70"),
            ("From", f"<{sender or self.uri}>;tag={self.user}-tag"),
            ("To", f"<{to or uri}>"),
            ("Call-ID", call_id or f"{self.user}-{next(self._numbers)}"),
            ("CSeq", f"{cseq} {method}"),
        ]
        if method in ("INVITE", "REGISTER", "SUBSCRIBE"):
            lines.append(("Contact", self.contact))
        if body:
            lines.append(SDP)
        # what is said twice, the test said better
        named = {name.lower() for name, _ in headers}
        kept = [line for line in lines if line[0].lower() not in named]
        return Request(method, uri, [*kept, *headers], body)

    def within(self, dialog: Dialog, method: str, *, body: bytes = b"", **more: str) -> Request:
        """Write a request within a dialog; an ACK for the last INVITE."""
        headers = [*((name.replace("_", "-"), value) for name, value in more.items())]
        if body:
            headers.append(SDP)
        make = dialog.make_ack if method == "ACK" else None
        if make is not None:
            return make(via=self.via(), headers=headers, body=body)
        return dialog.make_request(method, via=self.via(), contact=self.contact, headers=headers, body=body)

    # -- sending

    def send(self, message: Message) -> None:
        """Send a message; the provider has done all it does with it when this returns."""
        self.world.deliver(message.to_bytes(), self.flow)

    def ask(self, request: Request) -> Response:
        """Send a request, again with credentials when they are asked for; give the last response that came.

        The request is changed into the one that was answered.
        """
        self.send(request)
        response = self.response()
        if response.status in (401, 407):
            if request.method == "INVITE":
                self.send(failure_ack(request, response))
            authorized = self.authenticator.authorize(request, response, self.world.token)
            request.headers = authorized.headers
            self.send(authorized)
            while self.inbox:
                response = self.response()
        return response

    def reply(
        self,
        request: Request,
        status: int,
        *,
        body: bytes = b"",
        tag: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """Answer a request that came."""
        response = make_response(request, status, to_tag=tag or f"{self.user}-tag", headers=headers)
        if 100 < status < 300 and request.method in ("INVITE", "UPDATE", "SUBSCRIBE"):
            response.headers.extend("Record-Route", request.headers.get_all("record-route"))
            response.headers.add("Contact", self.contact)
        if body:
            response.headers.add(*SDP)
            response.body = body
        self.send(response)
        return response

    # -- reading

    def take(self) -> Message:
        """Take the oldest message that came."""
        assert self.inbox, f"nothing came for {self.user}"
        return self.inbox.popleft()

    def response(self, status: int | None = None) -> Response:
        """Take the oldest message that came, a response."""
        message = self.take()
        assert isinstance(message, Response), f"expected a response, got {message!r}"
        assert status in (None, message.status), f"expected {status}, got {message!r}"
        return message

    def received(self, method: str) -> Request:
        """Take the oldest message that came, a request."""
        message = self.take()
        assert isinstance(message, Request), f"expected {method}, got {message!r}"
        assert message.method == method, f"expected {method}, got {message!r}"
        return message

    @property
    def start_lines(self) -> list[str]:
        """The first lines of what came and was not taken yet, without the version."""
        return [message.start_line().replace("SIP/2.0", "").strip() for message in self.inbox]

    # -- what phones do all day

    def register(self, *, expires: int = 600, **more: str) -> Response:
        """Register, with credentials when they are asked for."""
        headers = {"Expires": str(expires), **more}.items()
        return self.ask(self.request("REGISTER", f"sip:{DOMAIN}", to=self.uri, headers=headers))

    def invite(self, callee: str, *, body: bytes | None = None, **more: str) -> Request:
        """Call somebody; gives the INVITE that got past the challenge."""
        uri = callee if ":" in callee else f"sip:{callee}@{DOMAIN}"
        media = sdp(self.own[0]) if body is None else body
        invite = self.request("INVITE", uri, headers=list(more.items()), body=media)
        self.send(invite)
        if self.inbox and isinstance(self.inbox[0], Response) and self.inbox[0].status == 407:
            challenge = self.response(407)
            self.send(failure_ack(invite, challenge))
            invite = self.authenticator.authorize(invite, challenge, self.world.token)
            self.send(invite)
        return invite


def failure_ack(invite: Request, response: Response) -> Request:
    """Write the ACK for a failure response. Source: RFC 3261 §17.1.1.3"""
    headers = [
        ("Via", invite.headers.values("via")[0]),
        ("Max-Forwards", "70"),
        ("From", invite.headers.get("from") or ""),
        ("To", response.headers.get("to") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} ACK"),
        *(("Route", value) for value in invite.headers.values("route")),
    ]
    return Request("ACK", invite.uri, headers)


def cancel_of(invite: Request) -> Request:
    """Write the CANCEL of an INVITE. Source: RFC 3261 §9.1"""
    headers = [
        ("Via", invite.headers.values("via")[0]),
        ("Max-Forwards", "70"),
        ("From", invite.headers.get("from") or ""),
        ("To", invite.headers.get("to") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} CANCEL"),
    ]
    return Request("CANCEL", invite.uri, headers)
