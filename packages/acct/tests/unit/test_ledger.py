"""What the ledger makes of the facts of single calls."""

from datetime import datetime, timedelta

import pytest

from trunkline.acct import (
    AccRow,
    AccRowReady,
    CallClosed,
    CallOpened,
    CallStarted,
    Cdr,
    Effect,
    Ledger,
    LocalProtocolError,
    MissedCallReady,
)


def fold(ledger, events) -> list[Effect]:
    return [effect for event in events for effect in ledger.receive(event)]


def test_call_hung_up_by_the_caller_gives_two_rows_and_a_record(call, at):
    effects = fold(Ledger(), call.whole())
    assert [type(effect) for effect in effects] == [AccRowReady, CallOpened, AccRowReady, CallClosed]
    assert effects[0].row == AccRow(
        "INVITE", "a", "b", "c1", "200", "OK", at(2.25), setuptime=2, created=at(0)
    )
    assert effects[2].row == AccRow(
        "BYE",
        "a",
        "b",
        "c1",
        "200",
        "OK",
        at(62.5),
        duration=60,
        setuptime=2,
        created=at(0),
        ms_duration=60250,
    )
    assert effects[3].cdr == Cdr(
        call_id="c1",
        from_tag="a",
        to_tag="b",
        caller="alice@example.test",
        callee="bob@example.test",
        request_uri="sip:bob@example.test",
        start=at(0),
        answer=at(2.25),
        end=at(62.5),
        duration_ms=60250,
        setup_ms=2250,
        released_by="caller",
        cause="bye",
        code=200,
        reason="OK",
    )


def test_bye_of_the_callee_is_accounted_with_its_tag_first(call):
    effects = fold(Ledger(), [call.started(), call.answered(1), call.ended(5, by="callee")])
    assert (effects[2].row.from_tag, effects[2].row.to_tag) == ("b", "a")
    assert effects[3].cdr.released_by == "callee"


def test_call_ended_by_the_server_says_why_in_its_row(call):
    effects = fold(Ledger(), [call.started(), call.answered(1), call.ended(5, "server", "media timeout")])
    assert (effects[2].row.sip_code, effects[2].row.sip_reason) == ("", "media timeout")
    assert (effects[3].cdr.released_by, effects[3].cdr.cause) == ("server", "media timeout")


def test_times_are_kept_in_utc_to_the_millisecond(call):
    start = datetime.fromisoformat("2026-03-01T14:00:00.123987+02:00")
    ledger = Ledger()
    ledger.receive(CallStarted("c1", "a", start))
    assert ledger.open_calls()[0].start.isoformat() == "2026-03-01T12:00:00.123000+00:00"


def test_failed_call_gives_row_missed_call_and_record(call, at):
    effects = fold(Ledger(), [call.started(), call.ringing(1), call.failed(4)])
    assert [type(effect) for effect in effects] == [AccRowReady, MissedCallReady, CallClosed]
    assert effects[0].row == effects[1].row
    cdr = effects[2].cdr
    assert (cdr.answer, cdr.end, cdr.duration_ms, cdr.setup_ms) == (None, at(4), 0, 4000)
    assert (cdr.code, cdr.reason, cdr.cause, cdr.released_by) == (486, "Busy Here", "busy", "callee")


@pytest.mark.parametrize(
    ("code", "cause", "side"),
    [
        (302, "redirected", "callee"),
        (404, "not found", "server"),
        (408, "no answer", "server"),
        (480, "unavailable", "callee"),
        (487, "cancelled", "caller"),
        (488, "rejected", "callee"),
        (500, "failed", "server"),
        (600, "busy", "callee"),
        (603, "refused", "callee"),
    ],
)
def test_cause_and_side_of_a_failed_call_follow_from_its_status(call, code, cause, side):
    cdr = fold(Ledger(), [call.started(), call.failed(3, code, "")])[-1].cdr
    assert (cdr.cause, cdr.released_by) == (cause, side)


def test_what_is_not_wanted_is_left_out(call):
    ledger = Ledger(failed_rows=False, missed=False, unanswered=False)
    assert fold(ledger, [call.started(), call.failed(4)]) == []
    assert ledger.open_calls() == []


@pytest.mark.parametrize("code", [401, 407])
def test_challenged_call_goes_on_with_the_next_invite(call, at, code):
    first = [call.started(), call.failed(0.1, code, "Unauthorized", to_tag="x")]
    effects = fold(ledger := Ledger(), first)
    assert [type(effect) for effect in effects] == [AccRowReady]
    effects = fold(ledger, [call.started(0.2), call.answered(2), call.ended(3)])
    assert effects[-1].cdr.start == at(0.2)


def test_ringing_call_given_up_by_the_server_gives_a_record_without_status(call):
    ledger = Ledger()
    effects = fold(ledger, [call.started(), call.ringing(1), call.ended(9, "server", "server restart")])
    assert [type(effect) for effect in effects] == [CallClosed]
    cdr = effects[0].cdr
    assert (cdr.answer, cdr.code, cdr.cause) == (None, 0, "server restart")
    assert fold(Ledger(unanswered=False), [call.started(), call.ended(9, "server", "server restart")]) == []


def test_second_answer_of_a_forked_call_is_passed_over(call):
    ledger = Ledger()
    fold(ledger, [call.started(), call.answered(1, "b")])
    assert fold(ledger, [call.answered(1.1, "b2"), call.ended(1.2, to_tag="b2")]) == []
    assert len(ledger) == 1
    assert fold(ledger, [call.ended(9, to_tag="b")])[-1].cdr.duration_ms == 8000


def test_end_without_a_tag_ends_the_call(call):
    assert fold(Ledger(), [call.started(), call.answered(1), call.ended(2, to_tag="")])[-1].cdr.to_tag == "b"


def test_failure_after_the_answer_is_passed_over(call):
    ledger = Ledger()
    assert fold(ledger, [call.started(), call.answered(1), call.failed(2)])[2:] == []
    assert len(ledger) == 1


def test_facts_of_an_unknown_call_are_passed_over(call):
    assert fold(Ledger(), call.whole()[1:]) == []


def test_echo_of_an_earlier_attempt_does_not_touch_the_next(call):
    ledger = Ledger()
    fold(ledger, [call.started(0), call.failed(1, 503, ""), call.started(2)])
    assert fold(ledger, [call.started(0), call.failed(1, 503, "")]) == []
    assert len(ledger) == 1


def test_start_told_again_after_the_end_opens_nothing_while_it_is_remembered(call, new_call):
    ledger = Ledger(remember=timedelta(seconds=60))
    fold(ledger, call.whole())
    fold(ledger, [new_call("c2").started(100), call.started(0)])
    assert len(ledger) == 1
    fold(ledger, [new_call("c3").started(200), call.started(0)])
    assert len(ledger) == 3


def test_clock_set_back_during_a_call_gives_no_negative_duration(call):
    ledger = Ledger()
    fold(ledger, [call.started(0), call.answered(10)])
    assert fold(ledger, [call.ended(5)])[-1].cdr.duration_ms == 0


def test_restored_call_is_closed_by_its_end(call, at):
    ledger = Ledger()
    (_, opened) = fold(ledger, [call.started(), call.answered(1)])
    after_crash = Ledger()
    after_crash.restore(opened.call)
    after_crash.restore(opened.call)
    assert after_crash.open_calls() == [opened.call]
    cdr = fold(after_crash, [call.ended(31, "server", "server restart")])[-1].cdr
    assert (cdr.answer, cdr.end, cdr.duration_ms) == (at(1), at(31), 30000)


def test_open_calls_are_given_oldest_first(new_call):
    ledger = Ledger()
    fold(ledger, [new_call("late").started(9), new_call("early").started(3)])
    assert [call.call_id for call in ledger.open_calls()] == ["early", "late"]


def test_first_ringing_is_noted(call, at):
    ledger = Ledger()
    fold(ledger, [call.started(), call.ringing(1), call.ringing(2, 183)])
    assert ledger.open_calls()[0].ringing == at(1)


@pytest.mark.parametrize("outcome", ["answered", "failed"])
def test_other_methods_get_a_row_and_nothing_else(call, outcome):
    ledger = Ledger()
    effects = fold(ledger, [call.started(method="MESSAGE"), getattr(call, outcome)(1)])
    assert [type(effect) for effect in effects] == [AccRowReady]
    assert effects[0].row.method == "MESSAGE"
    assert len(ledger) == 0


def test_extra_columns_go_into_every_row(call):
    events = [call.started(extra={"src_ip": "192.0.2.1"}), call.answered(1), call.ended(2)]
    rows = [effect.row for effect in fold(Ledger(), events) if isinstance(effect, AccRowReady)]
    assert [row.extra for row in rows] == [{"src_ip": "192.0.2.1"}] * 2


def test_long_reason_is_cut_to_the_width_of_its_column(call):
    effects = fold(Ledger(), [call.started(), call.failed(1, 480, "x" * 40)])
    assert effects[0].row.sip_reason == "x" * 32
    assert effects[2].cdr.reason == "x" * 40


def test_time_without_a_zone_is_refused():
    with pytest.raises(LocalProtocolError, match="CallStarted: expected a time with a zone"):
        Ledger().receive(CallStarted("c1", "a", datetime.fromisoformat("2026-03-01T12:00:00")))
