"""RFC 3261 §9: cancelling our INVITEs (§9.1) and having theirs cancelled (§9.2)."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, make_response, parse_datagram
from trunkline.sip_transaction import CancelReceived, Send, State, TimedOut


def cancel(desk, transaction, **options):
    return desk.layer.cancel(transaction, now=desk.now, **options)


def answer_cancel(desk, effects, status):
    (send,) = [e for e in effects if isinstance(e, Send)]
    return desk.receive(make_response(parse_datagram(send.data), status, to_tag="c"))


def test_9_1_cancel_repeats_the_invite(desk):
    transaction, _ = desk.send(
        uri="sip:bob@198.51.100.7",
        cseq="31 INVITE",
        more="Route: <sip:p1.example.test;lr>\r\nVia: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKup\r\n"
        "Require: 100rel\r\nProxy-Require: sec\r\n",
    )
    desk.answer(transaction, 180)
    (send,) = cancel(desk, transaction, headers=[("Reason", "SIP;cause=200")])
    request = parse_datagram(send.data)
    invite = transaction.request
    assert request.method == "CANCEL"
    assert request.uri == invite.uri
    assert request.headers.values("via") == invite.headers.values("via")[:1]
    for name in ("from", "to", "call-id"):
        assert request.headers.get(name) == invite.headers.get(name)
    assert request.headers.values("route") == invite.headers.values("route")
    assert (request.cseq.number, request.cseq.method) == (31, "CANCEL")
    assert request.headers.get("reason") == "SIP;cause=200"
    assert "require" not in request.headers
    assert "proxy-require" not in request.headers
    assert send.flow == transaction.flow


def test_9_1_cancel_waits_for_a_provisional_response(desk, sent, names):
    transaction, _ = desk.send()
    assert cancel(desk, transaction, headers=[("Reason", "SIP;cause=600")]) == []
    assert sent(desk.wait(1)) == ["INVITE"]
    effects = desk.answer(transaction, 100)
    assert names(effects) == ["ResponseReceived", "Send"]
    assert sent(effects) == ["CANCEL"]
    assert b"Reason: SIP;cause=600" in effects[1].data


def test_9_1_cancel_is_not_sent_when_the_final_response_comes_first(desk, sent):
    transaction, _ = desk.send()
    cancel(desk, transaction)
    assert sent(desk.answer(transaction, 200)) == []
    assert sent(desk.wait(100)) == []


def test_9_1_cancelled_invite_nobody_answers_times_out_by_timer_b(desk):
    transaction, _ = desk.send()
    cancel(desk, transaction)
    assert [e.timer for e in desk.wait(100) if isinstance(e, TimedOut)] == ["B"]
    assert desk.layer.len_client == 0


@pytest.mark.parametrize("status", [200, 486])
def test_9_1_cancel_after_the_final_response_does_nothing(desk, status):
    transaction, _ = desk.send()
    desk.answer(transaction, status)
    assert cancel(desk, transaction) == []


def test_9_1_cancel_is_sent_only_once(desk):
    transaction, _ = desk.send()
    desk.answer(transaction, 180)
    assert len(cancel(desk, transaction)) == 1
    assert cancel(desk, transaction) == []


def test_9_1_only_an_invite_is_cancelled(desk):
    transaction, _ = desk.send("OPTIONS")
    with pytest.raises(LocalProtocolError, match="OPTIONS"):
        cancel(desk, transaction)


def test_9_1_events_of_the_cancel_stay_inside(desk, names):
    transaction, _ = desk.send()
    desk.answer(transaction, 180)
    effects = cancel(desk, transaction)
    assert desk.layer.len_client == 2
    assert answer_cancel(desk, effects, 200) == []
    assert answer_cancel(desk, effects, 200) == []
    assert names(desk.answer(transaction, 487)) == ["Send", "ResponseReceived"]
    assert names(desk.wait(60)) == ["Terminated"]
    assert desk.layer.len_client == 0


def test_9_1_cancel_is_sent_again_over_udp_until_answered(desk, sent):
    transaction, _ = desk.send()
    desk.answer(transaction, 180)
    effects = cancel(desk, transaction)
    assert sent(desk.wait(1.6)) == ["CANCEL", "CANCEL"]
    answer_cancel(desk, effects, 481)
    assert sent(desk.wait(30)) == []


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("answered", [None, 200, 481, 500])
def test_9_1_invite_is_over_64_t1_after_a_cancel_that_brought_nothing(new_desk, transport, answered):
    desk = new_desk(transport)
    transaction, _ = desk.send()
    desk.answer(transaction, 180)
    desk.wait(50)
    effects = cancel(desk, transaction)
    if answered is not None:
        answer_cancel(desk, effects, answered)
    late = desk.answer(transaction, 180)
    assert len(late) == 1
    outcome = [e for e in desk.wait(40) if not isinstance(e, Send)]
    assert [type(e).__name__ for e in outcome] == ["TimedOut", "Terminated"]
    assert outcome[0].timer == "CANCEL"
    assert outcome[0].transaction is transaction
    assert desk.layer.len_client == 0
    assert desk.layer.next_timeout() is None


def test_9_1_cancel_that_cannot_be_sent_leaves_the_invite_to_its_timer(desk, names):
    transaction, _ = desk.send()
    desk.answer(transaction, 180)
    (send,) = cancel(desk, transaction)
    assert desk.layer.transport_failed(send.key, "unreachable", now=desk.now) == []
    assert desk.layer.len_client == 1
    assert names(desk.wait(40)) == ["TimedOut", "Terminated"]


def test_9_1_2xx_that_crosses_the_cancel_goes_up(desk, names):
    transaction, _ = desk.send()
    desk.answer(transaction, 180)
    cancel(desk, transaction)
    assert names(desk.answer(transaction, 200)) == ["ResponseReceived"]
    assert transaction.state is State.ACCEPTED


def test_9_2_cancel_is_answered_and_told_once(desk, names, sent):
    transaction = desk.serve()
    effects = desk.receive(desk.request("CANCEL", more="Reason: SIP;cause=200\r\n"))
    assert names(effects) == ["Send", "CancelReceived"]
    assert sent(effects) == ["200"]
    told = effects[1]
    assert isinstance(told, CancelReceived)
    assert told.transaction is transaction
    assert told.request.headers.get("reason") == "SIP;cause=200"
    assert sent(desk.receive(desk.request("CANCEL"))) == ["200"]
    assert transaction.state is State.PROCEEDING
    assert sent(desk.respond(transaction, 487)) == ["487"]
    desk.receive(desk.request("ACK", to="<sip:bob@example.test>;tag=to"))
    assert names(desk.wait(60)) == ["Terminated"]
    assert desk.layer.len_server == 0


def test_9_2_answer_to_a_cancel_carries_the_tag_of_the_invites_responses(desk):
    desk.respond(desk.serve(), 180, "ringing")
    (send, _) = desk.receive(desk.request("CANCEL"))
    response = parse_datagram(send.data)
    assert response.to_tag == "ringing"
    assert response.cseq.method == "CANCEL"


def test_9_2_answer_to_an_early_cancel_has_a_tag_of_its_own(desk):
    desk.serve()
    (send, _) = desk.receive(desk.request("CANCEL"))
    assert parse_datagram(send.data).to_tag


@pytest.mark.parametrize("status", [200, 486])
def test_9_2_cancel_after_the_final_response_is_answered_and_not_told(desk, names, sent, status):
    transaction = desk.serve()
    desk.respond(transaction, status)
    effects = desk.receive(desk.request("CANCEL"))
    assert names(effects) == ["Send"]
    assert sent(effects) == ["200"]


def test_9_2_cancel_that_matches_nothing_is_a_request_like_others(desk, names, sent):
    (effect,) = desk.receive(desk.request("CANCEL"))
    assert names([effect]) == ["RequestReceived"]
    assert sent(desk.respond(effect.transaction, 481)) == ["481"]
    assert names(desk.wait(40)) == ["Terminated"]


def test_9_2_cancel_does_not_stop_the_automatic_100(desk, sent):
    desk.serve()
    desk.receive(desk.request("CANCEL"))
    assert sent(desk.wait(0.3)) == ["100"]


def test_9_2_failure_to_send_the_answer_is_not_told(desk):
    desk.serve()
    (send, _) = desk.receive(desk.request("CANCEL"))
    assert desk.layer.transport_failed(send.key, "unreachable", now=desk.now) == []
