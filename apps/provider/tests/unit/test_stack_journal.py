"""The journal's record of a call: what it says is read back, also from what earlier versions wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trunkline.acct import RecordError
from trunkline.provider.stack._records import from_journal, journal_text, open_call
from trunkline.sip_parser import LocalProtocolError
from trunkline.sip_proxy import Call, CallState
from trunkline.sip_proxy.watch import Leg
from trunkline.sip_transaction import Flow

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HERE = ("192.0.2.1", 5060)


def answered_call(**more: Any) -> Call:
    call = Call(
        "c1",
        "f1",
        "sip:alice@example.test",
        "sip:bob@example.test",
        "sip:bob@example.test;user=phone",
        NOON,
        CallState.CONFIRMED,
        NOON + timedelta(seconds=3),
        "sip:alice@198.51.100.1",
        ("<sip:203.0.113.1;lr>",),
        2,
        Flow("UDP", HERE, ("198.51.100.1", 5060)),
        **more,
    )
    call.legs["t1"] = Leg(
        "t1", "sip:bob@198.51.100.2", (), 0, Flow("TCP", HERE, ("198.51.100.2", 4711)), True, 600
    )
    call.to_tag = "t1"
    opened = call.user = open_call(call)
    opened.answer, opened.to_tag, opened.code, opened.reason = call.answered_at, "t1", 200, "OK"
    return call


@pytest.mark.parametrize("relayed", [True, False])
@pytest.mark.parametrize("more", [{}, {"is_acknowledged": True, "max_duration": 60.0}])
def test_a_call_comes_back(more: dict[str, Any], relayed: bool) -> None:
    call = answered_call(**more)
    record = json.loads(journal_text(call, call.user, relayed=relayed))
    again, was_relayed = from_journal(record)
    assert was_relayed is relayed
    # the record's times are accounting's: whole milliseconds
    call.started_at = call.user.start
    assert again.to_record() == call.to_record()
    assert again.user == call.user


def test_what_an_earlier_version_wrote_is_read() -> None:
    call = answered_call()
    watched = {"is_acknowledged": False, "max_duration": None, **call.to_record()}
    again, relayed = from_journal({"call": call.user.to_record(), "watched": watched, "relayed": True})
    assert (again.to_record(), again.user, relayed) == (call.to_record(), call.user, True)


@pytest.mark.parametrize(("part", "error"), [("call", RecordError), ("watched", LocalProtocolError)])
def test_a_record_that_lacks_a_part_is_refused(part: str, error: type[Exception]) -> None:
    call = answered_call()
    record = json.loads(journal_text(call, call.user, relayed=False))
    with pytest.raises(error):
        from_journal({**record, part: {}})
