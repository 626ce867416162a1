"""What the application may do with a result, and when: relay, fork, cancel, and what has been overtaken."""

import gc
import weakref
from typing import Any

import pytest

from trunkline.sip_parser import LocalProtocolError, make_response
from trunkline.sip_proxy.core import ResponseReady, Target
from trunkline.sip_transaction import ResponseReceived, Send, State, StrayResponse, Terminated, TimedOut


@pytest.fixture
def slow(kit: Any) -> Any:
    """A bench whose application relays when the test says so."""
    return kit.Bench(relays=False, cancel_wait=1.0)


def target(kit: Any, number: int, **options: Any) -> Target:
    return Target(f"sip:bob@198.51.100.{number}", kit.udp(number), **options)


def relay(bench: Any, ready: ResponseReady) -> None:
    bench.act(bench.core.relay(ready.context, ready.response, now=bench.now))


def test_a_failure_overtaken_by_an_answer_is_not_relayed(kit: Any, slow: Any) -> None:
    context = slow.forward(kit.request(), target(kit, 2, ring_timeout=10.0))
    [sent] = slow.requests()
    slow.answer(sent, 180)
    slow.pass_time(11.1)
    slow.answer(sent, 200)
    assert [ready.response.status for ready in slow.ready] == [180, 408, 200]
    _, failure, answer = slow.ready
    relay(slow, failure)
    assert 408 not in slow.statuses()
    assert slow.core.fork(context, [target(kit, 3)], now=slow.now) == []
    relay(slow, answer)
    assert slow.statuses()[-1] == 200


def test_the_application_may_still_refuse_what_was_answered(kit: Any, slow: Any) -> None:
    context = slow.forward(kit.request(), target(kit, 2))
    slow.answer(slow.requests()[0], 200)
    own = make_response(context.transaction.request, 500, to_tag="x")
    slow.act(slow.core.relay(context, own, now=0.0))
    assert slow.statuses() == [500]


def test_after_a_final_response_nothing_is_forked(kit: Any, bench: Any) -> None:
    context = bench.forward(kit.request(), target(kit, 2))
    bench.answer(bench.requests()[0], 486)
    assert bench.core.fork(context, [target(kit, 3)], now=0.0) == []
    with pytest.raises(LocalProtocolError, match="at least one target"):
        bench.core.fork(context, [], now=0.0)


def test_targets_can_be_added_while_others_ring(kit: Any, slow: Any) -> None:
    """As when a phone that was woken up by a push registers. Source: RFC 8599"""
    context = slow.forward(kit.request(), target(kit, 2), target(kit, 3, q=0.5))
    slow.act(slow.core.fork(context, [target(kit, 4), target(kit, 5, q=0.5)], now=0.0))
    assert [request.uri[-1] for request in slow.requests()] == ["2", "4"]
    slow.answer(slow.requests()[0], 486)
    assert len(slow.requests("INVITE")) == 2
    slow.answer(slow.requests("INVITE")[1], 486)
    assert sorted(request.uri[-1] for request in slow.requests("INVITE")[2:]) == ["3", "5"]


def test_a_fork_may_carry_another_request(kit: Any, slow: Any) -> None:
    context = slow.forward(kit.request(), target(kit, 2))
    slow.answer(slow.requests()[0], 486)
    changed = context.request.copy()
    changed.headers.add("Diversion", "<sip:bob@example.test>;reason=user-busy")
    slow.act(slow.core.fork(context, [target(kit, 9)], now=0.0, request=changed))
    assert "diversion" in slow.requests("INVITE")[1].headers
    assert "diversion" not in slow.requests("INVITE")[0].headers


def test_an_answer_of_the_applications_own_stops_the_search_and_is_repeated_by_nobody(
    kit: Any, slow: Any
) -> None:
    context = slow.forward(kit.request(), target(kit, 2), target(kit, 3, q=0.5))
    slow.answer(slow.requests()[0], 180)
    voicemail = make_response(context.transaction.request, 200, to_tag="voicemail")
    slow.act(slow.core.relay(context, voicemail, now=0.0))
    assert slow.statuses() == [200]
    slow.answer(slow.requests()[0], 487)
    assert len(slow.requests("INVITE")) == 1
    assert len(slow.ready) == 1


def test_an_answer_relayed_when_the_transaction_is_gone_is_still_sent(kit: Any, slow: Any) -> None:
    slow.forward(kit.request(), target(kit, 2))
    slow.answer(slow.requests()[0], 200, to_tag="a")
    slow.answer(slow.requests()[0], 200, to_tag="b")
    first, second = slow.ready
    relay(slow, first)
    slow.pass_time(40)
    effects = slow.core.relay(second.context, second.response, now=slow.now)
    assert [type(effect) for effect in effects] == [Send]
    assert effects[0].flow == kit.udp(1)


def test_a_second_answer_to_a_non_invite_is_not_sent(kit: Any, slow: Any) -> None:
    slow.forward(kit.request("MESSAGE"), target(kit, 2))
    slow.answer(slow.requests()[0], 200)
    [ready] = slow.ready
    relay(slow, ready)
    assert slow.core.relay(ready.context, ready.response, now=0.0) == []


def test_relaying_reports_what_the_layer_does(kit: Any, slow: Any) -> None:
    slow.forward(kit.request("OPTIONS", flow=kit.tcp(1)), target(kit, 2), flow=kit.tcp(1))
    slow.answer(slow.requests()[0], 200)
    [ready] = slow.ready
    effects = slow.core.relay(ready.context, ready.response, now=0.0)
    assert [type(effect) for effect in effects] == [Send, Terminated]


def test_effects_that_are_about_nobody_here_are_handed_on(kit: Any, bench: Any) -> None:
    stray = StrayResponse(make_response(kit.request(), 200, to_tag="x"), kit.udp(2))
    assert bench.core.receive(stray, now=0.0) == [stray]
    request = kit.request("OPTIONS", branch=bench.layer.new_branch())
    own, _ = bench.layer.send_request(request, kit.udp(2), now=0.0)
    answered = ResponseReceived(own, make_response(request, 200, to_tag="x"), kit.udp(2))
    assert bench.core.receive(answered, now=0.0) == [answered]
    assert "via" in answered.response.headers
    for effect in (TimedOut(own, "F"), Terminated(own)):
        assert bench.core.receive(effect, now=0.0) == [effect]


def test_the_end_of_the_callers_transaction_is_told_to_the_application(kit: Any, bench: Any) -> None:
    context = bench.forward(kit.request(), target(kit, 2))
    bench.answer(bench.requests()[0], 200)
    bench.pass_time(40)
    [ended] = [effect for effect in bench.others if isinstance(effect, Terminated)]
    assert ended.transaction is context.transaction
    assert bench.is_idle()


def test_what_was_done_is_counted(kit: Any, bench: Any) -> None:
    bench.forward(kit.request(), target(kit, 2), target(kit, 3))
    one, two = bench.requests()
    bench.answer(two, 180)
    bench.answer(one, 200)
    bench.answer(two, 487)
    counted = bench.core.statistics
    assert (counted.contexts, counted.branches, counted.cancelled_branches) == (1, 2, 1)
    assert counted.relayed == [0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("status", [200, 486])
def test_a_request_that_is_over_is_freed_without_a_garbage_collector(kit: Any, status: int) -> None:
    bench = kit.Bench()
    gc.disable()
    try:
        context = bench.forward(kit.request(), target(kit, 2), target(kit, 3))
        one, two = bench.requests()
        bench.answer(two, 180)
        bench.answer(one, status)
        bench.answer(two, 487)
        seen = weakref.ref(context)
        del context, one, two
        bench.pass_time(200)
        assert bench.is_idle()
        bench.ready.clear()
        bench.others.clear()
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("status", [200, 404])
def test_what_is_no_invite_is_freed_while_its_answer_lingers(kit: Any, bench: Any, status: int) -> None:
    context = bench.forward(kit.request("MESSAGE"), target(kit, 2))
    transaction, sent = context.transaction, context.branches[0].transaction
    bench.answer(bench.requests()[0], status)
    assert transaction.state is State.COMPLETED
    assert sent.state is State.COMPLETED
    assert sent.user is None
    assert transaction.user is None
    assert context.branches == []


def test_things_say_what_they_are(kit: Any, bench: Any) -> None:
    context = bench.forward(kit.request(), target(kit, 2))
    bench.answer(bench.requests()[0], 486)
    assert repr(context) == "<ResponseContext INVITE sip:bob@example.test pending=0>"
    assert repr(context.branches[0]) == "<Branch sip:bob@198.51.100.2 Completed 486>"
    assert repr(bench.core.route(kit.request())) == "<Routed INVITE sip:bob@example.test loose=False>"
