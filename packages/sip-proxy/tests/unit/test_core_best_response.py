"""The choice among failures, by itself. What it looks like on the wire is in conformance, §16.7."""

from typing import Any

import pytest

from trunkline.sip_parser import make_response
from trunkline.sip_proxy.core import Branch, BranchState, ResponseContext, Target
from trunkline.sip_proxy.core._best_response import best_branch


@pytest.fixture
def branches_of(kit: Any, bench: Any) -> Any:
    request = kit.request()
    context = ResponseContext(bench.receive(request), request, True)

    def make(*statuses: int) -> list[Branch]:
        """Make branches that ended so; a negative status is an assumed one."""
        return [
            Branch(
                context,
                Target("sip:b@h", kit.udp(2)),
                state=BranchState.COMPLETED,
                status=abs(status),
                response=make_response(request, status, to_tag="x") if status > 0 else None,
            )
            for status in statuses
        ]

    return make


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((-408, 404), 404),
        ((-408, -503), 408),
        ((-408, 487), 487),
        ((-503, 502), 502),
        ((-500, 600, 302), 600),
        ((486, 480, 404), 486),
        ((420, 415, 486), 415),
        ((422, 486), 422),
        ((603, 600), 600),
        ((399, 300), 300),
    ],
)
def test_what_was_said_beats_what_is_assumed(branches_of: Any, statuses: tuple[int, ...], best: int) -> None:
    for order in (statuses, statuses[::-1]):
        chosen = best_branch(branches_of(*order), is_cancelled=False)
        assert chosen is not None
        assert chosen.status == best


@pytest.mark.parametrize(
    ("statuses", "best"),
    [((486, 487, -408), 487), ((486, 603, 487), 603), ((486, -408), 486), ((302, 487), 487)],
)
def test_a_caller_who_cancelled_hears_487_if_any_branch_has_it(
    branches_of: Any, statuses: tuple[int, ...], best: int
) -> None:
    chosen = best_branch(branches_of(*statuses), is_cancelled=True)
    assert chosen is not None
    assert chosen.status == best


def test_of_equals_the_first_wins(branches_of: Any) -> None:
    branches = branches_of(486, 486)
    assert best_branch(branches, is_cancelled=False) is branches[0]


def test_branches_that_do_not_count_are_left_out(branches_of: Any) -> None:
    followed, failed = branches_of(302, 404)
    followed.is_redirected = True
    assert best_branch([followed, failed], is_cancelled=False) is failed
    assert best_branch([followed], is_cancelled=False) is None
    assert best_branch(branches_of(200), is_cancelled=False) is None
