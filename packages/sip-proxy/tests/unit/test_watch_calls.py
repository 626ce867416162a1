"""The watch: what it makes of the messages of a call, one by one. Bad networks are in property."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from trunkline.sip_parser import LocalProtocolError, Request, Response, make_response
from trunkline.sip_proxy.core import Branch, ResponseContext, Target
from trunkline.sip_proxy.watch import (
    Call,
    CallAnswered,
    CallEnded,
    CallFailed,
    CallRinging,
    CallStarted,
    CallState,
    CallWatch,
    Fact,
    Side,
    make_bye,
)

CALLER_ROUTE = "<sip:203.0.113.1;lr>"
CALLEE_ROUTES = ["<sip:203.0.113.8;lr>", "<sip:203.0.113.9;lr>"]
OURS = "<sip:192.0.2.1:5060;transport=udp;lr>"


class Story:
    """A call told message by message."""

    def __init__(self, kit: Any, **options: Any) -> None:
        self.kit = kit
        self.watch = CallWatch(**options)
        self.start: datetime = kit.NEW_YEAR
        self.seconds = 0.0
        self.invited: Request | None = None

    @property
    def at(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    def invite(self, **options: Any) -> list[Fact]:
        self.invited = self.kit.request(headers=[("Record-Route", CALLER_ROUTE)], **options)
        return self.watch.invite(self.invited, at=self.at, flow=self.kit.udp(1))

    def response(self, status: int, tag: str | None = "bob", *, contact: str = "bob") -> list[Fact]:
        assert self.invited is not None
        headers = [("Contact", f"<sip:{contact}@198.51.100.2>")]
        headers += [("Record-Route", value) for value in [*CALLEE_ROUTES, OURS, CALLER_ROUTE]]
        response = make_response(self.invited, status, to_tag=tag, headers=headers)
        context = ResponseContext(None, self.invited, True)  # type: ignore[arg-type]
        branch = Branch(context, Target("sip:b@h", self.kit.udp(2)), recorded=(OURS,))
        return self.watch.response(self.invited, response, at=self.at, now=self.seconds, branch=branch)

    def within(
        self, method: str, sender: str, receiver: str, cseq: int, contact: str | None = None
    ) -> tuple[Request, list[Fact]]:
        request = self.kit.request(method, from_tag=sender, to_tag=receiver, cseq=cseq)
        if contact is not None:
            request.headers.set("Contact", f"<{contact}>")
        return request, self.watch.in_dialog(request, at=self.at, flow=self.kit.udp(7))

    def bye(self, sender: str, receiver: str, cseq: int = 2) -> list[Fact]:
        return self.within("BYE", sender, receiver, cseq)[1]

    @property
    def call(self) -> Call:
        call = self.watch.get("call-1@phone", "alice")
        assert call is not None
        return call

    def answered(self) -> "Story":
        self.invite()
        self.seconds += 5
        self.response(200)
        return self


@pytest.fixture
def story(kit: Any) -> Story:
    return Story(kit)


def kinds(facts: list[Fact]) -> list[type]:
    return [type(fact) for fact in facts]


def test_an_ordinary_call_from_beginning_to_end(story: Story) -> None:
    [started] = story.invite()
    assert isinstance(started, CallStarted)
    call = started.call
    assert (call.caller, call.callee) == ("sip:alice@example.test", "sip:bob@example.test")
    assert (call.request_uri, call.state, call.to_tag) == ("sip:bob@example.test", CallState.EARLY, "")
    assert (call.caller_contact, call.caller_route_set) == ("sip:alice@198.51.100.1:5060", (CALLER_ROUTE,))
    assert list(story.watch.calls()) == [call]
    story.seconds = 3
    assert kinds(story.response(180)) == [CallRinging]
    story.seconds = 8
    [answered] = story.response(200)
    assert isinstance(answered, CallAnswered)
    assert (answered.to_tag, answered.code, answered.reason) == ("bob", 200, "OK")
    assert (call.answered_at, call.state) == (story.start + timedelta(seconds=8), CallState.CONFIRMED)
    assert call.callee_contact == "sip:bob@198.51.100.2"
    assert call.callee_route_set == tuple(reversed(CALLEE_ROUTES))
    assert call.callee_flow == story.kit.udp(2)
    story.within("ACK", "alice", "bob", 1)
    assert call.is_acknowledged
    story.seconds = 20
    [ended] = story.bye("alice", "bob")
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.cause, ended.at) == (Side.CALLER, "bye", story.at)
    assert (call.state, call.to_tag, len(story.watch)) == (CallState.ENDED, "bob", 0)


def test_the_callee_may_hang_up(story: Story) -> None:
    story.answered()
    [ended] = story.bye("bob", "alice", 17)
    assert isinstance(ended, CallEnded)
    assert ended.by is Side.CALLEE


def test_crossing_and_repeated_byes_end_a_call_once(story: Story) -> None:
    story.answered()
    byes = [story.bye("alice", "bob"), story.bye("bob", "alice"), story.bye("alice", "bob")]
    assert [kinds(facts) for facts in byes] == [[CallEnded], [], []]


def test_a_bye_older_than_what_its_sender_sent_before_ends_nothing(story: Story) -> None:
    story.answered()
    story.within("UPDATE", "alice", "bob", 9)
    assert story.bye("alice", "bob", 8) == []
    story.within("INFO", "bob", "alice", 5)
    assert story.bye("bob", "alice", 4) == []
    assert story.call.state is CallState.CONFIRMED
    assert kinds(story.bye("alice", "bob", 10)) == [CallEnded]


def test_a_place_found_before_says_the_same_as_one_looked_for(story: Story) -> None:
    call = story.answered().call
    bye = story.kit.request("BYE", from_tag="bob", to_tag="alice", cseq=17)
    place = story.watch.find(bye)
    [ended] = story.watch.in_dialog(bye, at=story.at, flow=story.kit.udp(7), place=place)
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.call, call.legs["bob"].flow) == (Side.CALLEE, call, story.kit.udp(7))


def test_a_place_that_is_no_longer_there_ends_nothing(story: Story) -> None:
    story.invite()
    for tag in ("a", "b"):
        story.response(200, tag)
    bye = story.kit.request("BYE", from_tag="alice", to_tag="a", cseq=2)
    first = story.watch.find(bye)
    assert story.watch.in_dialog(bye, at=story.at, place=first) == []
    assert story.watch.in_dialog(bye, at=story.at, place=first) == [], "that callee was let go"
    last = story.kit.request("BYE", from_tag="alice", to_tag="b", cseq=3)
    second = story.watch.find(last)
    assert kinds(story.watch.in_dialog(last, at=story.at, place=second)) == [CallEnded]
    assert story.watch.in_dialog(last, at=story.at, place=second) == [], "the call is over"


@pytest.mark.parametrize(
    ("sender", "receiver"), [("alice", "eve"), ("eve", "bob"), ("bob", "eve"), ("eve", "alice")]
)
def test_a_bye_with_a_strange_tag_ends_nothing(story: Story, sender: str, receiver: str) -> None:
    story.answered()
    assert story.bye(sender, receiver) == []
    assert len(story.watch) == 1


def test_a_bye_to_a_call_that_rings_is_left_to_the_final_response(story: Story) -> None:
    story.invite()
    story.response(180)
    assert story.bye("alice", "bob") == []
    assert kinds(story.response(487)) == [CallFailed]


def test_a_failed_call(story: Story) -> None:
    story.invite()
    story.response(180)
    [failed] = story.response(486, "busy")
    assert isinstance(failed, CallFailed)
    assert (failed.to_tag, failed.code, failed.reason) == ("busy", 486, "Busy Here")
    assert len(story.watch) == 0
    assert story.response(486) == []
    assert story.response(200) == []


def test_each_provisional_status_is_told_once(story: Story) -> None:
    story.invite()
    facts = [story.response(status, tag) for status, tag in ((100, None), (180, "a"), (183, "b"), (180, "b"))]
    assert [kinds(one) for one in facts] == [[], [CallRinging], [CallRinging], []]
    assert [fact.to_tag for one in facts for fact in one if isinstance(fact, CallRinging)] == ["a", "b"]


def test_several_ring_and_one_answers(story: Story) -> None:
    story.invite()
    for tag in ("a", "b", "c"):
        story.response(180, tag)
    assert set(story.call.legs) == {"a", "b", "c"}
    story.response(200, "b")
    assert set(story.call.legs) == {"b"}
    assert kinds(story.bye("c", "alice")) == []
    assert kinds(story.bye("b", "alice")) == [CallEnded]


def test_when_several_answer_the_call_is_over_with_the_last(story: Story) -> None:
    story.invite()
    answers = [story.response(200, tag) for tag in ("a", "b", "a")]
    assert [kinds(facts) for facts in answers] == [[CallAnswered], [], []]
    assert story.call.to_tag == "a"
    assert story.bye("alice", "a") == []
    assert story.call.to_tag == "b"
    assert kinds(story.bye("alice", "b", 3)) == [CallEnded]
    assert len(story.watch) == 0


def test_tags_made_up_cost_a_bounded_amount_and_hide_no_answer(story: Story) -> None:
    story.invite()
    for number in range(200):
        story.response(180, f"t{number}")
    assert len(story.call.legs) == 64
    assert kinds(story.response(200, "one-more")) == [CallAnswered]
    for number in range(200):
        story.response(200, f"u{number}")
    assert len(story.call.legs) == 128


def test_an_invite_that_spirals_is_one_call_that_fails_once(story: Story) -> None:
    assert kinds(story.invite()) == [CallStarted]
    assert story.invite() == []
    assert story.response(486) == []
    assert kinds(story.response(486)) == [CallFailed]


def test_a_spiral_fails_as_its_caller_was_told_whichever_lap_ends_last(story: Story) -> None:
    story.invite()
    outer = story.invited
    story.invite(uri="sip:carol@example.test")
    inner = story.invited
    assert outer is not None
    assert inner is not None
    for outer_first in (True, False):
        watch = Story(story.kit).watch
        watch.invite(outer, at=story.at)
        watch.invite(inner, at=story.at)
        laps = [(outer, 603), (inner, 487)]
        facts: list[Fact] = []
        for request, status in laps if outer_first else laps[::-1]:
            facts += watch.response(request, make_response(request, status, to_tag="x"), at=story.at, now=0.0)
        [failed] = facts
        assert isinstance(failed, CallFailed)
        assert failed.code == 603


def test_an_invite_that_spirals_is_answered_once(story: Story) -> None:
    story.invite()
    story.invite()
    assert kinds(story.response(200) + story.response(200)) == [CallAnswered]


def test_an_accepted_reinvite_moves_both_ends(story: Story) -> None:
    call = story.answered().call
    request, _ = story.within("INVITE", "bob", "alice", 3, "sip:bob@198.51.100.22")
    assert call.callee_flow == story.kit.udp(7)
    assert call.callee_contact == "sip:bob@198.51.100.2", "not before it is accepted"
    accepted = make_response(request, 200, headers=[("Contact", "<sip:alice@198.51.100.11>")])
    assert story.watch.response(request, accepted, at=story.at, now=0.0) == []
    assert call.callee_contact == "sip:bob@198.51.100.22"
    assert call.caller_contact == "sip:alice@198.51.100.11"
    assert call.callee_cseq == 3


def test_a_refused_update_moves_nobody(story: Story) -> None:
    call = story.answered().call
    request, _ = story.within("UPDATE", "alice", "bob", 3, "sip:alice@198.51.100.11")
    story.watch.response(request, make_response(request, 491), at=story.at, now=0.0)
    assert call.caller_contact == "sip:alice@198.51.100.1:5060"
    story.watch.response(request, make_response(request, 200), at=story.at, now=0.0)
    assert call.caller_contact == "sip:alice@198.51.100.11"
    assert call.caller_flow == story.kit.udp(7)


def test_responses_to_what_is_no_call_say_nothing(story: Story, kit: Any) -> None:
    message = kit.request("MESSAGE")
    assert story.watch.response(message, make_response(message, 200), at=story.at, now=0.0) == []
    unknown = kit.request(call_id="other")
    assert story.watch.response(unknown, make_response(unknown, 200), at=story.at, now=0.0) == []
    within = kit.request("UPDATE", to_tag="x", call_id="other")
    assert story.watch.response(within, make_response(within, 200), at=story.at, now=0.0) == []


def test_a_contact_that_cannot_be_read_is_none(story: Story) -> None:
    request = story.kit.request()
    request.headers.set("Contact", "<sip:alice@>")
    [started] = story.watch.invite(request, at=story.at)
    assert started.call.caller_contact == ""


# Ended by somebody else than the two.


def test_the_application_ends_a_call_that_was_answered(story: Story) -> None:
    call = story.answered().call
    [ended] = story.watch.end(call, by=Side.PROXY, cause="media timeout", at=story.at)
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.cause) == (Side.PROXY, "media timeout")
    assert story.watch.end(call, by=Side.PROXY, cause="media timeout", at=story.at) == []
    assert story.bye("alice", "bob") == []


def test_the_application_ends_a_call_that_was_not(story: Story) -> None:
    story.invite()
    [failed] = story.watch.end(story.call, by=Side.PROXY, cause="server restart", at=story.at)
    assert isinstance(failed, CallFailed)
    assert (failed.code, failed.reason) == (500, "server restart")


def test_a_call_that_lasts_too_long_is_ended_by_the_proxy(kit: Any) -> None:
    story = Story(kit, max_duration=60.0).answered()
    assert story.watch.next_timeout() == 65.0
    assert story.watch.handle_timeout(now=64.9, at=story.at) == []
    [ended] = story.watch.handle_timeout(now=65.0, at=story.at)
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.cause) == (Side.PROXY, "maximum length")
    assert story.watch.next_timeout() is None


def test_a_call_may_have_its_own_longest_duration(kit: Any) -> None:
    story = Story(kit, max_duration=60.0)
    story.invite()
    story.call.max_duration = 10.0
    story.response(200)
    assert story.watch.next_timeout() == 10.0
    story.watch.limit(story.call, 30.0, now=5.0)
    assert story.watch.next_timeout() == 35.0


def test_a_call_that_ends_leaves_no_limit_behind(kit: Any) -> None:
    story = Story(kit, max_duration=60.0).answered()
    story.bye("bob", "alice")
    assert story.watch.next_timeout() is None


def test_a_call_not_answered_has_no_limit(kit: Any) -> None:
    story = Story(kit, max_duration=60.0)
    story.invite()
    story.watch.limit(story.call, 30.0, now=0.0)
    assert story.watch.next_timeout() is None


# The journal.


def test_a_call_comes_back_from_its_record_and_goes_on(kit: Any) -> None:
    story = Story(kit, max_duration=60.0).answered()
    record = story.call.to_record()
    watch = story.watch = CallWatch(max_duration=60.0)
    story.seconds = 25
    watch.restore(Call.from_record(record), at=story.at, now=1000.0)
    assert story.call.to_record() == record
    assert watch.next_timeout() == 1040.0
    assert kinds(story.bye("bob", "alice")) == [CallEnded]


def test_a_record_of_an_earlier_version_with_every_field_is_read(story: Story) -> None:
    call = story.answered().call
    record = call.to_record()
    [leg] = record["legs"]
    full = {"is_acknowledged": False, "max_duration": None, "answered_at": None, **record}
    full["legs"] = [{"cseq": 0, "session_interval": None, "flow": None, **leg}]
    assert Call.from_record(full).to_record() == record


def test_a_call_whose_time_ran_out_meanwhile_ends_at_once(kit: Any) -> None:
    story = Story(kit, max_duration=60.0).answered()
    record = story.call.to_record()
    watch = CallWatch(max_duration=60.0)
    story.seconds = 500
    watch.restore(Call.from_record(record), at=story.at, now=1000.0)
    assert kinds(watch.handle_timeout(now=1000.0, at=story.at)) == [CallEnded]


def test_a_call_is_restored_once_and_only_while_it_lives(story: Story) -> None:
    call = story.answered().call
    with pytest.raises(LocalProtocolError, match="not watched yet"):
        story.watch.restore(call, at=story.at, now=0.0)
    story.bye("alice", "bob")
    with pytest.raises(LocalProtocolError, match="live call"):
        story.watch.restore(call, at=story.at, now=0.0)


@pytest.mark.parametrize(
    "change", [{"state": "Odd"}, {"legs": None}, {"started_at": 7}, {"caller_flow": ["UDP"]}]
)
def test_a_record_that_cannot_be_read_is_refused(story: Story, change: dict[str, Any]) -> None:
    record = story.answered().call.to_record()
    with pytest.raises(LocalProtocolError, match="call record"):
        Call.from_record({**record, **change})
    record.pop("caller")
    with pytest.raises(LocalProtocolError, match="caller"):
        Call.from_record(record)


# The BYE of our own.


def test_the_bye_to_the_callee_looks_like_the_callers(story: Story) -> None:
    call = story.answered().call
    bye = make_bye(call, Side.CALLEE, reason='SIP;text="time is up"')
    assert bye.uri == "sip:bob@198.51.100.2"
    assert bye.headers.get_all("route") == list(reversed(CALLEE_ROUTES))
    assert (bye.from_tag, bye.to_tag, str(bye.cseq)) == ("alice", "bob", "2 BYE")
    assert str(bye.from_.uri) == call.caller
    assert bye.headers.get("reason") == 'SIP;text="time is up"'
    assert "via" not in bye.headers


def test_the_bye_to_the_caller_looks_like_the_callees(story: Story) -> None:
    call = story.answered().call
    story.within("INFO", "bob", "alice", 40)
    bye = make_bye(call, Side.CALLER)
    assert bye.uri == "sip:alice@198.51.100.1:5060"
    assert bye.headers.get_all("route") == [CALLER_ROUTE]
    assert (bye.from_tag, bye.to_tag, str(bye.cseq)) == ("bob", "alice", "41 BYE")
    assert str(bye.from_.uri) == call.callee


def test_the_bye_heeds_a_strict_router(story: Story) -> None:
    call = story.answered().call
    call.caller_route_set = ("<sip:strict.test>", CALLER_ROUTE)
    bye = make_bye(call, Side.CALLER)
    assert bye.uri == "sip:strict.test"
    assert bye.headers.get_all("route") == [CALLER_ROUTE, "<sip:alice@198.51.100.1:5060>"]


def test_a_bye_needs_an_answered_call_and_a_side(story: Story) -> None:
    story.invite()
    with pytest.raises(LocalProtocolError, match="answered call"):
        make_bye(story.call, Side.CALLEE)
    story.response(200)
    with pytest.raises(LocalProtocolError, match="CALLER or CALLEE"):
        make_bye(story.call, Side.PROXY)


def test_a_call_says_what_it_is(story: Story) -> None:
    story.invite()
    assert repr(story.call) == "<Call call-1@phone sip:alice@example.test -> sip:bob@example.test Early>"
    assert (story.call.leg, story.call.callee_contact, story.call.callee_route_set) == (None, "", ())
    assert (story.call.callee_cseq, story.call.callee_flow) == (0, None)
    assert isinstance(make_response(story.kit.request(), 200), Response)


def test_the_bye_may_be_for_any_of_those_who_answered(story: Story) -> None:
    story.invite()
    for tag in ("a", "b"):
        story.response(200, tag, contact=tag)
    second = story.call.legs["b"]
    to_callee = make_bye(story.call, Side.CALLEE, leg=second)
    to_caller = make_bye(story.call, Side.CALLER, leg=second)
    assert (to_callee.uri, to_callee.to_tag, to_caller.from_tag) == ("sip:b@198.51.100.2", "b", "b")
    second.is_confirmed = False
    with pytest.raises(LocalProtocolError, match="answered call"):
        make_bye(story.call, Side.CALLEE, leg=second)
