"""Users, domains, administrators and call records as people edit and look at them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from trunkline.acct import Cdr
from trunkline.provider.store import (
    Batch,
    Store,
    StoreError,
    Subscriber,
    ensure_administrator,
    verify_administrator,
)
from trunkline.provider.store.administrators import generate_password
from trunkline.provider.store.models import SubscriberRow


def digest(algorithm: str, text: str) -> str:
    return hashlib.new(algorithm, text.encode()).hexdigest()


def test_a_password_is_kept_as_hashes_only(store: Store) -> None:
    added = store.add_subscriber("alice", "example.test", "open sesame", email="alice@mail.test")
    assert added == store.subscriber("alice", "example.test")
    assert added.email_address == "alice@mail.test"
    assert added.password == ""
    assert added.ha1_for("MD5") == digest("md5", "alice:example.test:open sesame")
    assert added.ha1_for("MD5-sess") == added.ha1_for()
    assert added.ha1_for("SHA-256") == digest("sha256", "alice:example.test:open sesame")
    assert added.ha1_for("SHA-512-256") == digest("sha512_256", "alice:example.test:open sesame")
    assert added.ha1_for("SHA-1") is None
    assert added.ha1b_for() == digest("md5", "alice@example.test:example.test:open sesame")
    assert added.ha1b_for("SHA-256") is None


def test_plain_text_of_an_existing_database_works(store: Store) -> None:
    store.edit(
        lambda session: session.add(SubscriberRow(username="bob", domain="example.test", password="secret"))
    )
    bob = store.subscriber("bob", "example.test")
    assert bob is not None
    for algorithm, name in (("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256")):
        assert bob.ha1_for(algorithm) == digest(name, "bob:example.test:secret")
        assert bob.ha1b_for(algorithm) == digest(name, "bob@example.test:example.test:secret")


def test_without_password_and_hash_nobody_gets_in() -> None:
    nobody = Subscriber("carol", "example.test")
    assert nobody.ha1_for("MD5") is None
    assert nobody.ha1b_for("MD5") is None


def test_hashes_stay_out_of_logs(store: Store) -> None:
    added = store.add_subscriber("alice", "example.test", "open sesame")
    assert added.ha1 not in repr(added)


def test_a_new_password_replaces_all_hashes(store: Store) -> None:
    before = store.add_subscriber("alice", "example.test", "one")
    after = store.set_password("alice", "example.test", "two")
    assert after.ha1 == digest("md5", "alice:example.test:two")
    assert before.ha1_sha512t256 != after.ha1_sha512t256


def test_a_plain_text_password_is_gone_after_a_change(store: Store) -> None:
    store.edit(lambda session: session.add(SubscriberRow(username="bob", domain="d.test", password="secret")))
    assert store.set_password("bob", "d.test", "other").password == ""


def test_users_are_listed_by_domain_and_name(store: Store) -> None:
    for username, domain in (("b", "b.test"), ("c", "a.test"), ("a", "b.test")):
        store.add_subscriber(username, domain, "x")
    assert [(one.username, one.domain) for one in store.subscribers()] == [
        ("c", "a.test"),
        ("a", "b.test"),
        ("b", "b.test"),
    ]
    assert [one.username for one in store.subscribers("b.test")] == ["a", "b"]


def test_a_removed_user_is_gone_with_their_registrations(store: Store, make_binding, at: datetime) -> None:
    store.add_subscriber("alice", "example.test", "x")
    batch = Batch()
    batch.save_binding(make_binding())
    batch.save_binding(make_binding(aor="bob@example.test"))
    store.write(batch)
    assert store.remove_subscriber("alice", "example.test").username == "alice"
    assert store.subscriber("alice", "example.test") is None
    assert [binding.aor for binding in store.load_bindings(at)] == ["bob@example.test"]


@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        (
            lambda store: store.add_subscriber("alice", "example.test", "x"),
            "there is a user alice@example.test",
        ),
        (lambda store: store.add_subscriber("a b", "example.test", "x"), "cannot be a user name"),
        (lambda store: store.add_subscriber("", "example.test", "x"), "cannot be a user name"),
        (lambda store: store.add_subscriber("a@b", "example.test", "x"), "cannot be a user name"),
        (lambda store: store.add_subscriber("a" * 65, "example.test", "x"), "cannot be a user name"),
        (lambda store: store.add_subscriber("bob", "", "x"), "cannot be the domain"),
        (lambda store: store.add_subscriber("bob", "example.test", ""), "an empty password"),
        (lambda store: store.add_subscriber("bob", "d.test", "x", email="e" * 65), "too long"),
        (lambda store: store.set_password("bob", "example.test", "x"), "there is no user bob@example.test"),
        (lambda store: store.set_password("alice", "example.test", ""), "an empty password"),
        (lambda store: store.remove_subscriber("bob", "example.test"), "there is no user bob@example.test"),
        (lambda store: store.add_domain("example.test"), "there is a domain example.test"),
        (lambda store: store.add_domain("x" * 65), "too long"),
        (lambda store: store.remove_domain("other.test"), "there is no domain other.test"),
    ],
)
def test_what_cannot_be_done_says_why(store: Store, deed: Callable[[Store], object], expected: str) -> None:
    store.add_domain("example.test")
    store.add_subscriber("alice", "example.test", "x")
    with pytest.raises(StoreError, match=expected):
        deed(store)
    assert [one.username for one in store.subscribers()] == ["alice"]
    assert store.load_domains() == ["example.test"]


def test_domains_keep_their_order(store: Store) -> None:
    for domain in ("b.test", "a.test", "c.test"):
        store.add_domain(domain)
    store.remove_domain("a.test")
    assert store.load_domains() == ["b.test", "c.test"]


def test_the_first_administrator_is_made_once(store: Store) -> None:
    made = ensure_administrator(store, token=secrets.token_bytes)
    assert made is not None
    name, password = made
    assert name == "admin"
    assert len(password) == 16
    assert ensure_administrator(store, token=secrets.token_bytes) is None
    assert verify_administrator(store, "admin", password)
    assert not verify_administrator(store, "admin", password + "x")
    assert not verify_administrator(store, "root", password)


def test_a_generated_password_takes_its_letters_evenly() -> None:
    drawn = generate_password(lambda count: bytes(range(256))[:count], 600)
    counts = {letter: drawn.count(letter) for letter in set(drawn)}
    assert len(counts) == 56
    assert max(counts.values()) - min(counts.values()) <= 1


def test_call_records_are_listed_newest_first(
    store: Store, make_cdr: Callable[..., Cdr], at: datetime
) -> None:
    batch = Batch()
    for number in range(5):
        batch.cdr(make_cdr(call_id=f"c{number}", start=at + timedelta(hours=number)))
    store.write(batch)
    assert [row.sip_call_id for row in store.cdrs(limit=3)] == ["c4", "c3", "c2"]
    assert [row.sip_call_id for row in store.cdrs(since=at + timedelta(hours=3))] == ["c4", "c3"]


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("alice@example.test", {"c1", "c2", "c3"}),
        ("sip:alice@example.test", {"c1", "c2", "c3"}),
        ("alice", {"c1", "c2", "c3", "c4"}),
        ("ali", set()),
        ("alic_", set()),
        ("%", set()),
        ("bob@example.test", {"c1"}),
    ],
)
def test_call_records_are_found_by_either_party(
    store: Store, make_cdr: Callable[..., Cdr], user: str, found: set[str]
) -> None:
    batch = Batch()
    batch.cdr(make_cdr(call_id="c1"))
    batch.cdr(make_cdr(call_id="c2", caller="x@y.test", callee="sip:alice@example.test"))
    batch.cdr(make_cdr(call_id="c3", caller="sip:alice@example.test", callee="sip:100"))
    batch.cdr(make_cdr(call_id="c4", caller="alice@other.test", callee="z"))
    batch.cdr(make_cdr(call_id="c5", caller="alicette@example.test", callee="z"))
    store.write(batch)
    assert {row.sip_call_id for row in store.cdrs(user=user)} == found


def test_everything_is_counted(store: Store) -> None:
    store.add_subscriber("alice", "example.test", "x")
    assert store.counts() == {
        "location": 0,
        "acc": 0,
        "missed_calls": 0,
        "cdrs": 0,
        "live_calls": 0,
        "subscriber": 1,
        "domain": 0,
    }


def test_an_edit_that_fails_changes_nothing(store: Store) -> None:
    def work(session) -> None:
        session.add(SubscriberRow(username="a", domain="d.test"))
        session.add(SubscriberRow(username="a", domain="d.test"))

    with pytest.raises(StoreError, match="UNIQUE"):
        store.edit(work)
    assert store.subscribers() == []
