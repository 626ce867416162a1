"""Deadlines of branches: started, stopped, due in order, and none left behind."""

from trunkline.sip_proxy.core._deadlines import Deadlines


def test_the_earliest_of_all_durations_is_next() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next() is None
    deadlines.start(10.0, "long", 0.0)
    line = deadlines.start(2.0, "short", 1.0)
    assert deadlines.next() == 3.0
    del line["short"]
    assert deadlines.next() == 10.0
    assert len(deadlines) == 1


def test_what_is_due_comes_in_order_of_time_not_of_duration() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.start(10.0, "a", 0.0)
    deadlines.start(2.0, "c", 7.0)
    deadlines.start(2.0, "b", 9.0)
    assert deadlines.take_due(1.0) == []
    assert deadlines.take_due(20.0) == ["c", "a", "b"]
    assert deadlines.next() is None
    assert len(deadlines) == 0


def test_a_stopped_deadline_is_never_due() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for name in ("a", "b", "c"):
        line = deadlines.start(1.0, name, 0.0)
        if name == "b":
            del line[name]
    assert deadlines.take_due(1.0) == ["a", "c"]


def test_durations_nobody_uses_any_more_are_cleared_away() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for number in range(1000):
        deadlines.start(1.0 + number / 7, number, 0.0).clear()
    assert len(deadlines._lines) <= 33


def test_an_heir_has_the_time_and_the_turn_of_whom_it_follows() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for number, name in enumerate(("a", "b", "c")):
        line = deadlines.start(5.0, name, float(number))
    deadlines.hand_on(line, "b", "d")
    assert deadlines.take_due(5.5) == ["a"]
    assert deadlines.next() == 6.0
    assert len(deadlines) == 2
    assert deadlines.take_due(7.0) == ["d", "c"]
    assert deadlines.next() is None


def test_an_heir_may_be_stopped_and_leave_its_time_to_another() -> None:
    deadlines: Deadlines[str] = Deadlines()
    line = deadlines.start(5.0, "a", 0.0)
    line = deadlines.hand_on(line, "a", "b")
    line = deadlines.hand_on(line, "b", "c")
    assert deadlines.next() == 5.0
    del line["c"]
    assert deadlines.next() is None
    line = deadlines.hand_on(deadlines.start(5.0, "a", 1.0), "a", "b")
    deadlines.start(4.0, "d", 1.0)
    assert deadlines.next() == 5.0
    del line["b"]
    assert deadlines.take_due(9.0) == ["d"]
    assert len(deadlines) == 0
