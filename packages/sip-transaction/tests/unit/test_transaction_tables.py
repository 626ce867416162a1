"""Every (state, input) pair of the four machines: what the tables say, and that the layer does just that.

The matrices are written by hand from RFC 3261 figures 5 to 8, RFC 6026 and RFC 4320; "-" is a pair without
a row. Not here: how long timers run, and what the messages look like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trunkline.sip_transaction import State
from trunkline.sip_transaction._tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    ClientAction,
    ClientInput,
    ServerAction,
    ServerInput,
    compile_rows,
)

CLIENT_COLUMNS = "RECEIVED_1XX RECEIVED_2XX RECEIVED_300_699 TU_CANCEL TRANSPORT_ERROR " + (
    "TIMER_A TIMER_B TIMER_D TIMER_E TIMER_F TIMER_K TIMER_M CANCEL_EXPIRED"
)
SERVER_COLUMNS = "REQUEST ACK CANCEL TU_100 TU_101_199 TU_2XX TU_300_699 TU_408 TRANSPORT_ERROR " + (
    "TIMER_100 TIMER_G TIMER_H TIMER_I TIMER_J TIMER_L TU_SILENT"
)
MATRICES = {
    "INVITE client": (
        INVITE_CLIENT,
        ClientInput,
        CLIENT_COLUMNS,
        """
        Calling     Proceeding Accepted Completed Calling Terminated Calling Terminated - - - - - -
        Proceeding  Proceeding Accepted Completed Proceeding - - - - - - - - Terminated
        Completed   - - Completed - Terminated - - Terminated - - - - -
        Accepted    - Accepted - - - - - - - - - Terminated -
        Terminated  - - - - - - - - - - - - -
        """,
    ),
    "non-INVITE client": (
        NON_INVITE_CLIENT,
        ClientInput,
        CLIENT_COLUMNS,
        """
        Trying      Proceeding Completed Completed - Terminated - - - Trying Terminated - - -
        Proceeding  Proceeding Completed Completed - Terminated - - - Proceeding Terminated - - -
        Completed   - - - - - - - - - - Terminated - -
        Terminated  - - - - - - - - - - - - -
        """,
    ),
    "INVITE server": (
        INVITE_SERVER,
        ServerInput,
        SERVER_COLUMNS,
        """
        Proceeding  Proceeding - Proceeding Proceeding Proceeding Accepted Completed Completed Proceeding \
                    Proceeding - - - - - -
        Completed   Completed Confirmed - - - - - - Completed - Completed Terminated - - - -
        Confirmed   - - - - - - - - - - - - Terminated - - -
        Accepted    - Accepted - - - Accepted - - Accepted - - - - - Terminated -
        Terminated  - - - - - - - - - - - - - - - -
        """,
    ),
    "non-INVITE server": (
        NON_INVITE_SERVER,
        ServerInput,
        SERVER_COLUMNS,
        """
        Trying      - - - Proceeding - Completed Completed Completed - Proceeding - - - - - -
        Proceeding  Proceeding - - Proceeding - Completed Completed Completed Terminated \
                    Proceeding - - - - - Terminated
        Completed   Completed - - - - - - - Terminated - - - - Terminated - -
        Terminated  - - - - - - - - - - - - - - - -
        """,
    ),
}


def pairs() -> list[Any]:
    cases = []
    for machine, (table, inputs, columns, matrix) in MATRICES.items():
        for line in matrix.strip().splitlines():
            state, *targets = line.split()
            assert len(targets) == len(inputs) == len(columns.split())
            for name, target in zip(columns.split(), targets, strict=True):
                expected = None if target == "-" else State(target)
                case = (machine, table, State(state), inputs[name], expected)
                cases.append(pytest.param(*case, id=f"{machine}-{state}-{name}"))
    return cases


@pytest.mark.parametrize(("machine", "table", "state", "input_", "expected"), pairs())
def test_table_goes_where_the_rfc_says(machine, table, state, input_, expected):
    transition = table.get((state, input_))
    assert (transition and transition.state) == expected


@pytest.mark.parametrize(("machine", "table", "state", "input_", "expected"), pairs())
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_layer_follows_the_table(new_desk, machine, table, state, input_, expected, transport):
    desk = new_desk(transport)
    side, transaction = bring(desk, machine, state)
    lively_before = desk.running()
    effects = []
    subject = desk.subject(transaction, input_)
    side.step(transaction, input_, subject, desk.now, effects)
    if expected is None:
        assert transaction.state is state
        assert effects == []
        assert desk.running() == lively_before
        return
    # Timers D, I, J and K take no time on a reliable transport.
    at_once = {
        "INVITE client": State.COMPLETED,
        "non-INVITE client": State.COMPLETED,
        "INVITE server": State.CONFIRMED,
        "non-INVITE server": State.COMPLETED,
    }
    if transport == "TCP" and expected is at_once[machine] is not state:
        expected = State.TERMINATED
    assert transaction.state is expected
    assert [type(e).__name__ for e in effects].count("Terminated") == (expected is State.TERMINATED)
    if expected is State.TERMINATED:
        assert desk.running() == []
        assert transaction.key not in side.by_key


def bring(desk, machine, state):
    """Put a fresh transaction into a state, with the timers stopped that would have run until there."""
    if machine.endswith("client"):
        side = desk.layer._clients
        transaction, _ = desk.send("INVITE" if machine == "INVITE client" else "OPTIONS")
    else:
        side = desk.layer._servers
        transaction = desk.serve("INVITE" if machine == "INVITE server" else "OPTIONS")
    side._stop_timers(transaction, None, desk.now, [])
    if state is State.TERMINATED:
        del side.by_key[transaction.key]
    transaction._row = row_of(transaction._row, state)
    return side, transaction


def row_of(row, state):
    """Find the row of a state among those that this one leads to."""
    rows = [row]
    for row in rows:
        for then in row[:-1]:
            if then is not None and not any(then[1] is known for known in rows):
                rows.append(then[1])
    (found,) = [row for row in rows if row[-1] is state]
    return found


@pytest.mark.parametrize(("machine", "table", "inputs"), [(m, t, i) for m, (t, i, _, _) in MATRICES.items()])
def test_every_state_but_the_last_has_a_way_out(machine, table, inputs):
    states = {state for state, _ in table}
    for state in states:
        reached, todo = set(), [state]
        while todo:
            here = todo.pop()
            for (source, _), transition in table.items():
                if source is here and transition.state not in reached:
                    reached.add(transition.state)
                    todo.append(transition.state)
        assert State.TERMINATED in reached


@pytest.mark.parametrize("machine", MATRICES)
def test_what_ends_a_transaction_forgets_it_last(machine):
    table = MATRICES[machine][0]
    for (state, _), transition in table.items():
        forgets = [action for action in transition.actions if action.name == "FORGET"]
        assert len(forgets) == (transition.state is State.TERMINATED)
        if forgets:
            assert state is not State.TERMINATED
            assert transition.actions[-1].name == "FORGET"


def test_every_action_is_performed_by_something(desk):
    for table, inputs, actions in (
        (INVITE_CLIENT, ClientInput, ClientAction),
        (NON_INVITE_CLIENT, ClientInput, ClientAction),
        (INVITE_SERVER, ServerInput, ServerAction),
        (NON_INVITE_SERVER, ServerInput, ServerAction),
    ):
        calls: dict[Any, Callable[..., None]] = {
            action: lambda done, *_, action=action: done.append(action) for action in actions
        }
        rows = compile_rows(table, inputs, calls, {})
        for (state, input_), transition in table.items():
            perform, row = rows[state][input_]
            done: list[Any] = []
            perform(done, None, 0.0, [])
            assert tuple(done) == transition.actions
            assert row is rows[transition.state]
            assert row[-1] is transition.state


@pytest.mark.parametrize(
    ("actions", "tables"),
    [
        (ClientAction, (INVITE_CLIENT, NON_INVITE_CLIENT)),
        (ServerAction, (INVITE_SERVER, NON_INVITE_SERVER)),
    ],
)
def test_every_action_is_used_by_some_table(actions, tables):
    used = {action for table in tables for transition in table.values() for action in transition.actions}
    assert used == set(actions)
