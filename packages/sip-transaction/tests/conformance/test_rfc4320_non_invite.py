"""RFC 4320: what a server may not say to a request other than INVITE, and when it must say 100."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import make_response
from trunkline.sip_transaction import Send, State, TimedOut


def test_4_1_100_is_sent_when_timer_e_of_the_client_has_reached_t2(desk, sent):
    transaction = desk.serve("OPTIONS")
    assert desk.moments(Send, 30) == [3.5]
    assert transaction.last_status == 100
    assert sent(desk.receive(desk.request("OPTIONS"))) == ["100"]


def test_4_1_100_of_the_user_is_held_back_over_udp_until_then(desk):
    transaction = desk.serve("OPTIONS")
    desk.wait(1)
    assert desk.respond(transaction, 100) == []
    assert desk.moments(Send, 30) == [2.5]


def test_4_1_100_of_the_user_may_go_at_any_time_over_a_reliable_transport(tcp_desk, sent):
    transaction = tcp_desk.serve("OPTIONS")
    assert sent(tcp_desk.respond(transaction, 100)) == ["100"]
    assert tcp_desk.moments(Send, 30) == []


def test_4_1_late_100_of_the_user_goes_out_over_udp(desk, sent):
    transaction = desk.serve("OPTIONS")
    desk.wait(5)
    assert sent(desk.respond(transaction, 100)) == ["100"]


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("status", [101, 180, 183, 199])
def test_4_1_no_other_provisional_response_is_ever_sent(new_desk, transport, status):
    desk = new_desk(transport)
    transaction = desk.serve("MESSAGE")
    assert desk.respond(transaction, status) == []
    desk.wait(4)
    assert desk.respond(transaction, status) == []


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("after", [0, 10])
def test_4_2_408_is_never_sent_and_copies_get_nothing(new_desk, sent, transport, after):
    desk = new_desk(transport)
    transaction = desk.serve("MESSAGE")
    desk.wait(after)
    assert sent(desk.respond(transaction, 408)) == []
    if transport == "UDP":
        assert transaction.state is State.COMPLETED
        assert desk.receive(desk.request("MESSAGE")) == []
    desk.wait(40)
    assert desk.layer.len_server == 0


def test_4_2_408_to_an_invite_is_sent(desk, sent):
    assert sent(desk.respond(desk.serve(), 408)) == ["408"]


def test_4_2_late_response_goes_nowhere_once_the_transaction_is_over(desk):
    transaction = desk.serve("MESSAGE")
    desk.wait(33)
    response = make_response(transaction.request, 200, to_tag="late")
    assert desk.layer.respond(transaction, response, now=desk.now) == []


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_request_the_user_never_answers_is_given_up_after_64_t1(new_desk, transport):
    desk = new_desk(transport)
    transaction = desk.serve("MESSAGE")
    effects = [e for e in desk.wait(33) if isinstance(e, TimedOut)]
    assert [e.timer for e in effects] == ["TU"]
    assert transaction.state is State.TERMINATED
    assert desk.layer.next_timeout() is None
