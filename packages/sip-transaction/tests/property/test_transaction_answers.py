"""The answer that is left of a transaction which interests nobody does what the transaction would do."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.sip_transaction import Send, State, TransportFailed

steps = st.lists(
    st.one_of(
        st.tuples(st.just("status"), st.sampled_from([100, 200, 408, 486])),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 4.0, 20.0, 32.5])),
        st.sampled_from([("copy", 0), ("other", 0), ("fail", 0)]),
    ),
    max_size=10,
)


@settings(deadline=None)
@given(steps, st.sampled_from(["BYE", "INVITE"]), st.sampled_from(["UDP", "TCP"]))
@example([("status", 200), ("copy", 0), ("wait", 20.0), ("copy", 0), ("wait", 20.0)], "BYE", "UDP")
@example([("status", 200), ("fail", 0), ("copy", 0), ("status", 200), ("wait", 32.5)], "BYE", "UDP")
def test_what_is_sent_is_the_same(new_desk, walk, method, transport):
    assert follow(new_desk(transport), method, walk) == follow(
        new_desk(transport, tell_all_ends=False), method, walk
    )


@settings(deadline=None)
@given(steps, st.sampled_from(["BYE", "INVITE"]), st.sampled_from(["UDP", "TCP"]), st.booleans())
@example([("status", 200), ("copy", 0), ("wait", 20.0), ("copy", 0), ("wait", 20.0)], "BYE", "UDP", False)
@example([("status", 408), ("copy", 0), ("wait", 4.0), ("status", 200)], "BYE", "UDP", False)
@example([("wait", 4.0), ("status", 200), ("copy", 0)], "BYE", "UDP", False)
@example([("status", 200), ("fail", 0), ("copy", 0)], "BYE", "UDP", False)
def test_answer_made_of_its_words_is_as_the_response(new_desk, walk, method, transport, tell_all_ends):
    desks = [new_desk(transport, tell_all_ends=tell_all_ends) for _ in range(2)]
    ways = [follow(desk, method, walk, words=words) for desk, words in zip(desks, (True, False), strict=True)]
    assert ways[0] == ways[1]


def test_answer_is_written_again_out_of_the_copy(new_desk):
    desk = new_desk("UDP", tell_all_ends=False)
    transaction = desk.serve("BYE")
    request = transaction.request.copy()
    (sent,) = desk.layer.answer(
        transaction, 481, "No Such Call", to_tag="t", lines="Server: here\r\nX-Y: z\r\n", now=desk.now
    )
    assert sent.data.startswith(b"SIP/2.0 481 No Such Call\r\n")
    assert b"\r\nServer: here\r\nX-Y: z\r\n" in sent.data
    (again,) = desk.receive(request)
    assert (again.data, again.flow, again.key) == (sent.data, sent.flow, sent.key)
    assert desk.layer.answer(transaction, 200, to_tag="t", now=desk.now) == []


def test_answer_is_written_again_out_of_what_the_user_has(new_desk):
    desk = new_desk("UDP", tell_all_ends=False)
    desk.layer.retell_by(lambda source: (200, None, source["tag"], source["lines"]))
    transaction = desk.serve("BYE")
    request, source = transaction.request.copy(), {"tag": "t", "lines": "X-Y: z\r\n"}
    (sent,) = desk.layer.answer(transaction, 200, to_tag="t", lines="X-Y: z\r\n", source=source, now=desk.now)
    (again,) = desk.receive(request)
    assert (again.data, again.flow, again.key) == (sent.data, sent.flow, sent.key)
    assert b"\r\nX-Y: z\r\n" in again.data
    desk.wait(32.5)
    assert desk.layer.len_server == 0


def follow(desk: Any, method: str, walk: list[tuple[str, float]], *, words: bool = False) -> list[Any]:
    """Go a way, and tell what others can see of it."""
    transaction = desk.serve(method)
    request, told = transaction.request.copy(), []
    for what, value in walk:
        effects = []
        if what == "status" and words and value >= 200:
            effects = desk.layer.answer(transaction, int(value), to_tag="to", now=desk.now)
        elif what == "status":
            effects = desk.respond(transaction, int(value))
        elif what == "wait":
            effects = desk.wait(value)
        elif what == "fail":
            effects = desk.layer.transport_failed(transaction.key, "why", now=desk.now)
        else:
            effects = desk.receive(request if what == "copy" else desk.request("OPTIONS", branch="z9hG4bKb"))
        told.append([effect.data for effect in effects if type(effect) is Send])
        told.append((desk.layer.len_server, transaction.last_status, attrs.asdict(desk.layer.statistics)))
    return told


def test_user_is_told_nothing_more(new_desk):
    desk = new_desk(tell_all_ends=False)
    transaction = desk.serve("BYE")
    (answer,) = desk.respond(transaction, 200)
    assert transaction.state is State.TERMINATED
    assert desk.respond(transaction, 200) == []
    assert desk.layer.len_server == 1
    assert desk.receive(desk.request("BYE")) == [answer]
    assert desk.layer.transport_failed(answer.key, "why", now=desk.now) == []
    assert desk.layer.len_server == 0
    assert desk.wait(40) == []


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_who_keeps_a_transaction_hears_of_it(new_desk, method):
    desk = new_desk(tell_all_ends=False)
    transaction = desk.serve(method)
    transaction.user = "somebody"
    (answer,) = desk.respond(transaction, 200)
    (failed, *_) = desk.layer.transport_failed(answer.key, "why", now=desk.now)
    assert isinstance(failed, TransportFailed)
