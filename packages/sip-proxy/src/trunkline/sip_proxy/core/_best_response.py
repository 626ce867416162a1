"""The choice of the response that goes upstream when every branch has failed, and what is made of it.

Not here: when the choice is made (`_forking`). 2xx responses never come here: they go up at once.

Source: RFC 3261 §16.7 steps 6 and 7
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from trunkline.sip_parser import Request, Response, make_response

from ._response_context import Branch

# "Responses that provide information affecting resubmission of this request" (§16.7 step 6): with what they
# say the caller can try again and succeed, so they beat what is merely a refusal.
_RESUBMITTABLE = frozenset({401, 407, 415, 420, 421, 422, 484})
_CHALLENGES = frozenset({401, 407})
_CHALLENGE_HEADERS = ("WWW-Authenticate", "Proxy-Authenticate")


def best_branch(branches: Iterable[Branch], *, is_cancelled: bool) -> Branch | None:
    """Choose the branch whose failure is the answer.

    A 6xx wins; then the lowest class. Within a class: what lets the caller try again, then what a callee
    said (busy before others), then what only mirrors our own giving up, then what is assumed. A caller who
    cancelled hears 487 if a branch has it.

    Args:
        branches: all of them with their final status, those of 3xx already followed excepted.
        is_cancelled: whether the caller gave up.

    Returns:
        The branch, or None when there is none to choose from.
    """
    ranked = [branch for branch in branches if branch.status >= 300 and not branch.is_redirected]
    if not ranked:
        return None
    return min(ranked, key=lambda branch: _rank(branch, is_cancelled))


def _rank(branch: Branch, is_cancelled: bool) -> tuple[int, int, int]:
    status = branch.status
    kind = status // 100
    if kind == 6:
        return (0, 0, status)
    if is_cancelled and status == 487:
        return (1, 0, status)
    if branch.response is None:
        within = 9
    elif status in _RESUBMITTABLE:
        within = 0
    elif status == 486:
        within = 1
    elif status in (408, 503):
        within = 3
    elif status == 487:
        within = 4
    else:
        within = 2
    return (kind, within, status)


def response_of(
    best: Branch, branches: Iterable[Branch], request: Request, new_tag: Callable[[], str]
) -> Response:
    """Make the response that goes upstream of the branch that was chosen.

    A 401 or 407 carries the challenges of all branches. A 503 speaks of one server downstream and would make
    the caller avoid us altogether, so it becomes 500. What is only assumed is written here.

    Args:
        best: the branch chosen.
        branches: all of them.
        request: the request as received, to answer.
        new_tag: gives a fresh To tag.

    Source: RFC 3261 §16.7 steps 6 and 7
    """
    status, response = best.status, best.response
    if status == 503:
        return make_response(request, 500, to_tag=new_tag())
    if response is None:
        return make_response(request, status, to_tag=new_tag())
    if status in _CHALLENGES:
        others = [other.response for other in branches if other is not best and other.status in _CHALLENGES]
        if any(others):
            response = response.copy()
            for other in others:
                if other is not None:
                    for name in _CHALLENGE_HEADERS:
                        response.headers.extend(name, other.headers.get_all(name))
    return response
