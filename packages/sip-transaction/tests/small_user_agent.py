"""SmallUserAgent: a phone that answers at once, made of the package's parts, without any I/O.

For the torture tests: those of this package feed it bytes, those of `tests/interop` put it on sockets. Not
here: what a message must come to, which is the verdicts'.

Source: RFC 3261 §8.2, §11.2, §12.1.1, §13.3.1.4, §15.1.2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

import attrs

from trunkline.sip_parser import (
    KeepAlive,
    Message,
    RemoteProtocolError,
    Request,
    Response,
    StreamReader,
    make_response,
    parse_datagram,
)
from trunkline.sip_transaction import (
    AcceptedInvite,
    AckReceived,
    Capabilities,
    Dialog,
    DialogId,
    Flow,
    MergedRequests,
    RequestReceived,
    Respond,
    ResponseReceived,
    Send,
    ServerTransaction,
    Terminated,
    TransactionLayer,
    dialog_id,
)

CAPABILITIES = Capabilities(
    methods=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "MESSAGE"),
    content_types=("application/sdp", "text/plain", "multipart/mixed"),
)
SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


@attrs.define(eq=False)
class Call:
    """A call that was answered."""

    dialog: Dialog
    transaction: ServerTransaction
    accepted: AcceptedInvite


class SmallUserAgent:
    """Serve what is in order, and keep what its application was handed.

    Args: `contact` is the URI it is reached at; `token` gives that many random bytes.
    """

    def __init__(self, contact: str, *, token: Callable[[int], bytes]) -> None:
        self.contact = contact
        self.token = token
        self.layer = TransactionLayer(token=token, heed_maddr=False)
        self.merged = MergedRequests()
        self.calls: dict[DialogId, Call] = {}
        self.handed: list[Message] = []
        "The requests that were served, and the responses to requests of its own."

    # What comes from the network.

    def datagram(self, data: bytes, flow: Flow, *, now: float) -> list[Send]:
        """Take a datagram."""
        try:
            return self.take(parse_datagram(data), flow, now=now)
        except RemoteProtocolError as error:
            return self.take(error, flow, now=now)

    def piece(self, reader: StreamReader, data: bytes, flow: Flow, *, now: float) -> list[Send]:
        """Take a piece of a stream; when `reader.lost` is set after it, the connection is to be closed."""
        items: list[Any] = []
        try:
            items += reader.receive(data)
        except RemoteProtocolError:
            pass
        if reader.lost is not None:
            items.append(reader.lost)
        return [send for item in items for send in self.take(item, flow, now=now)]

    def take(self, item: Message | KeepAlive | RemoteProtocolError, flow: Flow, *, now: float) -> list[Send]:
        """Take what the parser made of it."""
        if isinstance(item, KeepAlive):
            return [Send(b"\r\n", flow, None)]
        if isinstance(item, RemoteProtocolError):
            return self._perform(self.layer.receive_error(item, flow, now=now), now)
        return self._perform(self.layer.receive(item, flow, now=now), now)

    def connection_lost(self, flow: Flow, *, now: float) -> None:
        """Learn that a connection is closed; what was to be answered by it stays unanswered."""
        self._perform(self.layer.flow_failed(flow, "closed", now=now), now)

    # What the application wants.

    def ask(self, method: str, via: str, cseq: int, flow: Flow, *, now: float) -> list[Send]:
        """Send a request of its own, whose Via is given."""
        headers = [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("From", f"<{self.contact}>;tag=1"),
            ("To", "<sip:peer@192.0.2.1>"),
            ("Call-ID", "ours"),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", f"<{self.contact}>"),
        ]
        request = Request(method, "sip:peer@192.0.2.1", headers)
        return self._perform(self.layer.send_request(request, flow, now=now)[1], now)

    # Time.

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`."""
        moments = [self.layer.next_timeout(), *(call.accepted.next_timeout() for call in self.calls.values())]
        earliest = min((moment for moment in moments if moment is not None), default=inf)
        return None if earliest == inf else earliest

    def handle_timeout(self, *, now: float) -> list[Send]:
        """Let time pass; a call that is never acknowledged ends without a word."""
        sends = self._perform(self.layer.handle_timeout(now=now), now)
        for name, call in list(self.calls.items()):
            for effect in call.accepted.handle_timeout(now=now):
                if isinstance(effect, Respond):
                    sends += self._respond(call.transaction, effect.response, now)
                else:
                    del self.calls[name]
        return sends

    # Effects.

    def _perform(self, effects: Iterable[Any], now: float) -> list[Send]:
        sends: list[Send] = []
        for effect in effects:
            if isinstance(effect, Send):
                sends.append(effect)
            elif isinstance(effect, RequestReceived):
                sends += self._judge(effect.transaction, effect.request, now)
            elif isinstance(effect, AckReceived):
                call = self._call_of(effect.request)
                if call is not None:
                    call.accepted.acknowledge()
            elif isinstance(effect, ResponseReceived):
                if len(effect.response.vias) == 1:  # others are not for us: RFC 3261 §8.1.3.3
                    self.handed.append(effect.response)
            elif isinstance(effect, Terminated) and isinstance(effect.transaction, ServerTransaction):
                self.merged.forget(effect.transaction)
        return sends

    def _judge(self, transaction: ServerTransaction, request: Request, now: float) -> list[Send]:
        call = self._call_of(request)
        tag = self.token(5).hex()
        is_merged = self.merged.receive(transaction)
        refused = CAPABILITIES.inspect(
            request, to_tag=tag, within_dialog=call is not None, is_merged=is_merged
        )
        if refused is not None:
            return self._respond(transaction, refused, now)
        self.handed.append(request)
        status = None if call is None else call.dialog.receive_request(request)
        if status is not None:
            return self._respond(transaction, make_response(request, status), now)
        if request.method == "INVITE" and call is None:
            return self._accept(transaction, request, tag, now)
        if request.method == "BYE" and call is not None:
            call.accepted.hang_up()
            del self.calls[call.dialog.id]
        headers = CAPABILITIES.headers() if request.method == "OPTIONS" else []
        return self._respond(transaction, make_response(request, 200, to_tag=tag, headers=headers), now)

    def _accept(self, transaction: ServerTransaction, request: Request, tag: str, now: float) -> list[Send]:
        headers = [("Record-Route", value) for value in request.headers.values("record-route")]
        headers.append(("Contact", f"<{self.contact}>"))
        ringing = make_response(request, 180, to_tag=tag, headers=headers)
        described = [*headers, *CAPABILITIES.headers(), ("Content-Type", "application/sdp")]
        ok = make_response(request, 200, to_tag=tag, headers=described)
        ok.body = SDP
        caller = request.copy()
        if "contact" not in caller.headers:  # a peer of RFC 2543 need not say where it is: From does
            caller.headers.add("Contact", f"<{caller.from_.uri}>")
        dialog = Dialog.from_uas(caller, ok)
        self.calls[dialog.id] = Call(dialog, transaction, AcceptedInvite(ok, now=now))
        return [*self._respond(transaction, ringing, now), *self._respond(transaction, ok, now)]

    def _respond(self, transaction: ServerTransaction, response: Response, now: float) -> list[Send]:
        return self._perform(self.layer.respond(transaction, response, now=now), now)

    def _call_of(self, request: Request) -> Call | None:
        try:
            return self.calls.get(dialog_id(request))
        except RemoteProtocolError:
            return None


def verdicts_met(finals: list[int], handed: list[Message]) -> set[object]:
    """Give what may stand in a verdict for what has come of a message: statuses, "process", "drop".

    Args: `finals` are those of the final responses, in order; `handed` is what the application was given.
    """
    if not finals and not handed:
        return {"drop"}
    served = bool(handed) and finals in ([], [200])
    return {*finals, "process"} if served else set(finals)
