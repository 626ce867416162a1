"""The limits of calls: set, moved, cleared, due in order, and nothing left of those cleared."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_proxy.watch._limits import Limits


def test_a_limit_comes_at_the_next_whole_second() -> None:
    limits: Limits[str] = Limits()
    limits.set("a", 1.2)
    assert limits.next() == 2.0
    assert limits.take_due(1.9) == []
    assert limits.take_due(2.0) == ["a"]
    assert (limits.next(), len(limits)) == (None, 0)


def test_limits_come_in_order_and_equal_ones_as_they_were_set() -> None:
    limits: Limits[str] = Limits()
    for name, at in (("c", 9), ("b", 3), ("a", 3), ("d", 1)):
        limits.set(name, at)
    assert limits.take_due(5.0) == ["d", "b", "a"]
    assert limits.next() == 9.0


def test_a_limit_can_be_moved_and_cleared() -> None:
    limits: Limits[str] = Limits()
    limits.set("a", 3)
    limits.set("a", 8)
    assert limits.next() == 8.0
    limits.clear("a")
    limits.clear("a")
    assert limits.next() is None


@given(st.lists(st.tuples(st.integers(0, 20), st.none() | st.floats(0, 100))))
def test_the_limits_that_are_set_and_no_others_come(steps: list[tuple[int, float | None]]) -> None:
    limits: Limits[int] = Limits()
    expected: dict[int, float] = {}
    for owner, at in steps:
        if at is None:
            limits.clear(owner)
            expected.pop(owner, None)
        else:
            limits.set(owner, at)
            expected[owner] = at
        assert len(limits) == len(expected)
    assert set(limits.take_due(50.0)) == {owner for owner, at in expected.items() if at <= 50.0}
    assert set(limits.take_due(101.0)) == {owner for owner, at in expected.items() if at > 50.0}
    assert limits.next() is None
