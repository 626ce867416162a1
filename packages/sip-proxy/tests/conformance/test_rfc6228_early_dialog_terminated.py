"""RFC 6228 §6: a proxy tells the caller which early dialogs are over while others go on."""

from typing import Any

import pytest

from trunkline.sip_parser import Request, Response
from trunkline.sip_proxy.core import Target

WANTED = ("Supported", "100rel, 199")


def fork(kit: Any, bench: Any, *qs: float, headers: tuple[tuple[str, str], ...] = (WANTED,)) -> list[Request]:
    targets = [Target(f"sip:bob@198.51.100.{n}", kit.udp(n), q=q) for n, q in enumerate(qs, 2)]
    bench.forward(kit.request(headers=headers), *targets)
    return list(bench.requests())


def told(bench: Any) -> list[tuple[int, str]]:
    return [(m.status, m.to_tag) for m, _ in bench.sent if isinstance(m, Response)]


def test_a_phone_that_rang_and_refused_is_told_of_while_others_ring(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench, 1.0, 1.0)
    bench.answer(one, 180, to_tag="a")
    bench.answer(two, 180, to_tag="b")
    bench.answer(one, 486, to_tag="a")
    assert told(bench) == [(180, "a"), (180, "b"), (199, "a")]
    response = bench.sent[-1][0]
    assert response.headers.get("reason") == "SIP;cause=486"
    assert "contact" not in response.headers
    assert [via.branch for via in response.vias] == ["z9hG4bKfirst"]
    assert bench.core.statistics.early_ends == 1
    bench.answer(two, 200, to_tag="b")
    assert told(bench)[-1] == (200, "b")


def test_before_the_next_in_turn_is_tried_too(kit: Any, bench: Any) -> None:
    [one] = fork(kit, bench, 1.0, 0.5)
    bench.answer(one, 183, to_tag="a")
    bench.answer(one, 480, to_tag="a")
    assert told(bench) == [(183, "a"), (199, "a")]


def test_each_early_dialog_of_a_fork_further_down_is_told_of(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench, 1.0, 1.0)
    for tag in ("a", "b", "a"):
        bench.answer(one, 180, to_tag=tag)
    bench.answer(one, 404, to_tag="c")
    assert [tag for status, tag in told(bench) if status == 199] == ["a", "b"]
    bench.answer(two, 404)
    assert told(bench)[-1][0] == 404


def test_one_that_the_phone_itself_told_of_is_passed_on_and_not_told_again(kit: Any, bench: Any) -> None:
    one, _ = fork(kit, bench, 1.0, 1.0)
    bench.answer(one, 180, to_tag="a")
    bench.answer(one, 199, to_tag="a")
    bench.answer(one, 486, to_tag="a")
    assert told(bench) == [(180, "a"), (199, "a")]
    assert bench.core.statistics.early_ends == 0


def test_a_failure_that_goes_up_at_once_speaks_for_itself(kit: Any, bench: Any) -> None:
    one, two = fork(kit, bench, 1.0, 1.0)
    bench.answer(one, 404)
    bench.answer(two, 180, to_tag="b")
    bench.answer(two, 486, to_tag="b")
    assert [status for status, _ in told(bench)] == [180, 486]


def test_a_phone_that_never_rang_left_nothing_behind(kit: Any, bench: Any) -> None:
    one, _ = fork(kit, bench, 1.0, 1.0)
    bench.answer(one, 100)
    bench.answer(one, 486)
    assert told(bench) == []


@pytest.mark.parametrize(
    "headers",
    [(), (("Supported", "100rel"),), (WANTED, ("Require", "100rel"))],
    ids=["says nothing", "does not know it", "acknowledges every one"],
)
def test_who_has_no_use_for_it_gets_none(kit: Any, bench: Any, headers: tuple[tuple[str, str], ...]) -> None:
    one, _ = fork(kit, bench, 1.0, 1.0, headers=headers)
    bench.answer(one, 180, to_tag="a")
    bench.answer(one, 486, to_tag="a")
    assert [status for status, _ in told(bench)] == [180]


def test_who_hung_up_or_was_answered_gets_none(kit: Any) -> None:
    for end in ("cancel", "answer"):
        bench = kit.Bench()
        one, two = fork(kit, bench, 1.0, 1.0)
        bench.answer(one, 180, to_tag="a")
        bench.answer(two, 180, to_tag="b")
        if end == "cancel":
            bench.give(kit.request("CANCEL"), kit.udp(1))
        else:
            bench.answer(two, 200, to_tag="b")
        bench.answer(one, 487, to_tag="a")
        assert 199 not in [status for status, _ in told(bench)]
