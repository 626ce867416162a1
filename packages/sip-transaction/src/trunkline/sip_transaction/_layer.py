"""TransactionLayer: the face of the package, which finds the transaction that a message belongs to.

Here: matching, CANCEL and ACK finding their INVITE, answers that need no transaction, time. Not here: what
a transaction then does (`_tables`, `_client`, `_server`).

Source: RFC 3261 §17 and §18, RFC 6026, RFC 4320, RFC 3581
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final, cast

from trunkline.sip_parser import (
    MAGIC_COOKIE,
    Headers,
    LocalProtocolError,
    Message,
    RemoteProtocolError,
    Request,
    Response,
    make_response,
    mark_received,
    parse_datagram,
    response_bytes,
)

from ._client import INPUT_OF_RESPONSE, ClientTransaction, ClientTransactions
from ._events import (
    AckReceived,
    CancelReceived,
    Dropped,
    Effect,
    Effects,
    RequestReceived,
    ResponseReceived,
    Send,
    StrayResponse,
)
from ._flow import Flow
from ._keys import client_key, quoted_key, server_stem
from ._routing import mark_source
from ._server import INPUT_OF_ANSWER, Said, ServerTransaction, ServerTransactions
from ._stateless import StatelessAnswers
from ._statistics import Statistics
from ._tables import ClientInput, ServerInput
from ._timers import TimerQueue, TimerValues

_CLIENT_TIMER_NAMES: Final = {
    int(input_): input_.name.removeprefix("TIMER_").removesuffix("_EXPIRED") for input_ in ClientInput
}
_SERVER_TIMER_NAMES: Final = {
    int(input_): input_.name.removeprefix("TIMER_").removesuffix("_SILENT") for input_ in ServerInput
}


class TransactionLayer:
    """Turn messages, responses of the user and time into effects, by the transactions they belong to."""

    __slots__ = (
        "_clients",
        "_force_rport",
        "_heed_maddr",
        "_own_headers",
        "_servers",
        "_stateless",
        "_timers",
        "_token",
        "statistics",
    )

    def __init__(
        self,
        *,
        token: Callable[[int], bytes],
        timers: TimerValues | None = None,
        server: str | None = None,
        user_agent: str | None = None,
        force_rport: bool = True,
        heed_maddr: bool = True,
        tell_all_ends: bool = True,
    ) -> None:
        """Make a layer without any transaction.

        Args:
            token: gives that many random bytes; from a cryptographic source in production.
            timers: base values of the timers; those of RFC 3261 by default.
            server: Server header of the responses the layer makes by itself; None leaves it out.
            user_agent: User-Agent header of its ACKs and CANCELs; None leaves it out.
            force_rport: answer requests to the port they came from, whether or not the peer asked for it.
            heed_maddr: answer requests by UDP to the maddr of their Via. A server that strangers reach should
                not: with it, whoever asks can have the answers sent to anybody (RFC 3261 §18.2.2 wants it).
            tell_all_ends: say Terminated of every transaction; otherwise only of those whose `user` is set,
                for somebody who keeps nothing about the others. Of these a server transaction other than an
                INVITE's, answered by datagram, is over at once for its user, and nothing more is said of it:
                the layer keeps the answer for copies of the request as long as ever.

        Raises: LocalProtocolError for a header value that cannot be written.
        """
        Headers((name, value) for name, value in (("Server", server), ("User-Agent", user_agent)) if value)
        self.statistics = Statistics()
        self._token = token
        self._force_rport = force_rport
        self._heed_maddr = heed_maddr
        values = timers or TimerValues()
        self._timers: TimerQueue[ClientTransaction | ServerTransaction | str] = TimerQueue()
        self._clients = ClientTransactions(self._timers, values, self.statistics, user_agent, tell_all_ends)
        self._servers = ServerTransactions(self._timers, values, self.statistics, server, tell_all_ends)
        self._own_headers = () if server is None else (("Server", server),)
        self._stateless = StatelessAnswers(
            token(5).hex(), self._own_headers, force_rport=force_rport, heed_maddr=heed_maddr
        )

    # What comes from the network.

    def receive(self, message: Message, flow: Flow, *, now: float) -> list[Effect]:
        """Take one message from the network.

        Retransmissions are answered from what was sent before, an ACK for a failure response ends here, a
        CANCEL is answered here; everything else goes up.

        Args: `message` as parsed (it is marked in place, and kept); `flow` the way it came; `now` in
        monotonic seconds.
        Returns: what to do, in order. Nothing a peer sends raises an exception.
        Source: RFC 3261 §17.1.3, §17.2.3, §18.1.2, §18.2.1
        """
        effects: Effects = []
        try:
            if isinstance(message, Request):
                self._receive_request(message, flow, now, effects)
                return effects
            self.statistics.received_replies += 1
            by_key = self._clients.by_key
            transaction = by_key.get(message.likely_key()) or by_key.get(client_key(message))
            if transaction is not None:
                transition = transaction._row[INPUT_OF_RESPONSE[message.status]]
                if transition is not None:
                    perform, transaction._row = transition
                    perform(transaction, ResponseReceived(transaction, message, flow), now, effects)
            else:
                self.statistics.stray_replies += 1
                effects.append(StrayResponse(message, flow))
        except RemoteProtocolError as error:
            self._refuse(error, message, flow, effects)
        return effects

    def receive_error(self, error: RemoteProtocolError, flow: Flow, *, now: float) -> list[Effect]:
        """Take what the parser said of a message it could not read, and answer it where possible.

        Returns: a stateless response with the error's status when its message is a request other than ACK
        that can be answered, otherwise Dropped.
        Source: RFC 3261 §8.2.7, §16.3
        """
        effects: Effects = []
        self._refuse(error, error.message, flow, effects)
        return effects

    def _receive_request(self, request: Request, flow: Flow, now: float, effects: Effects) -> None:
        response_flow = flow
        stem = mark_received(request, flow.remote, force_rport=self._force_rport)
        if stem is None:
            stem = server_stem(request)
            response_flow = mark_source(
                request, flow, force_rport=self._force_rport, heed_maddr=self._heed_maddr
            )
        method = request.method
        if method == "ACK":
            self._receive_ack(request, stem, flow, now, effects)
            return
        servers = self._servers
        key = stem + method
        transaction = servers.by_key.get(key)
        if transaction is not None:
            self.statistics.absorbed_requests += 1
            servers.step(transaction, ServerInput.REQUEST, None, now, effects)
            return
        if method != "INVITE" and (kept := servers.answers.get(key)) is not None:
            self.statistics.absorbed_requests += 1
            effects.append(servers.answer_again(kept, key, request, response_flow))
            return
        invite = servers.by_key.get(stem + "INVITE") if method == "CANCEL" else None
        if invite is None:
            transaction = servers.start(key, request, flow, response_flow, now, effects)
            effects.append(RequestReceived(transaction, request, flow))
            return
        response = make_response(request, 200, to_tag=self._tag_of(invite), headers=self._own_headers)
        servers.answer_cancel(key, request, response, flow, response_flow, now, effects)
        servers.step(invite, ServerInput.CANCEL, CancelReceived(invite, request), now, effects)

    def _receive_ack(self, request: Request, stem: str, flow: Flow, now: float, effects: Effects) -> None:
        transaction = self._servers.find_for_ack(stem)
        event = AckReceived(request, flow, transaction)
        if transaction is not None:
            self._servers.step(transaction, ServerInput.ACK, event, now, effects)
        elif self._stateless.is_acknowledged_by(request):
            self.statistics.absorbed_requests += 1
        else:
            effects.append(event)

    def _refuse(
        self, error: RemoteProtocolError, message: Message | None, flow: Flow, effects: Effects
    ) -> None:
        if isinstance(message, Request) and message.method != "ACK":
            effects.append(self._stateless.refuse(error, message, flow))
            self.statistics.layer_replies += 1
        else:
            self._drop(str(error), flow, message, effects)

    def _drop(self, reason: str, flow: Flow, message: Message | None, effects: Effects) -> None:
        self.statistics.dropped += 1
        effects.append(Dropped(reason, flow, message))

    def _tag_of(self, invite: ServerTransaction) -> str:
        """Give the To tag our responses to an INVITE carry, or a new one. Source: RFC 3261 §9.2"""
        if invite._last is not None:
            tag = parse_datagram(invite._last.data).to_tag
            if tag is not None:
                return tag
        return self._token(5).hex()

    # What comes from the transaction user.

    def respond(self, transaction: ServerTransaction, response: Response, *, now: float) -> list[Effect]:
        """Send a response.

        What the state no longer allows (a second final response, anything after the end) and what RFC 4320
        forbids (408, or a provisional other than 100, to a non-INVITE) is not sent, and is no error: it
        happens when messages cross.

        Args: `response` is complete: Via headers copied from the request, To with its tag.
        Returns: a Send, and Terminated where nothing is to be waited for; or nothing.
        Source: RFC 3261 §17.2, §18.2.2, RFC 6026 §8.5, RFC 4320 §4
        """
        effects: Effects = []
        transition = transaction._row[INPUT_OF_ANSWER[response.status]]
        if transition is not None:
            before = transaction._last
            perform, transaction._row = transition
            perform(transaction, response, now, effects)
            if transaction._last is not before:
                self.statistics.user_replies += 1
        return effects

    def answer(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str,
        lines: str = "",
        source: object = None,
        now: float,
    ) -> list[Effect]:
        """Answer a request finally, by what the answer says beside what it copies of the request.

        As `respond` with a response made so. Where nobody wants to hear more of the transaction (see
        `tell_all_ends`), the bytes are written at once, and written again out of a copy of the request that
        comes later: less is kept for it than a whole answer.

        Args: `status` from 200; `to_tag` for a To that has none; `lines` are header lines as they go out,
        each with its CR LF, which nobody looks at; `source` is something there anyway, no text, of which the
        function of `retell_by` makes all of this again: then only that is kept.
        Returns: as `respond`.
        Source: RFC 3261 §17.2.2
        """
        if transaction.last_status >= 200 and transaction.method != "INVITE":
            return []
        request = transaction.request
        if not self._servers.leave_words(transaction, (status, reason, to_tag, lines), source, now):
            response = make_response(request, status, reason, to_tag=to_tag, further=lines)
            return self.respond(transaction, response, now=now)
        self.statistics.user_replies += 1
        data = response_bytes(request, status, reason, to_tag=to_tag, further=lines)
        return [Send(data, transaction.response_flow, transaction.key)]

    def retell_by(self, retell: Callable[[Any], Said]) -> None:
        """Set what makes an answer of the `source` that it was given with.

        Args: `retell` gives status, reason, To tag and lines, always the same for the same object.
        """
        self._servers.retell = retell

    def respond_statelessly(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str | None = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        lines: str = "",
    ) -> list[Effect]:
        """Answer a request and forget it: a copy of it that comes later is a new request, answered anew.

        For what changes nothing, above all challenges: requests without credentials then fill no memory.
        The To tag is the same for every copy, and the ACK to such an answer ends in the layer.

        Args: `status` from 300; `reason` and `headers` as for `make_response`, `lines` as for `answer`.
        Returns: a Send; nothing when the request has been answered finally.
        Raises: LocalProtocolError for another status.
        Source: RFC 3261 §8.2.7, §22.1
        """
        if status < 300:
            raise LocalProtocolError(f"expected a status from 300 for an answer without state, got {status}")
        if transaction.last_status >= 200 or not self._servers.forget(transaction):
            return []
        transaction.last_status = status
        statistics = self.statistics
        statistics.user_replies += 1
        statistics.finals[status // 100] += 1
        request, flow = transaction.request, transaction.response_flow
        return [self._stateless.answer(request, status, reason, headers, flow, lines)]

    def send_request(
        self, request: Request, flow: Flow, *, now: float, branch: str | None = None
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request in a new client transaction.

        Args: `request` is complete, our Via on top with a branch from `new_branch()`, and not changed after;
        `branch` is that branch, where the caller has it at hand, and is read from the Via otherwise.
        Returns: the transaction, and the Send.
        Raises: LocalProtocolError for an ACK, a missing branch, or one that is in use.
        Source: RFC 3261 §17.1
        """
        effects: Effects = []
        transaction = self._clients.start(request, flow, branch, now, effects)
        return transaction, effects

    def send_written(
        self, data: bytes, method: str, flow: Flow, *, now: float, branch: str
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Send a request that is bytes already in a new client transaction.

        For a proxy, which has no use for what it wrote but to send it: `ClientTransaction.request` is read
        from it when it is asked for, by a CANCEL or the ACK of a failure say.

        Args: `data` is the request as it goes out, well formed; `method` is its method, `branch` that of its
        top Via, from `new_branch()`.
        Returns: the transaction, and the Send.
        Raises: LocalProtocolError for an ACK, or a branch that is in use.
        Source: RFC 3261 §17.1
        """
        effects: Effects = []
        transaction = self._clients.start_written(method, data, data, flow, branch, now, effects)
        return transaction, effects

    def send_ack(self, request: Request, flow: Flow) -> Send:
        """Send the ACK for a 2xx, which has no transaction.

        Source: RFC 3261 §13.2.2.4
        """
        return Send(request.to_bytes(), flow, None)

    def cancel(
        self, transaction: ClientTransaction, *, now: float, headers: Iterable[tuple[str, str]] = ()
    ) -> list[Effect]:
        """Cancel an INVITE: now, or once its first provisional response is here.

        The CANCEL's own transaction stays inside. The INVITE's final response (487 mostly, 2xx when they
        cross) comes as ever; when it does not within 64*T1, TimedOut comes with the timer "CANCEL". After a
        final response, or asked a second time, this does nothing.

        Args: `headers` go into the CANCEL, such as a Reason (RFC 3326).
        Raises: LocalProtocolError when the transaction is not an INVITE's.
        Source: RFC 3261 §9.1
        """
        effects: Effects = []
        self._clients.cancel(transaction, headers, now, effects)
        return effects

    def new_branch(self) -> str:
        """Make a branch for the top Via of a new request.

        Source: RFC 3261 §8.1.1.7
        """
        return MAGIC_COOKIE + self._token(8).hex()

    def forget(self, transaction: ClientTransaction | ServerTransaction) -> None:
        """Take a transaction out, with its timers and without any effect: a request not to be answered.

        A copy of the request that comes later is a new request.
        """
        if isinstance(transaction, ClientTransaction):
            self._clients.forget(transaction)
        else:
            self._servers.forget(transaction)

    # What comes from the transports and the clock.

    def transport_failed(self, key: object, reason: str, *, now: float) -> list[Effect]:
        """Learn that a Send could not be carried out.

        Args: `key` is that of the Send; one that is no longer known, or None, does nothing.
        Returns: for a response that a lost connection could not take, a Send by a new one; otherwise
        TransportFailed for the user where it matters, and Terminated.
        Source: RFC 3261 §17.1.4, §17.2.4, §18.2.2, RFC 6026 §8.8
        """
        effects: Effects = []
        client = self._clients.by_key.get(cast(Any, key))
        if client is not None:
            self.statistics.transport_failures += 1
            self._clients.step(client, ClientInput.TRANSPORT_ERROR, reason, now, effects)
            return effects
        server = self._servers.by_key.get(cast(Any, key))
        if server is not None:
            self.statistics.transport_failures += 1
            if server.response_flow.connection:
                self._servers.reconnect(server, effects)
            else:
                self._servers.step(server, ServerInput.TRANSPORT_ERROR, reason, now, effects)
            return effects
        if self._servers.answers.pop(cast(Any, key), None) is not None:
            self.statistics.transport_failures += 1
        return effects

    def unreachable(self, data: bytes, reason: str, *, now: float) -> list[Effect]:
        """Learn from an ICMP error that a datagram did not arrive.

        Only a request's transaction heeds it, one that the quoted branch proves to be meant: whoever does not
        see what we send cannot end a transaction of ours.

        Args: `data` is what the error quotes of the datagram.
        Returns: TransportFailed and Terminated, or nothing.
        Source: RFC 3261 §18.4, §17.1.4
        """
        key = quoted_key(data)
        if key is None or key not in self._clients.by_key:
            return []
        return self.transport_failed(key, reason, now=now)

    def flow_failed(self, flow: Flow, reason: str, *, now: float) -> list[Effect]:
        """Learn that a connection is lost.

        Requests sent by it that have no response yet fail, and so do non-INVITEs that have no final one; an
        INVITE that is ringing waits on, as its response may come by a new connection. Responses to requests
        that came by it will ask for a connection to where the request came from.

        Args: `flow` with the connection's number; what was sent with connection 0 to the same remote is taken
        to have gone by it.
        Source: RFC 3261 §17.1.4, §18.2.2
        """
        effects: Effects = []
        self.statistics.transport_failures += self._clients.connection_lost(flow, reason, now, effects)
        if flow.connection:
            self._servers.connection_lost(flow)
        return effects

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`: absolute, in the seconds of `now`; None when nothing waits."""
        earliest = self._timers.earliest
        return None if earliest == inf else earliest

    def handle_timeout(self, *, now: float) -> list[Effect]:
        """Let the timers fire whose time has come; calling early returns [].

        Returns: retransmissions, automatic 100s, TimedOut and Terminated, by deadline; then Terminated of
        those that have only lingered, which may be a tenth of a second late.
        """
        effects: Effects = []
        clients, servers = self._clients, self._servers
        due, over = self._timers.take_due(now)
        for _, transaction, input_ in due:
            if isinstance(transaction, ClientTransaction):
                clients.step(transaction, input_, _CLIENT_TIMER_NAMES[input_], now, effects)
            elif isinstance(transaction, ServerTransaction):
                servers.step(transaction, input_, _SERVER_TIMER_NAMES[input_], now, effects)
        for lingered, input_ in over:
            for transaction in lingered:
                if isinstance(transaction, str):
                    servers.answers.pop(transaction, None)
                    continue
                transition = transaction._row[input_]
                if transition is not None:
                    perform, transaction._row = transition
                    perform(transaction, None, now, effects)
        return effects

    @property
    def len_server(self) -> int:
        """Count the server transactions that live, those of answered CANCELs included.

        Those of which only the answer is left count too.
        """
        return len(self._servers.by_key) + len(self._servers.answers)

    @property
    def len_client(self) -> int:
        """Count the client transactions that live, those of our own CANCELs included."""
        return len(self._clients.by_key)
