"""What a batch puts on disk, what survives failure, what cannot be stored. Times are UTC in every column."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from trunkline.acct import AccRow, Cdr, Rules
from trunkline.provider.store import Account, Batch, Store, StoreError
from trunkline.sip_proxy import Binding

MakeBinding = Callable[..., Binding]
MakeCdr = Callable[..., Cdr]


@pytest.fixture
def answered(at: datetime) -> Account:
    """A call from alice to bob that was answered at once, journalled as number 7."""
    account = Account("c1", "f1", at, "alice@example.test", "bob@example.test", answer=at).open()
    account.number, account.to_tag, account.code, account.reason = 7, "t1", 200, "OK"
    return account


def same(binding: Binding) -> dict[str, object]:
    return attrs.asdict(binding, filter=lambda field, value: field.init, recurse=False)


def rows(store: Store, query: str) -> list[tuple[object, ...]]:
    assert store.path is not None
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute(query).fetchall()


def written(store: Store, **writes: tuple[object, ...]) -> Batch:
    batch = Batch()
    for method, arguments in writes.items():
        getattr(batch, method)(*arguments)
    assert store.write(batch) == ()
    return batch


def test_a_binding_comes_back_as_it_was(store: Store, make_binding: MakeBinding, at: datetime) -> None:
    binding = make_binding(
        received="sip:203.0.113.5:40000;transport=udp",
        path=("<sip:edge1.example.test;lr>", "<sip:a,b@edge2.example.test;lr>"),
        q=0.7,
        expires=float(int(at.timestamp()) + 3600),
        last_modified=float(int(at.timestamp())),
        user_agent="Phone/1.0",
        socket="udp:192.0.2.1:5060",
        flags=2,
        cflags=64,
        methods=8191,
        instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>",
        reg_id=1,
    )
    written(store, save_binding=(binding,))
    [loaded] = store.load_bindings(at)
    assert same(loaded) == same(binding)
    assert loaded.traits is binding.traits


def test_the_last_write_of_a_binding_counts(store: Store, make_binding: MakeBinding, at: datetime) -> None:
    batch = Batch()
    batch.save_binding(make_binding(cseq=1))
    batch.save_binding(make_binding(cseq=2))
    batch.save_binding(make_binding(contact="sip:alice@192.0.2.8"))
    batch.remove_binding(make_binding(contact="sip:alice@192.0.2.8"))
    assert len(batch) == 2
    store.write(batch)
    assert [(binding.contact, binding.cseq) for binding in store.load_bindings(at)] == [
        ("sip:alice@192.0.2.7:5060", 2)
    ]


def test_a_refresh_replaces_the_row(store: Store, make_binding: MakeBinding, at: datetime) -> None:
    written(store, save_binding=(make_binding(cseq=1),))
    written(store, save_binding=(make_binding(cseq=2),))
    assert rows(store, "SELECT username, domain, cseq FROM location") == [("alice", "example.test", 2)]


def test_a_contact_spelled_anew_takes_the_place_of_the_old(
    store: Store, make_binding: MakeBinding, at: datetime
) -> None:
    old = make_binding(contact="sip:alice@192.0.2.7")
    written(store, save_binding=(old,))
    written(store, save_binding=(make_binding(contact="sip:alice@192.0.2.7;ob"), old))
    assert [binding.contact for binding in store.load_bindings(at)] == ["sip:alice@192.0.2.7;ob"]


def test_a_binding_is_stored_as_it_was_when_it_was_said(
    store: Store, make_binding: MakeBinding, at: datetime
) -> None:
    binding = make_binding(cseq=1)
    batch = Batch()
    batch.save_binding(binding)
    binding.cseq = 2
    store.write(batch)
    assert next(store.load_bindings(at)).cseq == 1


def test_removing_what_is_not_there_is_no_failure(store: Store, make_binding: MakeBinding) -> None:
    written(store, remove_binding=(make_binding(),), remove_call=(1,))


def test_bindings_that_are_over_are_not_loaded(store: Store, make_binding: MakeBinding, at: datetime) -> None:
    for number, expires in enumerate((at.timestamp() - 1, at.timestamp() + 1, 0)):
        written(store, save_binding=(make_binding(contact=f"sip:{number}@192.0.2.7", expires=expires),))
    for moment in (at, at.timestamp()):
        assert {binding.contact for binding in store.load_bindings(moment)} == {
            "sip:1@192.0.2.7",
            "sip:2@192.0.2.7",
        }
    permanent = [binding for binding in store.load_bindings(at + timedelta(days=9999)) if not binding.expires]
    assert len(permanent) == 1
    assert store.counts(at)["location"] == 2
    assert store.counts()["location"] == 3


def test_location_is_readable_for_opensips(store: Store, make_binding: MakeBinding) -> None:
    written(store, save_binding=(make_binding(),))
    assert rows(store, "SELECT expires, last_modified, q FROM location") == [
        ("2030-01-02 04:04:06", "2030-01-02 03:04:06", 1.0)
    ]


def test_accounting_rows_keep_milliseconds(store: Store, acc_row: AccRow) -> None:
    written(store, acc=(acc_row,), missed=(acc_row,))
    assert rows(store, "SELECT method, callid, sip_code, time, created, ms_duration FROM acc") == [
        ("INVITE", "c1", "200", "2030-01-02 03:04:05.678000", "2030-01-02 03:04:05.678000", 5)
    ]
    assert rows(store, "SELECT method, callid, sip_code, time FROM missed_calls") == [
        ("INVITE", "c1", "200", "2030-01-02 03:04:05.678000")
    ]


def test_a_call_record_has_the_control_panels_columns(store: Store, make_cdr: MakeCdr) -> None:
    written(store, cdr=(make_cdr(),))
    assert rows(
        store, "SELECT call_start_time, duration, sip_call_id, sip_from_tag, sip_to_tag FROM cdrs"
    ) == [("2030-01-02 03:04:05.678000", 61, "c1", "f1", "t1")]


def test_other_zones_are_stored_in_utc(store: Store, make_cdr: MakeCdr, at: datetime) -> None:
    from datetime import timezone

    elsewhere = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    written(store, cdr=(make_cdr(start=elsewhere),))
    assert store.cdrs()[0].call_start_time == at.replace(tzinfo=None)


def test_writing_a_batch_again_changes_nothing_for_calls_and_bindings(
    store: Store, make_binding: MakeBinding, make_cdr: MakeCdr, at: datetime
) -> None:
    batch = written(store, save_binding=(make_binding(),), cdr=(make_cdr(),), save_call=(1, {"n": 1}))
    assert store.write(batch) == ()
    counts = store.counts(at)
    assert (counts["location"], counts["cdrs"], counts["live_calls"]) == (1, 1, 1)


def test_live_calls_are_journalled_until_they_end(store: Store) -> None:
    most = 2**63 - 1
    written(store, save_call=(most, {"state": "early", "tags": ["f1"]}))
    written(store, save_call=(most, {"state": "confirmed"}))
    written(store, save_call=(2, {"state": "other"}))
    assert store.load_calls() == {most: {"state": "confirmed"}, 2: {"state": "other"}}
    written(store, remove_call=(most,))
    assert store.load_calls() == {2: {"state": "other"}}


def test_a_server_with_calls_marks_until_when_it_lived(store: Store, at: datetime) -> None:
    written(store, call_alive=(1, at))
    assert store.last_alive() is None
    written(store, save_call=(1, {}))
    written(store, call_alive=(1, at))
    assert store.last_alive() == at


def test_an_empty_batch_is_written_at_once(store: Store) -> None:
    assert len(Batch()) == 0
    assert store.write(Batch()) == ()


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("Grüße", "Grüße"),
        ("bad \udcff byte", "bad \ufffd byte"),
        ("nul \0 here", "nul \ufffd here"),
        ("\udcf0\udc9f\udc98\udc80", "\U0001f600"),
        ("'; DROP TABLE location; --", "'; DROP TABLE location; --"),
    ],
)
def test_text_from_strangers_cannot_stop_a_commit(
    store: Store, make_binding: MakeBinding, at: datetime, sent: str, stored: str
) -> None:
    binding = make_binding(user_agent=sent, contact=f"sip:{sent}@192.0.2.7")
    written(store, save_binding=(binding,), save_call=(1, {"x": sent}))
    [loaded] = store.load_bindings(at)
    assert loaded.user_agent == stored
    written(store, remove_binding=(binding,), remove_call=(1,))
    assert store.counts()["location"] == store.counts()["live_calls"] == 0


def test_numbers_from_strangers_cannot_stop_a_commit(
    store: Store, make_binding: MakeBinding, at: datetime
) -> None:
    written(store, save_binding=(make_binding(cseq=2**70, expires=1e30, methods=-(2**70), last_modified=-5),))
    [loaded] = store.load_bindings(at)
    assert (loaded.cseq, loaded.methods, loaded.last_modified) == (2**31 - 1, -(2**31) + 1, 0)


def test_one_write_that_cannot_be_stored_does_not_keep_the_others(
    store: Store, make_cdr: MakeCdr, make_binding: MakeBinding
) -> None:
    batch = Batch()
    batch.cdr(make_cdr(duration_ms=2**80))
    batch.cdr(make_cdr(call_id="c2"))
    batch.save_binding(make_binding())
    [refused] = store.write(batch)
    assert refused.table == "cdrs"
    assert refused.values["sip_call_id"] == "c1"
    assert "too large" in refused.reason
    assert [row.sip_call_id for row in store.cdrs()] == ["c2"]
    assert store.counts()["location"] == 1


def test_a_full_disk_is_told_and_the_same_batch_can_be_written_later(store: Store, make_cdr: MakeCdr) -> None:
    batch = Batch()
    for number in range(200):
        batch.cdr(make_cdr(call_id=f"c{number}", callee="x" * 4000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files may not grow any more: for SQLite as a disk that takes nothing.
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        with pytest.raises(StoreError) as caught:
            store.write(batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk" in str(caught.value)
    assert store.cdrs() == []
    assert store.write(batch) == ()
    assert store.counts()["cdrs"] == 200


def test_a_database_that_was_taken_away_is_noticed(store: Store, make_binding: MakeBinding) -> None:
    assert store.path is not None
    batch = Batch()
    batch.save_binding(make_binding())
    elsewhere = store.path.with_suffix(".away")
    store.path.rename(elsewhere)
    with pytest.raises(StoreError, match="is gone"):
        store.write(batch)
    with pytest.raises(StoreError, match="is gone"):
        store.ping()
    elsewhere.rename(store.path)
    store.ping()
    assert store.write(batch) == ()


def test_a_database_that_was_replaced_is_noticed(store: Store, make_binding: MakeBinding) -> None:
    assert store.path is not None
    store.path.unlink()
    store.path.write_bytes(b"")
    batch = Batch()
    batch.save_binding(make_binding())
    with pytest.raises(StoreError, match=r"was replaced.*restart"):
        store.write(batch)


def test_a_locked_database_is_told_after_a_while(
    database: str, make_binding: MakeBinding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.provider.store._opening.BUSY_SECONDS", 0.05)
    batch = Batch()
    batch.save_binding(make_binding())
    with Store.open(database) as store, closing(sqlite3.connect(str(store.path))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another program"):
            store.write(batch)
        other.rollback()
        assert store.write(batch) == ()


def test_many_threads_write_and_read_at_once(store: Store, make_binding: MakeBinding, at: datetime) -> None:
    failures: list[Exception] = []

    def work(thread: int) -> None:
        try:
            for number in range(10):
                batch = Batch()
                batch.save_binding(make_binding(contact=f"sip:{thread}.{number}@192.0.2.7"))
                store.write(batch)
                list(store.load_bindings(at))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.counts(at)["location"] == 50


def test_what_was_committed_survives_a_crash(store: Store, make_binding: MakeBinding, tmp_path: Path) -> None:
    assert store.path is not None
    written(store, save_binding=(make_binding(),))
    # The files as they lie on the disk while the server still runs.
    for suffix in ("", "-wal"):
        original = Path(f"{store.path}{suffix}")
        Path(f"{tmp_path}/crashed.db{suffix}").write_bytes(original.read_bytes())
    with Store.open(f"sqlite:///{tmp_path}/crashed.db", create=False) as crashed:
        assert len(list(crashed.load_bindings(datetime(2030, 1, 1, tzinfo=UTC)))) == 1


def test_a_call_that_is_journalled_already_is_replaced_and_nothing_else_is_lost(
    store: Store, answered: Account, make_cdr: MakeCdr
) -> None:
    written(store, save_call=(7, {"from": "a server before"}))
    batch = Batch()
    batch.call_answered(answered, {"n": 1})
    batch.cdr(make_cdr(call_id="c9"))
    assert store.write(batch) == ()
    assert store.load_calls() == {7: {"n": 1}}
    assert (store.counts()["acc"], store.counts()["cdrs"]) == (1, 1)


def test_the_steps_of_a_call_write_what_their_parts_do(
    answered: Account, acc_row: AccRow, make_cdr: MakeCdr
) -> None:
    cdr = make_cdr()
    invite = Rules().answered(answered, answered.answer, "t1", 200, "OK").acc
    ended = Rules().ended(answered, cdr.end, "caller", "bye")
    steps, parts = (Batch() for _ in range(2))
    steps._stamp = parts._stamp = "2030-01-02 03:04:05.000000"
    steps.call_answered(answered, {"n": 1})
    steps.call_failed(acc_row, acc_row, cdr)
    steps.call_failed(None, None, None)
    steps.call_ended(answered, cdr.end, "caller", "bye")
    answered.number = None
    steps.call_ended(answered, cdr.end, "caller", "bye")
    parts.acc(invite)
    parts.save_call(7, {"n": 1})
    parts.acc(acc_row)
    parts.missed(acc_row)
    parts.cdr(cdr)
    parts.acc(ended.acc)
    parts.remove_call(7)
    parts.cdr(ended.cdr)
    parts.acc(ended.acc)
    parts.cdr(ended.cdr)
    assert list(steps._statements()) == list(parts._statements())
