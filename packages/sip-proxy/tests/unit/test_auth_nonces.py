"""Nonces: issued, expired, counted, forgotten. Random interleavings are in property."""

from typing import Any

import pytest

from trunkline.sip_parser import LocalProtocolError
from trunkline.sip_proxy.auth import Nonces, NonceVerdict

GOOD, STALE, REPLAYED, FORGED = (
    NonceVerdict.GOOD,
    NonceVerdict.STALE,
    NonceVerdict.REPLAYED,
    NonceVerdict.FORGED,
)
SECRET = b"sixteen bytes or more"
NOW = 1_780_000_000.25


def nonces(life: int = 0, **options: Any) -> Nonces:
    return Nonces(SECRET, lambda size: bytes([life]) * size, **options)


def test_nonce_begins_with_the_second_it_expires() -> None:
    nonce = nonces(lifetime=30).issue(NOW)
    assert (int(nonce[:8], 16), len(nonce)) == (1_780_000_031, 56)


def test_no_two_nonces_are_the_same() -> None:
    ours = nonces()
    assert len({ours.issue(NOW) for _ in range(1000)}) == 1000


def test_counts_must_grow() -> None:
    ours = nonces()
    nonce = ours.issue(NOW)
    judged = [
        ours.check(nonce, count, NOW) for count in (1, 1, 2, 5, 4, 5, 6, 0, 2**32 - 1, 2**32, 2**32 - 1)
    ]
    assert judged == [
        GOOD,
        REPLAYED,
        GOOD,
        GOOD,
        REPLAYED,
        REPLAYED,
        GOOD,
        REPLAYED,
        GOOD,
        REPLAYED,
        REPLAYED,
    ]


def test_without_a_count_a_nonce_is_good_once() -> None:
    ours = nonces()
    nonce = ours.issue(NOW)
    assert [ours.check(nonce, count, NOW) for count in (None, None, 1)] == [GOOD, REPLAYED, REPLAYED]
    nonce = ours.issue(NOW)
    assert [ours.check(nonce, count, NOW) for count in (1, None, 2)] == [GOOD, REPLAYED, GOOD]


def test_nonce_dies_with_its_second() -> None:
    ours = nonces(lifetime=30)
    nonce = ours.issue(NOW)
    assert ours.check(nonce, 1, 1_780_000_031.0) is GOOD
    assert ours.check(nonce, 2, 1_780_000_031.1) is STALE


def test_nonce_of_an_earlier_life_is_stale_and_not_forged() -> None:
    nonce = nonces(life=1).issue(NOW)
    assert nonces(life=2).check(nonce, 1, NOW) is STALE


@pytest.mark.parametrize(
    "nonce", ["", "0" * 56, "ü" * 56, "\udcff" * 56, "x" * 10_000, "dcd98b7102dd2f0e8b11d0f600bfb0c093"]
)
def test_what_we_did_not_sign_is_forged(nonce: str) -> None:
    assert nonces().check(nonce, 1, NOW) is FORGED


def test_every_changed_digit_is_noticed() -> None:
    ours = nonces()
    nonce = ours.issue(NOW)
    for place in range(56):
        changed = nonce[:place] + ("0" if nonce[place] != "0" else "1") + nonce[place + 1 :]
        assert ours.check(changed, 1, NOW) is FORGED
    assert ours.check(nonce.upper(), 1, NOW) is FORGED


def test_another_secret_signs_otherwise() -> None:
    assert Nonces(b"another secret, long", bytes).check(nonces().issue(NOW), 1, NOW) is FORGED


def test_challenges_cost_no_memory_and_uses_are_forgotten() -> None:
    ours = nonces(lifetime=30)
    issued = [ours.issue(NOW + second) for second in range(100)]
    assert len(ours) == 0
    for second, nonce in enumerate(issued):
        assert ours.check(nonce, 1, NOW + second) is GOOD
    assert len(ours) <= 32


def test_clock_set_back_revives_nothing() -> None:
    ours = nonces(lifetime=30)
    first, second = ours.issue(NOW), ours.issue(NOW + 100)
    assert ours.check(first, 1, NOW) is GOOD
    assert ours.check(second, 1, NOW + 100) is GOOD
    assert ours.check(first, 1, NOW) is STALE
    assert ours.check(first, 2, NOW) is STALE


def test_above_the_bound_the_oldest_are_forgotten_and_stale() -> None:
    ours = nonces(lifetime=30, max_tracked=10)
    old = [ours.issue(NOW) for _ in range(10)]
    new = ours.issue(NOW + 5)
    assert [ours.check(nonce, 1, NOW) for nonce in old] == [GOOD] * 10
    assert ours.check(new, 1, NOW + 5) is GOOD
    assert len(ours) == 1
    assert ours.check(old[0], 2, NOW + 5) is STALE


def test_full_of_its_own_second_a_nonce_is_stale() -> None:
    ours = nonces(max_tracked=2)
    issued = [ours.issue(NOW) for _ in range(3)]
    assert [ours.check(nonce, 1, NOW) for nonce in issued] == [GOOD, GOOD, STALE]


@pytest.mark.parametrize(
    ("secret", "options"), [(b"short", {}), (SECRET, {"lifetime": 0}), (SECRET, {"max_tracked": 0})]
)
def test_useless_settings_are_refused(secret: bytes, options: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="expected"):
        Nonces(secret, bytes, **options)
