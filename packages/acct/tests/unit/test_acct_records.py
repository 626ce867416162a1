"""Reading back what a journal holds."""

import json

import pytest

from trunkline.acct import CallEvent, CallOpened, Cdr, Ledger, OpenCall, RecordError


def test_record_is_json_with_times_in_utc(call):
    record = json.loads(json.dumps(call.started(0.25).to_record()))
    assert record["event"] == "CallStarted"
    assert record["at"] == "2026-03-01T12:00:00.250000+00:00"
    assert CallEvent.from_record(record) == call.started(0.25)


def test_open_call_and_record_are_read_back(call):
    ledger = Ledger()
    opened = [effect for event in call.whole()[:3] for effect in ledger.receive(event)][-1]
    assert isinstance(opened, CallOpened)
    assert OpenCall.from_record(json.loads(json.dumps(opened.call.to_record()))) == opened.call
    cdr = ledger.receive(call.ended(9))[-1].cdr
    assert Cdr.from_record(json.loads(json.dumps(cdr.to_record()))) == cdr


def test_keys_of_a_newer_version_are_passed_over(call):
    assert CallEvent.from_record({**call.ended(1).to_record(), "colour": 7}) == call.ended(1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event": "CallVanished"}, "event"),
        ({"call_id": 7}, "call_id"),
        ({"code": "200"}, "code"),
        ({"code": True}, "code"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-03-01T12:00:00"}, "at"),
        ({"at": None}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"event": ["CallStarted"]}, "event"),
    ],
)
def test_wrong_value_is_named(call, change, field):
    with pytest.raises(RecordError) as caught:
        CallEvent.from_record({**call.answered(1).to_record(), **change})
    assert caught.value.field == field


def test_wrong_extra_columns_are_named(call):
    with pytest.raises(RecordError) as caught:
        CallEvent.from_record({**call.started().to_record(), "extra": ["a"]})
    assert caught.value.field == "extra"


def test_missing_key_is_named(call):
    record = call.answered(1).to_record()
    del record["at"]
    with pytest.raises(RecordError, match="at missing"):
        CallEvent.from_record(record)
