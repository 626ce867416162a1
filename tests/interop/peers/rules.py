"""What RFC 3261 asks of the proxies between two ends, judged by what the two ends sent and received."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from .trace import Message

Trace = Sequence[Message]


def check_rules(caller: Trace, callee: Trace, proxies: Sequence[str]) -> None:
    """Check every message that one of two ends received.

    Args:
        caller: what the one that called sent and received.
        callee: the same of the one that was called.
        proxies: HOST:PORT of each that records its route, from the caller to the callee.

    Raises:
        AssertionError: a rule is broken.
    """
    for here, there, way in ((caller, callee, proxies[::-1]), (callee, caller, proxies)):
        for message in here:
            if not message.sent:
                (_check_response if message.is_response else _check_request)(message, here, there, way)
        _check_sequences(here)


def _check_request(request: Message, here: Trace, there: Trace, way: Sequence[str]) -> None:
    branches = [_branch(via) for via in request.all("via")]
    assert all(branch.startswith("z9hG4bK") for branch in branches), branches  # §8.1.1.7
    assert len(set(branches)) == len(branches), branches
    assert request.sequence[1] == request.label
    assert not request.all("route"), "a Route is left that leads nowhere"
    invite = _invite_before(request, here)
    if request.label == "CANCEL" or (request.label == "ACK" and _is_refused(invite, here)):
        # §9.1, §17.1.1.3: made by the proxy next to this end, with the branch and the URI of its INVITE
        assert request.all("via") == invite.all("via")[:1]
        assert (request.uri, request.sequence[0]) == (invite.uri, invite.sequence[0])
        assert _tag(request, "from") == _tag(invite, "from")
        return
    origin = _first(m for m in _sent_requests(there, request.label) if m.sequence == request.sequence)
    # §16.6: a Via for each proxy and one hop less for each; what concerns the ends is left alone
    assert [_sent_by(via) for via in request.all("via")[:-1]] == list(way[::-1])
    assert branches[-1] == _branch(origin.one("via"))
    assert int(request.one("max-forwards")) == int(origin.one("max-forwards")) - len(way)
    for header in ("from", "to", "call-id", "contact", "content-type"):
        assert _plain(request, header) == _plain(origin, header), header
    assert bool(request.body.strip()) == bool(origin.body.strip())
    if not _tag(request, "to"):
        # §16.6 step 4; a proxy between two transports is recorded twice
        recorded = [_host(value) for value in request.all("record-route")]
        assert [host for host, following in pairwise([*recorded, ""]) if host != following] == list(way[::-1])
        assert all(re.search(r";lr\b", value) for value in request.all("record-route"))
    elif request.label != "ACK":
        # §12.2.1.1: where this end's last Contact said
        assert f"<{request.uri}>" == _contact_told(here, before=request)


def _check_response(response: Message, here: Trace, there: Trace, way: Sequence[str]) -> None:
    method = response.sequence[1]
    request = _first(m for m in _sent_requests(here, method) if m.sequence == response.sequence)
    assert _branch(response.one("via")) == _branch(request.one("via"))  # §18.1.2
    for header in ("from", "call-id"):
        assert response.one(header) == request.one(header), header
    if response.label == "100" or method == "CANCEL":  # they are for one hop
        return
    assert _tag(response, "to")
    answers = (m for m in there if m.sent and m.is_response and m.sequence == response.sequence)
    for answer in (m for m in answers if m.label == response.label):  # the other end's, not a proxy's
        for header in ("to", "record-route", "contact"):
            assert _plain(response, header) == _plain(answer, header), header


def _check_sequences(here: Trace) -> None:
    """§12.2.1.1: every request counts on, but ACK and CANCEL, which have the number of their INVITE."""
    requests = [m for m in here if m.sent and not m.is_response]
    numbers = [m.sequence[0] for m in requests if m.label not in ("ACK", "CANCEL")]
    assert numbers == sorted(set(numbers)), numbers
    assert all(m.sequence[0] in numbers for m in requests)


# -- finding


def _first(found: Iterable[Message]) -> Message:
    message = next(iter(found), None)
    assert message is not None, "it was never sent, or answers nothing"
    return message


def _sent_requests(trace: Trace, method: str) -> list[Message]:
    return [m for m in trace if m.sent and not m.is_response and m.label == method]


def _invite_before(request: Message, here: Trace) -> Message:
    before = [m for m in here[: here.index(request)] if not m.sent and m.label == "INVITE"]
    return before[-1] if before else request


def _is_refused(invite: Message, here: Trace) -> bool:
    answers = (m for m in here if m.sent and m.is_response and m.sequence == invite.sequence)
    return any(m.label >= "300" for m in answers)


def _contact_told(here: Trace, before: Message) -> str:
    """Give the last Contact that this end had told when that request came."""
    told = (m for m in here[: here.index(before)] if m.sent and m.all("contact"))
    return [m.one("contact") for m in told][-1]


# -- reading


def _plain(message: Message, header: str) -> list[str]:
    """Give the values of a header without the mark of a connection that ours put on a phone's Contact."""
    return [re.sub(r";flow=\w+", "", value) for value in message.all(header)]


def _branch(via: str) -> str:
    found = re.search(r";branch=([^;\s]+)", via)
    assert found, via
    return found[1]


def _sent_by(via: str) -> str:
    return via.partition(";")[0].split()[-1]


def _host(value: str) -> str:
    found = re.search(r"sips?:(?:[^@>;]*@)?([^;>]+)", value)
    assert found, value
    return found[1]


def _tag(message: Message, header: str) -> str:
    found = re.search(r";tag=([^;\s]+)", message.one(header))
    return found[1] if found else ""
