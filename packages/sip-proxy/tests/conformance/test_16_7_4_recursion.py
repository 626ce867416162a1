"""RFC 3261 §16.7 step 4: a proxy that goes itself where redirections say."""

from typing import Any

import pytest

from trunkline.sip_parser import Request, Response
from trunkline.sip_proxy.core import Target

MOST_FOLLOWED = 10


class Follower:
    """An application that follows every redirection it is permitted to."""

    def __init__(self, kit: Any, *, permits: str = "") -> None:
        self.kit = kit
        self.bench = kit.Bench(relays=False)
        self.permits = permits

    def start(self, count: int = 1, uri: str = "sip:bob@example.test") -> list[Request]:
        flow = self.kit.udp(1)
        targets = [Target(f"sip:bob@198.51.100.{n}", self.kit.udp(n)) for n in range(2, 2 + count)]
        self.bench.forward(self.kit.request(uri=uri), *targets, flow=flow)
        return list(self.bench.requests("INVITE"))

    def go_on(self) -> None:
        """Act on the failures announced: follow, or relay."""
        bench = self.bench
        while bench.ready:
            ready = bench.ready.pop(0)
            context = ready.context
            wanted = [each for each in bench.core.redirections(context) if self.permits in str(each.uri)]
            if ready.response.status // 100 != 3 or not wanted:
                bench.act(bench.core.relay(context, ready.response, now=bench.now))
                continue
            flows = iter(range(20, 90))
            targets = [Target(str(each.uri), self.kit.udp(next(flows)), q=each.q) for each in wanted]
            bench.act(bench.core.fork(context, targets, now=bench.now, followed=wanted))

    def redirect(self, request: Request, *contacts: str, status: int = 302) -> None:
        self.bench.answer(request, status, headers=[("Contact", contact) for contact in contacts])
        self.go_on()

    def asked(self) -> list[str]:
        return [request.uri for request in self.bench.requests("INVITE")]

    def final(self) -> Response:
        [response] = [m for m, _ in self.bench.sent if isinstance(m, Response) and m.status >= 200]
        return response


@pytest.fixture
def follower(kit: Any) -> Follower:
    return Follower(kit)


def test_the_place_named_is_tried_and_its_answer_goes_up(follower: Follower) -> None:
    [sent] = follower.start()
    follower.redirect(sent, "<sip:bob@home.test>")
    assert follower.asked()[1:] == ["sip:bob@home.test"]
    follower.bench.answer(follower.bench.requests("INVITE")[1], 200)
    follower.go_on()
    assert follower.final().status == 200


def test_places_are_tried_by_q_and_those_of_equal_q_at_once(follower: Follower) -> None:
    [sent] = follower.start()
    follower.redirect(sent, "<sip:c@c.test>;q=0.2", "<sip:a@a.test>, <sip:b@b.test>;q=1.0")
    assert follower.asked()[1:] == ["sip:a@a.test", "sip:b@b.test"]
    for request in follower.bench.requests("INVITE")[1:]:
        follower.bench.answer(request, 404)
    assert follower.asked()[3:] == ["sip:c@c.test"]


def test_the_redirections_of_all_branches_are_followed_together(follower: Follower) -> None:
    one, two = follower.start(2)
    follower.redirect(one, "<sip:a@a.test>")
    assert len(follower.asked()) == 2, "the other phone is still being asked"
    follower.redirect(two, "<sip:b@b.test>", "<sip:a@A.test>")
    assert follower.asked()[2:] == ["sip:a@a.test", "sip:b@b.test"]


def test_no_place_is_gone_to_twice(follower: Follower) -> None:
    [sent] = follower.start()
    follower.redirect(sent, "<sip:carol@home.test>", "<sip:bob@example.test>", "<sip:bob@198.51.100.2>")
    assert follower.asked()[1:] == ["sip:carol@home.test"], "neither the callee himself nor his phone again"
    follower.redirect(follower.bench.requests("INVITE")[1], "<sip:carol@HOME.test>", "<sip:bob@example.test>")
    assert len(follower.asked()) == 2
    assert follower.final().status == 302


def test_two_who_point_at_each_other_end_the_search(follower: Follower) -> None:
    [sent] = follower.start()
    follower.redirect(sent, "<sip:a@a.test>")
    follower.redirect(follower.bench.requests("INVITE")[1], "<sip:b@b.test>")
    follower.redirect(follower.bench.requests("INVITE")[2], "<sip:a@a.test>")
    assert len(follower.asked()) == 3
    assert follower.final().status == 302


def test_a_request_is_not_sent_round_the_world(follower: Follower) -> None:
    [sent] = follower.start()
    for number in range(2 * MOST_FOLLOWED):
        follower.redirect(sent, f"<sip:bob@place{number}.test>")
        sent = follower.bench.requests("INVITE")[-1]
        if number >= MOST_FOLLOWED:
            break
    assert len(follower.asked()) == 1 + MOST_FOLLOWED
    assert follower.final().status == 302


def test_of_a_secure_request_only_secure_places_are_followed(follower: Follower, kit: Any) -> None:
    [sent] = follower.start(uri="sips:bob@example.test")
    follower.redirect(sent, "<sip:bob@plain.test>", "<sips:bob@safe.test>", "<tel:+4930123>")
    assert follower.asked()[1:] == ["sips:bob@safe.test"]


def test_what_was_followed_is_taken_out_and_the_rest_is_passed_on(kit: Any) -> None:
    follower = Follower(kit, permits="home.test")
    [sent] = follower.start()
    follower.redirect(sent, "<sip:bob@home.test>;q=0.5", "<sip:bob@far.test>", "<mailto:bob@far.test>")
    assert follower.asked()[1:] == ["sip:bob@home.test"]
    follower.bench.answer(follower.bench.requests("INVITE")[1], 486)
    follower.go_on()
    final = follower.final()
    assert final.status == 302
    assert [str(each.uri) for each in final.contacts] == ["sip:bob@far.test", "mailto:bob@far.test"]


def test_a_redirection_of_which_nothing_is_left_is_no_answer(follower: Follower) -> None:
    [sent] = follower.start()
    follower.redirect(sent, "<sip:bob@home.test>")
    follower.bench.answer(follower.bench.requests("INVITE")[1], 486)
    follower.go_on()
    assert follower.final().status == 486


def test_what_no_request_uri_may_hold_is_left_out(follower: Follower) -> None:
    [sent] = follower.start()
    follower.redirect(sent, "<sip:bob@home.test;method=BYE?Route=%3Csip:evil.test%3E>")
    assert follower.asked()[1:] == ["sip:bob@home.test"]


@pytest.mark.parametrize("contact", ["<nonsense", "*", "<sip:bob@home.test>;q=lots"])
def test_a_contact_that_cannot_be_read_names_no_place(follower: Follower, contact: str) -> None:
    [sent] = follower.start()
    follower.redirect(sent, contact)
    assert follower.asked()[1:] == (["sip:bob@home.test"] if "home" in contact else [])


def test_who_hung_up_is_taken_nowhere(follower: Follower, kit: Any) -> None:
    [sent] = follower.start()
    bench = follower.bench
    bench.answer(sent, 180)
    bench.give(kit.request("CANCEL"), kit.udp(1))
    follower.redirect(sent, "<sip:bob@home.test>")
    assert len(follower.asked()) == 1


def test_after_a_global_failure_no_place_is_tried(follower: Follower) -> None:
    one, two = follower.start(2)
    follower.redirect(one, "<sip:bob@home.test>")
    follower.bench.answer(two, 603)
    follower.go_on()
    assert len(follower.asked()) == 2
    assert follower.final().status == 603
