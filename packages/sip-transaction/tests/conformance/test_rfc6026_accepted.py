"""RFC 6026: the state Accepted, its timers L and M, and transport errors of the INVITE server transaction."""

from __future__ import annotations

import pytest

from trunkline.sip_transaction import AckReceived, ResponseReceived, State, TransportFailed


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_8_4_every_2xx_goes_up_for_64_t1(new_desk, names, transport):
    desk = new_desk(transport)
    transaction, _ = desk.send()
    assert names(desk.answer(transaction, 200, "one")) == ["ResponseReceived"]
    assert transaction.state is State.ACCEPTED
    desk.wait(20)
    (again,) = desk.answer(transaction, 200, "one")
    (other,) = desk.answer(transaction, 200, "two")
    assert isinstance(again, ResponseReceived)
    assert other.response.to_tag == "two"
    assert other.transaction is transaction
    desk.wait(11.9)
    assert names(desk.answer(transaction, 200)) == ["ResponseReceived"]
    assert names(desk.wait(0.3)) == ["Terminated"]
    assert names(desk.answer(transaction, 200)) == ["StrayResponse"]


@pytest.mark.parametrize("status", [100, 180, 302, 486, 600])
def test_8_4_nothing_but_2xx_goes_up_in_accepted(desk, status):
    transaction, _ = desk.send()
    desk.answer(transaction, 200)
    assert desk.answer(transaction, status) == []
    assert transaction.state is State.ACCEPTED


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_8_5_accepted_passes_the_2xx_the_user_gives_and_sends_none_itself(new_desk, sent, names, transport):
    desk = new_desk(transport)
    transaction = desk.serve()
    assert sent(desk.respond(transaction, 200, "one")) == ["200"]
    assert transaction.state is State.ACCEPTED
    assert desk.wait(10) == []
    assert sent(desk.respond(transaction, 200, "one")) == ["200"]
    assert sent(desk.respond(transaction, 200, "two")) == ["200"]
    assert desk.respond(transaction, 486) == []
    assert names(desk.wait(22.3)) == ["Terminated"]
    assert desk.respond(transaction, 200) == []


def test_8_5_invite_retransmission_in_accepted_is_absorbed_without_an_answer(desk):
    desk.respond(desk.serve(), 200)
    desk.wait(31.9)
    assert desk.receive(desk.request()) == []


def test_8_5_ack_in_accepted_goes_up_with_its_transaction(desk):
    transaction = desk.serve()
    desk.respond(transaction, 200)
    (effect,) = desk.receive(desk.request("ACK", to="<sip:bob@example.test>;tag=to"))
    assert isinstance(effect, AckReceived)
    assert effect.transaction is transaction


def test_8_5_ack_for_2xx_with_its_own_branch_goes_up_alone(desk):
    desk.respond(desk.serve(), 200)
    (effect,) = desk.receive(desk.request("ACK", branch="z9hG4bKother", to="<sip:bob@example.test>;tag=to"))
    assert isinstance(effect, AckReceived)
    assert effect.transaction is None


@pytest.mark.parametrize(("status", "state"), [(180, "Proceeding"), (486, "Completed"), (200, "Accepted")])
def test_8_8_transport_error_is_told_and_the_invite_server_transaction_stays(desk, status, state):
    transaction = desk.serve()
    (send,) = desk.respond(transaction, status)
    (effect,) = desk.layer.transport_failed(send.key, "unreachable", now=desk.now)
    assert isinstance(effect, TransportFailed)
    assert effect.transaction is transaction
    assert transaction.state is State(state)
