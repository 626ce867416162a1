"""What each row of the four tables does: the effects in order, and the timers that run afterwards.

A transaction is brought into its state by messages and time, gets one input, and is looked at. The lists are
written by hand from RFC 3261 §17 with its table 4, RFC 6026 and RFC 4320. Not here: which state follows and
which pairs have no row (`test_transaction_tables`), and sequences of inputs (conformance, property).
"""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.sip_transaction import Send, State
from trunkline.sip_transaction._tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    ClientInput,
    ServerInput,
)

TABLES: dict[str, Any] = {
    "INVITE client": INVITE_CLIENT,
    "non-INVITE client": NON_INVITE_CLIENT,
    "INVITE server": INVITE_SERVER,
    "non-INVITE server": NON_INVITE_SERVER,
}

# Machine, state, input: effects; timers with what is left of them in seconds. Where TCP differs it has a line
# of its own. "Noted" is Calling and "Cancelled" Proceeding after a CANCEL of ours, "Ringing" Proceeding after
# a 180, "Asked" Proceeding after a 100 that came too early, "Silent" and "LateSilent" Completed after a 408.
ROWS = """
INVITE client
Calling    RECEIVED_1XX      ResponseReceived;
Calling    RECEIVED_2XX      ResponseReceived; M=32
Calling    RECEIVED_300_699  ACK ResponseReceived; D=32
Calling    TU_CANCEL         ; A=0.5 B=32
Calling    TIMER_A           INVITE; A=1 B=32
Calling    TIMER_B           TimedOut Terminated;
Calling    TRANSPORT_ERROR   TransportFailed Terminated;
Proceeding RECEIVED_1XX      ResponseReceived;
Proceeding RECEIVED_2XX      ResponseReceived; M=32
Proceeding RECEIVED_300_699  ACK ResponseReceived; D=32
Proceeding TU_CANCEL         CANCEL; CANCEL_EXPIRED=32
Cancelled  RECEIVED_1XX      ResponseReceived; CANCEL_EXPIRED=32
Cancelled  RECEIVED_2XX      ResponseReceived; M=32
Cancelled  RECEIVED_300_699  ACK ResponseReceived; D=32
Cancelled  CANCEL_EXPIRED    TimedOut Terminated;
Noted      RECEIVED_1XX      ResponseReceived CANCEL; CANCEL_EXPIRED=32
Completed  RECEIVED_300_699  ACK; D=32
Completed  TRANSPORT_ERROR   Terminated;
Completed  TIMER_D           Terminated;
Accepted   RECEIVED_2XX      ResponseReceived; M=32
Accepted   TIMER_M           Terminated;

INVITE client on TCP
Calling    RECEIVED_300_699  ACK ResponseReceived Terminated;
Calling    TU_CANCEL         ; B=32
Proceeding RECEIVED_300_699  ACK ResponseReceived Terminated;
Cancelled  RECEIVED_300_699  ACK ResponseReceived Terminated;

non-INVITE client
Trying     RECEIVED_1XX      ResponseReceived; E=0.5 F=32
Trying     RECEIVED_2XX      ResponseReceived; K=5
Trying     RECEIVED_300_699  ResponseReceived; K=5
Trying     TIMER_E           OPTIONS; E=1 F=32
Trying     TIMER_F           TimedOut Terminated;
Trying     TRANSPORT_ERROR   TransportFailed Terminated;
Proceeding RECEIVED_1XX      ResponseReceived; E=0.5 F=32
Proceeding RECEIVED_2XX      ResponseReceived; K=5
Proceeding RECEIVED_300_699  ResponseReceived; K=5
Proceeding TIMER_E           OPTIONS; E=4 F=32
Proceeding TIMER_F           TimedOut Terminated;
Proceeding TRANSPORT_ERROR   TransportFailed Terminated;
Completed  TIMER_K           Terminated;

non-INVITE client on TCP
Trying     RECEIVED_1XX      ResponseReceived; F=32
Trying     RECEIVED_2XX      ResponseReceived Terminated;
Trying     RECEIVED_300_699  ResponseReceived Terminated;
Proceeding RECEIVED_1XX      ResponseReceived; F=32
Proceeding RECEIVED_2XX      ResponseReceived Terminated;
Proceeding RECEIVED_300_699  ResponseReceived Terminated;

INVITE server
Proceeding REQUEST           ; 100=0.2
Proceeding CANCEL            CancelReceived; 100=0.2
Proceeding TIMER_100         100;
Proceeding TU_100            100;
Proceeding TU_101_199        180;
Proceeding TU_2XX            200; L=32
Proceeding TU_300_699        486; G=0.5 H=32
Proceeding TU_408            408; G=0.5 H=32
Proceeding TRANSPORT_ERROR   TransportFailed; 100=0.2
Ringing    REQUEST           180;
Completed  REQUEST           486; G=0.5 H=32
Completed  ACK               ; I=5
Completed  TIMER_G           486; G=1 H=32
Completed  TIMER_H           TimedOut Terminated;
Completed  TRANSPORT_ERROR   TransportFailed; G=0.5 H=32
Confirmed  TIMER_I           Terminated;
Accepted   ACK               AckReceived; L=32
Accepted   TU_2XX            200; L=32
Accepted   TRANSPORT_ERROR   TransportFailed; L=32
Accepted   TIMER_L           Terminated;

INVITE server on TCP
Proceeding TU_300_699        486; H=32
Proceeding TU_408            408; H=32
Completed  REQUEST           486; H=32
Completed  ACK               Terminated;
Completed  TRANSPORT_ERROR   TransportFailed; H=32

non-INVITE server
Trying     TU_100            ; 100=3.5
Trying     TU_2XX            200; J=32
Trying     TU_300_699        486; J=32
Trying     TU_408            ; J=32
Trying     TIMER_100         100; TU_SILENT=28.5
Asked      TIMER_100         100; TU_SILENT=28.5
Asked      TU_100            ; 100=3.5
Asked      TU_2XX            200; J=32
Asked      TU_300_699        486; J=32
Asked      TU_408            ; J=32
Proceeding REQUEST           100; TU_SILENT=28.5
Proceeding TU_100            100; TU_SILENT=28.5
Proceeding TU_2XX            200; J=32
Proceeding TU_300_699        486; J=32
Proceeding TU_408            ; J=32
Proceeding TU_SILENT         TimedOut Terminated;
Proceeding TRANSPORT_ERROR   TransportFailed Terminated;
Completed  REQUEST           200; J=32
Completed  TIMER_J           Terminated;
Completed  TRANSPORT_ERROR   TransportFailed Terminated;
Silent     REQUEST           ; J=32
LateSilent REQUEST           ; J=32

non-INVITE server on TCP
Trying     TU_100            100; 100=3.5
Trying     TU_2XX            200 Terminated;
Trying     TU_300_699        486 Terminated;
Trying     TU_408            Terminated;
Asked      TIMER_100         ; TU_SILENT=28.5
Asked      TU_100            100; 100=3.5
Asked      TU_2XX            200 Terminated;
Asked      TU_300_699        486 Terminated;
Asked      TU_408            Terminated;
Proceeding TU_2XX            200 Terminated;
Proceeding TU_300_699        486 Terminated;
Proceeding TU_408            Terminated;
"""

# On TCP nothing is retransmitted, and these states take no time.
NOT_ON_TCP = {
    ("INVITE client", "Calling", "TIMER_A"),
    ("non-INVITE client", "Trying", "TIMER_E"),
    ("non-INVITE client", "Proceeding", "TIMER_E"),
    ("INVITE server", "Completed", "TIMER_G"),
}
STATES_NOT_ON_TCP = {
    "INVITE client": "Completed",
    "non-INVITE client": "Completed",
    "INVITE server": "Confirmed",
    "non-INVITE server": "Completed Silent LateSilent",
}


# The layer's `cancel` has kept what there is to note; and before a 100 there is nothing to be silent about.
ONLY_IN_THE_DIAGRAM = {("Calling", "NOTE_CANCEL"), ("Trying", "KEEP_SILENT")}


def read() -> dict[str, dict[tuple[str, str], tuple[str, str]]]:
    """Read the rows: machine, with or without "on TCP", then (state, input) to effects and timers."""
    machines: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}
    for block in ROWS.strip().split("\n\n"):
        name, *lines = block.splitlines()
        rows = machines[name] = {}
        for line in lines:
            what, _, timers = line.partition(";")
            state, input_, *effects = what.split()
            rows[state, input_] = " ".join(effects), timers.strip()
    return machines


def cases() -> list[Any]:
    found = []
    machines = read()
    for machine in TABLES:
        on_udp = machines[machine]
        on_tcp = {
            key: value
            for key, value in on_udp.items()
            if (machine, *key) not in NOT_ON_TCP and key[0] not in STATES_NOT_ON_TCP[machine].split()
        }
        for transport, rows in (("UDP", on_udp), ("TCP", on_tcp | machines[f"{machine} on TCP"])):
            for (state, input_), (effects, timers) in rows.items():
                name = f"{machine}-{transport}-{state}-{input_}"
                found.append(pytest.param(machine, transport, state, input_, effects, timers, id=name))
    return found


def bring(desk: Any, machine: str, state: str) -> tuple[Any, Any]:
    """Bring a transaction into a state as messages and time do."""
    is_invite = machine.startswith("INVITE")
    method = "INVITE" if is_invite else "OPTIONS"
    final = 486 if is_invite else 200
    if machine.endswith("client"):
        transaction, _ = desk.send(method)
        if state == "Noted":
            desk.layer.cancel(transaction, now=desk.now)
        for status in {
            "Proceeding": [180 if is_invite else 100],
            "Cancelled": [180],
            "Completed": [final],
            "Accepted": [200],
        }.get(state, []):
            desk.answer(transaction, status)
        if state == "Cancelled":
            desk.layer.cancel(transaction, now=desk.now)
        return desk.layer._clients, transaction
    transaction = desk.serve(method)
    if state in ("Proceeding", "LateSilent") and not is_invite:
        desk.wait(3.5)
    for status in {
        "Ringing": [180],
        "Asked": [100],
        "Completed": [final],
        "Confirmed": [final],
        "Accepted": [200],
        "Silent": [408],
        "LateSilent": [408],
    }.get(state, []):
        desk.respond(transaction, status)
    if state == "Confirmed":
        desk.receive(desk.request("ACK"))
    return desk.layer._servers, transaction


def apply(desk: Any, machine: str, state: str, input_name: str) -> tuple[str, str]:
    """Give what an input does in a state, as the rows write it."""
    inputs = ClientInput if machine.endswith("client") else ServerInput
    side, transaction = bring(desk, machine, state)
    input_ = inputs[input_name]
    for line in desk.layer._timers._prompt.values():
        if line.input == input_:
            line.pop(transaction, None)  # it has fired
    fired = [timer for timer in desk.running() if timer[0] == input_]
    effects: list[Any] = []
    side.step(transaction, input_, desk.subject(transaction, input_), desk.now, effects)
    left = sorted(
        f"{inputs(of).name.removeprefix('TIMER_')}={round(deadline - desk.now, 3):g}"
        for of, deadline, owner in desk.running()
        if owner is transaction and (of, deadline, owner) not in fired
    )
    return " ".join(word(effect) for effect in effects), " ".join(left)


def word(effect: Any) -> str:
    if not isinstance(effect, Send):
        return type(effect).__name__
    first, second, *_ = effect.data.decode().split(" ")
    return second if first == "SIP/2.0" else first


@pytest.mark.parametrize(("machine", "transport", "state", "input_", "effects", "timers"), cases())
def test_row_does_what_the_rfc_says(new_desk, machine, transport, state, input_, effects, timers):
    assert apply(new_desk(transport), machine, state, input_) == (effects, timers)


@pytest.mark.parametrize("machine", TABLES)
def test_every_row_of_the_tables_is_listed(machine):
    named = {"Cancelled": "Proceeding", "Noted": "Calling", "Ringing": "Proceeding", "Asked": "Proceeding"}
    named |= {"Silent": "Completed", "LateSilent": "Completed"}
    listed = {(State(named.get(state, state)), input_) for state, input_ in read()[machine]}
    assert listed == {(state, input_.name) for state, input_ in TABLES[machine]}


def mutants() -> list[Any]:
    found = []
    for machine, table in TABLES.items():
        for (state, input_), transition in table.items():
            for place, action in enumerate(transition.actions):
                name = f"{machine}-{state.value}-{input_.name}-{action.name}"
                if (state.value, action.name) not in ONLY_IN_THE_DIAGRAM:
                    found.append(pytest.param(machine, state, input_, place, id=name))
    return found


@pytest.mark.parametrize(("machine", "state", "input_", "place"), mutants())
def test_action_that_is_missing_would_be_seen(new_desk, monkeypatch, machine, state, input_, place):
    table = TABLES[machine]
    transition = table[state, input_]
    actions = transition.actions[:place] + transition.actions[place + 1 :]
    monkeypatch.setitem(table, (state, input_), transition._replace(actions=actions))
    for case in cases():
        case_machine, transport, case_state, case_input, *expected = case.values
        if case_machine != machine:
            continue
        try:
            if apply(new_desk(transport), machine, case_state, case_input) != tuple(expected):
                return
        except (AttributeError, KeyError):
            return
    pytest.fail("no row shows it")
