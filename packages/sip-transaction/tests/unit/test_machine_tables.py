"""Every (state, input) pair of the user agent's machines, and how a machine follows its table.

The matrices are written by hand from the RFCs that the files name; "-" is a pair without a row. Not here:
what the actions do, which is in conformance.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_transaction._accepted import ACCEPTED, AcceptedAction, AcceptedInput, AcceptedState
from trunkline.sip_transaction._machine import Machine
from trunkline.sip_transaction._negotiation import TURNS, Turn, TurnAction, TurnInput
from trunkline.sip_transaction._refer import NOTIFIER, NotifierAction, NotifierInput, NotifierState
from trunkline.sip_transaction._refer_subscriber import (
    SUBSCRIBER,
    SubscriberAction,
    SubscriberInput,
    SubscriberState,
)
from trunkline.sip_transaction._reliable import RELIABLE, ReliableAction, ReliableInput, ReliableState
from trunkline.sip_transaction._session_timer import SESSION, SessionAction, SessionInput, SessionState

# Before each matrix stand the states that end the machine, where any do.
MACHINES: dict[str, Any] = {
    "accepted": (ACCEPTED, AcceptedState, AcceptedInput, AcceptedAction, "ABANDONED ACKNOWLEDGED", """
                        ACK          BYE        RETRANSMISSION_DUE  GIVE_UP_DUE
        UNACKNOWLEDGED  ACKNOWLEDGED LEFT       UNACKNOWLEDGED      ABANDONED
        LEFT            ACKNOWLEDGED -          LEFT                ABANDONED
        ACKNOWLEDGED    -            -          -                   -
        ABANDONED       -            -          -                   -
    """),
    "reliable": (RELIABLE, ReliableState, ReliableInput, ReliableAction, "ANSWERED", """
                        TU_1XX         TU_FINAL PRACK        RETRANSMISSION_DUE GIVE_UP_DUE
        ACKNOWLEDGED    UNACKNOWLEDGED ANSWERED -            -                  -
        UNACKNOWLEDGED  -              ANSWERED ACKNOWLEDGED UNACKNOWLEDGED     ABANDONED
        ABANDONED       -              ANSWERED -            -                  -
        ANSWERED        -              -        -            -                  -
    """),
    "turns": (TURNS, Turn, TurnInput, TurnAction, None, """
                WE_ASK WE_ARE_ANSWERED THEY_ASK THEY_ARE_ANSWERED
        NOBODY  OURS   -               THEIRS   -
        OURS    OURS   NOBODY          OURS     -
        THEIRS  THEIRS -               THEIRS   NOBODY
    """),
    "session": (SESSION, SessionState, SessionInput, SessionAction, "OVER", """
                    AGREED_OURS AGREED_THEIRS AGREED_NONE REFRESH_DUE REFRESH_LOST EXPIRY_DUE BYE
        OFF         OURS        THEIRS        OFF         -           -            -          OVER
        OURS        OURS        THEIRS        OFF         REFRESHING  -            -          OVER
        REFRESHING  OURS        THEIRS        OFF         -           OVER         OVER       OVER
        THEIRS      OURS        THEIRS        OFF         -           -            OVER       OVER
        OVER        -           -             -           -           -            -          -
    """),
    "notifier": (NOTIFIER, NotifierState, NotifierInput, NotifierAction, "TERMINATED", """
                    APPROVED DECLINED   PROGRESS FINISHED   EXPIRED    NOTIFY_LOST
        PENDING     ACTIVE   TERMINATED -        -          TERMINATED TERMINATED
        ACTIVE      -        -          ACTIVE   TERMINATED TERMINATED TERMINATED
        TERMINATED  -        -          -        -          -          -
    """),
    "subscriber": (SUBSCRIBER, SubscriberState, SubscriberInput, SubscriberAction, "TERMINATED", """
                    REFUSED    NOTIFY_PENDING NOTIFY_ACTIVE NOTIFY_TERMINATED TIMER_N    EXPIRED
        NOTIFY_WAIT TERMINATED PENDING        ACTIVE        TERMINATED        TERMINATED -
        PENDING     -          PENDING        ACTIVE        TERMINATED        -          TERMINATED
        ACTIVE      -          PENDING        ACTIVE        TERMINATED        -          TERMINATED
        TERMINATED  -          -              -             -                 -          -
    """),
}  # fmt: skip


def pairs() -> list[Any]:
    cases = []
    for name, (table, states, inputs, _, _, matrix) in MACHINES.items():
        header, *lines = [line.split() for line in matrix.strip().splitlines()]
        assert {line[0] for line in lines} == {state.name for state in states}
        assert set(header) == {input_.name for input_ in inputs}
        for state, *targets in lines:
            for input_, target in zip(header, targets, strict=True):
                expected = None if target == "-" else states[target]
                cases.append(
                    pytest.param(
                        table, states[state], inputs[input_], expected, id=f"{name}-{state}-{input_}"
                    )
                )
    return cases


@pytest.mark.parametrize(("table", "state", "input_", "expected"), pairs())
def test_table_goes_where_the_rfc_says(table: Any, state: Enum, input_: Enum, expected: Enum | None) -> None:
    row = table.get((state, input_))
    assert (row and row[1]) == expected
    machine: Machine[Any, Any, Any] = Machine(table, state)
    assert machine.step(input_) == (row[0] if row else ())
    assert machine.state is (expected or state)


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_reaches_the_end_and_every_action_is_used(name: str) -> None:
    table, states, _, actions, end, _ = MACHINES[name]
    assert {action for row in table.values() for action in row[0]} == set(actions)
    if end is None:
        return
    ends = {states[name] for name in end.split()}
    reaching = set(ends)
    for _ in states:
        reaching |= {state for (state, _), row in table.items() if row[1] in reaching}
    assert reaching == set(states)
    assert not [pair for pair in table if pair[0] in ends]


@given(st.dictionaries(st.sampled_from(list(SessionInput)), st.integers(0, 9)), st.integers(0, 9))
def test_deadlines_come_in_order_and_not_early(deadlines: dict[SessionInput, float], now: float) -> None:
    machine = Machine(SESSION, SessionState.OFF, dict(deadlines))
    due = []
    while (input_ := machine.take_due(now)) is not None:
        due.append(deadlines[input_])
    assert due == sorted(due) == sorted(at for at in deadlines.values() if at <= now)
    left = [at for at in deadlines.values() if at > now]
    assert machine.next_timeout() == min(left, default=None)
