"""What a call leaves at each step, for who follows the calls himself."""

from datetime import UTC, datetime, timedelta

import pytest

from trunkline.acct import (
    AccRowReady,
    CallAnswered,
    CallClosed,
    CallEnded,
    CallFailed,
    CallStarted,
    Ledger,
    MissedCallReady,
    OpenCall,
    Rules,
    milliseconds,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARTIES = {"caller": "alice@example.test", "callee": "bob@example.test", "request_uri": "sip:bob@h.test"}


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def kinds(effects: list[object]) -> dict[type, object]:
    """Give what each effect carries, by its kind."""
    found: dict[type, object] = {}
    for effect in effects:
        if isinstance(effect, CallClosed):
            found[CallClosed] = effect.cdr
        elif isinstance(effect, AccRowReady | MissedCallReady):
            found[type(effect)] = effect.row
    return found


def opened() -> OpenCall:
    return OpenCall("c1", "f1", NOON, **PARTIES)


def ledger_with_a_call(**options: bool) -> Ledger:
    ledger = Ledger(**options)
    ledger.receive(CallStarted("c1", "f1", NOON, **PARTIES))
    return ledger


@pytest.mark.parametrize("by", ["caller", "callee", "server"])
def test_an_answered_call_leaves_what_the_ledger_says(by: str) -> None:
    ledger, call, rules = ledger_with_a_call(), opened(), Rules()
    answered = kinds(ledger.receive(CallAnswered("c1", "f1", later(3.5), "t1", 200, "OK")))
    ended = kinds(ledger.receive(CallEnded("c1", "f1", later(63.25), by=by, cause="bye")))
    assert rules.answered(call, later(3.5), "t1", 200, "OK") == (answered[AccRowReady], None, None)
    assert rules.ended(call, later(63.25), by, "bye") == (ended[AccRowReady], None, ended[CallClosed])


@pytest.mark.parametrize("code", [302, 401, 404, 407, 486, 487, 503, 603])
@pytest.mark.parametrize("options", [{}, {"failed_rows": False}, {"missed": False}, {"unanswered": False}])
def test_a_call_that_failed_leaves_what_the_ledger_says(code: int, options: dict[str, bool]) -> None:
    effects = kinds(ledger_with_a_call(**options).receive(CallFailed("c1", "f1", later(5), "t", code, "No")))
    entries = Rules(**options).failed(opened(), later(5), "t", code, "No")
    assert entries == tuple(effects.get(kind) for kind in (AccRowReady, MissedCallReady, CallClosed))


def test_a_call_given_up_while_it_rings_has_no_row_of_a_bye() -> None:
    entries = Rules().ended(opened(), later(5), "server", "maximum length")
    assert entries.acc is None
    assert entries.cdr is not None
    assert (entries.cdr.answer, entries.cdr.duration_ms) == (None, 0)
    assert Rules(unanswered=False).ended(opened(), later(5), "server", "maximum length") == (None, None, None)


def test_a_time_of_whole_milliseconds_stays_the_same_object() -> None:
    assert milliseconds(NOON, "x") is NOON
    assert milliseconds(NOON + timedelta(microseconds=1999), "x") == NOON + timedelta(milliseconds=1)
