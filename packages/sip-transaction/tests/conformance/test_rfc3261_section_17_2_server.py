"""RFC 3261 §17.2: server transactions, with the times of the timers. RFC 6026 and RFC 4320 have own files."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, make_response, parse_datagram
from trunkline.sip_transaction import Send, State, Terminated, TimedOut, TimerValues


def test_17_2_1_100_is_sent_after_200_ms_when_the_user_is_silent(desk, sent):
    transaction = desk.serve()
    assert desk.wait(0.19) == []
    effects = desk.wait(0.02)
    assert sent(effects) == ["100"]
    trying = parse_datagram(effects[0].data)
    assert trying.to_tag is None
    assert transaction.last_status == 100
    assert transaction.state is State.PROCEEDING


def test_17_2_1_100_is_not_sent_after_an_early_response(desk):
    transaction = desk.serve()
    desk.respond(transaction, 180)
    assert desk.wait(10) == []


def test_17_2_1_100_is_sent_at_once_when_so_configured(new_desk, names, sent):
    desk = new_desk(timers=TimerValues(trying_delay=None))
    effects = desk.receive(desk.request())
    assert names(effects) == ["Send", "RequestReceived"]
    assert sent(effects) == ["100"]


def test_8_2_6_1_100_copies_the_timestamp(desk):
    desk.serve(more="Timestamp: 54.3\r\n")
    (trying,) = desk.wait(1)
    assert parse_datagram(trying.data).headers.get("timestamp") == "54.3"


def test_17_2_1_retransmission_gets_the_last_provisional_again(desk, sent):
    transaction = desk.serve()
    assert desk.receive(desk.request()) == []
    desk.wait(0.3)
    assert sent(desk.receive(desk.request())) == ["100"]
    desk.respond(transaction, 180)
    desk.respond(transaction, 183)
    assert sent(desk.receive(desk.request())) == ["183"]


@pytest.mark.parametrize("status", [302, 401, 486, 500, 603])
def test_17_2_1_failure_is_sent_again_until_the_ack(desk, sent, status):
    transaction = desk.serve()
    assert sent(desk.respond(transaction, status)) == [str(status)]
    assert transaction.state is State.COMPLETED
    assert desk.moments(Send, 9) == [0.5, 1.5, 3.5, 7.5]
    assert sent(desk.receive(desk.request())) == [str(status)]
    assert desk.receive(desk.request("ACK", to="<sip:bob@example.test>;tag=to")) == []
    assert transaction.state is State.CONFIRMED
    assert desk.moments(Send, 100) == []


def test_17_2_1_timer_g_stays_at_t2_and_timer_h_ends_it(desk):
    desk.respond(desk.serve(), 486)
    assert desk.moments(Send, 31.9) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    timed_out, terminated = desk.wait(0.2)
    assert isinstance(timed_out, TimedOut)
    assert timed_out.timer == "H"
    assert isinstance(terminated, Terminated)
    assert desk.layer.len_server == 0


def test_17_2_1_failure_is_sent_once_over_a_reliable_transport_but_timer_h_runs(tcp_desk):
    tcp_desk.respond(tcp_desk.serve(), 486)
    assert tcp_desk.moments(Send, 31) == []
    assert tcp_desk.moments(TimedOut, 2) == [1]


def test_17_2_1_timer_i_absorbs_acks_for_t4(desk, names):
    transaction = desk.serve()
    desk.respond(transaction, 486)
    ack = desk.request("ACK", to="<sip:bob@example.test>;tag=to")
    desk.receive(ack)
    desk.wait(4.9)
    assert desk.receive(ack) == []
    assert names(desk.wait(0.3)) == ["Terminated"]
    assert names(desk.receive(ack)) == ["AckReceived"]


def test_17_2_1_timer_i_is_zero_over_a_reliable_transport(tcp_desk, names):
    tcp_desk.respond(tcp_desk.serve(), 486)
    ack = tcp_desk.request("ACK", to="<sip:bob@example.test>;tag=to")
    assert names(tcp_desk.receive(ack)) == ["Terminated"]


def test_17_2_1_second_final_response_is_discarded(desk):
    transaction = desk.serve()
    desk.respond(transaction, 486)
    for status in (180, 200, 404, 487):
        assert desk.respond(transaction, status) == []
    assert transaction.last_status == 486


def test_17_2_1_response_after_the_end_is_discarded(desk):
    transaction = desk.serve()
    desk.respond(transaction, 486)
    desk.wait(40)
    assert transaction.state is State.TERMINATED
    assert desk.respond(transaction, 200) == []


def test_17_2_1_ack_before_any_final_response_changes_nothing(desk):
    transaction = desk.serve()
    assert desk.receive(desk.request("ACK")) == []
    assert transaction.state is State.PROCEEDING


def test_17_2_2_non_invite_retransmission_is_absorbed_until_answered(desk, sent):
    transaction = desk.serve("OPTIONS")
    assert transaction.state is State.TRYING
    assert desk.receive(desk.request("OPTIONS")) == []
    assert sent(desk.respond(transaction, 200)) == ["200"]
    assert sent(desk.receive(desk.request("OPTIONS"))) == ["200"]
    assert desk.layer.statistics.absorbed_requests == 2


def test_17_2_2_timer_j_keeps_the_answer_for_32_seconds(desk, names):
    transaction = desk.serve("OPTIONS")
    desk.respond(transaction, 200)
    desk.wait(31.9)
    assert names(desk.receive(desk.request("OPTIONS"))) == ["Send"]
    assert names(desk.wait(0.3)) == ["Terminated"]
    assert names(desk.receive(desk.request("OPTIONS"))) == ["RequestReceived"]


def test_17_2_2_an_answer_that_lingers_holds_no_request(desk, sent):
    transaction = desk.serve("OPTIONS")
    desk.respond(transaction, 200)
    assert transaction.state is State.COMPLETED
    assert not hasattr(transaction, "request")
    assert sent(desk.receive(desk.request("OPTIONS"))) == ["200"]


def test_17_2_2_a_user_who_was_too_slow_has_the_request_still(desk):
    transaction = desk.serve("OPTIONS")
    desk.wait(40)
    assert transaction.state is State.TERMINATED
    assert desk.layer.respond(transaction, make_response(transaction.request, 200), now=desk.now) == []


def test_17_2_2_timer_j_is_zero_over_a_reliable_transport(tcp_desk, names):
    assert names(tcp_desk.respond(tcp_desk.serve("OPTIONS"), 200)) == ["Send", "Terminated"]
    assert tcp_desk.layer.len_server == 0


def test_17_2_2_second_final_response_is_discarded(desk):
    transaction = desk.serve("OPTIONS")
    desk.respond(transaction, 200)
    assert desk.respond(transaction, 500) == []


def test_17_2_4_non_invite_ends_when_its_response_cannot_be_sent(desk, names):
    transaction = desk.serve("OPTIONS")
    (send,) = desk.respond(transaction, 200)
    effects = desk.layer.transport_failed(send.key, "host unreachable", now=desk.now)
    assert names(effects) == ["TransportFailed", "Terminated"]


def test_same_object_is_sent_again_for_a_retransmission(desk):
    transaction = desk.serve("OPTIONS")
    (first,) = desk.respond(transaction, 200)
    (again,) = desk.receive(desk.request("OPTIONS"))
    assert again is first


def test_server_header_is_ours_to_choose(new_desk):
    desk = new_desk(server="Trunkline")
    desk.serve()
    (trying,) = desk.wait(1)
    assert parse_datagram(trying.data).headers.get("server") == "Trunkline"


def test_8_2_7_an_answer_that_nothing_is_kept_of(desk, sent, names):
    transaction = desk.serve("OPTIONS")
    response = make_response(transaction.request, 401, to_tag="to")
    assert sent(desk.layer.respond_once(transaction, response)) == ["401"]
    assert transaction.state is State.TERMINATED
    assert desk.layer.respond_once(transaction, response) == []
    assert desk.respond(transaction, 200) == []
    assert desk.moments(Send, 100) == []
    assert desk.layer.next_timeout() is None
    assert (desk.layer.statistics.user_replies, desk.layer.statistics.finals[4]) == (1, 1)
    assert names(desk.receive(desk.request("OPTIONS"))) == ["RequestReceived"]


@pytest.mark.parametrize(("method", "status"), [("INVITE", 407), ("OPTIONS", 100)])
def test_8_2_7_an_invite_and_a_provisional_response_need_their_transaction(desk, method, status):
    transaction = desk.serve(method)
    with pytest.raises(LocalProtocolError, match="respond_once"):
        desk.layer.respond_once(transaction, make_response(transaction.request, status, to_tag="to"))
