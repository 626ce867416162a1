"""The layer beyond the state machines: broken messages, stateless answers, forgetting, time and counters."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, make_response, parse_datagram
from trunkline.sip_transaction import (
    ClientTransaction,
    Dropped,
    Flow,
    RequestReceived,
    Send,
    ServerTransaction,
    State,
    TransactionLayer,
)


def broken(desk, method="INVITE", **changes):
    """Let a request in that parses as far as its headers, and no further."""
    return desk.layer.receive(desk.request(method, **changes), desk.flow, now=desk.now)


def test_request_with_an_unreadable_via_is_answered_to_its_source(desk):
    (send,) = broken(desk, via="SIP/2.0/UDP not a host;;")
    response = parse_datagram(send.data)
    assert response.status == 400
    assert "Via" in response.reason
    assert send.flow == desk.flow
    assert send.key is None
    assert desk.layer.len_server == 0


def test_ack_with_an_unreadable_via_is_dropped(desk):
    (effect,) = broken(desk, "ACK", via="SIP/2.0/UDP not a host;;")
    assert isinstance(effect, Dropped)
    assert "Via" in effect.reason
    assert effect.message.method == "ACK"
    assert desk.layer.statistics.dropped == 1


def test_response_with_an_unreadable_via_is_dropped(desk):
    response = make_response(desk.request(), 200)
    response.headers.set("Via", "SIP/2.0/UDP not a host;;")
    (effect,) = desk.layer.receive(response, desk.flow, now=desk.now)
    assert isinstance(effect, Dropped)


def test_old_request_with_an_unreadable_cseq_is_answered(desk, sent):
    assert sent(broken(desk, branch="1", cseq="many INVITE")) == ["400"]


def test_cancel_with_an_unreadable_to_is_a_cancel_all_the_same(desk, sent):
    transaction = desk.serve()
    assert sent(broken(desk, "CANCEL", to="<<>>>")) == ["200"]
    assert transaction.state is State.PROCEEDING


def test_copies_of_a_broken_request_get_the_same_answer(desk):
    wrong = "SIP/2.0/UDP not a host;;"
    (one,) = broken(desk, via=wrong)
    (two,) = broken(desk, via=wrong)
    (other,) = broken(desk, via=wrong, call_id="other")
    assert one.data == two.data
    assert parse_datagram(one.data).to_tag != parse_datagram(other.data).to_tag


def test_ack_for_a_stateless_answer_ends_here(desk):
    (send,) = broken(desk, via="SIP/2.0/UDP not a host;;")
    to = parse_datagram(send.data).headers.get("to")
    assert desk.receive(desk.request("ACK", to=to)) == []


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS"])
def test_challenge_given_without_state_leaves_nothing_and_is_given_again(desk, method):
    challenge = [("Proxy-Authenticate", 'Digest realm="r"'), ("Server", "here")]
    tags = set()
    for _ in range(3):
        (received,) = desk.receive(desk.request(method))
        assert isinstance(received, RequestReceived)
        (send,) = desk.layer.respond_statelessly(received.transaction, 407, headers=challenge)
        response = parse_datagram(send.data)
        assert (response.status, response.headers.get("proxy-authenticate")) == (407, challenge[0][1])
        assert response.headers.get("via") == received.request.headers.get("via")
        assert send.flow == desk.flow
        assert (desk.layer.len_server, len(desk.layer._timers)) == (0, 0)
        assert desk.layer.respond_statelessly(received.transaction, 407) == []
        assert desk.layer.respond(received.transaction, response, now=desk.now) == []
        tags.add(response.to_tag)
    assert len(tags) == 1
    assert desk.layer.statistics.finals[4] == 3
    if method == "INVITE":
        assert desk.receive(desk.request("ACK", to=response.headers.get("to"))) == []
        assert desk.layer.statistics.absorbed_requests == 1


def test_only_failures_are_given_without_state(desk):
    (received,) = desk.receive(desk.request())
    with pytest.raises(LocalProtocolError):
        desk.layer.respond_statelessly(received.transaction, 200)
    busy = make_response(received.request, 486, to_tag="t")
    (answer,) = desk.layer.respond(received.transaction, busy, now=desk.now)
    assert isinstance(answer, Send)
    assert desk.layer.respond_statelessly(received.transaction, 407) == []


def test_stateless_answers_of_two_layers_are_told_apart(desk):
    (send,) = broken(desk, via="SIP/2.0/UDP not a host;;")
    to = parse_datagram(send.data).headers.get("to")
    other = TransactionLayer(token=lambda size: b"\xaa" * size)
    (effect,) = other.receive(desk.request("ACK", to=to), desk.flow, now=0)
    assert not isinstance(effect, Dropped)


def test_parse_error_with_a_request_is_answered_with_its_status(desk):
    request = desk.request(via="SIP/2.0/UDP 10.9.9.9:5070")
    error = RemoteProtocolError("expected SIP/2.0", 505, message=request)
    (send,) = desk.layer.receive_error(error, desk.flow, now=desk.now)
    response = parse_datagram(send.data)
    assert response.status == 505
    assert response.reason == "expected SIP/2.0"
    assert response.top_via.received == "192.0.2.1"
    assert response.to_tag
    assert desk.layer.statistics.layer_replies == 1


@pytest.mark.parametrize("what", ["nothing", "ACK", "response"])
def test_parse_error_without_a_request_to_answer_is_dropped(desk, what):
    message = {
        "nothing": None,
        "ACK": desk.request("ACK"),
        "response": make_response(desk.request(), 200),
    }[what]
    (effect,) = desk.layer.receive_error(RemoteProtocolError("no", message=message), desk.flow, now=desk.now)
    assert isinstance(effect, Dropped)
    assert effect.message is message
    assert effect.flow == desk.flow


@pytest.mark.parametrize("reason", ["x" * 500, "line\r\nbreak", "bell\a"])
def test_reason_that_fits_no_status_line_is_not_sent(desk, reason):
    error = RemoteProtocolError(reason, message=desk.request())
    (send,) = desk.layer.receive_error(error, desk.flow, now=desk.now)
    assert parse_datagram(send.data).reason == "Bad Request"


def test_real_parse_error_is_answered(desk, sent):
    data = desk.request().to_bytes().replace(b"Content-Length: 0", b"Content-Length: 99")
    with pytest.raises(RemoteProtocolError) as caught:
        parse_datagram(data)
    assert sent(desk.layer.receive_error(caught.value, desk.flow, now=desk.now)) == ["400"]


@pytest.mark.parametrize("option", ["server", "user_agent"])
def test_header_that_cannot_be_written_is_refused_at_once(option, token):
    with pytest.raises(LocalProtocolError):
        TransactionLayer(token=token, **{option: "two\r\nlines"})


def test_user_agent_is_in_the_requests_we_make(new_desk):
    desk = new_desk(user_agent="Trunkline")
    transaction, _ = desk.send()
    desk.answer(transaction, 180)
    (cancel,) = desk.layer.cancel(transaction, now=desk.now)
    ack, _ = desk.answer(transaction, 487)
    for send in (cancel, ack):
        assert parse_datagram(send.data).headers.get("user-agent") == "Trunkline"


def test_forgotten_server_transaction_leaves_nothing_and_a_copy_is_new(desk, names):
    transaction = desk.serve()
    desk.layer.forget(transaction)
    assert transaction.state is State.TERMINATED
    assert desk.layer.len_server == 0
    assert desk.wait(100) == []
    assert desk.respond(transaction, 200) == []
    assert names(desk.receive(desk.request())) == ["RequestReceived"]
    desk.layer.forget(transaction)
    assert desk.layer.len_server == 1


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_forgotten_client_transaction_leaves_nothing(desk, names, method):
    transaction, _ = desk.send(method)
    desk.layer.forget(transaction)
    desk.layer.forget(transaction)
    assert desk.layer.len_client == 0
    assert desk.wait(100) == []
    assert names(desk.answer(transaction, 200)) == ["StrayResponse"]


def test_calling_handle_timeout_early_does_nothing(desk):
    desk.send()
    assert desk.layer.handle_timeout(now=desk.now + 0.4) == []
    assert desk.layer.next_timeout() == desk.now + 0.5


def test_idle_layer_waits_for_nothing(desk):
    assert desk.layer.next_timeout() is None
    assert desk.layer.handle_timeout(now=1e9) == []


def test_late_wake_up_ends_what_is_over(desk, names):
    desk.send()
    desk.now += 40
    assert names(desk.layer.handle_timeout(now=desk.now)) == ["Send", "TimedOut", "Terminated"]
    assert desk.wait(10) == []
    assert desk.layer.next_timeout() is None


def test_late_wake_up_does_not_repeat_what_it_just_ended(desk, names):
    desk.send()
    desk.wait(31.6)
    assert names(desk.layer.handle_timeout(now=desk.now + 100)) == ["TimedOut", "Terminated"]


def test_branches_differ_and_carry_the_cookie(desk):
    branches = {desk.layer.new_branch() for _ in range(100)}
    assert len(branches) == 100
    assert all(branch.startswith("z9hG4bK") for branch in branches)


def test_same_inputs_give_the_same_bytes(new_desk):
    def run():
        desk = new_desk()
        transaction, effects = desk.send()
        effects += desk.answer(transaction, 180) + desk.layer.cancel(transaction, now=desk.now)
        effects += desk.answer(transaction, 487) + desk.wait(100)
        return [effect.data for effect in effects if isinstance(effect, Send)]

    assert run() == run()


@pytest.mark.parametrize("key", [None, "unknown", ("a", "b"), 7])
def test_failure_to_send_for_an_unknown_key_does_nothing(desk, key):
    assert desk.layer.transport_failed(key, "unreachable", now=desk.now) == []
    assert desk.layer.statistics.transport_failures == 0


def test_statistics_count_what_happened(desk):
    statistics = desk.layer.statistics
    call = desk.serve()
    desk.receive(desk.request())
    desk.wait(0.3)
    desk.respond(call, 180)
    desk.respond(call, 200)
    desk.respond(call, 200)
    refused = desk.serve(branch="z9hG4bKa2")
    desk.respond(refused, 486)
    desk.wait(0.6)
    out, _ = desk.send()
    desk.answer(out, 200)
    desk.answer(out, 200)
    desk.receive(make_response(desk.request(branch="z9hG4bKx"), 200))
    assert statistics.uas_transactions == 2
    assert statistics.uac_transactions == 1
    assert statistics.received_replies == 3
    assert statistics.stray_replies == 1
    assert statistics.user_replies == 4
    assert statistics.layer_replies == 1
    assert statistics.absorbed_requests == 1
    assert statistics.retransmissions == 1
    assert statistics.finals == [0, 0, 1, 0, 1, 0, 0]
    desk.wait(100)
    assert statistics.timeouts == 1


def test_transactions_say_what_they_are(desk):
    client, _ = desk.send("OPTIONS", branch="z9hG4bKmine")
    server = desk.serve()
    assert isinstance(client, ClientTransaction)
    assert isinstance(server, ServerTransaction)
    assert repr(client) == "<ClientTransaction OPTIONS z9hG4bKmine Trying>"
    assert repr(server) == "<ServerTransaction INVITE z9hG4bKa1 Proceeding>"
    assert (client.method, server.method) == ("OPTIONS", "INVITE")
    assert client.user is None
    client.user = server.user = object()
    assert client.user is server.user
    for transaction in (client, server):
        with pytest.raises(AttributeError):
            transaction.__setattr__("unknown", 1)


def test_flow_is_equal_and_hashed_by_value():
    one = Flow("TCP", ("192.0.2.1", 5060), ("192.0.2.2", 5060), 3)
    assert one == Flow("TCP", ("192.0.2.1", 5060), ("192.0.2.2", 5060), 3)
    assert hash(one) == hash(Flow("TCP", ("192.0.2.1", 5060), ("192.0.2.2", 5060), 3))
    assert one != Flow("TCP", ("192.0.2.1", 5060), ("192.0.2.2", 5060), 4)
    assert one.reliable
    assert not Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.2", 5060)).reliable


@pytest.mark.parametrize("user", [None, "somebody"])
def test_end_of_what_nobody_holds_may_go_untold(new_desk, names, user):
    desk = new_desk(tell_all_ends=False)
    server, (client, _) = desk.serve("OPTIONS"), desk.send("OPTIONS")
    server.user = client.user = user
    desk.respond(server, 200)
    desk.answer(client, 200)
    assert names(desk.wait(40)) == ([] if user is None else ["Terminated", "Terminated"])
    assert (desk.layer.len_client, desk.layer.len_server) == (0, 0)


def test_branch_at_hand_is_taken_for_the_key(desk):
    branch = desk.layer.new_branch()
    request = desk.request("OPTIONS", branch=branch)
    transaction, _ = desk.layer.send_request(request, desk.flow, now=desk.now, branch=branch)
    assert transaction.key == (branch, "OPTIONS")
    assert [type(effect).__name__ for effect in desk.answer(transaction, 200)] == ["ResponseReceived"]


def test_a_request_sent_as_bytes_is_read_again_for_its_cancel_and_its_ack(desk):
    branch = desk.layer.new_branch()
    data = desk.request(branch=branch).to_bytes()
    transaction, (send,) = desk.layer.send_written(data, "INVITE", desk.flow, now=desk.now, branch=branch)
    assert (send.data, send.flow, send.key) == (data, desk.flow, transaction.key)
    desk.answer(transaction, 180)
    (cancel,) = desk.layer.cancel(transaction, now=desk.now)
    assert parse_datagram(cancel.data).top_via.branch == branch
    effects = desk.answer(transaction, 487)
    (ack,) = [parse_datagram(effect.data) for effect in effects if isinstance(effect, Send)]
    assert (ack.method, ack.uri, ack.to_tag) == ("ACK", "sip:bob@example.test", "to")
    assert transaction.request.to_bytes() == data


@pytest.mark.parametrize("method", ["INVITE", "INFO"])
def test_a_request_sent_as_bytes_is_gone_when_nothing_can_follow(desk, method):
    branch = desk.layer.new_branch()
    request = desk.request(method, branch=branch)
    data = request.to_bytes()
    transaction, _ = desk.layer.send_written(data, method, desk.flow, now=desk.now, branch=branch)
    with pytest.raises(LocalProtocolError, match="in use"):
        desk.layer.send_written(data, method, desk.flow, now=desk.now, branch=branch)
    (effect,) = desk.receive(make_response(request, 200, to_tag="to"))
    assert effect.transaction is transaction
    with pytest.raises(AttributeError):
        _ = transaction.request
    again = desk.receive(make_response(request, 200, to_tag="to"))
    assert [type(effect) for effect in again] == [type(effect)] * (method == "INVITE")
