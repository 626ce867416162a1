"""Client transactions: what one is, and what the actions of its tables do.

Not here: which action comes when (`_tables`).

Source: RFC 3261 §17.1 and §9.1, RFC 6026 §8.4
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from trunkline.sip_parser import LocalProtocolError, Request

from ._events import Effects, ResponseReceived, Send, Terminated, TimedOut, TransportFailed
from ._flow import Flow
from ._keys import ClientKey, own_branch
from ._requests import ack_bytes, make_cancel
from ._statistics import Statistics
from ._tables import (
    INVITE_CLIENT,
    NON_INVITE_CLIENT,
    ClientAction,
    ClientInput,
    Row,
    State,
    compile_rows,
)
from ._timers import Timer, TimerQueue, TimerValues

if TYPE_CHECKING:
    from ._server import ServerTransaction

# By the hundreds of a status, which is 100 to 699.
_INPUT_OF_CLASS: Final = (
    ClientInput.RECEIVED_1XX,
    ClientInput.RECEIVED_1XX,
    ClientInput.RECEIVED_2XX,
    *[ClientInput.RECEIVED_300_699] * 4,
)

_Performer = Callable[["ClientTransaction", Any, float, Effects], None]


@attrs.define(slots=True, eq=False, repr=False)
class ClientTransaction:
    """Follow one request we sent until its final response."""

    key: ClientKey
    """Branch and method."""
    method: str
    """The request's method."""
    request: Request
    """The request as sent."""
    flow: Flow
    """The way it was sent."""
    state: State
    """The state of its machine."""
    _row: Row
    _send: Send | None
    """What is sent again; None once nothing is, as it is the largest part of a transaction."""
    user: Any = None
    """Whatever the transaction user wants to find here again."""
    last_status: int = 0
    """Status of the last response delivered; 0 before there is one."""
    _interval: float = 0.0
    _short: Timer[Any] | None = None
    _long: Timer[Any] | None = None
    _cancel: tuple[tuple[str, str], ...] | None = None

    is_client: ClassVar[bool] = True

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.method} {self.key[0]} {self.state.value}>"


class ClientTransactions:
    """Keep the client transactions that live, and perform the actions of their tables."""

    __slots__ = (
        "_cancel_rows",
        "_invite_rows",
        "_rows",
        "_statistics",
        "_timers",
        "_user_agent",
        "_values",
        "by_key",
    )

    def __init__(
        self,
        timers: TimerQueue[ClientTransaction | ServerTransaction],
        values: TimerValues,
        statistics: Statistics,
        user_agent: str | None,
    ) -> None:
        self.by_key: dict[ClientKey, ClientTransaction] = {}
        self._timers = timers
        self._values = values
        self._statistics = statistics
        self._user_agent = user_agent
        perform: dict[ClientAction, _Performer] = {
            ClientAction.DELIVER: self._deliver,
            ClientAction.RETRANSMIT: self._retransmit,
            ClientAction.RESTART_A: self._restart_a,
            ClientAction.RESTART_E: self._restart_e,
            ClientAction.RESTART_E_AT_T2: self._restart_e_at_t2,
            ClientAction.STOP_TIMERS: self._stop_timers,
            ClientAction.SEND_ACK: self._send_ack,
            ClientAction.START_D: self._start_d,
            ClientAction.START_K: self._start_k,
            ClientAction.START_M: self._start_m,
            ClientAction.NOTE_CANCEL: self._note_cancel,
            ClientAction.SEND_CANCEL: self._send_cancel,
            ClientAction.SEND_NOTED_CANCEL: self._send_noted_cancel,
            ClientAction.REPORT_TIMEOUT: self._report_timeout,
            ClientAction.REPORT_TRANSPORT_ERROR: self._report_transport_error,
            ClientAction.FORGET: self._forget,
        }
        self._invite_rows = compile_rows(INVITE_CLIENT, ClientInput, perform)
        self._rows = compile_rows(NON_INVITE_CLIENT, ClientInput, perform)
        # The layer's own CANCELs are ordinary non-INVITE transactions of which the user hears nothing.
        hidden = perform | {
            ClientAction.DELIVER: self._keep_quiet,
            ClientAction.REPORT_TIMEOUT: self._keep_quiet,
            ClientAction.REPORT_TRANSPORT_ERROR: self._keep_quiet,
            ClientAction.FORGET: self._forget_quietly,
        }
        self._cancel_rows = compile_rows(NON_INVITE_CLIENT, ClientInput, hidden)

    def start(self, request: Request, flow: Flow, now: float, effects: Effects) -> ClientTransaction:
        """Make the transaction of a request and send it. See `TransactionLayer.send_request`."""
        method = request.method
        branch = own_branch(request.headers) or request.top_via.branch
        if not branch:
            raise LocalProtocolError("expected a branch in the request's top Via; new_branch() makes one")
        key = (branch, method)
        if method == "INVITE":
            return self._start(key, request, flow, self._invite_rows, State.CALLING, now, effects)
        if method == "ACK":
            raise LocalProtocolError("an ACK starts no transaction; send_ack() sends it")
        return self._start(key, request, flow, self._rows, State.TRYING, now, effects)

    def _start(
        self,
        key: ClientKey,
        request: Request,
        flow: Flow,
        rows: dict[State, Row],
        state: State,
        now: float,
        effects: Effects,
    ) -> ClientTransaction:
        if key in self.by_key:
            raise LocalProtocolError(f"branch {key[0]} is in use for {key[1]}; every request needs a new one")
        send = Send(request.to_bytes(), flow, key)
        transaction = ClientTransaction(key, key[1], request, flow, state, rows[state], send)
        self.by_key[key] = transaction
        self._statistics.uac_transactions += 1
        invite = state is State.CALLING
        timers = self._timers
        if not flow.reliable:
            t1 = transaction._interval = self._values.t1
            retransmit = ClientInput.TIMER_A if invite else ClientInput.TIMER_E
            transaction._short = timers.start(t1, transaction, retransmit, now)
        give_up = ClientInput.TIMER_B if invite else ClientInput.TIMER_F
        transaction._long = timers.start(self._values.give_up, transaction, give_up, now)
        effects.append(send)
        return transaction

    def receive(
        self, transaction: ClientTransaction, event: ResponseReceived, now: float, effects: Effects
    ) -> None:
        """Give a response to the transaction it belongs to."""
        self.step(transaction, _INPUT_OF_CLASS[event.response.status // 100], event, now, effects)

    def cancel(
        self, transaction: ClientTransaction, headers: Iterable[tuple[str, str]], now: float, effects: Effects
    ) -> None:
        """Cancel an INVITE. See `TransactionLayer.cancel`."""
        if transaction.method != "INVITE":
            raise LocalProtocolError(f"only an INVITE is cancelled, not {transaction.method} (RFC 3261 §9.1)")
        if transaction._cancel is None:
            transaction._cancel = tuple(headers)
            self.step(transaction, ClientInput.TU_CANCEL, None, now, effects)

    def connection_lost(self, flow: Flow, reason: str, now: float, effects: Effects) -> int:
        """Fail the transactions whose request went by that connection; returns how many there were."""
        concerned = [
            transaction
            for transaction in self.by_key.values()
            if transaction.flow.remote == flow.remote
            and transaction.flow.connection in (0, flow.connection)
            and transaction.flow.transport == flow.transport
            and transaction.flow.local == flow.local
            and (transaction.flow.connection or transaction.flow.server_name == flow.server_name)
        ]
        for transaction in concerned:
            self.step(transaction, ClientInput.TRANSPORT_ERROR, reason, now, effects)
        return len(concerned)

    def forget(self, transaction: ClientTransaction) -> None:
        """Take a transaction out without a word. See `TransactionLayer.forget`."""
        if transaction.state is not State.TERMINATED:
            self._forget_quietly(transaction, None, 0.0, [])
            transaction._row, transaction.state = self._rows[State.TERMINATED], State.TERMINATED

    def step(
        self, transaction: ClientTransaction, input_: int, subject: Any, now: float, effects: Effects
    ) -> None:
        """Apply an input: look up its row, go to the next state, perform the actions.

        `subject` is what the actions of that input need: the ResponseReceived, the reason of a failure, or
        the name of the timer.
        """
        transition = transaction._row[input_]
        if transition is not None:
            actions, transaction._row, transaction.state = transition
            for action in actions:
                action(transaction, subject, now, effects)

    # The actions, in the order of `ClientAction`.

    def _deliver(
        self, transaction: ClientTransaction, event: ResponseReceived, now: float, effects: Effects
    ) -> None:
        transaction.last_status = event.response.status
        effects.append(event)

    def _retransmit(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction._send is not None:
            self._statistics.retransmissions += 1
            effects.append(transaction._send)

    def _restart_a(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        interval = transaction._interval = 2 * transaction._interval
        transaction._short = self._timers.start(interval, transaction, ClientInput.TIMER_A, now)

    def _restart_e(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        interval = transaction._interval = min(2 * transaction._interval, self._values.t2)
        transaction._short = self._timers.start(interval, transaction, ClientInput.TIMER_E, now)

    def _restart_e_at_t2(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        transaction._short = self._timers.start(self._values.t2, transaction, ClientInput.TIMER_E, now)

    def _stop_timers(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction._short is not None:
            transaction._short.owner = None
        if transaction._long is not None:
            transaction._long.owner = None
        transaction._send = None

    def _send_ack(
        self, transaction: ClientTransaction, event: ResponseReceived, now: float, effects: Effects
    ) -> None:
        data = ack_bytes(transaction.request, event.response, self._user_agent)
        effects.append(Send(data, transaction.flow, transaction.key))

    def _start_d(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction.flow.reliable:
            self.step(transaction, ClientInput.TIMER_D, None, now, effects)
        else:
            transaction._long = self._timers.linger(
                self._values.timer_d, transaction, ClientInput.TIMER_D, now
            )

    def _start_k(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction.flow.reliable:
            self.step(transaction, ClientInput.TIMER_K, None, now, effects)
        else:
            transaction._long = self._timers.linger(self._values.t4, transaction, ClientInput.TIMER_K, now)

    def _start_m(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        transaction._long = self._timers.linger(self._values.give_up, transaction, ClientInput.TIMER_M, now)

    def _note_cancel(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        """Leave the CANCEL for the first provisional response: `cancel` has kept its headers."""

    def _send_cancel(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        request = make_cancel(transaction.request, transaction._cancel or (), self._user_agent)
        key = (transaction.key[0], "CANCEL")
        self._start(key, request, transaction.flow, self._cancel_rows, State.TRYING, now, effects)
        transaction._long = self._timers.linger(
            self._values.give_up, transaction, ClientInput.CANCEL_EXPIRED, now
        )

    def _send_noted_cancel(
        self, transaction: ClientTransaction, _: Any, now: float, effects: Effects
    ) -> None:
        if transaction._cancel is not None:
            self._send_cancel(transaction, None, now, effects)

    def _report_timeout(self, transaction: ClientTransaction, timer: str, _: float, effects: Effects) -> None:
        self._statistics.timeouts += 1
        effects.append(TimedOut(transaction, timer))

    def _report_transport_error(
        self, transaction: ClientTransaction, reason: str, now: float, effects: Effects
    ) -> None:
        effects.append(TransportFailed(transaction, reason))

    def _forget(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        self._forget_quietly(transaction, None, now, effects)
        effects.append(Terminated(transaction))

    def _keep_quiet(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        """Do nothing where other transactions tell their user."""

    def _forget_quietly(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        self._stop_timers(transaction, None, now, effects)
        del self.by_key[transaction.key]
