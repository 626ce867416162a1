"""What the watch does by a short way is what the long one does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import make_response
from trunkline.sip_proxy.core import Branch, ResponseContext, Target
from trunkline.sip_proxy.watch import Call, CallWatch, Fact

AT = datetime(2030, 1, 1, tzinfo=UTC)
tags = st.sampled_from(["a", "x", "y", "z"])


def answered(kit: Any, callees: list[tuple[str, int]]) -> tuple[CallWatch, Call]:
    """Make a watch and a call of `a` that these have answered, or let it ring."""
    watch = CallWatch(max_duration=60)
    invite = kit.request(from_tag="a")
    call = watch.invite(invite, at=AT, flow=kit.udp(1))[0].call
    for tag, status in callees:
        watch.response(invite, make_response(invite, status, to_tag=tag), at=AT, now=0.0, call=call)
    return watch, call


@given(
    callees=st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from([180, 200])), max_size=4),
    byes=st.lists(st.tuples(tags, tags, st.integers(0, 3)), max_size=4),
)
def test_a_bye_whose_place_is_found_ends_what_it_ends_otherwise(
    kit: Any, callees: list[tuple[str, int]], byes: list[tuple[str, str, int]]
) -> None:
    (short, one), (long, other) = answered(kit, callees), answered(kit, callees)
    for sender, receiver, cseq in byes:
        bye = kit.request("BYE", from_tag=sender, to_tag=receiver, cseq=cseq)
        place = short.find(bye)
        facts: list[Fact] = []
        if place is not None:
            facts = short.hang_up(place, cseq, kit.udp(3), at=AT)
        told = long.in_dialog(bye, at=AT, flow=kit.udp(3))
        assert [(type(fact), attrs.asdict(fact)) for fact in facts] == [
            (type(fact), attrs.asdict(fact)) for fact in told
        ]
        assert attrs.asdict(one) == attrs.asdict(other)
        assert (len(short), short.next_timeout()) == (len(long), long.next_timeout())


routes = st.lists(st.sampled_from(["<sip:p1;lr>", "<sip:p2;lr>, <sip:p3;lr>", ""]), max_size=3)


@given(before=routes, beyond=routes, mangled=st.booleans(), joined=st.booleans())
def test_who_has_recorded_himself_after_us_is_seen_at_a_glance_as_by_counting(
    kit: Any, before: list[str], beyond: list[str], mangled: bool, joined: bool
) -> None:
    sets = []
    for at_a_glance in (True, False):
        invite = kit.request(from_tag="a", headers=[("Record-Route", value) for value in before])
        sent = invite.copy()
        sent.headers.prepend("Record-Route", "<sip:us;lr>")
        recorded = [*beyond, *([] if mangled else ["<sip:us;lr>", *before])]
        if joined and recorded:
            recorded = [", ".join(value for value in recorded if value)]
        headers = [("Record-Route", value) for value in recorded]
        ok = make_response(invite, 200, to_tag="x")
        ok.headers.remove("record-route")
        ok.headers.extend("Record-Route", (value for _, value in headers))
        # the long way is that of a Record-Route which was there before
        context = ResponseContext(None, invite if at_a_glance else sent, True)  # type: ignore[arg-type]
        watch = CallWatch()
        call = watch.invite(invite, at=AT)[0].call
        branch = Branch(context, Target("sip:b@h", kit.udp(2)))
        branch.recorded = ("<sip:us;lr>",) if at_a_glance else ()
        watch.response(invite, ok, at=AT, now=0.0, branch=branch)
        sets.append(call.legs["x"].route_set)
    assert sets[0] == sets[1]
