"""The timer queue: order, stopping, the next deadline, and sharing wake-ups."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_transaction import TimerValues
from trunkline.sip_transaction._timers import LINGER_SLACK, TimerQueue


@pytest.fixture
def queue() -> TimerQueue[str]:
    return TimerQueue()


def owners(taken):
    due, over = taken
    return [owner for _, owner, _ in due] + [owner for batch, _ in over for owner in batch]


def test_timers_fire_in_the_order_of_their_deadlines(queue):
    queue.line(0, 5).start("late", now=0)
    queue.line(1, 1).start("early", now=0)
    queue.line(1, 1).start("next", now=1)
    queue.linger_line(3, 3).start("between", now=0)
    assert queue.earliest == 1
    assert queue.take_due(10) == ([(1, "early", 1), (2, "next", 1), (5, "late", 0)], [(["between"], 3)])
    assert queue.earliest == inf
    assert queue.take_due(20) == ([], [])


def test_nothing_is_due_early(queue):
    queue.line(0, 1).start("x", now=0)
    assert queue.take_due(0.999) == ([], [])
    assert len(queue) == 1


def test_stopped_timer_never_fires_and_moves_the_deadline_on(queue):
    line = queue.line(0, 1)
    line.start("x", now=0)
    queue.line(0, 2).start("y", now=0)
    del line["x"]
    assert queue.take_due(1) == ([], [])
    assert queue.earliest == 2
    assert owners(queue.take_due(2)) == ["y"]


def test_stopped_timers_leave_nothing_behind(queue):
    line = queue.line(0, 32)
    for number in range(100):
        line.start(number, now=number)
        del line[number]
    assert len(queue) == 0
    assert queue.take_due(131) == ([], [])
    assert queue.earliest == inf


def test_two_timers_of_one_duration_are_told_apart(queue):
    queue.line(0, 1).start("x", now=0)
    queue.line(1, 1).start("x", now=0)
    assert queue.line(0, 1) is queue.line(0, 1)
    assert sorted(queue.take_due(1)[0]) == [(1, "x", 0), (1, "x", 1)]


def test_timer_may_be_started_again_once_it_has_fired(queue):
    line = queue.line(0, 1)
    line.start("x", now=0)
    line.start("y", now=0.5)
    assert owners(queue.take_due(1)) == ["x"]
    line.start("x", now=1)
    assert queue.earliest == 1.5
    assert owners(queue.take_due(3)) == ["y", "x"]


def test_lingering_timers_share_a_wake_up(queue):
    for number in range(100):
        queue.linger_line(0, 32).start("x", now=number / 1000)
    wake_ups = 0
    while queue.earliest < inf:
        queue.take_due(queue.earliest)
        wake_ups += 1
    assert wake_ups == 1
    assert LINGER_SLACK >= 0.1


def test_lingering_timer_does_not_hold_back_a_prompt_one(queue):
    queue.linger_line(0, 1).start("x", now=0)
    queue.line(0, 1.05).start("y", now=0)
    assert queue.earliest == 1.05
    assert owners(queue.take_due(1.05)) == ["y"]
    assert queue.earliest == 1 + LINGER_SLACK
    assert owners(queue.take_due(1 + LINGER_SLACK)) == ["x"]


def test_nobody_lingers_too_briefly(queue):
    line = queue.linger_line(0, 32)
    for number in range(40):
        line.start(number, now=number / 10)
    while queue.earliest < inf:
        now = queue.earliest
        for number in owners(queue.take_due(now)):
            assert -1e-9 < now - (number / 10 + 32) < LINGER_SLACK + 1e-9


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.2, 0.5, 1, 32]), st.booleans(), st.booleans(), st.sampled_from([0, 0.1, 1])
        ),
        max_size=30,
    )
)
def test_queue_fires_what_a_plain_list_of_deadlines_would(steps):
    queue: TimerQueue[int] = TimerQueue()
    expected, fired, now = {}, [], 0.0
    for number, (duration, lingers, stops, pause) in enumerate(steps):
        (queue.linger_line if lingers else queue.line)(0, duration).start(number, now)
        expected[number] = now + duration
        if stops and not lingers:
            del queue.line(0, duration)[number], expected[number]
        now += pause
        due = [owner for owner, deadline in expected.items() if deadline <= now]
        taken = owners(queue.take_due(now))
        prompt = [expected[owner] for owner in taken if not steps[owner][1]]
        assert prompt == sorted(prompt)
        # those that linger may wait a little for others
        late = {owner for owner in due if owner not in taken}
        assert set(taken) <= set(due)
        assert all(steps[owner][1] and now <= expected[owner] + LINGER_SLACK for owner in late)
        fired += taken
        for owner in taken:
            del expected[owner]
        assert len(queue) == len(expected)
    while queue.earliest < inf:
        fired += owners(queue.take_due(queue.earliest))
    assert len(fired) == len(set(fired))
    assert set(expected) <= set(fired)
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("t1", "t2", "delay"), [(0.5, 4, 3.5), (0.5, 0.5, 0.5), (0.5, 1, 0.5), (1, 1000, 32)]
)
def test_100_to_a_non_invite_comes_when_timer_e_reaches_t2(t1, t2, delay):
    assert TimerValues(t1=t1, t2=t2).non_invite_trying_delay == delay


def test_timer_d_is_at_least_64_t1():
    assert TimerValues(t1=1).timer_d == 64
    assert TimerValues(t1=0.1).timer_d == 32
    assert TimerValues().give_up == 32
