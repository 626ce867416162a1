"""Call detail records from rows of the table acc, ours and those of other systems."""

import pytest

from trunkline.acct import AccRow, cdrs_from_acc_rows


@pytest.fixture
def row(at):
    def make(method, seconds, code="200", tags=("a", "b"), callid="c1", **more):
        reason = "OK" if code == "200" else "reason"
        return AccRow(method, *tags, callid, code, reason, at(seconds), **more)

    return make


def test_earliest_bye_with_the_tags_either_way_closes_the_call(row, at):
    rows = [row("INVITE", 0), row("BYE", 30), row("BYE", 20, tags=("b", "a"))]
    (cdr,) = cdrs_from_acc_rows(rows)
    assert (cdr.start, cdr.answer, cdr.end) == (at(0), at(0), at(20))
    assert (cdr.duration_ms, cdr.released_by, cdr.cause) == (20000, "callee", "bye")
    assert (cdr.caller, cdr.callee) == ("", "")


def test_bye_of_another_dialog_does_not_close_the_call(row):
    assert cdrs_from_acc_rows([row("INVITE", 0), row("BYE", 5, tags=("a", "x"))]) == []
    assert cdrs_from_acc_rows([row("INVITE", 0), row("BYE", 5, callid="c2")]) == []


def test_accounted_reinvites_do_not_make_a_second_record(row):
    rows = [row("INVITE", 0), row("INVITE", 5), row("INVITE", 6, tags=("b", "a")), row("BYE", 9)]
    (cdr,) = cdrs_from_acc_rows(rows)
    assert cdr.duration_ms == 9000


def test_refused_reinvite_is_not_a_call(row):
    rows = [row("INVITE", 0), row("INVITE", 5, "488", ("b", "a")), row("BYE", 9)]
    assert len(cdrs_from_acc_rows(rows)) == 1


def test_failed_invite_is_an_unanswered_call(row, at):
    (cdr,) = cdrs_from_acc_rows([row("INVITE", 3, "486", created=at(1))] * 2)
    assert (cdr.answer, cdr.setup_ms, cdr.cause) == (None, 2000, "busy")
    assert cdrs_from_acc_rows([row("INVITE", 3, "486")], unanswered=False) == []


def test_challenges_other_methods_and_nonsense_are_no_calls(row):
    rows = [row("INVITE", 0, "407"), row("MESSAGE", 1), row("INVITE", 2, "abc"), row("INVITE", 2, "")]
    assert cdrs_from_acc_rows(rows) == []


def test_records_come_in_the_order_the_calls_ended(row):
    rows = [
        row("INVITE", 0, callid="long"),
        row("INVITE", 1, callid="short"),
        row("BYE", 99, callid="long"),
        row("BYE", 9, callid="short"),
    ]
    assert [cdr.call_id for cdr in cdrs_from_acc_rows(rows)] == ["short", "long"]
