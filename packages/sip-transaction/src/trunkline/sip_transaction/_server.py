"""Server transactions: what one is, and what the actions of its tables do.

Not here: which action comes when (`_tables`), where a response goes (`_routing`).

Source: RFC 3261 §17.2, RFC 6026 §8.5-8.7, RFC 4320 §4
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from trunkline.sip_parser import Request, Response, make_response

from ._events import AckReceived, CancelReceived, Effects, Send, Terminated, TimedOut, TransportFailed
from ._flow import Flow
from ._keys import ServerKey, is_old, old_server_key, server_key
from ._routing import reconnection
from ._statistics import Statistics
from ._tables import (
    INVITE_SERVER,
    NON_INVITE_SERVER,
    Row,
    ServerAction,
    ServerInput,
    State,
    compile_rows,
)
from ._timers import Timer, TimerQueue, TimerValues
from ._top_via import TopVia

if TYPE_CHECKING:
    from ._client import ClientTransaction

# By the hundreds of a status that is neither 100 nor 408.
_INPUT_OF_CLASS: Final = (
    ServerInput.TU_101_199,
    ServerInput.TU_101_199,
    ServerInput.TU_2XX,
    *[ServerInput.TU_300_699] * 4,
)

_Performer = Callable[["ServerTransaction", Any, float, Effects], None]


@attrs.define(slots=True, eq=False, repr=False)
class ServerTransaction:
    """Follow one request we received until its final response is delivered."""

    key: ServerKey
    """Branch, sent-by and method; more for a peer of RFC 2543."""
    method: str
    """The request's method."""
    request: Request
    """The request, its top Via marked with received and rport. Deleted once the user has answered, by
    datagram, anything but an INVITE: what lingers for repeated requests needs the response only."""
    flow: Flow
    """The way the request came."""
    state: State
    """The state of its machine."""
    _row: Row
    response_flow: Flow
    """The way its responses go."""
    user: Any = None
    """Whatever the transaction user wants to find here again."""
    last_status: int = 0
    """Status of the last response sent; 0 before there is one."""
    _send: Send | None = None
    _interval: float = 0.0
    _short: Timer[Any] | None = None
    _long: Timer[Any] | None = None
    _ack_key: ServerKey | None = None

    is_client: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"<ServerTransaction {self.method} {self.key[0]} {self.state.value}>"


class ServerTransactions:
    """Keep the server transactions that live, and perform the actions of their tables."""

    __slots__ = (
        "_cancel_rows",
        "_invite_rows",
        "_old_acks",
        "_rows",
        "_server",
        "_statistics",
        "_timers",
        "_values",
        "by_key",
    )

    def __init__(
        self,
        timers: TimerQueue[ClientTransaction | ServerTransaction],
        values: TimerValues,
        statistics: Statistics,
        server: str | None,
    ) -> None:
        self.by_key: dict[ServerKey, ServerTransaction] = {}
        # Where the ACK of an RFC 2543 peer finds its INVITE: by the To tag we answered with.
        self._old_acks: dict[ServerKey, ServerTransaction] = {}
        self._timers = timers
        self._values = values
        self._statistics = statistics
        self._server = server
        perform: dict[ServerAction, _Performer] = {
            ServerAction.SEND: self._send,
            ServerAction.SEND_100: self._send_100,
            ServerAction.SEND_100_IN_TIME: self._send_100_in_time,
            ServerAction.REPLAY: self._replay,
            ServerAction.KEEP_SILENT: self._keep_silent,
            ServerAction.STOP_TIMERS: self._stop_timers,
            ServerAction.START_GH: self._start_gh,
            ServerAction.RESTART_G: self._restart_g,
            ServerAction.START_I: self._start_i,
            ServerAction.START_J: self._start_j,
            ServerAction.START_L: self._start_l,
            ServerAction.WAIT_FOR_TU: self._wait_for_tu,
            ServerAction.PASS_ACK: self._pass,
            ServerAction.PASS_CANCEL: self._pass,
            ServerAction.REPORT_TIMEOUT: self._report_timeout,
            ServerAction.REPORT_TRANSPORT_ERROR: self._report_transport_error,
            ServerAction.FORGET: self._forget,
        }
        self._invite_rows = compile_rows(INVITE_SERVER, ServerInput, perform)
        self._rows = compile_rows(NON_INVITE_SERVER, ServerInput, perform)
        # A CANCEL that the layer answers itself is an ordinary one of which the user hears nothing.
        hidden = perform | {
            ServerAction.REPORT_TIMEOUT: self._keep_quiet,
            ServerAction.REPORT_TRANSPORT_ERROR: self._keep_quiet,
            ServerAction.FORGET: self._forget_quietly,
        }
        self._cancel_rows = compile_rows(NON_INVITE_SERVER, ServerInput, hidden)

    def start(
        self, key: ServerKey, request: Request, flow: Flow, response_flow: Flow, now: float, effects: Effects
    ) -> ServerTransaction:
        """Make the transaction of a request received; an INVITE gets its 100 in time."""
        method = request.method
        self._statistics.uas_transactions += 1
        if method == "INVITE":
            row = self._invite_rows[State.PROCEEDING]
            transaction = ServerTransaction(key, method, request, flow, State.PROCEEDING, row, response_flow)
            delay = self._values.trying_delay
            if delay is None:
                self._send_100(transaction, None, now, effects)
            else:
                transaction._short = self._timers.start(delay, transaction, ServerInput.TIMER_100, now)
        else:
            row = self._rows[State.TRYING]
            transaction = ServerTransaction(key, method, request, flow, State.TRYING, row, response_flow)
            delay = self._values.non_invite_trying_delay
            transaction._short = self._timers.start(delay, transaction, ServerInput.TIMER_100, now)
        self.by_key[key] = transaction
        return transaction

    def answer_cancel(
        self,
        key: ServerKey,
        request: Request,
        response: Response,
        flow: Flow,
        response_flow: Flow,
        now: float,
        effects: Effects,
    ) -> None:
        """Make the hidden transaction of a CANCEL and answer it."""
        self._statistics.uas_transactions += 1
        row = self._cancel_rows[State.TRYING]
        transaction = ServerTransaction(key, "CANCEL", request, flow, State.TRYING, row, response_flow)
        self.by_key[key] = transaction
        self._statistics.layer_replies += 1
        self.step(transaction, ServerInput.TU_2XX, response, now, effects)

    def find_for_ack(self, request: Request, via: TopVia) -> ServerTransaction | None:
        """Find the INVITE transaction that an ACK belongs to. Source: RFC 3261 §17.2.3"""
        key = server_key(request, via, "INVITE")
        if is_old(key):
            return self._old_acks.get(old_server_key(request, "ACK", request.to_tag))
        return self.by_key.get(key)

    def respond(
        self, transaction: ServerTransaction, response: Response, now: float, effects: Effects
    ) -> None:
        """Give a response of the transaction user to the machine. See `TransactionLayer.respond`."""
        status = response.status
        before = transaction._send
        if status == 100:
            self.step(transaction, ServerInput.TU_100, response, now, effects)
        elif status == 408:
            self.step(transaction, ServerInput.TU_408, response, now, effects)
        else:
            self.step(transaction, _INPUT_OF_CLASS[status // 100], response, now, effects)
        if transaction._send is not before:
            self._statistics.user_replies += 1

    def connection_lost(self, flow: Flow) -> None:
        """Let what is still to be sent by that connection ask for a new one. Source: RFC 3261 §18.2.2"""
        for transaction in self.by_key.values():
            if transaction.response_flow == flow:
                self.reconnect(transaction, [])

    def reconnect(self, transaction: ServerTransaction, effects: Effects) -> None:
        """Send the last response again, by a new connection to where the request came from."""
        instead = reconnection(transaction.request, transaction.response_flow)
        transaction.response_flow = instead
        if transaction._send is not None:
            transaction._send = Send(transaction._send.data, instead, transaction.key)
            effects.append(transaction._send)

    def forget(self, transaction: ServerTransaction) -> None:
        """Take a transaction out without a word. See `TransactionLayer.forget`."""
        if transaction.state is not State.TERMINATED:
            self._forget_quietly(transaction, None, 0.0, [])
            transaction._row, transaction.state = self._rows[State.TERMINATED], State.TERMINATED

    def step(
        self, transaction: ServerTransaction, input_: int, subject: Any, now: float, effects: Effects
    ) -> bool:
        """Apply an input: look up its row, go to the next state, perform the actions.

        `subject` is what the actions of that input need: the response to send, the effect to pass on, the
        reason of a failure, or the name of the timer.
        Returns: False when the table has no row for it.
        """
        transition = transaction._row[input_]
        if transition is None:
            return False
        actions, transaction._row, transaction.state = transition
        for action in actions:
            action(transaction, subject, now, effects)
        return True

    # The actions, in the order of `ServerAction`.

    def _send(self, transaction: ServerTransaction, response: Response, now: float, effects: Effects) -> None:
        status = response.status
        if status >= 200 > transaction.last_status:
            self._statistics.finals[status // 100] += 1
        transaction.last_status = status
        send = transaction._send = Send(response.to_bytes(), transaction.response_flow, transaction.key)
        effects.append(send)
        if status >= 300 and transaction.method == "INVITE" and is_old(transaction.key):
            self._expect_old_ack(transaction, response)

    def _send_100(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction._send is None:
            self._statistics.layer_replies += 1
            self._send(transaction, self._trying(transaction.request), now, effects)

    def _send_100_in_time(
        self, transaction: ServerTransaction, response: Response, now: float, effects: Effects
    ) -> None:
        timer = transaction._short
        if transaction.flow.reliable or (timer is not None and now >= timer.deadline):
            self._send(transaction, response, now, effects)

    def _replay(
        self, transaction: ServerTransaction, timer: str | None, now: float, effects: Effects
    ) -> None:
        if timer is not None:
            self._statistics.retransmissions += 1
        if transaction._send is not None:
            effects.append(transaction._send)

    def _keep_silent(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        transaction._send = None

    def _stop_timers(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction._short is not None:
            transaction._short.owner = None
        if transaction._long is not None:
            transaction._long.owner = None

    def _start_gh(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if not transaction.response_flow.reliable:
            t1 = transaction._interval = self._values.t1
            transaction._short = self._timers.start(t1, transaction, ServerInput.TIMER_G, now)
        transaction._long = self._timers.start(self._values.give_up, transaction, ServerInput.TIMER_H, now)

    def _restart_g(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        interval = transaction._interval = min(2 * transaction._interval, self._values.t2)
        transaction._short = self._timers.start(interval, transaction, ServerInput.TIMER_G, now)

    def _start_i(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction.flow.reliable:
            self.step(transaction, ServerInput.TIMER_I, None, now, effects)
        else:
            transaction._long = self._timers.linger(self._values.t4, transaction, ServerInput.TIMER_I, now)

    def _start_j(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction.flow.reliable:
            self.step(transaction, ServerInput.TIMER_J, None, now, effects)
        else:
            give_up = self._values.give_up
            transaction._long = self._timers.linger(give_up, transaction, ServerInput.TIMER_J, now)
            if transaction._send is not None:
                # a request that was read is several times as large as all the rest; a user who was too
                # slow may need it still
                del transaction.request

    def _start_l(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        transaction._long = self._timers.linger(self._values.give_up, transaction, ServerInput.TIMER_L, now)

    def _wait_for_tu(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        rest = self._values.give_up - self._values.non_invite_trying_delay
        transaction._long = self._timers.linger(rest, transaction, ServerInput.TU_SILENT, now)

    def _pass(
        self,
        transaction: ServerTransaction,
        event: AckReceived | CancelReceived,
        now: float,
        effects: Effects,
    ) -> None:
        effects.append(event)

    def _report_timeout(
        self, transaction: ServerTransaction, timer: str, now: float, effects: Effects
    ) -> None:
        self._statistics.timeouts += 1
        effects.append(TimedOut(transaction, timer))

    def _report_transport_error(
        self, transaction: ServerTransaction, reason: str, now: float, effects: Effects
    ) -> None:
        effects.append(TransportFailed(transaction, reason))

    def _forget(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        self._forget_quietly(transaction, None, now, effects)
        effects.append(Terminated(transaction))

    def _keep_quiet(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        """Do nothing where other transactions tell their user."""

    def _forget_quietly(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        self._stop_timers(transaction, None, now, effects)
        del self.by_key[transaction.key]
        if transaction._ack_key is not None:
            self._old_acks.pop(transaction._ack_key, None)

    def _trying(self, request: Request) -> Response:
        headers = () if self._server is None else (("Server", self._server),)
        return make_response(request, 100, headers=headers)

    def _expect_old_ack(self, transaction: ServerTransaction, response: Response) -> None:
        # The INVITE's key holds its Via as it came, before it was marked; the ACK comes with the same.
        via, _, *compared, _ = transaction.key
        transaction._ack_key = (via, "ACK", *compared, response.to_tag)
        self._old_acks[transaction._ack_key] = transaction
