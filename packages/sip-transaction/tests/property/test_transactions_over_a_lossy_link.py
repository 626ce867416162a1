"""Two layers over a link that loses, doubles, delays and reorders: every seed must come to an end.

What must hold: the simulation stops, nothing is left in either layer, each user hears one outcome and one
Terminated, no request is served twice, and nothing is sent for ever. Not here: what messages look like.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

delays = st.sampled_from([0.0, 0.05, 0.3, 1.0, 3.4, 10.0, 31.0, 33.0, 100.0])
provisionals = st.lists(st.tuples(delays, st.sampled_from([100, 180, 183])), max_size=3)
finals = st.tuples(delays, st.sampled_from([200, 202, 302, 404, 408, 486, 503, 600]))
more_finals = st.lists(finals, max_size=1)


@st.composite
def plans(draw, methods=("INVITE", "OPTIONS", "BYE", "MESSAGE")):
    return {
        "method": draw(st.sampled_from(methods)),
        "start": draw(delays),
        "answers": [*draw(provisionals), draw(finals), *draw(more_finals)],
        "cancel_after": draw(st.none() | delays),
    }


def check(simulation):
    """Check what holds for every run."""
    for layer in simulation.layers:
        assert (layer.len_client, layer.len_server) == (0, 0)
        assert len(layer._timers) == 0
        assert layer.next_timeout() is None
    assert simulation.now < 100 + 180 + 100 + 2 * 32 + 40
    assert dict.fromkeys(simulation.made, 1) == dict(simulation.terminated)
    for plan, outcome in zip(simulation.plans, simulation.outcomes, strict=True):
        assert outcome.requests <= 1, "a copy was taken for a new request"
        ends = [status for status in outcome.statuses if status >= 200]
        successes = [status for status in ends if status < 300]
        if plan.method == "INVITE" and successes == ends:
            assert bool(ends) + len(outcome.ends) == 1, "not one outcome"
        else:
            assert len(ends) + len(outcome.ends) == 1, "not one outcome"
        if ends:
            first = outcome.statuses.index(ends[0])
            assert all(status >= 200 for status in outcome.statuses[first:]), "a provisional after the end"
        if plan.method != "INVITE":
            assert 408 not in ends
            assert set(outcome.statuses) - set(ends) <= {100}
    for data, times in simulation.sent.items():
        method = data.split(b" ", 1)[0]
        limit = {b"INVITE": 7, b"SIP/2.0": 40, b"ACK": 40}.get(method, 11)
        assert times <= limit, data


@settings(deadline=None)
@given(
    st.lists(plans(), min_size=1, max_size=4),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9]),
    st.sampled_from([0.0, 0.2, 0.8]),
)
def test_every_seed_ends_with_one_outcome_and_nothing_left(simulate, calls, seed, loss, doubling):
    check(simulate(calls, seed=seed, loss=loss, doubling=doubling))


@settings(deadline=None)
@given(st.lists(plans(), min_size=1, max_size=4), st.integers(0, 2**32))
def test_reliable_link_carries_each_message_once(simulate, calls, seed):
    simulation = simulate(calls, seed=seed, transport="TCP")
    check(simulation)
    for data, times in simulation.sent.items():
        by_the_user = data.startswith((b"SIP/2.0 2", b"ACK ", b"SIP/2.0 1"))
        assert times == 1 or by_the_user, data


@settings(deadline=None)
@given(st.lists(plans(), min_size=1, max_size=4), st.integers(0, 2**32), delays)
def test_broken_connection_leaves_nobody_waiting(simulate, calls, seed, cut_at):
    check(simulate(calls, seed=seed, transport="TCP", cut_at=cut_at))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.2, 0.4]))
def test_answered_call_is_acknowledged(simulate, seed, loss):
    (outcome,) = simulate([{"answers": [(0.1, 180), (2.0, 200)]}], seed=seed, loss=loss).outcomes
    if outcome.statuses[-1:] == [200]:
        assert outcome.requests == 1
    if not loss:
        assert outcome.statuses[-1] == 200
        assert outcome.acks >= 1


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.2, 0.8]), delays)
def test_cancelled_call_is_cancelled_whatever_overtakes_what(simulate, seed, doubling, after):
    plan = {"answers": [(0.1, 180), (100.0, 200)], "cancel_after": after}
    simulation = simulate([plan], seed=seed, doubling=doubling)
    check(simulation)
    (outcome,) = simulation.outcomes
    if after < 99:
        assert outcome.statuses[-1] == 487


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_perfect_link_needs_no_retransmission(simulate, transport):
    simulation = simulate(
        [
            {"answers": [(0.05, 180), (1.0, 200)]},
            {"answers": [(0.0, 486)], "start": 1.0},
            {"method": "OPTIONS", "answers": [(0.0, 200)], "start": 2.0},
        ],
        seed=3,
        transport=transport,
        doubling=0.0,
    )
    check(simulation)
    requests = {data: n for data, n in simulation.sent.items() if not data.startswith((b"SIP", b"ACK"))}
    assert max(requests.values()) <= 2  # a round trip of up to 0.8 s may exceed T1


def test_dead_link_times_everything_out(simulate):
    simulation = simulate([{"answers": [(0, 200)]}, {"method": "OPTIONS", "answers": [(0, 200)]}], loss=1.0)
    check(simulation)
    assert [outcome.ends for outcome in simulation.outcomes] == [["TimedOut"], ["TimedOut"]]
    assert sorted(simulation.sent.values()) == [7, 11]
