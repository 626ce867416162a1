"""Targets with names on their way to flows: shared questions, refusals, limits, any order of answers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.provider.policy import Unlocated
from trunkline.provider.stack import AskDns
from trunkline.provider.stack import _locating as module
from trunkline.provider.stack._locating import Locating
from trunkline.sip_parser import Uri
from trunkline.sip_proxy import (
    Answer,
    Blacklist,
    Candidate,
    Locator,
    LookupNeeded,
    Outcome,
    Target,
)
from trunkline.sip_transaction import Flow

LOCAL = ("192.0.2.1", 5060)
PHONE = Target("sip:p@phone", Flow("UDP", LOCAL, ("198.51.100.1", 5060)))


class Desk:
    """A `Locating` whose questions wait here until they are answered."""

    def __init__(self, local_for: Callable[[str, str], Any] = lambda transport, host: LOCAL) -> None:
        self.asked: list[AskDns] = []
        self.results: list[tuple[list[Target], int]] = []
        self.blacklist = Blacklist(240.0)
        self.locating = Locating(
            locator=Locator(transports={"UDP": ("A",), "TCP": ("A",)}, token=Random(1).randbytes),
            blacklist=self.blacklist,
            local_for=local_for,
            own={("UDP", LOCAL)},
            emit=self._take,
        )

    def _take(self, effect: Any) -> None:
        assert isinstance(effect, AskDns)
        self.asked.append(effect)

    def find(self, *wanted: Target | Unlocated) -> None:
        self.locating.targets(
            wanted, lambda found, refusal, now: self.results.append((found, refusal.status)), 0.0
        )

    def answer(self, *addresses: str, outcome: Outcome = Outcome.FOUND) -> LookupNeeded:
        ask = self.asked.pop(0)
        ask.resume(Answer(outcome, addresses, 60), 0.0)
        return ask.question


def at(uri: str, **more: Any) -> Unlocated:
    return Unlocated("sip:x@y", Uri.parse(uri), **more)


def test_numeric_target_of_another_domain_is_ready_at_once() -> None:
    desk = Desk()
    desk.find(at("sip:203.0.113.9:5070;transport=tcp", foreign=True))
    [([target], _)] = desk.results
    assert target.flow == Flow("TCP", LOCAL, ("203.0.113.9", 5070))
    assert target.uri == "sip:x@y"
    assert not desk.asked


def test_two_requests_share_a_question() -> None:
    desk = Desk()
    desk.find(at("sip:a.test:5060"))
    desk.find(at("sip:a.test:5070"))
    assert desk.answer("203.0.113.1") == LookupNeeded("a.test", "A")
    assert not desk.asked
    assert [found[0].flow.remote for found, _ in desk.results] == [
        ("203.0.113.1", 5060),
        ("203.0.113.1", 5070),
    ]


def test_targets_keep_their_order_and_the_found_ones_go_on_without_the_lost() -> None:
    desk = Desk()
    desk.find(at("sip:slow.test:5060", user="slow"), PHONE, at("sip:lost.test:5060"))
    assert not desk.results
    slow = desk.asked.pop(0)
    desk.answer(outcome=Outcome.NXDOMAIN)
    slow.resume(Answer(Outcome.FOUND, ("203.0.113.1",), 60), 0.0)
    [(found, _)] = desk.results
    assert [target.user for target in found] == ["slow", None]
    assert found[1] is PHONE


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([Outcome.NXDOMAIN], 478),
        ([Outcome.NO_DATA], 478),
        ([Outcome.SERVFAIL], 500),
        ([Outcome.UNANSWERED], 500),
        ([Outcome.NXDOMAIN, Outcome.UNANSWERED], 500),
    ],
)
def test_refusal_tells_whether_a_later_try_may_help(outcomes: list[Outcome], status: int) -> None:
    desk = Desk()
    desk.find(*(at(f"sip:{number}a.test:5060") for number in range(len(outcomes))))
    for outcome in outcomes:
        desk.answer(outcome=outcome)
    assert desk.results == [([], status)]


def test_blacklisted_servers_are_left_out_and_473_says_that_none_is_left() -> None:
    desk = Desk()
    desk.blacklist.block(Candidate("UDP", "203.0.113.1", 5060), now=0.0)
    desk.find(at("sip:a.test:5060", foreign=True))
    desk.answer("203.0.113.1", "203.0.113.2")
    assert [target.flow.remote[0] for target in desk.results[0][0]] == ["203.0.113.2"]
    desk.blacklist.block(Candidate("UDP", "203.0.113.2", 5060), now=0.0)
    desk.find(at("sip:a.test:5060", foreign=True))
    assert desk.results[1] == ([], 473)
    assert desk.locating.filtered == 1
    desk.find(at("sip:a.test:5060"))  # a phone, or a request within a call, is tried all the same
    assert desk.results[2][1] == 478
    assert desk.results[2][0][0].flow.remote[0] == "203.0.113.1"


def test_failover_knows_the_other_servers_and_blacklists_those_of_other_domains() -> None:
    desk = Desk()
    for foreign in (True, False):
        desk.find(at("sip:a.test:5060", foreign=foreign))
    desk.answer("203.0.113.1", "203.0.113.2")
    (abroad,), (phone,) = (found for found, _ in desk.results)
    for target, blocked in ((phone, 0), (abroad, 1)):
        assert target.failover is not None
        following = target.failover.after(target.flow, now=0.0)
        assert following is not None
        assert following.remote == ("203.0.113.2", 5060)
        assert len(desk.blacklist.listing(now=0.0)) == blocked


def test_domain_that_leads_to_this_server_is_no_foreign_one() -> None:
    desk = Desk()
    desk.find(at("sip:a.test:5060", foreign=True))
    desk.answer(LOCAL[0])
    assert desk.results == [([], 482)]


def test_place_that_no_socket_reaches_is_unresolvable() -> None:
    desk = Desk(lambda transport, host: None)
    desk.find(at("sip:203.0.113.9"))
    assert desk.results == [([], 478)]


def test_too_many_lookups_at_once_are_refused_and_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SEARCHES", 3)
    desk = Desk()
    for number in range(5):
        desk.find(at(f"sip:h{number}.test;transport=udp"))
    assert [status for _, status in desk.results] == [500, 500]
    assert len(desk.asked) == 3
    while desk.asked:
        desk.answer(outcome=Outcome.NO_DATA)
    assert len(desk.results) == 5
    desk.find(at("sip:h9.test:5060"))
    assert desk.answer("203.0.113.9").name == "h9.test"
    assert desk.results[-1][0]


def test_trouble_of_one_request_is_not_that_of_others_who_wait_for_the_same_answer() -> None:
    desk = Desk()

    def fail(*_: Any) -> None:
        raise ValueError("one request's trouble")

    desk.locating.targets([at("sip:a.test:5060")], fail, 0.0)
    desk.find(at("sip:a.test:5060"))
    with pytest.raises(ValueError, match="trouble"):
        desk.answer("203.0.113.1")
    assert len(desk.results) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_every_request_goes_on_exactly_once(names: list[str], random: Random) -> None:
    desk = Desk()
    for name in names:
        desk.find(at(f"sip:{name}.test"), at(f"sip:{name}.test:5060"), PHONE)
        if random.random() < 0.5 and desk.asked:
            desk.asked.insert(0, desk.asked.pop(random.randrange(len(desk.asked))))
            desk.answer(*random.choice([(), ("203.0.113.1",)]))
    while desk.asked:
        desk.asked.insert(0, desk.asked.pop(random.randrange(len(desk.asked))))
        desk.answer(outcome=random.choice(list(Outcome)))
    assert len(desk.results) == len(names)
    assert not desk.locating._waiting
    assert desk.locating._searches == 0
