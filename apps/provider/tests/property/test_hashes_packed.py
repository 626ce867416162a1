"""What is kept of a subscriber in memory answers as the subscriber itself."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.provider.store import Hashes, Subscriber

ALGORITHMS = ("MD5", "md5", "MD5-sess", "SHA-256", "SHA-256-sess", "sha-512-256", "SHA-512-256", "SHA-1", "")


def hashes(length: int) -> st.SearchStrategy[str]:
    proper = st.text("0123456789abcdef", min_size=length, max_size=length)
    return st.one_of(proper, st.just(""), proper.map(str.upper), st.text("0aG \N{ARABIC-INDIC DIGIT ONE}"))


@given(st.sampled_from(["", "secret"]), hashes(32), hashes(32), hashes(64), hashes(64))
@example("", "0a" * 16, "1b" * 16, "", "")
@example("", "0a" * 16, "1b" * 16, "2c" * 32, "3d" * 32)
@example("", "0a" * 16, "1b" * 16, "2c" * 32, "")
@example("", "0a" * 16, "", "", "")
def test_packed_hashes_are_those_of_the_subscriber(
    password: str, ha1: str, ha1b: str, sha256: str, sha512t256: str
) -> None:
    subscriber = Subscriber("alice", "example.test", password, "", ha1, ha1b, sha256, sha512t256)
    packed = subscriber.packed()
    for algorithm in ALGORITHMS:
        assert packed.ha1_for(algorithm) == subscriber.ha1_for(algorithm)
        assert packed.ha1b_for(algorithm) == subscriber.ha1b_for(algorithm)


def test_what_new_users_have_is_packed() -> None:
    hashed = Subscriber("alice", "example.test", "", "", "0a" * 16, "1b" * 16, "2c" * 32, "3d" * 32)
    assert type(hashed.packed()) is Hashes
