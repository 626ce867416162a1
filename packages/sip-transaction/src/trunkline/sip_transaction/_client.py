"""Client transactions: what one is, and what the actions of its tables do.

Not here: which action comes when (`_tables`).

Source: RFC 3261 §17.1 and §9.1, RFC 6026 §8.4
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from trunkline.sip_parser import LocalProtocolError, Request, parse_datagram

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
    Perform,
    Row,
    State,
    compile_rows,
)
from ._timers import Line, TimerQueue, TimerValues

if TYPE_CHECKING:
    from ._server import ServerTransaction

INPUT_OF_RESPONSE: Final = (
    *[ClientInput.RECEIVED_1XX] * 200,
    *[ClientInput.RECEIVED_2XX] * 100,
    *[ClientInput.RECEIVED_300_699] * 400,
)
"""What a response is to a machine, by its status, which is 100 to 699."""


@attrs.define(slots=True, eq=False, repr=False, weakref_slot=False)
class ClientTransaction:
    """Follow one request we sent until its final response."""

    key: ClientKey
    """Branch and method."""
    method: str
    """The request's method."""
    _written: Request | bytes
    """The request as sent; bytes where nobody has asked for more yet, and then deleted in the end."""
    flow: Flow
    """The way it was sent."""
    _row: Row
    _send: Send | None
    """What is sent again; None once nothing is."""
    user: Any = None
    """Whatever the transaction user wants to find here again."""
    last_status: int = 0
    """Status of the last response delivered; 0 before there is one."""
    _short: Line[Any] | None = None
    """The line of the timer that sends again, where it is or was last."""
    _long: Line[Any] | None = None
    """The line of the timer that gives up, where it is or was last."""
    _cancel: tuple[tuple[str, str], ...] | None = None

    is_client: ClassVar[bool] = True

    @property
    def state(self) -> State:
        """The state of its machine."""
        state: State = self._row[-1]
        return state

    @property
    def request(self) -> Request:
        """The request as sent; none that was sent by `send_written` and that no CANCEL or ACK can follow."""
        written = self._written
        if isinstance(written, bytes):
            # whoever wrote it has kept to his own limits
            read = parse_datagram(written, max_head=len(written), max_headers=len(written))
            assert isinstance(read, Request)
            written = self._written = read
        return written

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.method} {self.key[0]} {self.state.value}>"


class ClientTransactions:
    """Keep the client transactions that live, and perform the actions of their tables."""

    __slots__ = (
        "_calling",
        "_cancel_expired",
        "_cancel_trying",
        "_statistics",
        "_tell_all_ends",
        "_terminated",
        "_timer_a",
        "_timer_b",
        "_timer_d",
        "_timer_e",
        "_timer_f",
        "_timer_k",
        "_timer_m",
        "_timers",
        "_trying",
        "_user_agent",
        "_values",
        "by_key",
    )

    def __init__(
        self,
        timers: TimerQueue[ClientTransaction | ServerTransaction | str],
        values: TimerValues,
        statistics: Statistics,
        user_agent: str | None,
        tell_all_ends: bool,
    ) -> None:
        self.by_key: dict[ClientKey, ClientTransaction] = {}
        self._timers = timers
        self._values = values
        self._statistics = statistics
        self._user_agent = user_agent
        self._tell_all_ends = tell_all_ends
        t1, give_up = values.t1, values.give_up
        self._timer_a = timers.line(ClientInput.TIMER_A, t1)
        self._timer_b = timers.line(ClientInput.TIMER_B, give_up)
        self._timer_e = timers.line(ClientInput.TIMER_E, t1)
        self._timer_f = timers.line(ClientInput.TIMER_F, give_up)
        self._cancel_expired = timers.line(ClientInput.CANCEL_EXPIRED, give_up)
        self._timer_d = timers.linger_line(ClientInput.TIMER_D, values.timer_d)
        self._timer_k = timers.linger_line(ClientInput.TIMER_K, values.t4)
        self._timer_m = timers.linger_line(ClientInput.TIMER_M, give_up)
        perform: dict[ClientAction, Perform] = {
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
        a = ClientAction
        phrases: dict[tuple[ClientAction, ...], Perform] = {
            (a.STOP_TIMERS, a.DELIVER, a.SEND_NOTED_CANCEL): self._proceed,
            (a.STOP_TIMERS, a.DELIVER, a.START_M): self._accept,
            (a.STOP_TIMERS, a.DELIVER, a.START_K): self._finish,
        }
        self._calling = compile_rows(INVITE_CLIENT, ClientInput, perform, phrases)[State.CALLING]
        rows = compile_rows(NON_INVITE_CLIENT, ClientInput, perform, phrases)
        self._trying, self._terminated = rows[State.TRYING], rows[State.TERMINATED]
        # The layer's own CANCELs are ordinary non-INVITE transactions of which the user hears nothing.
        hidden = perform | {
            a.DELIVER: self._keep_quiet,
            a.REPORT_TIMEOUT: self._keep_quiet,
            a.REPORT_TRANSPORT_ERROR: self._keep_quiet,
            a.FORGET: self._forget_quietly,
        }
        self._cancel_trying = compile_rows(NON_INVITE_CLIENT, ClientInput, hidden, {})[State.TRYING]

    def start(
        self, request: Request, flow: Flow, branch: str | None, now: float, effects: Effects
    ) -> ClientTransaction:
        """Make the transaction of a request and send it. See `TransactionLayer.send_request`."""
        if not branch:
            branch = own_branch(request.headers) or request.top_via.branch
            if not branch:
                raise LocalProtocolError("expected a branch in the request's top Via; new_branch() makes one")
        return self.start_written(request.method, request, request.to_bytes(), flow, branch, now, effects)

    def start_written(
        self,
        method: str,
        written: Request | bytes,
        data: bytes,
        flow: Flow,
        branch: str,
        now: float,
        effects: Effects,
    ) -> ClientTransaction:
        """Make the transaction of a request and send its bytes. See `TransactionLayer.send_written`."""
        if method == "INVITE":
            row, short, long = self._calling, self._timer_a, self._timer_b
        elif method == "ACK":
            raise LocalProtocolError("an ACK starts no transaction; send_ack() sends it")
        else:
            row, short, long = self._trying, self._timer_e, self._timer_f
        return self._start((branch, method), written, data, flow, row, short, long, now, effects)

    def _start(
        self,
        key: ClientKey,
        written: Request | bytes,
        data: bytes,
        flow: Flow,
        row: Row,
        short: Line[Any],
        long: Line[Any],
        now: float,
        effects: Effects,
    ) -> ClientTransaction:
        send = Send(data, flow, key)
        transaction = ClientTransaction(key, key[1], written, flow, row, send)
        if self.by_key.setdefault(key, transaction) is not transaction:
            raise LocalProtocolError(f"branch {key[0]} is in use for {key[1]}; every request needs a new one")
        self._statistics.uac_transactions += 1
        transaction._long = long
        if flow.reliable:
            long.start(transaction, now)
        else:
            transaction._short = short
            short.start(transaction, now)
            long[transaction] = now + long.duration  # nothing is due earlier by it: the short one is
        effects.append(send)
        return transaction

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
            transaction._row = self._terminated

    def step(
        self, transaction: ClientTransaction, input_: int, subject: Any, now: float, effects: Effects
    ) -> None:
        """Apply an input: look up its row, go to the next state, perform the actions.

        `subject` is what the actions of that input need: the ResponseReceived, the reason of a failure, or
        the name of the timer.
        """
        transition = transaction._row[input_]
        if transition is not None:
            perform, transaction._row = transition
            perform(transaction, subject, now, effects)

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
        fired = transaction._short
        interval = self._values.t1 if fired is None else 2 * fired.duration
        self._restart(transaction, self._timers.line(ClientInput.TIMER_A, interval), now)

    def _restart_e(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        fired = transaction._short
        interval = self._values.t2 if fired is None else min(2 * fired.duration, self._values.t2)
        self._restart(transaction, self._timers.line(ClientInput.TIMER_E, interval), now)

    def _restart_e_at_t2(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        self._restart(transaction, self._timers.line(ClientInput.TIMER_E, self._values.t2), now)

    def _restart(self, transaction: ClientTransaction, line: Line[Any], now: float) -> None:
        transaction._short = line
        line.start(transaction, now)

    def _stop_timers(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        line = transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        line = transaction._long
        if line is not None:
            line.pop(transaction, None)
            transaction._long = None
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
            self._timer_d.start(transaction, now)

    def _start_k(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction.flow.reliable:
            self.step(transaction, ClientInput.TIMER_K, None, now, effects)
        else:
            self._timer_k.start(transaction, now)

    def _start_m(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        self._timer_m.start(transaction, now)

    def _note_cancel(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        """Leave the CANCEL for the first provisional response: `cancel` has kept its headers."""

    def _send_cancel(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        request = make_cancel(transaction.request, transaction._cancel or (), self._user_agent)
        key = (transaction.key[0], "CANCEL")
        row, short, long = self._cancel_trying, self._timer_e, self._timer_f
        data = request.to_bytes()
        self._start(key, request, data, transaction.flow, row, short, long, now, effects)
        transaction._long = self._cancel_expired
        self._cancel_expired.start(transaction, now)

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
        if transaction._short is not None or transaction._long is not None:
            self._stop_timers(transaction, None, now, effects)
        del self.by_key[transaction.key]
        if self._tell_all_ends or transaction.user is not None:
            effects.append(Terminated(transaction))

    def _keep_quiet(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        """Do nothing where other transactions tell their user."""

    def _forget_quietly(self, transaction: ClientTransaction, _: Any, now: float, effects: Effects) -> None:
        self._stop_timers(transaction, None, now, effects)
        del self.by_key[transaction.key]

    # The phrases: what nearly every transaction does, each as its actions do it one after the other.

    def _proceed(
        self, transaction: ClientTransaction, event: ResponseReceived, now: float, effects: Effects
    ) -> None:
        line = transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        line = transaction._long
        if line is not None:
            line.pop(transaction, None)
            transaction._long = None
        transaction._send = None
        transaction.last_status = event.response.status
        effects.append(event)
        if transaction._cancel is not None:
            self._send_cancel(transaction, None, now, effects)

    def _accept(
        self, transaction: ClientTransaction, event: ResponseReceived, now: float, effects: Effects
    ) -> None:
        if transaction._send is not None or transaction._long is not None:
            self._stop_timers(transaction, None, now, effects)
        if isinstance(transaction._written, bytes):
            del transaction._written  # for a CANCEL or an ACK it is too late
        transaction.last_status = event.response.status
        effects.append(event)
        self._timer_m.start(transaction, now)

    def _finish(
        self, transaction: ClientTransaction, event: ResponseReceived, now: float, effects: Effects
    ) -> None:
        line = transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        line = transaction._long
        if line is not None:
            line.pop(transaction, None)
            transaction._long = None
        transaction._send = None
        if isinstance(transaction._written, bytes):
            del transaction._written
        transaction.last_status = event.response.status
        effects.append(event)
        if transaction.flow.reliable:
            self.step(transaction, ClientInput.TIMER_K, None, now, effects)
        else:
            self._timer_k.start(transaction, now)
