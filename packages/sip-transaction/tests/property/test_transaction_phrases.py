"""What is written out for the usual inputs does the same as the actions of the table, one after the other."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_transaction import Send, _client, _server

STATUSES = [100, 180, 200, 202, 300, 408, 486]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("status"), st.sampled_from(STATUSES)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 0.5, 4.0, 32.0])),
        st.sampled_from([("copy", 0), ("cancel", 0), ("fail", 0), ("forget", 0)]),
    ),
    max_size=8,
)
machines = st.sampled_from([(side, method) for side in ("client", "server") for method in ("INVITE", "BYE")])


@pytest.fixture(scope="module")
def new_plain_desk(new_desk):
    """Make a desk whose layer knows the actions only."""

    def make(transport: str) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for module in (_client, _server):
                compile_rows = module.compile_rows
                patch.setattr(module, "compile_rows", lambda *given, of=compile_rows: of(*given[:3], {}))
            return new_desk(transport)

    return make


@settings(deadline=None)
@given(machines, steps, st.sampled_from(["UDP", "TCP"]))
def test_phrases_do_what_their_actions_do(new_desk, new_plain_desk, machine, walk, transport):
    told = [follow(make(transport), *machine, walk) for make in (new_desk, new_plain_desk)]
    assert told[0] == told[1]


def test_plain_desk_has_no_phrases(new_desk, new_plain_desk):
    quick, plain = (make("UDP").layer._servers for make in (new_desk, new_plain_desk))
    assert quick._accept in [then[0] for then in quick._proceeding[:-1] if then]
    assert plain._accept not in [then[0] for then in plain._proceeding[:-1] if then]


def follow(desk: Any, side: str, method: str, walk: list[tuple[str, float]]) -> list[Any]:
    """Go a way, and tell everything that can be seen of it."""
    told: list[Any] = []
    if side == "client":
        transaction, effects = desk.send(method)
    else:
        transaction, effects = desk.serve(method), []
    request = transaction.request.copy()
    for what, value in [("", 0.0), *walk]:
        if what == "status" and side == "client":
            effects = desk.answer(transaction, int(value))
        elif what == "status":
            effects = desk.respond(transaction, int(value))
        elif what == "wait":
            effects = desk.wait(value)
        elif what == "copy" and side == "server" and transaction.state.value != "Terminated":
            effects = desk.receive(request)
        elif what == "cancel" and method == "INVITE" and side == "client":
            effects = desk.layer.cancel(transaction, now=desk.now)
        elif what == "fail":
            effects = desk.layer.transport_failed(transaction.key, "why", now=desk.now)
        elif what == "forget":
            desk.layer.forget(transaction)
        told.append([effect.data if type(effect) is Send else type(effect) for effect in effects])
        told.append((transaction.state, transaction.last_status, hasattr(transaction, "request")))
        told.append([(input_, deadline) for input_, deadline, _ in desk.running()])
        told.append((desk.layer.len_client, desk.layer.len_server, desk.layer.next_timeout()))
    told.append(attrs.asdict(desk.layer.statistics))
    return told
