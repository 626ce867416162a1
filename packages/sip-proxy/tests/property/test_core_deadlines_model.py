"""Deadlines in their lines are those of one dictionary that is looked through each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_proxy.core._deadlines import Deadlines

steps = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.integers(1, 4)),
        st.tuples(st.just("stop"), st.integers(0, 9)),
        st.tuples(st.just("hand on"), st.integers(0, 9)),
        st.tuples(st.just("pass"), st.integers(0, 3)),
    ),
    max_size=40,
)


@given(steps)
def test_what_runs_and_what_is_due_is_as_it_was_said(walk: list[tuple[str, int]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    lines: dict[int, dict[int, float]] = {}
    model: dict[int, float] = {}
    now, fresh = 0.0, 0
    for what, number in walk:
        running = list(model)
        chosen = running[number % len(running)] if running else None
        if what == "start":
            fresh += 1
            lines[fresh] = deadlines.start(float(number), fresh, now)
            model[fresh] = now + number
        elif what == "pass":
            now += number
            due = deadlines.take_due(now)
            assert sorted(due) == sorted(owner for owner, at in model.items() if at <= now)
            assert [model[owner] for owner in due] == sorted(model[owner] for owner in due)
            for owner in due:
                assert owner not in lines[owner]
                del model[owner]
        elif chosen is not None and what == "stop":
            del lines[chosen][chosen], model[chosen]
        elif chosen is not None:
            fresh += 1
            lines[fresh] = deadlines.hand_on(lines[chosen], chosen, fresh)
            model[fresh] = model.pop(chosen)
        assert deadlines.next() == min(model.values(), default=None)
        assert len(deadlines) == len(model)
        assert all(owner in lines[owner] for owner in model)
