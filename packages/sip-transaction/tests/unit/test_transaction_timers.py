"""The timer queue: order, stopping, the next deadline, and sharing wake-ups."""

from __future__ import annotations

import pytest

from trunkline.sip_transaction import TimerValues
from trunkline.sip_transaction._timers import LINGER_SLACK, TimerQueue


@pytest.fixture
def queue() -> TimerQueue[str]:
    return TimerQueue()


def test_timers_fire_in_the_order_of_their_deadlines(queue):
    queue.start(5, "late", 0, now=0)
    queue.start(1, "early", 1, now=0)
    queue.start(1, "next", 2, now=1)
    queue.linger(3, "between", 3, now=0)
    assert queue.next_deadline == 1
    assert [timer.owner for timer in queue.take_due(10)] == ["early", "next", "between", "late"]
    assert queue.next_deadline is None
    assert queue.take_due(20) == []


def test_nothing_is_due_early(queue):
    queue.start(1, "x", 0, now=0)
    assert queue.take_due(0.999) == []
    assert len(queue) == 1


def test_stopped_timer_never_fires_and_moves_the_deadline_on(queue):
    timer = queue.start(1, "x", 0, now=0)
    queue.start(2, "y", 0, now=0)
    timer.owner = None
    assert queue.take_due(1) == []
    assert queue.next_deadline == 2
    assert [timer.owner for timer in queue.take_due(2)] == ["y"]


def test_stopped_timers_in_front_are_thrown_away_before_their_time(queue):
    for number in range(100):
        queue.start(32, "x", 0, now=number).owner = None
    queue.start(1, "y", 0, now=100)
    queue.take_due(101)
    assert not queue._prompt[32]
    assert queue.next_deadline is None


def test_lingering_timers_share_a_wake_up(queue):
    for number in range(100):
        queue.linger(32, "x", 0, now=number / 1000)
    wake_ups = 0
    while queue.next_deadline is not None:
        queue.take_due(queue.next_deadline)
        wake_ups += 1
    assert wake_ups == 1
    assert LINGER_SLACK >= 0.1


def test_lingering_timer_does_not_hold_back_a_prompt_one(queue):
    queue.linger(1, "x", 0, now=0)
    queue.start(1.05, "y", 0, now=0)
    assert queue.next_deadline == 1.05
    assert [timer.owner for timer in queue.take_due(1.05)] == ["x", "y"]


@pytest.mark.parametrize(
    ("t1", "t2", "delay"), [(0.5, 4, 3.5), (0.5, 0.5, 0.5), (0.5, 1, 0.5), (1, 1000, 32)]
)
def test_100_to_a_non_invite_comes_when_timer_e_reaches_t2(t1, t2, delay):
    assert TimerValues(t1=t1, t2=t2).non_invite_trying_delay == delay


def test_timer_d_is_at_least_64_t1():
    assert TimerValues(t1=1).timer_d == 64
    assert TimerValues(t1=0.1).timer_d == 32
    assert TimerValues().give_up == 32
