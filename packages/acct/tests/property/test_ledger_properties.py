"""Whatever the order and the repetitions: live, rebuilt from facts and rebuilt from rows agree."""

import contextlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trunkline.acct import (
    AccRowReady,
    CallAnswered,
    CallClosed,
    CallEnded,
    CallEvent,
    CallFailed,
    CallRinging,
    CallStarted,
    Ledger,
    OpenCall,
    RecordError,
    cdrs_from_acc_rows,
    rebuild,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
FINALS = [300, 302, 400, 403, 404, 408, 480, 486, 487, 500, 503, 600, 603]


@st.composite
def attempts(draw, call_id, from_tag, number, begin):
    """Facts of one attempt with growing times; the last one is there or not."""
    steps = draw(st.lists(st.integers(1, 10**7), min_size=3, max_size=3))
    times = [EPOCH + timedelta(milliseconds=begin + sum(steps[:n])) for n in range(4)]
    to_tag = f"{from_tag}-to{number}"
    parties = {"caller": "x@test", "callee": f"y{number}@test", "request_uri": "sip:y@test"}
    events = [CallStarted(call_id, from_tag, times[0], **parties, extra=parties)]
    if draw(st.booleans()):
        events.append(CallRinging(call_id, from_tag, times[1]))
    end = draw(st.sampled_from(["fails", "is answered", "ends"]))
    if end == "fails":
        code = draw(st.sampled_from(FINALS))
        events.append(CallFailed(call_id, from_tag, times[2], to_tag, code, "Why not"))
    else:
        events.append(CallAnswered(call_id, from_tag, times[2], to_tag))
        if end == "ends":
            by = draw(st.sampled_from(["caller", "callee", "server"]))
            cause = "media timeout" if by == "server" else "bye"
            events.append(CallEnded(call_id, from_tag, times[3], to_tag, by, cause))
    return events


@st.composite
def calls(draw, number):
    """Facts of one call; after a failure the same INVITE may be tried once more."""
    call_id, from_tag = f"call{number % 2}", f"tag{number}"
    begin = draw(st.integers(0, 10**6))
    events = draw(attempts(call_id, from_tag, 0, begin))
    if isinstance(events[-1], CallFailed) and draw(st.booleans()):
        events += draw(attempts(call_id, from_tag, 1, begin + 10**8))
    return events


@st.composite
def interleavings(draw, several):
    """Mix the calls, keeping the order within each."""
    order = draw(st.permutations([n for n, events in enumerate(several) for _ in events]))
    upcoming = [iter(events) for events in several]
    return [next(upcoming[n]) for n in order]


@st.composite
def histories(draw):
    """The facts of several calls as they happened, and as a bad wire would tell them."""
    several = [draw(calls(number)) for number in range(draw(st.integers(1, 4)))]
    clean = draw(interleavings(several))
    told = list(clean)
    for _ in range(draw(st.integers(0, 6))):
        first = draw(st.integers(0, len(told) - 1))
        told.insert(draw(st.integers(first + 1, len(told))), told[first])
    return clean, told


def by_key(cdrs):
    return sorted(cdrs, key=lambda cdr: (cdr.call_id, cdr.from_tag, cdr.start))


@given(histories())
def test_repetition_and_interleaving_change_nothing(history):
    clean, told = history
    assert by_key(rebuild(told)) == by_key(rebuild(clean))


@given(histories())
def test_rows_give_the_records_that_the_live_ledger_gave(history):
    _, told = history
    ledger = Ledger(remember=None)
    effects = [effect for event in told for effect in ledger.receive(event)]
    rows = [effect.row for effect in effects if isinstance(effect, AccRowReady)]
    live = [effect.cdr for effect in effects if isinstance(effect, CallClosed)]
    assert by_key(cdrs_from_acc_rows(rows)) == by_key(live)
    assert by_key(cdrs_from_acc_rows(reversed(rows + rows[:3]))) == by_key(live)


@given(histories(), st.integers(0, 30))
def test_crash_and_restore_from_the_journal_change_nothing(history, crash_after):
    clean, _ = history
    ledger = Ledger(remember=None)
    effects = [effect for event in clean[:crash_after] for effect in ledger.receive(event)]
    journal = [call.to_record() for call in ledger.open_calls()]
    again = Ledger(remember=None)
    for record in journal:
        again.restore(OpenCall.from_record(record))
    effects += [effect for event in clean[crash_after:] for effect in again.receive(event)]
    assert by_key(e.cdr for e in effects if isinstance(e, CallClosed)) == by_key(rebuild(clean))


@given(histories())
def test_every_call_is_open_or_closed_and_durations_add_up(history):
    clean, _ = history
    ledger = Ledger()
    closed = [e.cdr for event in clean for e in ledger.receive(event) if isinstance(e, CallClosed)]
    assert len(closed) + len(ledger) == sum(isinstance(event, CallStarted) for event in clean)
    for cdr in closed:
        spoken = timedelta(0) if cdr.answer is None else cdr.end - cdr.answer
        assert timedelta(milliseconds=cdr.duration_ms) == spoken
        assert timedelta(milliseconds=cdr.setup_ms + cdr.duration_ms) == cdr.end - cdr.start


@given(histories())
def test_every_fact_is_read_back_from_its_record(history):
    clean, _ = history
    assert [CallEvent.from_record(event.to_record()) for event in clean] == clean


@given(
    st.sampled_from(["event", *CallStarted("c", "t", EPOCH).to_record()]),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
)
def test_damaged_record_is_read_or_refused_with_our_own_error(key, value):
    record = CallStarted("c", "t", EPOCH).to_record()
    with contextlib.suppress(RecordError):
        CallEvent.from_record({**record, key: value})
