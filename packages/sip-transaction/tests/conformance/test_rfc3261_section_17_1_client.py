"""RFC 3261 §17.1: client transactions, with the times of the timers. Matching is in ..._17_matching."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, parse_datagram
from trunkline.sip_transaction import ResponseReceived, Send, State, Terminated, TimedOut, TimerValues


def test_17_1_1_2_invite_is_sent_again_at_doubling_intervals(desk):
    desk.send()
    assert desk.moments(Send, 100) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_17_1_1_2_invite_is_sent_once_over_a_reliable_transport(tcp_desk):
    tcp_desk.send()
    assert tcp_desk.moments(Send, 100) == []


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS", "WS", "WSS", "SCTP"])
def test_17_1_1_2_timer_b_ends_an_invite_nobody_answers(new_desk, transport, names):
    desk = new_desk(transport)
    transaction, _ = desk.send()
    assert "TimedOut" not in names(desk.wait(31.99))
    timed_out, terminated = desk.wait(0.02)
    assert isinstance(timed_out, TimedOut)
    assert timed_out.timer == "B"
    assert timed_out.transaction is transaction
    assert isinstance(terminated, Terminated)
    assert transaction.state is State.TERMINATED
    assert desk.layer.len_client == 0


def test_17_1_1_2_provisional_response_stops_the_retransmissions(desk, names):
    transaction, _ = desk.send()
    desk.wait(1)
    assert names(desk.answer(transaction, 100)) == ["ResponseReceived"]
    assert transaction.state is State.PROCEEDING
    assert desk.wait(3600) == []


def test_17_1_1_2_every_provisional_response_goes_up(desk):
    transaction, _ = desk.send()
    statuses = []
    for status in (100, 180, 180, 183):
        (effect,) = desk.answer(transaction, status)
        assert isinstance(effect, ResponseReceived)
        statuses.append(effect.response.status)
    assert statuses == [100, 180, 180, 183]
    assert transaction.last_status == 183


@pytest.mark.parametrize("status", [300, 404, 486, 503, 603, 699])
def test_17_1_1_2_failure_response_is_acknowledged_and_goes_up_once(desk, names, status):
    transaction, _ = desk.send()
    assert names(desk.answer(transaction, status)) == ["Send", "ResponseReceived"]
    desk.wait(1)
    assert names(desk.answer(transaction, status)) == ["Send"]
    assert desk.answer(transaction, 180) == []
    assert desk.answer(transaction, 200) == []


def test_17_1_1_2_timer_d_absorbs_copies_for_32_seconds(desk, names):
    transaction, _ = desk.send()
    desk.answer(transaction, 486)
    desk.wait(31.9)
    assert names(desk.answer(transaction, 486)) == ["Send"]
    assert names(desk.wait(0.3)) == ["Terminated"]
    assert names(desk.answer(transaction, 486)) == ["StrayResponse"]


def test_17_1_1_2_timer_d_is_zero_over_a_reliable_transport(tcp_desk, names):
    transaction, _ = tcp_desk.send()
    assert names(tcp_desk.answer(transaction, 486)) == ["Send", "ResponseReceived", "Terminated"]


def test_17_1_1_3_ack_repeats_the_invite_and_takes_to_from_the_response(desk):
    routes = "Route: <sip:p1.example.test;lr>, <sip:p2.test;lr>\r\nRoute: <sip:p3.example.test;lr>\r\n"
    transaction, _ = desk.send(more=routes, cseq="4711 INVITE", uri="sip:bob@198.51.100.7;user=phone")
    ack = parse_datagram(desk.answer(transaction, 404, "their-tag")[0].data)
    invite = transaction.request
    assert ack.method == "ACK"
    assert ack.uri == invite.uri == "sip:bob@198.51.100.7;user=phone"
    assert ack.headers.values("via") == invite.headers.values("via")
    assert ack.headers.values("route") == invite.headers.values("route")
    assert ack.call_id == invite.call_id
    assert ack.headers.get("from") == invite.headers.get("from")
    assert ack.to_tag == "their-tag"
    assert (ack.cseq.number, ack.cseq.method) == (4711, "ACK")
    assert ack.max_forwards == 70
    assert ack.body == b""


def test_17_1_1_3_ack_has_only_the_top_via(desk):
    transaction, _ = desk.send(more="Via: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKupstream\r\n")
    ack = parse_datagram(desk.answer(transaction, 404)[0].data)
    assert ack.headers.values("via") == [transaction.request.headers.values("via")[0]]


def test_17_1_1_3_ack_goes_where_the_invite_went(desk):
    transaction, (send,) = desk.send()
    (ack, _) = desk.answer(transaction, 486)
    assert ack.flow == send.flow


def test_17_1_2_2_non_invite_is_sent_again_up_to_every_t2(desk):
    desk.send("OPTIONS")
    assert desk.moments(Send, 100) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_17_1_2_2_non_invite_is_sent_once_over_a_reliable_transport(tcp_desk):
    tcp_desk.send("OPTIONS")
    assert tcp_desk.moments(Send, 100) == []


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("answered", [False, True])
def test_17_1_2_2_timer_f_ends_a_non_invite_without_final_response(new_desk, transport, answered):
    desk = new_desk(transport)
    transaction, _ = desk.send("OPTIONS")
    if answered:
        desk.answer(transaction, 100)
    assert desk.moments(TimedOut, 100) == [32]
    assert desk.layer.len_client == 0


def test_17_1_2_2_timer_e_runs_at_t2_after_a_provisional_response(desk):
    transaction, _ = desk.send("OPTIONS")
    desk.wait(0.1)
    desk.answer(transaction, 100)
    assert desk.moments(Send, 13) == [0.4, 4.4, 8.4, 12.4]


@pytest.mark.parametrize("status", [200, 302, 404, 500, 600])
def test_17_1_2_2_final_response_goes_up_once_and_copies_are_absorbed_for_t4(desk, names, status):
    transaction, _ = desk.send("OPTIONS")
    assert names(desk.answer(transaction, status)) == ["ResponseReceived"]
    desk.wait(4.9)
    assert desk.answer(transaction, status) == []
    assert names(desk.wait(0.3)) == ["Terminated"]
    assert names(desk.answer(transaction, status)) == ["StrayResponse"]


def test_17_1_2_2_timer_k_is_zero_over_a_reliable_transport(tcp_desk, names):
    transaction, _ = tcp_desk.send("OPTIONS")
    assert names(tcp_desk.answer(transaction, 200)) == ["ResponseReceived", "Terminated"]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_17_1_4_transport_failure_ends_the_transaction(desk, names, method):
    transaction, (send,) = desk.send(method)
    effects = desk.layer.transport_failed(send.key, "connection refused", now=desk.now)
    assert names(effects) == ["TransportFailed", "Terminated"]
    assert effects[0].reason == "connection refused"
    assert effects[0].transaction is transaction
    assert desk.wait(100) == []
    assert desk.layer.transport_failed(send.key, "again", now=desk.now) == []


def test_17_1_4_failure_to_send_the_ack_adds_nothing_to_the_final_response(desk, names):
    transaction, _ = desk.send()
    ack, _ = desk.answer(transaction, 486)
    assert names(desk.layer.transport_failed(ack.key, "unreachable", now=desk.now)) == ["Terminated"]


def test_table_4_timers_follow_t1_t2_and_t4(new_desk):
    desk = new_desk(timers=TimerValues(t1=0.1, t2=0.4, t4=1))
    desk.send("OPTIONS")
    moments = desk.moments(Send, 10)
    assert moments[:5] == [0.1, 0.3, 0.7, 1.1, 1.5]
    assert moments[-1] < 6.4
    transaction, _ = desk.send("OPTIONS")
    desk.answer(transaction, 200)
    (ended,) = desk.moments(Terminated, 10)
    assert 1 <= ended < 1.2


@pytest.mark.parametrize("wrong", [{"t1": 0.0}, {"t1": 1.0, "t2": 0.5}, {"t4": -1.0}])
def test_table_4_impossible_timers_are_refused(wrong):
    with pytest.raises(ValueError, match="T1"):
        TimerValues(**wrong)


def test_8_1_1_7_two_transactions_cannot_share_a_branch(desk):
    desk.send(branch="z9hG4bKsame")
    with pytest.raises(LocalProtocolError, match="z9hG4bKsame"):
        desk.send(branch="z9hG4bKsame")


def test_8_1_1_7_request_needs_a_branch(desk):
    with pytest.raises(LocalProtocolError, match="new_branch"):
        desk.send(branch=None)


def test_13_2_2_4_ack_for_2xx_makes_no_transaction(desk):
    request = desk.request("ACK", branch=desk.layer.new_branch())
    with pytest.raises(LocalProtocolError, match="send_ack"):
        desk.layer.send_request(request, desk.flow, now=desk.now)
    send = desk.layer.send_ack(request, desk.flow)
    assert send.data == request.to_bytes()
    assert send.key is None
    assert desk.layer.len_client == 0
