"""RFC 3261 §8.2.2.2: which request that comes is one that came by another way."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import make_response
from trunkline.sip_transaction import MergedRequests, RequestReceived, Terminated

ELSEWHERE = "SIP/2.0/UDP 192.0.2.77:5060"


@pytest.fixture
def merged():
    return MergedRequests()


def test_the_first_is_served_and_the_others_are_merged(desk, merged):
    assert not merged.receive(desk.serve("INVITE"))
    for branch in ("z9hG4bKa2", "z9hG4bKa3"):
        assert merged.receive(desk.serve("INVITE", branch=branch, via=ELSEWHERE))
    assert len(merged) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "<sip:alice@example.test>;tag=other"},
        {"call_id": "other"},
        {"cseq": "2 INVITE"},
    ],
)
def test_another_request_is_none(desk, merged, changes):
    assert not merged.receive(desk.serve("INVITE"))
    assert not merged.receive(desk.serve("INVITE", branch="z9hG4bKa2", **changes))
    assert len(merged) == 2


def test_another_method_is_another_request(desk, merged):
    assert not merged.receive(desk.serve("INVITE"))
    assert not merged.receive(desk.serve("MESSAGE"))


def test_requests_in_dialogs_cancels_and_what_cannot_be_read_are_none(desk, merged):
    for changes in ({"to": "<sip:bob@example.test>;tag=1"}, {"from": "<"}, {"cseq": "x"}):
        for branch in ("z9hG4bKa1", "z9hG4bKa2"):
            effects = desk.receive(desk.request("OPTIONS", branch=branch, **changes))
            taken = [effect.transaction for effect in effects if isinstance(effect, RequestReceived)]
            assert not any(merged.receive(transaction) for transaction in taken)
    for branch in ("z9hG4bKa1", "z9hG4bKa2"):
        assert not merged.receive(desk.serve("CANCEL", branch=branch))
    assert len(merged) == 0


def test_what_is_over_is_forgotten(desk, merged):
    first = desk.serve("OPTIONS")
    second = desk.serve("OPTIONS", branch="z9hG4bKa2")
    assert not merged.receive(first)
    assert merged.receive(second)
    for transaction in (first, second):
        response = make_response(transaction.request, 200, to_tag="t")
        desk.layer.respond(transaction, response, now=desk.now)
    over = [effect.transaction for effect in desk.wait(40) if isinstance(effect, Terminated)]
    assert set(over) == {first, second}
    for transaction in over:
        merged.forget(transaction)
    assert len(merged) == 0
    assert not merged.receive(desk.serve("OPTIONS", branch="z9hG4bKa3"))
