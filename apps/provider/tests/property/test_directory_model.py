"""The directory does what a plain list of names, ordered by use, would do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.provider.directory import ABSENT_FOR, Directory
from trunkline.provider.store import Subscriber

names = st.sampled_from([(user, "example.test") for user in "abcdef"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("learn"), names),
        st.tuples(st.just("absent"), names),
        st.tuples(st.just("get"), names),
        st.tuples(st.just("wait"), st.sampled_from([1.0, ABSENT_FOR / 2, ABSENT_FOR])),
    )
)


@given(steps, st.integers(1, 4))
def test_directory_is_a_bounded_list_of_who_was_used_last(walk: list, size: int) -> None:
    directory, now = Directory(size), 0.0
    model: list[tuple[tuple[str, str], bool, float]] = []
    for step, what in walk:
        if step == "wait":
            now += what
            continue
        known = {name: (exists, until) for name, exists, until in model}
        if step == "get":
            found = directory.get(what)
            assert (found is not None) == known.get(what, (False, 0))[0]
            if found is not None:
                model = [entry for entry in model if entry[0] != what] + [(what, True, known[what][1])]
        else:
            exists = step == "learn"
            directory.learn(what, Subscriber(*what) if exists else None, now=now)
            model = [entry for entry in model if entry[0] != what] + [(what, exists, now + ABSENT_FOR)]
            model = model[-size:]
        assert len(directory) == len(model)
        known = {name: (exists, until) for name, exists, until in model}
        for user in "abcdef":
            name = (user, "example.test")
            exists, until = known.get(name, (False, 0.0))
            assert (directory.missing([name], now=now) == []) == (exists or until > now)
