"""RFC 3263 §4.3: when a server fails, the next one is tried by a transaction of its own."""

import pytest

from trunkline.sip_proxy.core import Target
from trunkline.sip_proxy.locate import Blacklist, Candidate, Failover


@pytest.fixture
def far():
    """A target of three servers, and the blacklist that learns of their failures."""
    from trunkline.sip_transaction import Flow

    flows = [Flow("UDP", ("192.0.2.1", 5060), (f"203.0.113.{number}", 5060)) for number in (1, 2, 3)]
    blacklist = Blacklist(240.0)

    def make(count=3, **more):
        return Target("sip:x@far.test", flows[0], failover=Failover(flows[1:count], blacklist), **more)

    make.flows, make.blacklist = flows, blacklist
    return make


def hosts(bench, method="INVITE"):
    return [flow.remote[0] for message, flow in bench.sent if getattr(message, "method", None) == method]


def test_503_leads_to_the_next_server_with_a_new_branch(kit, bench, far):
    context = bench.forward(kit.request("INVITE", "sip:x@far.test"), far())
    first = bench.requests("INVITE")[0]
    bench.answer(first, 503)
    assert hosts(bench) == ["203.0.113.1", "203.0.113.2"]
    second = bench.requests("INVITE")[1]
    assert first.top_via.branch != second.top_via.branch
    assert first.call_id == second.call_id
    assert first.cseq == second.cseq
    assert [ready.response.status for ready in bench.ready] == []
    bench.answer(second, 200)
    assert bench.statuses()[-1] == 200
    assert context.is_answered
    assert bench.core.statistics.failovers == 1


def test_silence_leads_to_the_next_server_after_timer_b(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far())
    bench.pass_time(31.9)
    assert hosts(bench) == ["203.0.113.1"]
    bench.pass_time(0.2)
    assert hosts(bench) == ["203.0.113.1", "203.0.113.2"]


def test_transport_error_leads_to_the_next_server_at_once(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far())
    for _ in range(3):
        bench.take(bench.layer.transport_failed(bench.sends[-1].key, "refused", now=bench.now))
    assert hosts(bench) == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    assert bench.statuses()[-1] == 500  # all have failed: a 503 made into 500 (RFC 3261 §16.7)
    assert not far.blacklist.allowed([Candidate("UDP", *flow.remote) for flow in far.flows], now=1.0)


def test_other_failures_are_the_answer_of_the_target(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far())
    bench.answer(bench.requests("INVITE")[0], 486)
    assert hosts(bench) == ["203.0.113.1"]
    assert bench.statuses()[-1] == 486
    assert not far.blacklist.listing(now=0.0)


def test_server_that_rings_for_too_long_is_no_reason_to_try_another(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far(ring_timeout=20.0))
    bench.answer(bench.requests("INVITE")[0], 180)
    bench.pass_time(60.0)
    assert hosts(bench) == ["203.0.113.1"]
    assert bench.statuses()[-1] == 408


def test_ring_timeout_counts_from_the_first_try(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far(ring_timeout=40.0))
    bench.pass_time(39.0)
    assert hosts(bench) == ["203.0.113.1", "203.0.113.2"]
    assert bench.statuses() in ([], [100])
    bench.pass_time(1.1)
    assert bench.statuses()[-1] == 408


def test_no_further_server_is_tried_for_a_caller_who_gave_up(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far())
    first = bench.requests("INVITE")[0]
    bench.answer(first, 100)
    bench.give(kit.request("CANCEL", "sip:x@far.test"), kit.udp(1))
    bench.answer(first, 503)
    assert hosts(bench) == ["203.0.113.1"]
    assert bench.statuses()[-1] in (487, 500, 503)


def test_blacklisted_server_is_passed_over(kit, bench, far):
    far.blacklist.block(Candidate("UDP", "203.0.113.2", 5060), now=0.0)
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far())
    bench.answer(bench.requests("INVITE")[0], 503)
    assert hosts(bench) == ["203.0.113.1", "203.0.113.3"]


def test_failover_of_one_branch_leaves_the_other_ringing(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far(), Target("sip:bob@phone", kit.udp(7)))
    first, other = bench.requests("INVITE")
    bench.answer(other, 180)
    bench.answer(first, 503)
    assert hosts(bench)[-1] == "203.0.113.2"
    assert not bench.requests("CANCEL")
    bench.answer(bench.requests("INVITE")[-1], 200)
    assert len(bench.requests("CANCEL")) == 1


@pytest.mark.parametrize("method", ["MESSAGE", "BYE"])
def test_requests_other_than_invite_fail_over_too(kit, bench, far, method):
    bench.forward(kit.request(method, "sip:x@far.test"), far())
    bench.answer(bench.requests(method)[0], 503)
    bench.answer(bench.requests(method)[1], 200)
    assert hosts(bench, method) == ["203.0.113.1", "203.0.113.2"]
    assert bench.statuses()[-1] == 200


def test_server_that_gave_a_sign_of_life_is_not_taken_for_dead(kit, bench, far):
    bench.forward(kit.request("MESSAGE", "sip:x@far.test"), far())
    bench.pass_time(1.0)
    bench.answer(bench.requests("MESSAGE")[0], 100)
    bench.pass_time(60.0)
    assert hosts(bench, "MESSAGE") == ["203.0.113.1"]
    assert not far.blacklist.listing(now=2.0)


def test_nothing_is_left_behind(kit, bench, far):
    bench.forward(kit.request("INVITE", "sip:x@far.test"), far())
    bench.pass_time(400.0)
    assert bench.is_idle()
