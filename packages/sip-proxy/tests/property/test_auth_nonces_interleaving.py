"""Nonces under any interleaving of issuing, using and a clock that also goes back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_proxy.auth import Nonces, NonceVerdict

LIFETIME, BOUND = 10, 6

steps = st.lists(
    st.one_of(
        st.tuples(st.just("issue"), st.just(0), st.none()),
        st.tuples(st.just("use"), st.integers(0, 30), st.none() | st.integers(0, 6)),
        st.tuples(st.just("wait"), st.sampled_from([1, 3, 5, 10, 11, 50, -1, -11, -100]), st.none()),
        st.tuples(st.just("tamper"), st.integers(0, 30), st.none() | st.integers(0, 6)),
    ),
    max_size=120,
)


@settings(max_examples=80, deadline=None)
@given(steps=steps)
def test_no_nonce_and_count_is_ever_accepted_twice(steps: list[tuple[str, int, int | None]]) -> None:
    nonces = Nonces(b"k" * 16, bytes, LIFETIME, max_tracked=BOUND)
    now = 1_780_000_000.0
    issued: list[tuple[str, float]] = []
    accepted: dict[str, list[int | None]] = {}
    for step, number, count in steps:
        if step == "issue":
            issued.append((nonces.issue(now), now))
        elif step == "wait":
            now += number
        elif issued:
            nonce, since = issued[number % len(issued)]
            if step == "tamper":
                place = number % len(nonce)
                digit = "f" if nonce[place] != "f" else "e"
                assert (
                    nonces.check(nonce[:place] + digit + nonce[place + 1 :], count, now)
                    is NonceVerdict.FORGED
                )
                continue
            before = accepted.setdefault(nonce, [])
            if nonces.check(nonce, count, now) is NonceVerdict.GOOD:
                assert now <= since + LIFETIME + 1
                assert count is None or count > 0
                assert not before or (count is not None and before[-1] is not None and count > before[-1])
                before.append(count)
        assert len(nonces) <= BOUND
        assert len(nonces._seconds) == len(nonces._used) <= BOUND


@settings(max_examples=25, deadline=None)
@given(uses=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=200))
def test_what_has_expired_is_forgotten(uses: list[tuple[int, int]]) -> None:
    nonces = Nonces(b"k" * 16, bytes, LIFETIME)
    now = 1_780_000_000.0
    for wait, count in uses:
        now += wait
        nonce = nonces.issue(now)
        for number in range(1, count + 1):
            assert nonces.check(nonce, number, now) is NonceVerdict.GOOD
        assert len(nonces) <= sum(1 for _ in uses)
    now += LIFETIME + 2
    last = nonces.issue(now)
    assert nonces.check(last, 1, now) is NonceVerdict.GOOD
    assert len(nonces) == 1


counts = st.none() | st.integers(0, 4) | st.integers(2**32 - 3, 2**32 + 1)
uses = st.tuples(st.integers(0, 40), counts)
gaps = st.sampled_from([0, 0, 0, 1, 2, 7, 20, 500])


@settings(max_examples=300, deadline=None)
@given(
    begin=st.sampled_from([0, 2**32 - 20]),
    walk=st.lists(st.tuples(gaps, st.integers(0, 1), st.lists(uses, max_size=4)), max_size=60),
)
def test_counts_are_those_of_a_plain_table(
    begin: int, walk: list[tuple[int, int, list[tuple[int, int | None]]]]
) -> None:
    nonces = Nonces(b"k" * 16, bytes, lifetime=1000)
    nonces._index = begin
    now = 1_780_000_000.0
    issued: list[str] = []
    table: dict[str, int] = {}
    for gap, wait, used in walk:
        nonces._index += gap  # as many challenges that nobody comes back with
        now += wait
        issued.append(nonces.issue(now))
        for back, count in used:
            nonce = issued[max(0, len(issued) - 1 - back)]
            last = table.get(nonce, 0)
            good = not last if count is None else last < count < 2**32
            judged = nonces.check(nonce, count, now)
            assert judged is (NonceVerdict.GOOD if good else NonceVerdict.REPLAYED)
            if good:
                table[nonce] = 2**32 if count is None else count
        assert len(nonces) == len(table)
    for second in nonces._used.values():
        assert len(second._counts) <= 8 * (second.used + 1)


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=80), count=st.none() | st.integers(-5, 2**40))
def test_any_text_is_judged(text: str, count: int | None) -> None:
    assert Nonces(b"k" * 16, bytes).check(text, count, 0.0) is NonceVerdict.FORGED
