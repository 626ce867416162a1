"""RFC 3261 §16.8 timer C, §16.9 transport errors, §16.10 CANCEL, §16.11 stateless forwarding."""

from typing import Any

import pytest

from trunkline.sip_parser import Request, Response, make_response
from trunkline.sip_proxy.core import Target
from trunkline.sip_transaction import AckReceived, CancelReceived, RequestReceived, Send, TransportFailed


def fork(kit: Any, bench: Any, count: int = 2, **options: Any) -> list[Request]:
    request = options.pop("request", None) or kit.request()
    targets = [Target(f"sip:bob@198.51.100.{n}", kit.udp(n), **options) for n in range(2, 2 + count)]
    bench.forward(request, *targets)
    return list(bench.requests())


def caller_cancels(kit: Any, bench: Any, *headers: tuple[str, str]) -> None:
    bench.give(kit.request("CANCEL", headers=headers), kit.udp(1))


def finals(bench: Any) -> list[int]:
    """The final statuses of the INVITE that went up."""
    return [
        message.status
        for message, _ in bench.sent
        if isinstance(message, Response) and message.status >= 200 and message.cseq.method == "INVITE"
    ]


# §16.8.


def test_16_8_timer_c_ends_a_branch_that_rings_for_ever(kit: Any, bench: Any) -> None:
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    bench.pass_time(180)  # "the timer MUST be larger than 3 minutes" (§16.6 step 11)
    assert bench.requests("CANCEL") == []
    bench.pass_time(1)
    assert len(bench.requests("CANCEL")) == 1
    bench.answer(sent, 487)
    assert finals(bench) == [408]
    assert bench.core.statistics.timeouts == 1


def test_16_8_every_provisional_response_but_100_begins_timer_c_anew(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    for request in (one, two):
        bench.answer(request, 100)
    for _ in range(3):
        bench.pass_time(100)
        bench.answer(one, 180)
    assert [cancel.top_via for cancel in bench.requests("CANCEL")] == [two.top_via]


def test_16_8_a_branch_without_any_response_counts_as_408_at_once(kit: Any) -> None:
    bench = kit.Bench(default_ring_timeout=5.0)
    fork(kit, bench, 1)
    bench.pass_time(5.1)
    assert finals(bench) == [408]
    assert bench.requests("CANCEL") == []


def test_16_8_a_ring_timeout_does_not_begin_anew(kit: Any) -> None:
    bench = kit.Bench(default_ring_timeout=20.0)
    [sent] = fork(kit, bench, 1)
    for _ in range(3):
        bench.pass_time(6)
        bench.answer(sent, 180)
    bench.pass_time(2.1)
    assert len(bench.requests("CANCEL")) == 1


def test_16_8_a_phone_that_does_not_answer_the_cancel_is_not_waited_for(kit: Any) -> None:
    bench = kit.Bench(default_ring_timeout=20.0, cancel_wait=3.0)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    bench.pass_time(22.9)
    assert finals(bench) == []
    bench.pass_time(0.2)
    assert finals(bench) == [408]


def test_16_8_an_answer_that_crosses_the_cancel_wins(kit: Any) -> None:
    bench = kit.Bench(default_ring_timeout=20.0)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    bench.pass_time(20.1)
    bench.answer(sent, 200)
    assert finals(bench) == [200]
    bench.pass_time(100)
    assert bench.is_idle()


def test_16_8_each_target_may_have_its_own_ring_timeout_and_the_next_q_follows(kit: Any, bench: Any) -> None:
    targets = [
        Target("sip:a@198.51.100.2", kit.udp(2), q=1.0, ring_timeout=10.0),
        Target("sip:b@198.51.100.3", kit.udp(3), q=0.5),
    ]
    bench.forward(kit.request(), *targets)
    [first] = bench.requests("INVITE")
    bench.answer(first, 180)
    bench.pass_time(10.1)
    bench.answer(first, 487)
    _, second = bench.requests("INVITE")
    bench.answer(second, 200)
    assert finals(bench) == [200]


def test_a_late_answer_of_a_branch_given_up_ends_the_search_elsewhere(kit: Any) -> None:
    bench = kit.Bench(cancel_wait=1.0)
    targets = [
        Target("sip:a@198.51.100.2", kit.udp(2), q=1.0, ring_timeout=10.0),
        Target("sip:b@198.51.100.3", kit.udp(3), q=0.5),
    ]
    bench.forward(kit.request(), *targets)
    [first] = bench.requests("INVITE")
    bench.answer(first, 180)
    bench.pass_time(11.1)
    second = bench.requests("INVITE")[1]
    bench.answer(second, 180)
    bench.answer(first, 200)
    assert finals(bench) == [200]
    assert bench.requests("CANCEL")[-1].top_via == second.top_via


def test_a_non_invite_may_have_a_ring_timeout_too(kit: Any, bench: Any) -> None:
    targets = [
        Target("sip:a@198.51.100.2", kit.udp(2), q=1.0, ring_timeout=3.0),
        Target("sip:b@198.51.100.3", kit.udp(3), q=0.5),
    ]
    bench.forward(kit.request("MESSAGE"), *targets)
    bench.pass_time(3.1)
    assert {request.uri for request in bench.requests()} == {"sip:a@198.51.100.2", "sip:b@198.51.100.3"}
    assert bench.requests("CANCEL") == []


# §16.9.


def test_16_9_a_target_that_cannot_be_reached_counts_as_503_and_so_as_500(kit: Any, bench: Any) -> None:
    fork(kit, bench, 1)
    bench.take(bench.layer.transport_failed(bench.sends[-1].key, "no route to host", now=0.0))
    assert finals(bench) == [500]
    assert bench.ready[0].branch is not None
    assert bench.ready[0].branch.status == 503


def test_16_9_the_next_target_is_tried(kit: Any, bench: Any) -> None:
    second = Target("sip:b@198.51.100.3", kit.udp(3), q=0.5)
    bench.forward(kit.request(), Target("sip:a@198.51.100.2", kit.tcp(2)), second)
    bench.take(bench.layer.flow_failed(kit.tcp(2), "connection reset", now=0.0))
    assert [request.uri for request in bench.requests()][1] == "sip:b@198.51.100.3"


def test_16_9_a_timeout_counts_as_408(kit: Any, bench: Any) -> None:
    fork(kit, bench, 2)
    bench.pass_time(33)
    assert finals(bench) == [408]


def test_16_9_when_the_caller_is_out_of_reach_the_callees_stop_ringing(kit: Any, bench: Any) -> None:
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    transaction = bench.ready[0].context.transaction
    bench.take(bench.layer.transport_failed(transaction.key, "connection reset", now=0.0))
    assert len(bench.requests("CANCEL")) == 1
    assert isinstance(bench.others[-1], TransportFailed)
    assert bench.core.fork(transaction.user, [Target("sip:c@198.51.100.4", kit.udp(4))], now=0.0) == []


# §16.10.


def test_16_10_a_cancel_goes_to_every_branch_with_its_reason(kit: Any, bench: Any) -> None:
    one, two, three = fork(kit, bench, 3)
    bench.answer(one, 180)
    bench.answer(two, 180)
    bench.answer(three, 486)
    caller_cancels(kit, bench, ("Reason", 'Q.850;cause=16;text="gone"'))
    cancels = bench.requests("CANCEL")
    assert [cancel.top_via for cancel in cancels] == [one.top_via, two.top_via]
    assert {cancel.headers.get("reason") for cancel in cancels} == {'Q.850;cause=16;text="gone"'}
    bench.answer(one, 487)
    assert finals(bench) == []
    bench.answer(two, 487)
    assert finals(bench) == [487]


def test_16_10_after_a_cancel_no_lower_q_is_tried(kit: Any, bench: Any) -> None:
    targets = [Target("sip:a@198.51.100.2", kit.udp(2)), Target("sip:b@198.51.100.3", kit.udp(3), q=0.5)]
    bench.forward(kit.request(), *targets)
    [first] = bench.requests("INVITE")
    bench.answer(first, 180)
    caller_cancels(kit, bench)
    bench.answer(first, 487)
    assert len(bench.requests("INVITE")) == 1
    assert finals(bench) == [487]


def test_16_10_an_answer_that_crosses_the_cancel_goes_up(kit: Any, bench: Any) -> None:
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    caller_cancels(kit, bench)
    bench.answer(sent, 200)
    assert finals(bench) == [200]


def test_16_10_phones_that_never_spoke_do_not_keep_the_caller_waiting(kit: Any) -> None:
    bench = kit.Bench(cancel_wait=3.0)
    fork(kit, bench, 2)
    caller_cancels(kit, bench)
    assert bench.requests("CANCEL") == []
    bench.pass_time(3.1)
    assert finals(bench) == [487]
    bench.pass_time(200)
    assert bench.is_idle()


def test_16_10_a_cancel_after_a_ring_timeout_says_487(kit: Any) -> None:
    bench = kit.Bench(default_ring_timeout=10.0)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    bench.pass_time(10.1)
    caller_cancels(kit, bench)
    bench.answer(sent, 487)
    assert finals(bench) == [487]


def test_16_10_a_cancel_before_forward_is_answered_and_nothing_is_sent(kit: Any, bench: Any) -> None:
    transaction = bench.receive(kit.request())
    caller_cancels(kit, bench)
    assert finals(bench) == [487]
    assert bench.core.forward(transaction, [Target("sip:b@198.51.100.2", kit.udp(2))], now=0.0) == []
    assert bench.requests() == []


def test_16_10_a_cancel_before_forward_that_the_application_has_not_relayed_yet(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    transaction = bench.receive(kit.request())
    caller_cancels(kit, bench)
    caller_cancels(kit, bench)
    [ready] = bench.ready
    assert (ready.response.status, ready.branch) == (487, None)
    assert bench.core.forward(transaction, [Target("sip:b@198.51.100.2", kit.udp(2))], now=0.0) == []
    bench.act(bench.core.relay(ready.context, ready.response, now=0.0))
    assert finals(bench) == [487]


def test_16_10_a_cancel_for_somebody_elses_transaction_is_handed_on(kit: Any, bench: Any) -> None:
    transaction = bench.receive(kit.request())
    transaction.user = "an endpoint of the application's own"
    caller_cancels(kit, bench)
    assert isinstance(bench.others[-1], CancelReceived)


def test_16_10_a_cancel_between_the_announcement_and_going_on_ends_with_487(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 486)
    [busy] = bench.ready
    caller_cancels(kit, bench)
    assert len(bench.ready) == 1, "the failure announced is still the application's to relay"
    bench.act(bench.core.fork(busy.context, [Target("sip:vm@198.51.100.3", kit.udp(3))], now=0.0))
    assert [ready.response.status for ready in bench.ready] == [486, 487]
    assert len(bench.requests("INVITE")) == 1


def test_16_10_a_cancel_between_the_answer_and_its_relay_changes_nothing(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 200)
    [ready] = bench.ready
    caller_cancels(kit, bench)
    assert bench.requests("CANCEL") == []
    bench.act(bench.core.relay(ready.context, ready.response, now=0.0))
    assert finals(bench) == [200]


def test_16_10_a_cancel_without_a_request_reaches_the_application(kit: Any, bench: Any) -> None:
    """§16.10 would have it forwarded statelessly; who has forwarded nothing statelessly may answer 481."""
    bench.give(kit.request("CANCEL"), kit.udp(1))
    assert isinstance(bench.others[-1], RequestReceived)


def test_the_application_can_cancel_and_go_on_elsewhere(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    context = bench.ready[0].context
    bench.act(bench.core.cancel(context, now=0.0, reason='SIP;cause=200;text="picked up"'))
    assert "picked up" in (bench.requests("CANCEL")[0].headers.get("reason") or "")
    bench.answer(sent, 487)
    bench.act(bench.core.fork(context, [Target("sip:c@198.51.100.4", kit.udp(4))], now=0.0))
    bench.answer(bench.requests("INVITE")[1], 200)
    assert [ready.response.status for ready in bench.ready] == [180, 487, 200]


# §16.11.


def test_16_11_an_ack_goes_on_without_a_transaction(kit: Any, bench: Any) -> None:
    ours = ("Route", "<sip:192.0.2.1:5060;transport=udp;lr>")
    ack = kit.request("ACK", "sip:bob@198.51.100.2", to_tag="bob", branch="z9hG4bKack", headers=[ours])
    bench.give(ack, kit.udp(1))
    effect = bench.others.pop()
    assert isinstance(effect, AckReceived)
    assert bench.core.route(effect.request).loose
    target = Target(effect.request.uri, kit.udp(2))
    bench.act(bench.core.forward_ack(effect.request, target))
    bench.act(bench.core.forward_ack(effect.request, target))
    first, again = bench.requests("ACK")
    assert first.to_bytes() == again.to_bytes(), "the same ACK gives the same branch"
    assert first.max_forwards == 69
    assert "route" not in first.headers
    assert "record-route" not in first.headers
    assert [via.branch for via in first.vias][1:] == ["z9hG4bKack"]
    assert bench.layer.len_client == 0


def test_16_11_another_ack_gets_another_branch(kit: Any, bench: Any) -> None:
    branches = set()
    for branch in ("z9hG4bK1", "z9hG4bK2"):
        [send] = bench.core.forward_ack(kit.request("ACK", branch=branch), Target("sip:b@h", kit.udp(2)))
        assert isinstance(send, Send)
        bench.act([send])
        branches.add(bench.requests()[-1].top_via.branch)
    assert len(branches) == 2


def test_16_11_an_ack_without_hops_left_is_dropped(kit: Any, bench: Any) -> None:
    assert bench.core.forward_ack(kit.request("ACK", max_forwards=0), Target("sip:b@h", kit.udp(2))) == []
    unreadable = kit.request("ACK")
    unreadable.headers.set("Max-Forwards", "many")
    assert bench.core.forward_ack(unreadable, Target("sip:b@h", kit.udp(2))) == []


def test_16_11_a_stray_response_goes_where_the_next_via_says(kit: Any, bench: Any) -> None:
    [sent] = fork(kit, bench, 1)
    response = make_response(sent, 200, to_tag="late")
    stateless = bench.core.forward_response(response)
    assert stateless is not None
    assert stateless.via.branch == "z9hG4bKfirst"
    assert kit.LOCAL[0].encode() not in stateless.data.split(b"From:")[0]


@pytest.mark.parametrize(
    "vias",
    [
        ["SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKx", "SIP/2.0/UDP a;branch=z9hG4bKy"],
        ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx"],
        ["nonsense", "nonsense"],
    ],
)
def test_16_11_a_stray_response_that_is_not_ours_or_ends_here_is_dropped(
    kit: Any, bench: Any, vias: list[str]
) -> None:
    response = make_response(kit.request(), 200, to_tag="x")
    response.headers.remove("via")
    response.headers.extend("Via", vias)
    assert bench.core.forward_response(response) is None
