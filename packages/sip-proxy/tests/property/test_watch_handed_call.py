"""A watch that is handed the call a response is about tells what one tells that has to look for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import Request, make_response
from trunkline.sip_proxy.watch import CallWatch, Side

AT = datetime(2030, 1, 1, tzinfo=UTC)
statuses = st.sampled_from([100, 180, 183, 200, 200, 401, 486])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("invite"), st.integers(1, 3), st.just("")),
        st.tuples(st.just("response"), statuses, st.sampled_from("xy")),
        st.tuples(st.just("end"), st.just(0), st.just("")),
    ),
    max_size=12,
)


def follow(walk: list[tuple[str, int, str]], *, hand: bool) -> list[Any]:
    watch, told, call = CallWatch(max_duration=60), [], None
    invite = request(1)
    for what, number, tag in walk:
        facts: list[Any] = []
        if what == "invite":
            invite = request(number)
            facts = watch.invite(invite, at=AT)
        elif what == "response":
            response = make_response(invite, number, to_tag=tag)
            response.headers.add("Contact", f"<sip:{tag}@192.0.2.{number % 9}>")
            facts = watch.response(invite, response, at=AT, now=0.0, call=call if hand else None)
        elif call is not None:
            facts = watch.end(call, by=Side.PROXY, cause="why", at=AT)
        if facts:
            call = facts[0].call
        told.append([(type(fact), attrs.asdict(fact)) for fact in facts])
        told.append([attrs.asdict(each) for each in watch.calls()])
        told.append(watch.next_timeout())
    return told


def request(number: int) -> Request:
    headers = [
        ("Via", f"SIP/2.0/UDP a;branch=z9hG4bK{number}"),
        ("From", "<sip:a@b>;tag=f"),
        ("To", "<sip:c@d>"),
        ("Call-ID", "1"),
        ("CSeq", f"{number} INVITE"),
    ]
    return Request("INVITE", "sip:c@d", headers)


@given(steps)
def test_handed_call_changes_nothing(walk):
    assert follow(walk, hand=True) == follow(walk, hand=False)
