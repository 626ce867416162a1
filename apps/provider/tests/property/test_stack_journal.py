"""The journal's text of a call says what the records of the watch and of accounting say, whatever it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import given
from hypothesis import strategies as st

from trunkline.acct import OpenCall
from trunkline.provider.stack._records import from_journal, journal_text
from trunkline.sip_proxy import Call, CallState
from trunkline.sip_proxy.watch import Leg
from trunkline.sip_transaction import Flow

# Surrogates stand for bytes that are no UTF-8, and are low ones; pairs, which JSON would join, never come.
NO_UTF_8 = st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
TEXTS = st.text(st.characters(codec="utf-8") | NO_UTF_8, max_size=8)
START = datetime(2026, 3, 1, tzinfo=UTC)
TIMES = st.integers(0, 10**12).map(lambda count: START + timedelta(milliseconds=count))
ADDRESSES = st.tuples(TEXTS, st.integers(0, 65535))
FLOWS = st.none() | st.builds(Flow, st.sampled_from(["UDP", "TCP", "TLS"]), ADDRESSES, ADDRESSES)
ROUTES = st.lists(TEXTS, max_size=2).map(tuple)
NUMBERS = st.integers(0, 2**31)
LEGS = st.builds(
    Leg,
    to_tag=TEXTS,
    contact=TEXTS,
    route_set=ROUTES,
    cseq=NUMBERS,
    flow=FLOWS,
    is_confirmed=st.booleans(),
    session_interval=st.none() | NUMBERS,
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[Call, OpenCall]:
    """Give an answered call, and the same in accounting's words."""
    legs = draw(st.lists(LEGS, min_size=1, max_size=3, unique_by=lambda leg: leg.to_tag))
    call = Call(
        draw(TEXTS),
        draw(TEXTS),
        draw(TEXTS),
        draw(TEXTS),
        draw(TEXTS),
        draw(TIMES),
        CallState.CONFIRMED,
        draw(TIMES),
        caller_contact=draw(TEXTS),
        caller_route_set=draw(ROUTES),
        caller_cseq=draw(NUMBERS),
        caller_flow=draw(FLOWS),
        legs={leg.to_tag: leg for leg in legs},
        to_tag=legs[0].to_tag,
        is_acknowledged=draw(st.booleans()),
        max_duration=draw(st.none() | st.floats(0, 1e6)),
    )
    opened = OpenCall(
        call.call_id,
        call.from_tag,
        call.started_at,
        draw(TEXTS),
        draw(TEXTS),
        call.request_uri,
        draw(TEXTS),
        ringing=draw(st.none() | TIMES),
        answer=call.answered_at,
        to_tag=call.to_tag,
        code=draw(st.integers(200, 299)),
        reason=draw(TEXTS),
        extra=draw(st.dictionaries(TEXTS, TEXTS, max_size=2)),
    )
    return call, opened


@given(calls(), st.booleans())
def test_the_text_says_what_the_records_do(answered: tuple[Call, OpenCall], relayed: bool) -> None:
    call, opened = answered
    text = journal_text(call, opened, relayed=relayed)
    assert text.isascii()
    record = json.loads(text)
    assert record["call"] == opened.to_record()
    assert record["relayed"] is relayed
    again, was_relayed = from_journal(record)
    assert was_relayed is relayed
    assert again.to_record() == call.to_record()
    assert attrs.asdict(again.user) == attrs.asdict(opened)
    # no part of the path is lost; what is written beyond it has its default
    path = json.loads(json.dumps(call.path_record()))
    assert all(record["watched"][name] == value for name, value in path.items() if name != "legs")
