"""RFC 3261 §16.7: what comes back goes up, in which order, and which failure wins."""

from typing import Any

import pytest

from trunkline.sip_parser import Request, Response, make_response
from trunkline.sip_proxy.core import BranchState, Target
from trunkline.sip_transaction import Send


def fork(kit: Any, bench: Any, count: int = 2, **options: Any) -> list[Request]:
    """Fork an INVITE to so many phones and give the requests sent to them."""
    request = options.pop("request", None) or kit.request()
    targets = [Target(f"sip:bob@198.51.100.{n}", kit.udp(n), **options) for n in range(2, 2 + count)]
    bench.forward(request, *targets)
    return list(bench.requests())


def up(bench: Any) -> list[Response]:
    return [message for message, flow in bench.sent if isinstance(message, Response)]


def test_step_3_our_via_is_taken_off(kit: Any, bench: Any) -> None:
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 180)
    [response] = up(bench)
    assert [via.branch for via in response.vias] == ["z9hG4bKfirst"]
    assert bench.sent[-1][1] == kit.udp(1)


def test_step_3_a_response_that_has_lost_the_vias_counts_but_cannot_go_up(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    for request, status in ((one, 200), (two, 180)):
        response = make_response(request, status, to_tag="x")
        own = response.headers.pop_value("via")
        response.headers.remove("via")
        response.headers.prepend("Via", str(own))
        bench.give(response, kit.udp(2))
    assert up(bench) == []
    bench.answer(two, 486)
    assert bench.statuses() == [486]


def test_step_5_provisional_responses_go_up_at_once_but_100_does_not(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    bench.answer(one, 100)
    assert bench.statuses() == []
    bench.answer(one, 180)
    bench.answer(two, 183)
    bench.answer(one, 180)
    assert bench.statuses() == [180, 183, 180]


def test_step_5_after_the_answer_no_provisional_response_goes_up(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    bench.answer(one, 200)
    bench.answer(two, 180)
    assert bench.statuses() == [200]


@pytest.mark.parametrize("status", [200, 202, 299])
def test_step_5_an_answer_goes_up_at_once_and_the_others_are_cancelled(
    kit: Any, bench: Any, status: int
) -> None:
    one, two, three = fork(kit, bench, 3)
    bench.answer(one, 180)
    bench.answer(two, 180)
    bench.answer(one, status)
    assert bench.statuses() == [180, 180, status]
    [cancel] = bench.requests("CANCEL")
    assert cancel.top_via == two.top_via
    assert "completed elsewhere" in (cancel.headers.get("reason") or "")
    bench.answer(three, 100)
    assert len(bench.requests("CANCEL")) == 2, "a CANCEL waits for the first provisional response"
    assert "completed elsewhere" in (bench.requests("CANCEL")[1].headers.get("reason") or "")


def test_step_5_every_answer_of_a_fork_goes_up(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    bench.answer(one, 200, to_tag="a")
    bench.answer(two, 200, to_tag="b")
    assert [response.to_tag for response in up(bench)] == ["a", "b"]
    bench.answer(two, 200, to_tag="downstream-fork")
    assert [response.to_tag for response in up(bench)] == ["a", "b", "downstream-fork"]


def test_step_5_a_repeated_answer_goes_up_as_it_was_relayed_and_is_not_announced_again(
    kit: Any,
) -> None:
    bench = kit.Bench(relays=False)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 200)
    bench.answer(sent, 200)
    assert len(bench.ready) == 1
    assert up(bench) == [], "while the application still thinks, a copy tells nothing new"
    [ready] = bench.ready
    ready.response.body = b"mended"
    bench.act(bench.core.relay(ready.context, ready.response, now=0.0))
    [relayed] = bench.sends[1:]
    copies: list[Any] = []
    bench.sends = copies  # the same Send again would not be counted among those that were there
    bench.answer(sent, 200)
    assert copies == [relayed], "the very bytes that were relayed"
    assert [response.body for response in up(bench)] == [b"mended", b"mended"]
    assert len(bench.ready) == 1
    assert bench.core.statistics.repeated == 1


def test_step_5_a_late_answer_after_a_failure_went_up_is_sent_without_the_transaction(kit: Any) -> None:
    bench = kit.Bench(cancel_wait=2.0)
    [sent] = fork(kit, bench, 1, ring_timeout=10.0)
    bench.answer(sent, 180)
    bench.pass_time(13)
    assert bench.statuses() == [180, 408]
    bench.answer(sent, 200)
    late = bench.sent[-1][0]
    assert isinstance(late, Response)
    assert late.status == 200
    assert bench.sent[-1][1] == kit.udp(1)


def test_step_6_nothing_goes_up_before_every_branch_has_ended(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    bench.answer(one, 404)
    assert bench.statuses() == []
    bench.answer(two, 500)
    assert bench.statuses() == [404]


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((486, 302), 302),
        ((500, 486), 486),
        ((404, 407), 407),
        ((404, 401), 401),
        ((486, 484), 484),
        ((404, 486), 486),
        ((404, 415), 415),
        ((486, 420), 420),
        ((401, 407), 401),
        ((415, 407), 407),
        ((484, 420), 420),
        ((301, 300), 300),
        ((500, 404), 404),
        ((502, 302), 302),
        ((503, 503), 500),
        ((408, 404), 404),
        ((487, 480), 480),
        ((404, 480), 404),
        ((502, 501), 501),
        ((503, 500), 500),
        ((503, 404), 404),
        ((486, 486), 486),
    ],
)
def test_step_6_the_best_failure_wins_in_either_order(kit: Any, statuses: tuple[int, int], best: int) -> None:
    for order in (statuses, statuses[::-1]):
        bench = kit.Bench()
        for request, status in zip(fork(kit, bench), order, strict=True):
            bench.answer(request, status)
        assert bench.statuses() == [best]


def test_step_6_a_global_failure_cancels_the_rest_and_wins_when_they_have_ended(kit: Any, bench: Any) -> None:
    one, two, three = fork(kit, bench, 3)
    bench.answer(one, 302)
    bench.answer(two, 180)
    bench.answer(three, 603)
    assert bench.statuses() == [180]
    [cancel] = bench.requests("CANCEL")
    assert cancel.top_via == two.top_via
    bench.answer(two, 487)
    assert bench.statuses() == [180, 603]


@pytest.mark.parametrize("other", [302, 401, 404, 486, 500, 503])
@pytest.mark.parametrize("status", [600, 603, 604, 606])
def test_step_6_a_global_failure_beats_whatever_else_came(
    kit: Any, bench: Any, status: int, other: int
) -> None:
    one, two = fork(kit, bench)
    bench.answer(two, other)
    bench.answer(one, status)
    assert bench.statuses() == [status]


def test_step_6_an_answer_that_crosses_a_global_failure_wins(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    bench.answer(two, 180)
    bench.answer(one, 603)
    bench.answer(two, 200)
    assert bench.statuses() == [180, 200]


def test_step_6_after_a_global_failure_no_new_branch_is_made(kit: Any, bench: Any) -> None:
    targets = [Target("sip:a@198.51.100.2", kit.udp(2)), Target("sip:b@198.51.100.3", kit.udp(3), q=0.5)]
    bench.forward(kit.request(), *targets)
    bench.answer(bench.requests()[0], 600)
    assert len(bench.requests("INVITE")) == 1
    assert bench.statuses() == [600]


def test_step_6_503_becomes_500_because_it_is_not_us_who_are_out_of_service(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench)
    bench.answer(one, 503, headers=[("Retry-After", "3600")])
    bench.answer(two, 503)
    [response] = up(bench)
    assert response.status == 500
    assert "retry-after" not in response.headers
    assert response.to_tag
    assert [branch.status for branch in bench.ready[0].context.branches] == [503, 503]


def test_step_7_a_challenge_carries_those_of_all_branches(kit: Any, bench: Any) -> None:
    one, two, three = fork(kit, bench, 3)
    bench.answer(one, 407, headers=[("Proxy-Authenticate", 'Digest realm="a", nonce="1"')])
    bench.answer(two, 401, headers=[("WWW-Authenticate", 'Digest realm="b", nonce="2"')])
    bench.answer(three, 407, headers=[("Proxy-Authenticate", 'Digest realm="c", nonce="3"')])
    [response] = up(bench)
    assert response.status == 401
    assert response.headers.get_all("www-authenticate") == ['Digest realm="b", nonce="2"']
    assert response.headers.get_all("proxy-authenticate") == [
        'Digest realm="a", nonce="1"',
        'Digest realm="c", nonce="3"',
    ]


def test_step_7_challenges_are_gathered_anew_after_going_on_elsewhere(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    one, two = fork(kit, bench)
    bench.answer(one, 407, headers=[("Proxy-Authenticate", 'Digest realm="a", nonce="1"')])
    bench.answer(two, 407, headers=[("Proxy-Authenticate", 'Digest realm="b", nonce="2"')])
    [ready] = bench.ready
    bench.act(bench.core.fork(ready.context, [Target("sip:c@198.51.100.4", kit.udp(4))], now=0.0))
    bench.answer(bench.requests("INVITE")[2], 404)
    assert len(bench.ready[1].response.headers.get_all("proxy-authenticate")) == 2


def test_step_4_a_redirection_that_is_followed_no_longer_counts(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 302, headers=[("Contact", "<sip:bob@198.51.100.7>")])
    [ready] = bench.ready
    uri = str(ready.response.contacts[0].uri)
    bench.act(bench.core.fork(ready.context, [Target(uri, kit.udp(7))], now=0.0))
    bench.answer(bench.requests("INVITE")[1], 486)
    assert [ready.response.status for ready in bench.ready] == [302, 486]


def test_step_4_a_redirection_that_is_not_followed_is_passed_on(kit: Any, bench: Any) -> None:
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 302, headers=[("Contact", "<sip:bob@198.51.100.7>")])
    [response] = up(bench)
    assert [str(contact.uri) for contact in response.contacts] == ["sip:bob@198.51.100.7"]


def test_step_9_exactly_one_failure_goes_up(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    [sent] = fork(kit, bench, 1)
    bench.answer(sent, 486)
    [ready] = bench.ready
    busy = bench.core.relay(ready.context, ready.response, now=0.0)
    assert [type(effect) for effect in busy] == [Send]
    other = make_response(ready.context.transaction.request, 480, to_tag="x")
    assert bench.core.relay(ready.context, other, now=0.0) == []
    ringing = make_response(ready.context.transaction.request, 180, to_tag="x")
    assert bench.core.relay(ready.context, ringing, now=0.0) == []


def test_step_10_a_final_response_of_the_applications_own_ends_the_search(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    one, two = fork(kit, bench)
    bench.answer(one, 180)
    bench.answer(two, 180)
    context = bench.ready[0].context
    own = make_response(context.transaction.request, 480, to_tag="x")
    bench.act(bench.core.relay(context, own, now=0.0))
    assert bench.statuses() == [480]
    assert len(bench.requests("CANCEL")) == 2
    bench.answer(one, 487)
    bench.answer(two, 487)
    assert len(bench.ready) == 2
    assert [branch.state for branch in context.branches] == [BranchState.COMPLETED] * 2


# Requests other than INVITE.


def test_only_the_first_answer_to_a_non_invite_goes_up(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench, request=kit.request("MESSAGE"))
    bench.answer(one, 200)
    bench.answer(two, 200)
    assert bench.statuses() == [200]
    assert bench.requests("CANCEL") == []


def test_no_provisional_response_to_a_non_invite_goes_up(kit: Any, bench: Any) -> None:
    """Source: RFC 4320 §4.1"""
    [sent] = fork(kit, bench, 1, request=kit.request("MESSAGE"))
    bench.answer(sent, 183)
    assert bench.ready == []


def test_a_global_failure_of_a_non_invite_does_not_wait_for_the_others(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench, request=kit.request("MESSAGE"))
    bench.answer(one, 603)
    assert bench.statuses() == [603]
    bench.answer(two, 200)
    assert bench.statuses() == [603]


def test_nobody_tells_the_sender_of_a_non_invite_of_a_timeout(kit: Any, bench: Any) -> None:
    """Source: RFC 4320 §4.2; the application hears of it and may go on elsewhere."""
    fork(kit, bench, 1, request=kit.request("MESSAGE"))
    bench.pass_time(33)
    [ready] = bench.ready
    assert ready.response.status == 408
    assert 408 not in bench.statuses()
    bench.pass_time(100)
    assert bench.is_idle()
