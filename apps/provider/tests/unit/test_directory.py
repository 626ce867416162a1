"""Subscribers in memory: who must be loaded, who is forgotten, how long nobody stays nobody."""

from __future__ import annotations

import pytest

from trunkline.provider.directory import ABSENT_FOR, Directory
from trunkline.provider.store import Subscriber

ALICE, BOB, CAROL = (("alice", "example.test"), ("bob", "example.test"), ("carol", "example.test"))


def subscriber(name: tuple[str, str]) -> Subscriber:
    return Subscriber(*name)


def test_who_was_never_loaded_is_missing_and_not_there() -> None:
    directory = Directory()
    assert directory.missing([ALICE, BOB], now=0) == [ALICE, BOB]
    assert directory.get(ALICE) is None


def test_who_was_loaded_is_there_for_good() -> None:
    directory = Directory()
    directory.learn(ALICE, subscriber(ALICE), now=0)
    assert directory.get(ALICE) == subscriber(ALICE)
    assert directory.missing([ALICE, BOB], now=1e9) == [BOB]


def test_that_somebody_does_not_exist_is_believed_for_a_while() -> None:
    directory = Directory()
    directory.learn(ALICE, None, now=100)
    assert directory.missing([ALICE], now=100 + ABSENT_FOR - 1) == []
    assert directory.get(ALICE) is None
    assert directory.missing([ALICE], now=100 + ABSENT_FOR) == [ALICE]


def test_who_is_added_meanwhile_is_there_at_once() -> None:
    directory = Directory()
    directory.learn(ALICE, None, now=0)
    directory.learn(ALICE, subscriber(ALICE), now=1)
    assert directory.get(ALICE) == subscriber(ALICE)


def test_the_one_not_asked_for_the_longest_makes_room() -> None:
    directory = Directory(size=2)
    directory.learn(ALICE, subscriber(ALICE), now=0)
    directory.learn(BOB, subscriber(BOB), now=0)
    directory.get(ALICE)
    directory.learn(CAROL, subscriber(CAROL), now=0)
    assert len(directory) == 2
    assert directory.missing([ALICE, BOB, CAROL], now=0) == [BOB]


def test_a_scan_of_names_that_do_not_exist_does_not_grow_the_memory() -> None:
    directory = Directory(size=10)
    for number in range(1000):
        directory.learn((f"guess{number}", "example.test"), None, now=0)
    assert len(directory) == 10


@pytest.mark.parametrize("user", ["\udcff", "a\0b"])
def test_name_that_no_table_can_hold_is_not_asked_for(user: str) -> None:
    directory = Directory()
    assert directory.missing([(user, "example.test")], now=0) == []
    assert directory.get((user, "example.test")) is None
    assert directory.missing([(user, "example.test")], now=1e9) == []
