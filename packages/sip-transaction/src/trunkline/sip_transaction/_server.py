"""Server transactions: what one is, and what the actions of its tables do.

Not here: which action comes when (`_tables`), where a response goes (`_routing`).

Source: RFC 3261 §17.2, RFC 6026 §8.5-8.7, RFC 4320 §4
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import attrs

from trunkline.sip_parser import Request, Response, make_response, response_bytes

from ._events import AckReceived, CancelReceived, Effects, Send, Terminated, TimedOut, TransportFailed
from ._flow import Flow
from ._keys import ServerKey, is_old, old_ack_key
from ._routing import reconnection
from ._statistics import Statistics
from ._tables import (
    INVITE_SERVER,
    NON_INVITE_SERVER,
    Perform,
    Row,
    ServerAction,
    ServerInput,
    State,
    compile_rows,
)
from ._timers import Line, TimerQueue, TimerValues

if TYPE_CHECKING:
    from ._client import ClientTransaction

ANSWER_IS_OLD: Final = -1
"""What timer J gives where only the answer is left of a transaction, which no machine takes."""

Words: TypeAlias = str
"""What an answer says beside what it copies of its request: status, reason, tag of To and lines, with line
breaks between them."""

Said: TypeAlias = tuple[int, str | None, str, str]
"""The same apart: status, reason, tag of To and lines."""

_inputs = [ServerInput.TU_101_199] * 200 + [ServerInput.TU_2XX] * 100 + [ServerInput.TU_300_699] * 400
_inputs[100], _inputs[408] = ServerInput.TU_100, ServerInput.TU_408
INPUT_OF_ANSWER: Final = tuple(_inputs)
"""What a response is to a machine, by its status, which is 100 to 699."""


@attrs.define(slots=True, eq=False, repr=False, weakref_slot=False)
class ServerTransaction:
    """Follow one request we received until its final response is delivered."""

    key: ServerKey
    """What its request and the copies of it are known by; to be compared only."""
    method: str
    """The request's method."""
    request: Request
    """The request, its top Via marked with received and rport. Deleted once the user has answered, by
    datagram, anything but an INVITE: what lingers for repeated requests needs the response only."""
    flow: Flow
    """The way the request came."""
    _row: Row
    response_flow: Flow
    """The way its responses go."""
    user: Any = None
    """Whatever the transaction user wants to find here again."""
    last_status: int = 0
    """Status of the last response sent; 0 before there is one."""
    _last: Send | None = None
    """The last response, to be sent again."""
    _short: Line[Any] | None = None
    """The line of the timer that sends a 100, or the response again, where it is or was last."""
    _long: Line[Any] | None = None
    """The line of the timer that gives up, where it is or was last."""

    is_client: ClassVar[bool] = False

    @property
    def state(self) -> State:
        """The state of its machine."""
        state: State = self._row[-1]
        return state

    def __repr__(self) -> str:
        branch = self.key.split()[0].removeprefix("branch=")
        return f"<ServerTransaction {self.method} {branch} {self.state.value}>"


def said_again(said: Said, request: Request, response_flow: Flow, key: ServerKey) -> Send:
    """Write an answer once more, to a copy of the request it was made for."""
    status, reason, to_tag, lines = said
    data = response_bytes(request, status, reason, to_tag=to_tag, further=lines)
    return Send(data, response_flow, key)


class ServerTransactions:
    """Keep the server transactions that live, and perform the actions of their tables."""

    __slots__ = (
        "_ack_keys",
        "_cancel_trying",
        "_old_acks",
        "_proceeding",
        "_server",
        "_statistics",
        "_tell_all_ends",
        "_terminated",
        "_timer_100",
        "_timer_100_of_others",
        "_timer_g",
        "_timer_h",
        "_timer_i",
        "_timer_j",
        "_timer_j_of_answers",
        "_timer_l",
        "_timers",
        "_trying",
        "_tu_silent",
        "_values",
        "answers",
        "by_key",
        "retell",
    )

    def __init__(
        self,
        timers: TimerQueue[ClientTransaction | ServerTransaction | str],
        values: TimerValues,
        statistics: Statistics,
        server: str | None,
        tell_all_ends: bool,
    ) -> None:
        self.by_key: dict[ServerKey, ServerTransaction] = {}
        # What answers copies of a request other than INVITE when its transaction interests nobody any more:
        # a Send, Words, or something that the user has anyway and `retell` takes.
        self.answers: dict[ServerKey, Any] = {}
        self.retell: Callable[[Any], Said] | None = None
        # Where the ACK of an RFC 2543 peer finds its INVITE: by the To tag we answered with.
        self._old_acks: dict[ServerKey, ServerTransaction] = {}
        self._ack_keys: dict[ServerKey, ServerKey] = {}
        self._timers = timers
        self._values = values
        self._statistics = statistics
        self._server = server
        self._tell_all_ends = tell_all_ends
        give_up, later = values.give_up, values.non_invite_trying_delay
        # Without a delay the 100 to an INVITE goes at once.
        delay = values.trying_delay
        self._timer_100 = None if delay is None else timers.line(ServerInput.TIMER_100, delay)
        self._timer_100_of_others = timers.line(ServerInput.TIMER_100, later)
        self._timer_g = timers.line(ServerInput.TIMER_G, values.t1)
        self._timer_h = timers.line(ServerInput.TIMER_H, give_up)
        self._timer_i = timers.linger_line(ServerInput.TIMER_I, values.t4)
        self._timer_j = timers.linger_line(ServerInput.TIMER_J, give_up)
        self._timer_j_of_answers = timers.linger_line(ANSWER_IS_OLD, give_up)
        self._timer_l = timers.linger_line(ServerInput.TIMER_L, give_up)
        self._tu_silent = timers.line(ServerInput.TU_SILENT, give_up - later)
        perform: dict[ServerAction, Perform] = {
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
        a = ServerAction
        phrases: dict[tuple[ServerAction, ...], Perform] = {
            (a.STOP_TIMERS, a.SEND): self._ring,
            (a.STOP_TIMERS, a.SEND, a.START_L): self._accept,
            (a.STOP_TIMERS, a.SEND, a.START_J): self._finish,
        }
        self._proceeding = compile_rows(INVITE_SERVER, ServerInput, perform, phrases)[State.PROCEEDING]
        rows = compile_rows(NON_INVITE_SERVER, ServerInput, perform, phrases)
        self._trying, self._terminated = rows[State.TRYING], rows[State.TERMINATED]
        # A CANCEL that the layer answers itself is an ordinary one of which the user hears nothing.
        hidden = perform | {
            a.REPORT_TIMEOUT: self._keep_quiet,
            a.REPORT_TRANSPORT_ERROR: self._keep_quiet,
            a.FORGET: self._forget_quietly,
        }
        self._cancel_trying = compile_rows(NON_INVITE_SERVER, ServerInput, hidden, {})[State.TRYING]

    def start(
        self, key: ServerKey, request: Request, flow: Flow, response_flow: Flow, now: float, effects: Effects
    ) -> ServerTransaction:
        """Make the transaction of a request received; an INVITE gets its 100 in time."""
        method = request.method
        self._statistics.uas_transactions += 1
        if method == "INVITE":
            row, line = self._proceeding, self._timer_100
        else:
            row, line = self._trying, self._timer_100_of_others
        transaction = ServerTransaction(key, method, request, flow, row, response_flow)
        self.by_key[key] = transaction
        if line is None:
            self._send_100(transaction, None, now, effects)
        else:
            transaction._short = line
            line.start(transaction, now)
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
        transaction = ServerTransaction(key, "CANCEL", request, flow, self._cancel_trying, response_flow)
        self.by_key[key] = transaction
        self._statistics.layer_replies += 1
        self.step(transaction, ServerInput.TU_2XX, response, now, effects)

    def find_for_ack(self, stem: str) -> ServerTransaction | None:
        """Find the INVITE transaction that an ACK belongs to. Source: RFC 3261 §17.2.3"""
        if is_old(stem):
            return self._old_acks.get(stem + "ACK")
        return self.by_key.get(stem + "INVITE")

    def connection_lost(self, flow: Flow) -> None:
        """Let what is still to be sent by that connection ask for a new one. Source: RFC 3261 §18.2.2"""
        for transaction in self.by_key.values():
            if transaction.response_flow == flow:
                self.reconnect(transaction, [])

    def reconnect(self, transaction: ServerTransaction, effects: Effects) -> None:
        """Send the last response again, by a new connection to where the request came from."""
        instead = reconnection(transaction.request, transaction.response_flow)
        transaction.response_flow = instead
        if transaction._last is not None:
            transaction._last = Send(transaction._last.data, instead, transaction.key)
            effects.append(transaction._last)

    def forget(self, transaction: ServerTransaction) -> bool:
        """Take a transaction out without a word. See `TransactionLayer.forget`.

        Returns:
            False when it was over already.
        """
        if transaction._row[-1] is State.TERMINATED:
            return False
        line = transaction._short
        if line is not None and transaction._long is None and not self._ack_keys:
            # one that was not answered yet, as nearly all
            line.pop(transaction, None)
            transaction._short = None
            del self.by_key[transaction.key]
        else:
            self._forget_quietly(transaction, None, 0.0, [])
        transaction._row = self._terminated
        return True

    def leave_words(self, transaction: ServerTransaction, said: Said, source: Any, now: float) -> bool:
        """Let go of a transaction that is answered finally, as `_finish` does; keep the words of the answer.

        Args: `said` is what the answer does not copy; `source` is what `retell` makes that of, or None.
        Returns: False, and nothing is done, where it has to go the way of its table.
        """
        status = said[0]
        if (
            transaction._row is not self._trying
            or status == 408
            or self._tell_all_ends
            or transaction.user is not None
        ):
            return False
        key, line = transaction.key, transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        self._statistics.finals[status // 100] += 1
        transaction.last_status = status
        transaction._row = self._terminated
        del self.by_key[key], transaction.request
        if not transaction.flow.reliable:
            if source is None:
                _, reason, to_tag, lines = said
                source = f"{status}\n{reason or ''}\n{to_tag}\n{lines}"
            self.answers[key] = source
            self._timer_j_of_answers.start(key, now)
        return True

    def answer_again(self, kept: Any, key: ServerKey, request: Request, response_flow: Flow) -> Send:
        """Answer a copy of a request by what is kept of the answer in `answers`."""
        if isinstance(kept, Send):
            return kept
        if isinstance(kept, str):
            status, reason, to_tag, lines = kept.split("\n", 3)
            return said_again((int(status), reason or None, to_tag, lines), request, response_flow, key)
        assert self.retell is not None
        return said_again(self.retell(kept), request, response_flow, key)

    def step(
        self, transaction: ServerTransaction, input_: int, subject: Any, now: float, effects: Effects
    ) -> None:
        """Apply an input: look up its row, go to the next state, perform the actions.

        `subject` is what the actions of that input need: the response to send, the effect to pass on, the
        reason of a failure, or the name of the timer.
        """
        transition = transaction._row[input_]
        if transition is not None:
            perform, transaction._row = transition
            perform(transaction, subject, now, effects)

    # The actions, in the order of `ServerAction`.

    def _send(self, transaction: ServerTransaction, response: Response, now: float, effects: Effects) -> None:
        status = response.status
        if status >= 200 > transaction.last_status:
            self._statistics.finals[status // 100] += 1
        transaction.last_status = status
        send = transaction._last = Send(response.to_bytes(), transaction.response_flow, transaction.key)
        effects.append(send)
        if status >= 300 and transaction.method == "INVITE" and is_old(transaction.key):
            self._expect_old_ack(transaction, response)

    def _send_100(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction._last is None:
            self._statistics.layer_replies += 1
            self._send(transaction, self._make_100(transaction.request), now, effects)

    def _send_100_in_time(
        self, transaction: ServerTransaction, response: Response, now: float, effects: Effects
    ) -> None:
        if transaction.flow.reliable or now >= self._timer_100_of_others.get(transaction, now):
            self._send(transaction, response, now, effects)

    def _replay(
        self, transaction: ServerTransaction, timer: str | None, now: float, effects: Effects
    ) -> None:
        if timer is not None:
            self._statistics.retransmissions += 1
        if transaction._last is not None:
            effects.append(transaction._last)

    def _keep_silent(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        transaction._last = None

    def _stop_timers(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        line = transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        line = transaction._long
        if line is not None:
            line.pop(transaction, None)
            transaction._long = None

    def _start_gh(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if not transaction.response_flow.reliable:
            transaction._short = self._timer_g
            self._timer_g.start(transaction, now)
        transaction._long = self._timer_h
        self._timer_h.start(transaction, now)

    def _restart_g(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        fired = transaction._short
        interval = self._values.t2 if fired is None else min(2 * fired.duration, self._values.t2)
        line = transaction._short = self._timers.line(ServerInput.TIMER_G, interval)
        line.start(transaction, now)

    def _start_i(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction.flow.reliable:
            self.step(transaction, ServerInput.TIMER_I, None, now, effects)
        else:
            self._timer_i.start(transaction, now)

    def _start_j(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        if transaction.flow.reliable:
            self.step(transaction, ServerInput.TIMER_J, None, now, effects)
        else:
            self._timer_j.start(transaction, now)
            if transaction._last is not None:
                # a request that was read is several times as large as all the rest; a user who was too
                # slow may need it still
                del transaction.request

    def _start_l(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        self._timer_l.start(transaction, now)

    def _wait_for_tu(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        transaction._long = self._tu_silent
        self._tu_silent.start(transaction, now)

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
        if transaction._short is not None or transaction._long is not None or self._ack_keys:
            self._forget_quietly(transaction, None, now, effects)
        else:
            del self.by_key[transaction.key]
        if self._tell_all_ends or transaction.user is not None:
            effects.append(Terminated(transaction))

    def _keep_quiet(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        """Do nothing where other transactions tell their user."""

    def _forget_quietly(self, transaction: ServerTransaction, _: Any, now: float, effects: Effects) -> None:
        self._stop_timers(transaction, None, now, effects)
        del self.by_key[transaction.key]
        if self._ack_keys:
            ack_key = self._ack_keys.pop(transaction.key, None)
            if ack_key is not None:
                self._old_acks.pop(ack_key, None)

    def _make_100(self, request: Request) -> Response:
        headers = () if self._server is None else (("Server", self._server),)
        return make_response(request, 100, headers=headers)

    def _expect_old_ack(self, transaction: ServerTransaction, response: Response) -> None:
        ack_key = self._ack_keys[transaction.key] = old_ack_key(transaction.key, response.to_tag)
        self._old_acks[ack_key] = transaction

    # The phrases: what nearly every transaction does, each as its actions do it one after the other. Before
    # an INVITE has its final response only the short timer runs.

    def _ring(self, transaction: ServerTransaction, response: Response, now: float, effects: Effects) -> None:
        line = transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        self._send(transaction, response, now, effects)

    def _accept(
        self, transaction: ServerTransaction, response: Response, now: float, effects: Effects
    ) -> None:
        line = transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        self._send(transaction, response, now, effects)
        self._timer_l.start(transaction, now)

    def _finish(
        self, transaction: ServerTransaction, response: Response, now: float, effects: Effects
    ) -> None:
        line = transaction._short
        if line is not None:
            line.pop(transaction, None)
            transaction._short = None
        line = transaction._long
        if line is not None:
            line.pop(transaction, None)
            transaction._long = None
        self._send(transaction, response, now, effects)
        if transaction.flow.reliable:
            self.step(transaction, ServerInput.TIMER_J, None, now, effects)
        elif self._tell_all_ends or transaction.user is not None:
            self._timer_j.start(transaction, now)
            del transaction.request
        else:
            self._leave_answer(transaction, now)

    def _leave_answer(self, transaction: ServerTransaction, now: float) -> None:
        """Let go of a transaction, of which only the answer is needed until timer J has fired."""
        answer, key = transaction._last, transaction.key
        assert answer is not None
        del self.by_key[key], transaction.request
        self.answers[key] = answer
        self._timer_j_of_answers.start(key, now)
        transaction._row = self._terminated
