"""What RFC 3261 asks of the proxies between two ends, judged by what the two ends sent and received."""

import re
from collections.abc import Sequence
from itertools import pairwise

from .trace import Message

HOP_BY_HOP = frozenset({"CANCEL"})


def check_rules(caller: Sequence[Message], callee: Sequence[Message], proxies: Sequence[str]) -> None:
    """Check every message that one of two ends received.

    Args:
        caller: the trace of the one that called.
        callee: the trace of the one that was called; nothing the caller sent may be missing in it,
            but what was refused on the way.
        proxies: HOST:PORT of each that recorded its route, from the caller to the callee.

    Raises:
        AssertionError: a rule is broken; the message says which.
    """
    for here, there, way in ((caller, callee, list(proxies)[::-1]), (callee, caller, list(proxies))):
        for message in here:
            if not message.sent:
                (_check_response if message.is_response else _check_request)(message, here, there, way)
        _check_sequences([message for message in here if message.sent and not message.is_response])


def _check_request(request: Message, here: Sequence[Message], there: Sequence[Message], way: list[str]) -> None:
    method = request.label
    branches = [_branch(via) for via in request.all("via")]
    assert all(branch.startswith("z9hG4bK") for branch in branches), branches
    assert len(set(branches)) == len(branches), branches
    assert not request.all("route"), "a Route is left that leads nowhere"
    number, in_sequence = request.sequence
    assert in_sequence == method
    invite = _last_invite(request, here)
    if method == "CANCEL" or (method == "ACK" and _was_refused(invite, here)):
        # §9.1 and §17.1.1.3: made by the proxy next to us, with the branch and the URI of its INVITE
        assert request.all("via") == invite.all("via")[:1]
        assert (request.uri, number) == (invite.uri, invite.sequence[0])
        assert _tag(request, "from") == _tag(invite, "from")
        return
    origin = next(message for message in there if message.sent and message.start.split()[0] == method
                  and message.sequence == request.sequence and not _is_refused_on_the_way(message, there, here))  # fmt: skip
    # §16.6: a Via for each proxy, one hop less for each; what the ends need is left alone
    assert [_sent_by(via) for via in request.all("via")[:-1]] == way[::-1]
    assert _branch(request.all("via")[-1]) == _branch(origin.one("via"))
    assert int(request.one("max-forwards")) == 70 - len(way)
    for header in ("from", "to", "call-id", "contact", "content-type"):
        assert request.all(header) == origin.all(header), header
    recorded = [_uri_host(value) for value in request.all("record-route")]
    if "tag=" not in request.one("to"):
        assert [host for host, following in pairwise([*recorded, ""]) if host != following] == way[::-1]
        assert all(re.search(r";lr\b", value) for value in request.all("record-route"))
    elif method != "ACK":
        # §12.2.1.1: the target is what the other end's last Contact said
        assert request.uri == _contact(here, before=request)
    assert bool(request.body.strip()) == bool(origin.body.strip())


def _check_response(response: Message, here: Sequence[Message], there: Sequence[Message], way: list[str]) -> None:
    number, method = response.sequence
    asked = [message for message in here if message.sent and message.start.split()[0] == method
             and message.sequence == (number, method)]  # fmt: skip
    assert asked, f"{response.start} answers nothing"
    # §18.1.2: one Via, and it is ours
    assert _branch(response.one("via")) == _branch(asked[0].one("via"))
    for header in ("from", "call-id"):
        assert response.one(header) == asked[0].one(header), header
    if response.label == "100" or method == "CANCEL":
        return
    assert _tag(response, "to")
    answered = [message for message in there if message.sent and message.is_response
                and (message.label, message.sequence) == (response.label, response.sequence)]  # fmt: skip
    if answered:
        assert response.one("to") == answered[0].one("to")
        assert response.all("record-route") == answered[0].all("record-route")
        assert response.all("contact") == answered[0].all("contact")


def _check_sequences(requests: Sequence[Message]) -> None:
    """§12.2.1.1: every request but ACK and CANCEL counts on; those have the number of their INVITE."""
    numbers = [message.sequence[0] for message in requests if message.label not in ("ACK", "CANCEL")]
    assert numbers == sorted(set(numbers)), numbers


def _last_invite(request: Message, here: Sequence[Message]) -> Message:
    before = here[: here.index(request) + 1]
    found = [message for message in before if not message.sent and message.label == "INVITE"]
    return found[-1] if found else request


def _was_refused(invite: Message, here: Sequence[Message]) -> bool:
    return any(message.sent and message.is_response and message.label >= "300" and message.sequence == invite.sequence
               for message in here)  # fmt: skip


def _is_refused_on_the_way(request: Message, sender: Sequence[Message], receiver: Sequence[Message]) -> bool:
    return not any(not m.sent and not m.is_response and m.sequence == request.sequence for m in receiver)


def _contact(here: Sequence[Message], before: Message) -> str:
    """Give the URI of the last Contact this end had told when that request came."""
    told = ""
    for message in here:
        if message is before:
            break
        if message.sent and message.all("contact") and (message.label in ("INVITE", "200")):
            told = message.one("contact")
    return re.sub(r"^<|>$", "", told)


def _branch(via: str) -> str:
    found = re.search(r";branch=([^;\s]+)", via)
    assert found, via
    return found[1]


def _sent_by(via: str) -> str:
    return via.split(";")[0].split()[-1]


def _uri_host(value: str) -> str:
    found = re.search(r"sips?:(?:[^@>;]*@)?([^;>]+)", value)
    assert found, value
    return found[1]


def _tag(message: Message, header: str) -> str:
    found = re.search(r";tag=([^;\s]+)", message.one(header))
    return found[1] if found else ""
