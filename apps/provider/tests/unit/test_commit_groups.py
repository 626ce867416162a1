"""Group commit, without a database: what waits for what, and in which order writes that were refused come."""

from __future__ import annotations

import pytest

from trunkline.provider.commits import CommitGroups
from trunkline.provider.store import Batch
from trunkline.sip_proxy import Binding


def binding(name):
    return Binding("alice@example.test", f"sip:{name}@192.0.2.1", expires=2e9)


@pytest.fixture
def groups():
    return CommitGroups()


def add(groups, name, told):
    groups.batch.save_binding(binding(name))
    groups.when_written(lambda on_disk: told.append((name, on_disk)))


def names(batch):
    return [row[2].partition("@")[0].removeprefix("sip:") for row in batch._bindings.values() if row]


def test_those_who_wait_are_told_after_their_own_group(groups):
    told = []
    add(groups, "first", told)
    batch = groups.next()
    add(groups, "second", told)
    assert names(batch) == ["first"]
    assert not groups.written()
    assert told == [("first", True)]
    assert groups.waiting == 1
    assert groups.commits == 1


def test_nothing_to_write_is_told_at_once(groups):
    told = []
    groups.when_written(told.append)
    assert groups.next() is None
    assert told == [True]


def test_refused_writes_come_first_and_what_undoes_them_after(groups):
    told = []
    add(groups, "refused", told)

    def undo(on_disk):
        groups.batch.remove_binding(binding("refused"))

    groups.when_written(undo)
    groups.next()
    groups.refused()
    assert told == [("refused", False)]
    assert not groups.healthy
    assert groups.kept == 1

    assert names(groups.next()) == ["refused"]
    groups.written()
    removal = groups.next()
    assert names(removal) == []
    assert isinstance(removal, Batch)
    assert len(removal) == 1
    groups.written()
    assert groups.next() is None
    assert groups.healthy
    assert (groups.commits, groups.failures) == (2, 1)
