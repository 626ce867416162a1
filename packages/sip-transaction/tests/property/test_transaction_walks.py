"""Random walks through each machine, and hostile bytes against the layer: no exception, no leak."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, make_response, parse_datagram
from trunkline.sip_transaction import RequestReceived, State
from trunkline.sip_transaction._tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
)

STATUSES = [100, 180, 199, 200, 202, 299, 300, 408, 486, 500, 699]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("status"), st.sampled_from(STATUSES)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 0.25, 0.5, 4.0, 32.0])),
        st.sampled_from([("copy", 0), ("ack", 0), ("cancel", 0), ("fail", 0), ("cut", 0)]),
    ),
    max_size=12,
)


def targets(table):
    return {(state, transition.state) for (state, _), transition in table.items()}


@settings(deadline=None)
@given(steps, st.sampled_from(["INVITE", "OPTIONS"]), st.sampled_from(["UDP", "TCP"]))
def test_server_walks_only_where_its_table_goes(new_desk, walk, method, transport):
    desk = new_desk(transport)
    transaction = desk.serve(method)
    allowed = targets(INVITE_SERVER if method == "INVITE" else NON_INVITE_SERVER)
    seen = [transaction.state]
    ended = 0
    for what, value in walk:
        effects = []
        if what == "status":
            effects = desk.respond(transaction, value)
        elif what == "wait":
            effects = desk.wait(value)
        elif what == "copy" and transaction.state is not State.TERMINATED:
            effects = desk.receive(desk.request(method))
            assert "RequestReceived" not in [type(e).__name__ for e in effects]
        elif what == "ack":
            effects = desk.receive(desk.request("ACK"))
        elif what == "cancel":
            effects = desk.receive(desk.request("CANCEL"))
        elif what == "fail":
            effects = desk.layer.transport_failed(transaction.key, "why", now=desk.now)
        elif what == "cut":
            effects = desk.layer.flow_failed(desk.flow, "why", now=desk.now)
        ended += sum(type(e).__name__ == "Terminated" and e.transaction is transaction for e in effects)
        if transaction.state is not seen[-1]:
            seen.append(transaction.state)
        assert (transaction.key in desk.layer._servers.by_key) == (transaction.state is not State.TERMINATED)
        assert ended == (transaction.state is State.TERMINATED)
    follow(seen, allowed)
    assert len(desk.running()) <= 2 * desk.layer.len_server
    finish(desk, [transaction])


@settings(deadline=None)
@given(steps, st.sampled_from(["INVITE", "OPTIONS"]), st.sampled_from(["UDP", "TCP"]))
def test_client_walks_only_where_its_table_goes(new_desk, walk, method, transport):
    desk = new_desk(transport)
    transaction, _ = desk.send(method)
    allowed = targets(INVITE_CLIENT if method == "INVITE" else NON_INVITE_CLIENT)
    seen = [transaction.state]
    ended = 0
    outcomes = []
    for what, value in walk:
        effects = []
        if what == "status":
            effects = desk.answer(transaction, value)
        elif what == "wait":
            effects = desk.wait(value)
        elif what == "cancel" and method == "INVITE":
            effects = desk.layer.cancel(transaction, now=desk.now)
        elif what == "fail":
            effects = desk.layer.transport_failed(transaction.key, "why", now=desk.now)
        elif what == "cut":
            effects = desk.layer.flow_failed(desk.flow, "why", now=desk.now)
        for effect in effects:
            kind = type(effect).__name__
            ended += kind == "Terminated"
            if kind in ("TimedOut", "TransportFailed"):
                outcomes.append(kind)
            elif kind == "ResponseReceived" and effect.response.status >= 200:
                outcomes.append("2xx" if effect.response.status < 300 else "failure")
        if transaction.state is not seen[-1]:
            seen.append(transaction.state)
        assert len(outcomes) <= 1 or (method == "INVITE" and set(outcomes) == {"2xx"})
        assert ended == (transaction.state is State.TERMINATED)
    follow(seen, allowed)
    assert len(desk.running()) <= 2 * desk.layer.len_client
    desk.layer.forget(transaction)
    finish(desk, [])


def follow(seen, allowed):
    """Check that each change of state is one the table makes, or two of them in one go."""
    reached = allowed | {(a, d) for a, b in allowed for c, d in allowed if b is c}
    reached |= {(a, d) for a, b in reached for c, d in allowed if b is c}
    for one, other in pairwise(seen):
        assert (one, other) in reached


def finish(desk, invites):
    """Answer what waits for its user, and see everything go."""
    for transaction in invites:
        desk.respond(transaction, 500)
    desk.wait(70)
    for transaction in list(desk.layer._servers.by_key.values()):
        desk.layer.forget(transaction)
    desk.wait(70)
    assert (desk.layer.len_client, desk.layer.len_server) == (0, 0)
    assert len(desk.layer._timers) == 0
    assert desk.layer.next_timeout() is None


ODD = ["", ";", ",", "\t", "<", '"', "\r\n ", "\x00", "é", "z9hG4bK", ";rport", "\r\nVia: ", "9" * 9]


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_hostile_messages_raise_nothing_and_leave_nothing(new_desk, seed):
    dice = random.Random(seed)
    desk = new_desk(dice.choice(["UDP", "TCP"]))
    client, _ = desk.send(branch="z9hG4bKmine")
    waiting = []
    seeds = [desk.request(m) for m in ("INVITE", "ACK", "CANCEL", "OPTIONS")]
    seeds += [desk.request("INVITE", branch=None), desk.request("ACK", branch=None)]
    seeds += [make_response(client.request, status, to_tag="t") for status in (180, 200, 486)]
    for _ in range(12):
        text = dice.choice(seeds).to_bytes().decode()
        for _ in range(dice.randrange(4)):
            start = dice.randrange(len(text))
            text = text[:start] + dice.choice(ODD) + text[start + dice.randrange(12) :]
        try:
            message = parse_datagram(text.encode())
        except RemoteProtocolError as error:
            effects = desk.layer.receive_error(error, desk.flow, now=desk.now)
        else:
            effects = desk.layer.receive(message, desk.flow, now=desk.now)
        waiting += [effect for effect in effects if isinstance(effect, RequestReceived)]
        if waiting and dice.random() < 0.3:
            response = make_response(waiting[0].request, dice.choice(STATUSES))
            desk.layer.respond(waiting[0].transaction, response, now=desk.now)
        desk.wait(dice.choice([0, 0.3, 5]))
    desk.layer.forget(client)
    finish(desk, [effect.transaction for effect in waiting])


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_thousand_transactions_leave_nothing(new_desk, transport):
    desk = new_desk(transport)
    for number in range(250):
        for method in ("INVITE", "OPTIONS"):
            server = desk.serve(method, branch=f"z9hG4bKs{number}{method}")
            desk.respond(server, 200 if number % 2 else 404)
            client, _ = desk.send(method)
            desk.answer(client, 180)
            desk.answer(client, 404 if number % 2 else 200)
        desk.wait(0.01)
    finish(desk, [])
