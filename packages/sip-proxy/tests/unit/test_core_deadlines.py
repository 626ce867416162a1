"""Deadlines of branches: started, stopped, due in order, and none left behind."""

from trunkline.sip_proxy.core._deadlines import Deadlines


def due(deadlines: Deadlines[str], now: float) -> list[str | None]:
    return [deadline.owner for deadline in deadlines.take_due(now)]


def test_the_earliest_of_all_durations_is_next() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next() is None
    deadlines.start(10.0, "long", 0.0)
    short = deadlines.start(2.0, "short", 1.0)
    assert deadlines.next() == 3.0
    short.owner = None
    assert deadlines.next() == 10.0
    assert len(deadlines) == 1


def test_what_is_due_comes_in_order_of_time_not_of_duration() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.start(10.0, "a", 0.0)
    deadlines.start(2.0, "c", 7.0)
    deadlines.start(2.0, "b", 9.0)
    assert due(deadlines, 1.0) == []
    assert due(deadlines, 20.0) == ["c", "a", "b"]
    assert deadlines.next() is None
    assert len(deadlines) == 0


def test_a_stopped_deadline_is_never_due() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for name in ("a", "b", "c"):
        deadlines.start(1.0, name, 0.0).owner = None if name == "b" else name
    assert due(deadlines, 1.0) == ["a", "c"]


def test_durations_nobody_uses_any_more_are_cleared_away() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for number in range(1000):
        deadlines.start(1.0 + number / 7, number, 0.0).owner = None
        deadlines.next()
    assert len(deadlines._queues) <= 33
