"""RFC 5393 §5: how wide a request may go, here and further down."""

from typing import Any

import pytest

from trunkline.sip_parser import Request
from trunkline.sip_proxy.core import Target


def targets(kit: Any, *qs: float) -> list[Target]:
    return [Target(f"sip:bob@198.51.100.{n}", kit.udp(n), q=q) for n, q in enumerate(qs, 2)]


def asking(kit: Any, breadth: int | str, method: str = "INVITE") -> Request:
    request: Request = kit.request(method, headers=[("Max-Breadth", str(breadth))])
    return request


def shares(bench: Any, method: str = "INVITE") -> list[int]:
    return [int(request.headers.get("max-breadth") or -1) for request in bench.requests(method)]


def test_5_3_3_a_request_that_says_nothing_is_granted_60(kit: Any, bench: Any) -> None:
    bench.forward(kit.request(), *targets(kit, *[1.0] * 60))
    assert shares(bench) == [1] * 60
    bench.forward(kit.request(branch="z9hG4bK2"), *targets(kit, *[1.0] * 61))
    assert bench.statuses() == [440]


def test_within_a_dialog_nothing_forks_and_it_is_passed_on_as_it_came(kit: Any, bench: Any) -> None:
    for number, headers in enumerate([[], [("Max-Breadth", "7")]]):
        bye = kit.request("BYE", to_tag="bob", branch=f"z9hG4bK{number}", headers=headers)
        transaction = bench.receive(bye)
        bench.act(bench.core.forward_in_dialog(transaction, Target("sip:b@h", kit.udp(2)), now=0.0))
    assert shares(bench, "BYE") == [-1, 7]


def test_5_3_3_who_asks_for_more_than_this_proxy_grants_gets_that(kit: Any) -> None:
    bench = kit.Bench(max_breadth=8)
    bench.forward(asking(kit, 4_000_000_000), *targets(kit, 1.0))
    assert shares(bench) == [4]


@pytest.mark.parametrize(
    ("breadth", "count", "each"), [(60, 3, [10, 10, 10]), (7, 3, [2, 1, 1]), (2, 2, [1, 1])]
)
def test_5_3_3_1_parallel_branches_share_and_half_is_kept_for_those_who_come_late(
    kit: Any, bench: Any, breadth: int, count: int, each: list[int]
) -> None:
    bench.forward(asking(kit, breadth), *targets(kit, *[1.0] * count))
    assert shares(bench) == each


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE"])
@pytest.mark.parametrize(("breadth", "count"), [(0, 1), (1, 2), (2, 3)])
def test_5_3_3_1_more_branches_than_that_get_440_and_nobody_is_rung(
    kit: Any, bench: Any, method: str, breadth: int, count: int
) -> None:
    bench.forward(asking(kit, breadth, method), *targets(kit, *[1.0] * count))
    assert bench.statuses() == [440]
    assert bench.requests() == []
    assert bench.core.statistics.too_broad == 1
    bench.pass_time(100)
    assert bench.statuses() == [440]


def test_5_3_3_2_one_after_the_other_each_gets_as_much(kit: Any, bench: Any) -> None:
    bench.forward(asking(kit, 1), *targets(kit, 1.0, 0.5, 0.2))
    for number in range(3):
        assert shares(bench) == [1] * (number + 1)
        bench.answer(bench.requests("INVITE")[number], 486)
    assert bench.statuses() == [486]


def test_5_3_3_2_a_branch_beside_others_gets_what_these_left(kit: Any, bench: Any) -> None:
    context = bench.forward(asking(kit, 2), *targets(kit, 1.0, 1.0))
    assert shares(bench) == [1, 1]
    more = [Target("sip:vm@198.51.100.9", kit.udp(9))]
    bench.act(bench.core.fork(context, more, now=0.0))
    assert len(bench.requests("INVITE")) == 2, "all of it is in use"
    bench.answer(bench.requests("INVITE")[0], 404)
    bench.act(bench.core.fork(context, more, now=0.0))
    assert shares(bench) == [1, 1, 1]
    bench.answer(bench.requests("INVITE")[1], 404)
    bench.answer(bench.requests("INVITE")[2], 404)
    assert bench.statuses() == [404]


def test_5_3_3_2_a_cancelled_branch_counts_until_it_has_ended(kit: Any) -> None:
    bench = kit.Bench(relays=False)
    context = bench.forward(asking(kit, 1), *targets(kit, 1.0))
    [sent] = bench.requests("INVITE")
    bench.answer(sent, 180)
    bench.act(bench.core.cancel(context, now=0.0))
    bench.act(bench.core.fork(context, targets(kit, 1.0), now=0.0))
    assert len(bench.requests("INVITE")) == 1
    bench.answer(sent, 487)
    bench.act(bench.core.fork(context, targets(kit, 1.0), now=0.0))
    assert shares(bench) == [1, 1]


def test_5_3_3_2_the_next_server_of_a_target_takes_over_the_share(kit: Any, bench: Any) -> None:
    other = Target("sip:bob@198.51.100.2", kit.tcp(3))
    first = Target("sip:bob@198.51.100.2", kit.tcp(2), otherwise=other)
    bench.forward(asking(kit, 10), first, *targets(kit, 1.0))
    bench.take(bench.layer.flow_failed(kit.tcp(2), "connection reset", now=0.0))
    assert shares(bench) == [3, 2, 3]


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "", "99999999999", "٣"])
def test_5_3_1_a_value_that_is_no_number_gets_400(kit: Any, bench: Any, value: str) -> None:
    request = kit.request()
    request.headers.add("Max-Breadth", value)
    rejection = bench.core.validate(request)
    assert rejection is not None
    assert rejection.status == 400
    bench.forward(request, *targets(kit, 1.0))
    assert bench.statuses() == [440], "what nobody validated goes nowhere"
