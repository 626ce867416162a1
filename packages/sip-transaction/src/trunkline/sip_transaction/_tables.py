"""The four transaction machines as tables: (state, input) -> (actions, next state).

Two rules hold here. Everything a transaction ever does in answer to an input is a row of these tables; a
pair that has no row is a no-op, on purpose: a late timer, a retransmission already answered, a response
out of turn. And the actions run in the order written, after the state has changed.

Not here: what an action does (`_client`, `_server`), how long a timer runs (`_timers`).

RFC 3261 §17 as amended by RFC 6026 (the state Accepted, timers L and M, transport errors of the INVITE
server transaction) and by RFC 4320 (100 and 408 to a non-INVITE).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, IntEnum, auto
from typing import Any, Generic, NamedTuple, TypeVar


class State(Enum):
    """A state of a transaction, spelled as in the RFC's diagrams."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


class ClientInput(IntEnum):
    """What can happen to a client transaction."""

    RECEIVED_1XX = 0
    RECEIVED_2XX = auto()
    RECEIVED_300_699 = auto()
    TU_CANCEL = auto()
    TRANSPORT_ERROR = auto()
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_K = auto()
    TIMER_M = auto()
    CANCEL_EXPIRED = auto()


class ServerInput(IntEnum):
    """What can happen to a server transaction."""

    REQUEST = 0
    ACK = auto()
    CANCEL = auto()
    TU_100 = auto()
    TU_101_199 = auto()
    TU_2XX = auto()
    TU_300_699 = auto()
    TU_408 = auto()
    TRANSPORT_ERROR = auto()
    TIMER_100 = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_L = auto()
    TU_SILENT = auto()


class ClientAction(Enum):
    """What a client transaction can do."""

    DELIVER = "response to TU"
    RETRANSMIT = "request sent"
    RESTART_A = "reset A"
    RESTART_E = "reset E to MIN(2*E, T2)"
    RESTART_E_AT_T2 = "reset E to T2"
    STOP_TIMERS = "stop A/B or E/F"
    SEND_ACK = "ACK sent"
    START_D = "start D"
    START_K = "start K"
    START_M = "start M"
    NOTE_CANCEL = "CANCEL waits for a provisional response"
    SEND_CANCEL = "CANCEL sent, start 64*T1"
    SEND_NOTED_CANCEL = "CANCEL sent if it waits, start 64*T1"
    REPORT_TIMEOUT = "timeout to TU"
    REPORT_TRANSPORT_ERROR = "inform TU"
    FORGET = "destroyed"


class ServerAction(Enum):
    """What a server transaction can do."""

    SEND = "response sent"
    SEND_100 = "100 sent"
    SEND_100_IN_TIME = "100 sent if E of the client is at T2 by now"
    REPLAY = "last response sent again"
    KEEP_SILENT = "408 not sent"
    STOP_TIMERS = "stop 100/G/H"
    START_GH = "start G and H"
    RESTART_G = "reset G to MIN(2*G, T2)"
    START_I = "start I"
    START_J = "start J"
    START_L = "start L"
    WAIT_FOR_TU = "wait for TU until 64*T1"
    PASS_ACK = "ACK to TU"
    PASS_CANCEL = "CANCEL to TU"
    REPORT_TIMEOUT = "timeout to TU"
    REPORT_TRANSPORT_ERROR = "inform TU"
    FORGET = "destroyed"


InputT = TypeVar("InputT", ClientInput, ServerInput)
ActionT = TypeVar("ActionT", ClientAction, ServerAction)


class Transition(NamedTuple, Generic[ActionT]):
    """What to do on an input, and the state it leads to."""

    actions: tuple[ActionT, ...]
    state: State


ClientTable = Mapping[tuple[State, ClientInput], Transition[ClientAction]]
ServerTable = Mapping[tuple[State, ServerInput], Transition[ServerAction]]


def _invite_client() -> ClientTable:
    """RFC 3261 §17.1.1 figure 5, RFC 6026 §8.4, and §9.1 for the CANCEL."""
    s, i, a = State, ClientInput, ClientAction
    proceed = Transition((a.STOP_TIMERS, a.DELIVER, a.SEND_NOTED_CANCEL), s.PROCEEDING)
    accept = Transition((a.STOP_TIMERS, a.DELIVER, a.START_M), s.ACCEPTED)
    refuse = Transition((a.STOP_TIMERS, a.SEND_ACK, a.DELIVER, a.START_D), s.COMPLETED)
    return {
        (s.CALLING, i.RECEIVED_1XX): proceed,
        (s.CALLING, i.RECEIVED_2XX): accept,
        (s.CALLING, i.RECEIVED_300_699): refuse,
        (s.CALLING, i.TU_CANCEL): Transition((a.NOTE_CANCEL,), s.CALLING),
        (s.CALLING, i.TIMER_A): Transition((a.RETRANSMIT, a.RESTART_A), s.CALLING),
        (s.CALLING, i.TIMER_B): Transition((a.REPORT_TIMEOUT, a.FORGET), s.TERMINATED),
        (s.CALLING, i.TRANSPORT_ERROR): Transition((a.REPORT_TRANSPORT_ERROR, a.FORGET), s.TERMINATED),
        (s.PROCEEDING, i.RECEIVED_1XX): Transition((a.DELIVER,), s.PROCEEDING),
        (s.PROCEEDING, i.RECEIVED_2XX): accept,
        (s.PROCEEDING, i.RECEIVED_300_699): refuse,
        (s.PROCEEDING, i.TU_CANCEL): Transition((a.SEND_CANCEL,), s.PROCEEDING),
        (s.PROCEEDING, i.CANCEL_EXPIRED): Transition((a.REPORT_TIMEOUT, a.FORGET), s.TERMINATED),
        (s.COMPLETED, i.RECEIVED_300_699): Transition((a.SEND_ACK,), s.COMPLETED),
        (s.COMPLETED, i.TRANSPORT_ERROR): Transition((a.FORGET,), s.TERMINATED),
        (s.COMPLETED, i.TIMER_D): Transition((a.FORGET,), s.TERMINATED),
        (s.ACCEPTED, i.RECEIVED_2XX): Transition((a.DELIVER,), s.ACCEPTED),
        (s.ACCEPTED, i.TIMER_M): Transition((a.FORGET,), s.TERMINATED),
    }


def _non_invite_client() -> ClientTable:
    """RFC 3261 §17.1.2 figure 6."""
    s, i, a = State, ClientInput, ClientAction
    finish = Transition((a.STOP_TIMERS, a.DELIVER, a.START_K), s.COMPLETED)
    give_up = Transition((a.REPORT_TIMEOUT, a.FORGET), s.TERMINATED)
    fail = Transition((a.REPORT_TRANSPORT_ERROR, a.FORGET), s.TERMINATED)
    return {
        (s.TRYING, i.RECEIVED_1XX): Transition((a.DELIVER,), s.PROCEEDING),
        (s.TRYING, i.RECEIVED_2XX): finish,
        (s.TRYING, i.RECEIVED_300_699): finish,
        (s.TRYING, i.TIMER_E): Transition((a.RETRANSMIT, a.RESTART_E), s.TRYING),
        (s.TRYING, i.TIMER_F): give_up,
        (s.TRYING, i.TRANSPORT_ERROR): fail,
        (s.PROCEEDING, i.RECEIVED_1XX): Transition((a.DELIVER,), s.PROCEEDING),
        (s.PROCEEDING, i.RECEIVED_2XX): finish,
        (s.PROCEEDING, i.RECEIVED_300_699): finish,
        (s.PROCEEDING, i.TIMER_E): Transition((a.RETRANSMIT, a.RESTART_E_AT_T2), s.PROCEEDING),
        (s.PROCEEDING, i.TIMER_F): give_up,
        (s.PROCEEDING, i.TRANSPORT_ERROR): fail,
        (s.COMPLETED, i.TIMER_K): Transition((a.FORGET,), s.TERMINATED),
    }


def _invite_server() -> ServerTable:
    """RFC 3261 §17.2.1 figure 7, as replaced by RFC 6026 §8.5-8.7."""
    s, i, a = State, ServerInput, ServerAction
    ring = Transition((a.STOP_TIMERS, a.SEND), s.PROCEEDING)
    accept = Transition((a.STOP_TIMERS, a.SEND, a.START_L), s.ACCEPTED)
    refuse = Transition((a.STOP_TIMERS, a.SEND, a.START_GH), s.COMPLETED)
    return {
        (s.PROCEEDING, i.REQUEST): Transition((a.REPLAY,), s.PROCEEDING),
        (s.PROCEEDING, i.CANCEL): Transition((a.PASS_CANCEL,), s.PROCEEDING),
        (s.PROCEEDING, i.TIMER_100): Transition((a.SEND_100,), s.PROCEEDING),
        (s.PROCEEDING, i.TU_100): ring,
        (s.PROCEEDING, i.TU_101_199): ring,
        (s.PROCEEDING, i.TU_2XX): accept,
        (s.PROCEEDING, i.TU_300_699): refuse,
        (s.PROCEEDING, i.TU_408): refuse,
        (s.PROCEEDING, i.TRANSPORT_ERROR): Transition((a.REPORT_TRANSPORT_ERROR,), s.PROCEEDING),
        (s.COMPLETED, i.REQUEST): Transition((a.REPLAY,), s.COMPLETED),
        (s.COMPLETED, i.ACK): Transition((a.STOP_TIMERS, a.START_I), s.CONFIRMED),
        (s.COMPLETED, i.TIMER_G): Transition((a.REPLAY, a.RESTART_G), s.COMPLETED),
        (s.COMPLETED, i.TIMER_H): Transition((a.REPORT_TIMEOUT, a.FORGET), s.TERMINATED),
        (s.COMPLETED, i.TRANSPORT_ERROR): Transition((a.REPORT_TRANSPORT_ERROR,), s.COMPLETED),
        (s.CONFIRMED, i.TIMER_I): Transition((a.FORGET,), s.TERMINATED),
        (s.ACCEPTED, i.ACK): Transition((a.PASS_ACK,), s.ACCEPTED),
        (s.ACCEPTED, i.TU_2XX): Transition((a.SEND,), s.ACCEPTED),
        (s.ACCEPTED, i.TRANSPORT_ERROR): Transition((a.REPORT_TRANSPORT_ERROR,), s.ACCEPTED),
        (s.ACCEPTED, i.TIMER_L): Transition((a.FORGET,), s.TERMINATED),
    }


def _non_invite_server() -> ServerTable:
    """RFC 3261 §17.2.2 figure 8, RFC 4320 §4.1 (no 1xx but 100, and that not early) and §4.2 (no 408)."""
    s, i, a = State, ServerInput, ServerAction
    finish = Transition((a.STOP_TIMERS, a.SEND, a.START_J), s.COMPLETED)
    stay_silent = Transition((a.STOP_TIMERS, a.KEEP_SILENT, a.START_J), s.COMPLETED)
    fail = Transition((a.REPORT_TRANSPORT_ERROR, a.FORGET), s.TERMINATED)
    give_up = Transition((a.REPORT_TIMEOUT, a.FORGET), s.TERMINATED)
    return {
        (s.TRYING, i.TU_100): Transition((a.SEND_100_IN_TIME,), s.PROCEEDING),
        (s.TRYING, i.TU_2XX): finish,
        (s.TRYING, i.TU_300_699): finish,
        (s.TRYING, i.TU_408): stay_silent,
        (s.TRYING, i.TIMER_100): Transition((a.SEND_100, a.WAIT_FOR_TU), s.PROCEEDING),
        (s.PROCEEDING, i.REQUEST): Transition((a.REPLAY,), s.PROCEEDING),
        (s.PROCEEDING, i.TU_100): Transition((a.SEND_100_IN_TIME,), s.PROCEEDING),
        (s.PROCEEDING, i.TU_2XX): finish,
        (s.PROCEEDING, i.TU_300_699): finish,
        (s.PROCEEDING, i.TU_408): stay_silent,
        (s.PROCEEDING, i.TIMER_100): Transition((a.SEND_100, a.WAIT_FOR_TU), s.PROCEEDING),
        (s.PROCEEDING, i.TU_SILENT): give_up,
        (s.PROCEEDING, i.TRANSPORT_ERROR): fail,
        (s.COMPLETED, i.REQUEST): Transition((a.REPLAY,), s.COMPLETED),
        (s.COMPLETED, i.TIMER_J): Transition((a.FORGET,), s.TERMINATED),
        (s.COMPLETED, i.TRANSPORT_ERROR): fail,
    }


INVITE_CLIENT: ClientTable = _invite_client()
NON_INVITE_CLIENT: ClientTable = _non_invite_client()
INVITE_SERVER: ServerTable = _invite_server()
NON_INVITE_SERVER: ServerTable = _non_invite_server()

# A compiled row is a list indexed by the input: None, or one callable that performs the actions and the row
# of the next state. Its last item is the state it is the row of. One list index a message instead of hashing
# a pair of enum members.
Row = list[Any]

Perform = Callable[..., None]
"""Performs an action, or several: called with the transaction, the subject of the input, now, the effects."""


def compile_rows(
    table: Mapping[tuple[State, InputT], Transition[ActionT]],
    inputs: type[InputT],
    perform: Mapping[ActionT, Perform],
    phrases: Mapping[tuple[ActionT, ...], Perform],
) -> dict[State, Row]:
    """Turn a table into one list per state, with a callable for what each of its pairs does.

    Args: `table` is one of the four; `inputs` its inputs; `perform` the callable for every action in it;
    `phrases` those for whole sequences of actions that do the same as one action after the other.
    Returns: for each state of the table, Terminated included, a row indexed by input.
    """
    states = {state for state, _ in table} | {transition.state for transition in table.values()}
    rows: dict[State, Row] = {state: [None for _ in inputs] + [state] for state in states}
    for (state, input_), (actions, to) in table.items():
        whole = phrases.get(actions) or in_turn([perform[action] for action in actions])
        rows[state][input_] = (whole, rows[to])
    return rows


def in_turn(actions: Sequence[Perform]) -> Perform:
    """Make one callable of several, which calls them in their order."""
    if len(actions) == 1:
        return actions[0]

    def perform(transaction: Any, subject: Any, now: float, effects: Any) -> None:
        for action in actions:
            action(transaction, subject, now, effects)

    return perform
