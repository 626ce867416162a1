"""RFC 3261 §14 and RFC 3311 §5: re-INVITEs and UPDATEs that meet, and how long to wait after a 491."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import LocalProtocolError
from trunkline.sip_transaction import Negotiation, Turn, glare_delay


@pytest.fixture
def negotiation():
    return Negotiation(token=bytes)


@pytest.fixture
def ask(desk, negotiation):
    """Let the peer ask, and give the status it is refused with."""

    def ask(method, has_offer=True):
        refusal = negotiation.receive_request(desk.request(method), has_offer=has_offer)
        return refusal and refusal.status

    return ask


def test_14_1_no_invite_while_another_is_under_way_either_way(negotiation, ask):
    negotiation.send_request("INVITE", has_offer=True)
    assert not negotiation.may_ask("INVITE", has_offer=False)
    negotiation.our_offer_ends()
    with pytest.raises(LocalProtocolError, match="INVITE under way: ours"):
        negotiation.send_request("INVITE", has_offer=True)
    negotiation.our_invite_ends()
    assert ask("INVITE") is None
    with pytest.raises(LocalProtocolError, match="INVITE under way: theirs"):
        negotiation.send_request("INVITE", has_offer=False)


def test_14_2_invite_that_meets_ours_is_answered_491_and_changes_nothing(negotiation, ask):
    negotiation.send_request("INVITE", has_offer=True)
    assert ask("INVITE") == 491
    assert (negotiation.invite_turn, negotiation.offer_turn) == (Turn.OURS, Turn.OURS)


def test_14_2_second_invite_before_the_first_is_answered_gets_500_for_later(negotiation, ask, desk):
    assert ask("INVITE") is None
    refusal = negotiation.receive_request(desk.request("INVITE"), has_offer=True)
    assert (refusal.status, refusal.headers) == (500, (("Retry-After", "0"),))
    negotiation.their_offer_ends()
    negotiation.their_invite_ends()
    assert ask("INVITE") is None


@given(st.binary(min_size=2, max_size=2))
def test_14_2_retry_after_is_0_to_10_seconds(new_desk, random):
    negotiation, desk = Negotiation(token=lambda _: random), new_desk()
    negotiation.receive_request(desk.request("INVITE"), has_offer=False)
    refusal = negotiation.receive_request(desk.request("INVITE"), has_offer=False)
    assert 0 <= int(dict(refusal.headers)["Retry-After"]) <= 10


def test_3311_5_2_update_meets_our_offer(negotiation, ask):
    negotiation.send_request("UPDATE", has_offer=True)
    assert ask("UPDATE") == 491
    assert ask("UPDATE", has_offer=False) is None, "without an offer there is nothing to meet"


def test_3311_5_2_update_before_we_answered_their_offer(negotiation, ask):
    assert ask("INVITE") is None
    assert ask("UPDATE") == 500
    negotiation.their_offer_ends()
    assert ask("UPDATE") is None


def test_3311_5_2_second_update_before_the_first_is_answered(negotiation, ask):
    assert ask("UPDATE", has_offer=False) is None
    assert ask("UPDATE", has_offer=False) == 500
    negotiation.their_update_ends()
    assert ask("UPDATE", has_offer=False) is None


def test_3311_5_1_no_offer_while_another_waits(negotiation, ask):
    negotiation.send_request("INVITE", has_offer=True)
    assert not negotiation.may_ask("UPDATE", has_offer=True)
    assert negotiation.may_ask("UPDATE", has_offer=False)
    negotiation.our_offer_ends()
    assert negotiation.may_ask("UPDATE", has_offer=True), "answered in a reliable 183"
    assert ask("PRACK") is None
    assert not negotiation.may_ask("PRACK", has_offer=True)


def test_13_2_1_offer_in_a_2xx_waits_for_the_answer_in_the_ack(negotiation, ask):
    negotiation.send_request("INVITE", has_offer=False)
    assert negotiation.receive_offer()
    negotiation.our_invite_ends()
    assert not negotiation.may_ask("UPDATE", has_offer=True)
    assert ask("UPDATE") == 500
    assert not negotiation.receive_offer()
    negotiation.their_offer_ends()
    assert ask("INVITE", has_offer=False) is None
    negotiation.send_offer()
    with pytest.raises(LocalProtocolError, match="ours"):
        negotiation.send_offer()
    assert ask("UPDATE") == 491
    negotiation.our_offer_ends()
    assert ask("UPDATE") is None


@given(st.binary(min_size=4, max_size=4), st.booleans())
def test_14_1_wait_after_491_depends_on_who_made_the_call_id(random, owner):
    delay = glare_delay(lambda _: random, owns_call_id=owner)
    low, high = (2.1, 4.0) if owner else (0.0, 2.0)
    assert low <= delay <= high
    assert round(delay * 100) == pytest.approx(delay * 100), "in steps of 10 ms"


def test_14_1_both_ends_of_each_range_are_reached():
    for owner, span, low, high in ((True, 191, 2.1, 4.0), (False, 201, 0.0, 2.0)):
        chosen = {
            glare_delay(lambda size, n=n: n.to_bytes(size, "big"), owns_call_id=owner) for n in range(span)
        }
        assert (len(chosen), min(chosen), max(chosen)) == (span, low, high)
