"""Location: whatever is registered, changed and removed, it ends in its second, and the files stay small."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_proxy.registrar import Binding, Location

BEGIN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
names = st.sampled_from(["a@d", "b@d", "c@d"])
ends = st.one_of(st.just(0.0), st.floats(0.25, 9.0), st.integers(1, 9).map(float))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), names, st.lists(ends, max_size=2)),
        st.tuples(st.just("wait"), st.floats(0.0, 4.0), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(steps)
def test_every_binding_ends_in_its_second(walk: list) -> None:
    location, at = Location(), BEGIN
    held: dict[str, tuple[Binding, ...]] = {}
    for what, subject, lives in walk:
        if what == "set":
            now = at.timestamp()
            bindings = tuple(
                Binding(subject, f"sip:{n}", expires=now + life if life else 0)
                for n, life in enumerate(lives)
            )
            location.replace(subject, bindings)
            held[subject] = bindings
        else:
            at += timedelta(seconds=subject)
            now = at.timestamp()
            due = location.next_expiry()
            ended = {id(change.binding) for change in location.expire(at)}
            assert not ended or (due is not None and due <= now)
            for aor, bindings in held.items():
                over = [binding for binding in bindings if binding.expires and binding.expires <= now]
                # within the second after its end, and never before
                assert all(id(one) in ended or one.expires > now - 1 for one in over)
                assert ended.isdisjoint(id(one) for one in bindings if one not in over)
                held[aor] = tuple([one for one in bindings if id(one) not in ended])
        assert {aor: location.get(aor) for aor in held} == held
        assert len(location) == sum(map(bool, held.values()))
        assert sum(map(len, location._filed.values())) <= 2 * len(location)
        assert sorted(location._filed) == sorted(location._seconds)
