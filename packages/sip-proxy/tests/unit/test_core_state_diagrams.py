"""The diagrams of the README: every arrow drawn there is one that can be driven, and leads where it says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trunkline.sip_parser import make_response
from trunkline.sip_proxy.core import Branch, BranchState, ResponseContext, Target

README = Path(__file__).parents[2] / "README.md"
Arrow = tuple[str, str, str]


def arrows(number: int) -> list[Arrow]:
    """Read a diagram: from, to, and what is written on it."""
    diagram = re.findall(r"```mermaid\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[number]
    return [tuple(found) for found in re.findall(r"^ +(\S+) --> (\w+): (.+)$", diagram, re.MULTILINE)]


class Seen:
    """A request forwarded to one phone, or by q to several, and the states seen on the way."""

    def __init__(self, kit: Any, *qs: float, relays: bool = False, headers: Any = (), **options: Any) -> None:
        self.kit = kit
        self.bench = kit.Bench(relays=relays, cancel_wait=3.0, **options)
        targets = [Target(f"sip:bob@198.51.100.{n}", kit.udp(n), q=q) for n, q in enumerate(qs or (1.0,), 2)]
        self.context: ResponseContext = self.bench.forward(kit.request(headers=headers), *targets)

    @property
    def branch(self) -> Branch:
        return self.context.branches[0]

    def answer(self, number: int, status: int) -> None:
        self.bench.answer(self.bench.requests("INVITE")[number], status)

    def cancel(self) -> None:
        self.bench.give(self.kit.request("CANCEL"), self.kit.udp(1))

    def relay(self) -> None:
        ready = self.bench.ready[-1]
        self.bench.act(self.bench.core.relay(ready.context, ready.response, now=self.bench.now))

    def state(self) -> str:
        context = self.context
        if context.is_answered:
            return "Answered"
        if context.relayed:
            return "Failed"
        return "Announced" if context.announced is not None else "Searching"


# A branch: what brings it to the beginning of each arrow, and what then happens.


def ringing(seen: Seen) -> None:
    seen.answer(0, 180)


def nothing(seen: Seen) -> None:
    pass


def transport_error(seen: Seen) -> None:
    seen.bench.take(seen.bench.layer.transport_failed(seen.bench.sends[-1].key, "reset", now=0.0))


def once_more(seen: Seen) -> None:
    before = seen.bench.core.next_timeout()
    seen.bench.pass_time(1)
    seen.answer(0, 183)
    assert before is not None
    assert seen.bench.core.next_timeout() == before + 1


def cancel_sent(seen: Seen) -> None:
    seen.cancel()
    assert seen.bench.requests("CANCEL")
    assert seen.branch.is_cancelled


def timer_c_sends_cancel(seen: Seen) -> None:
    seen.bench.pass_time(181)
    assert seen.bench.requests("CANCEL")


def cancelled_in_vain(seen: Seen) -> None:
    seen.cancel()
    seen.bench.pass_time(3.1)
    assert seen.branch.status == 487


def counts_as(status: int, act: Callable[[Seen], None]) -> Callable[[Seen], None]:
    def check(seen: Seen) -> None:
        act(seen)
        assert seen.branch.status == status

    return check


BRANCH: dict[Arrow, tuple[Callable[[Any], Seen], Callable[[Seen], None], Callable[[Seen], None]]] = {
    ("[*]", "Calling", "sent"): (Seen, nothing, nothing),
    ("[*]", "Completed", "more than Max-Breadth allows"): (
        lambda kit: Seen(kit, 1.0, 1.0, headers=[("Max-Breadth", "1")]),
        nothing,
        counts_as(440, nothing),
    ),
    ("Calling", "Proceeding", "1xx"): (Seen, nothing, lambda seen: seen.answer(0, 100)),
    ("Proceeding", "Proceeding", "1xx, timer C begins anew"): (Seen, ringing, once_more),
    ("Calling", "Completed", "final response"): (Seen, nothing, lambda seen: seen.answer(0, 486)),
    ("Proceeding", "Completed", "final response"): (Seen, ringing, lambda seen: seen.answer(0, 200)),
    ("Calling", "Completed", "transport error, counts as 503"): (
        Seen,
        nothing,
        counts_as(503, transport_error),
    ),
    ("Calling", "Completed", "timer B or F, counts as 408"): (
        Seen,
        nothing,
        counts_as(408, lambda seen: seen.bench.pass_time(33)),
    ),
    ("Calling", "Completed", "timer C or ring timeout, counts as 408"): (
        lambda kit: Seen(kit, default_ring_timeout=10.0),
        nothing,
        counts_as(408, lambda seen: seen.bench.pass_time(10.1)),
    ),
    ("Calling", "Completed", "cancelled, no answer within cancel_wait"): (Seen, nothing, cancelled_in_vain),
    ("Proceeding", "Completed", "cancelled, no answer within cancel_wait"): (
        Seen,
        ringing,
        cancelled_in_vain,
    ),
    ("Proceeding", "Proceeding", "timer C or ring timeout, CANCEL sent"): (
        Seen,
        ringing,
        timer_c_sends_cancel,
    ),
    ("Proceeding", "Proceeding", "cancelled, CANCEL sent"): (Seen, ringing, cancel_sent),
}


@pytest.mark.parametrize("arrow", BRANCH, ids=" ".join)
def test_a_branch_goes_as_drawn(kit: Any, arrow: Arrow) -> None:
    begin, prepare, act = BRANCH[arrow]
    seen = begin(kit)
    prepare(seen)
    if arrow[0] != "[*]":
        assert seen.branch.state is BranchState(arrow[0])
    act(seen)
    assert seen.branch.state is BranchState(arrow[1])


def test_a_branch_that_cannot_be_written_goes_as_drawn(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    context = bench.forward(kit.request(), Target("not a uri", kit.udp(2)))
    assert [branch.state for branch in context.branches] == [BranchState.COMPLETED]


def test_a_branch_whose_server_failed_goes_as_drawn(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    stand_in = Target("sip:bob@198.51.100.2", kit.tcp(3))
    context = bench.forward(kit.request(), Target("sip:bob@198.51.100.2", kit.tcp(2), otherwise=stand_in))
    bench.take(bench.layer.flow_failed(kit.tcp(2), "reset", now=0.0))
    assert [branch.state for branch in context.branches] == [BranchState.COMPLETED, BranchState.CALLING]


def test_every_arrow_of_a_branch_is_driven() -> None:
    apart = {
        ("[*]", "Completed", "cannot be written"),
        ("Calling", "Completed", "server failed, the next takes its place"),
    }
    assert set(arrows(0)) == {*BRANCH, *apart}


# The response context.


def all_failed(seen: Seen) -> None:
    seen.answer(0, 486)


def relayed(seen: Seen) -> None:
    all_failed(seen)
    seen.relay()


def given_up(seen: Seen) -> None:
    seen.answer(0, 180)
    seen.bench.act(seen.bench.core.cancel(seen.context, now=0.0))
    seen.bench.pass_time(3.1)
    seen.relay()


def fork_on(seen: Seen) -> None:
    seen.bench.act(seen.bench.core.fork(seen.context, [Target("sip:v@h", seen.kit.udp(9))], now=0.0))


def own_failure(seen: Seen) -> None:
    own = make_response(seen.context.transaction.request, 480, to_tag="x")
    seen.bench.act(seen.bench.core.relay(seen.context, own, now=0.0))


def global_failure(seen: Seen) -> None:
    seen.answer(1, 180)
    seen.answer(0, 603)
    assert seen.state() == "Searching"
    seen.answer(1, 487)


def hung_up(seen: Seen) -> None:
    seen.answer(0, 180)
    seen.cancel()
    assert seen.state() == "Searching"
    seen.answer(0, 487)


def one(kit: Any) -> Seen:
    return Seen(kit)


def two(kit: Any) -> Seen:
    return Seen(kit, 1.0, 1.0)


CONTEXT: dict[Arrow, tuple[Callable[[Any], Seen], Callable[[Seen], None], Callable[[Seen], None]]] = {
    ("[*]", "Searching", "forward"): (one, nothing, nothing),
    ("Searching", "Searching", "1xx relayed"): (
        lambda kit: Seen(kit, relays=True),
        nothing,
        lambda seen: seen.answer(0, 180),
    ),
    ("Searching", "Searching", "every branch of a q failed, the next q is tried"): (
        lambda kit: Seen(kit, 1.0, 0.5),
        nothing,
        all_failed,
    ),
    ("Searching", "Announced", "every branch failed"): (one, nothing, all_failed),
    ("Searching", "Announced", "6xx, and the others have ended"): (two, nothing, global_failure),
    ("Searching", "Announced", "CANCEL, and the branches have ended"): (one, nothing, hung_up),
    ("Announced", "Searching", "fork"): (one, all_failed, fork_on),
    ("Announced", "Failed", "relay"): (one, all_failed, Seen.relay),
    ("Searching", "Failed", "relay of the application's own failure"): (one, nothing, own_failure),
    ("Searching", "Answered", "2xx"): (one, nothing, lambda seen: seen.answer(0, 200)),
    ("Answered", "Answered", "2xx of another branch"): (
        two,
        lambda seen: seen.answer(0, 200),
        lambda seen: seen.answer(1, 200),
    ),
    ("Failed", "Answered", "late 2xx"): (one, given_up, lambda seen: (seen.answer(0, 200), seen.relay())[0]),
}


@pytest.mark.parametrize("arrow", CONTEXT, ids=" ".join)
def test_a_request_goes_as_drawn(kit: Any, arrow: Arrow) -> None:
    begin, prepare, act = CONTEXT[arrow]
    seen = begin(kit)
    prepare(seen)
    if arrow[0] != "[*]":
        assert seen.state() == arrow[0]
    act(seen)
    assert seen.state() == arrow[1]


def test_every_arrow_of_a_request_is_driven() -> None:
    assert set(arrows(1)) == set(CONTEXT)
