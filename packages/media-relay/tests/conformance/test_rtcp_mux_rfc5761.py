"""RFC 5761 and RFC 3605: where RTCP goes, on a port of its own or on RTP's."""

import pytest

from trunkline.media_relay import MediaOptions

ALICE, BOB = ("192.0.2.10", 4000), ("203.0.113.20", 5000)
MUX = "a=rtcp-mux"


def wants(*words):
    return MediaOptions(rtcp_mux=frozenset(words))


@pytest.mark.parametrize(
    ("offers", "answers", "options", "offered", "answered"),
    [
        (False, False, (), False, False),
        (True, True, (), True, True),
        (True, False, (), True, False),
        (True, False, ("demux",), False, True),
        (True, True, ("reject",), False, False),
        (False, True, ("offer",), True, False),
        (False, False, ("offer",), True, False),
        (False, True, ("require",), True, False),
        (True, False, ("accept",), True, True),
        (True, True, ("offer", "reject"), True, False),
    ],
)
def test_who_is_offered_and_who_is_answered_to_share_a_port(
    app, sdp, offers, answers, options, offered, answered
):
    """§5.1.1: sharing needs the attribute in offer and answer."""
    offer = app.offer(sdp(*ALICE, *[MUX] * offers), options=wants(*options))
    answer = app.answer(sdp(*BOB, *[MUX] * answers))
    assert offer.medias[0].rtcp_mux is offered
    assert answer.medias[0].rtcp_mux is answered


def test_both_share(app, sdp, sender_report):
    for_bob = app.offer(sdp(*ALICE, MUX)).medias[0].port
    for_alice = app.answer(sdp(*BOB, MUX)).medias[0].port
    assert app.heard(for_alice, ALICE, sender_report()) == (for_bob, BOB)
    assert app.heard(for_bob, BOB) == (for_alice, ALICE)


def test_one_side_shares_and_the_other_does_not(app, sdp, sender_report):
    for_bob = app.offer(sdp(*ALICE, MUX), options=wants("demux")).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    bob_rtcp = ("203.0.113.20", 5001)
    assert app.heard(for_alice, ALICE, sender_report()) == (for_bob + 1, bob_rtcp)
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)
    assert app.heard(for_alice, ALICE, sender_report()) == (for_bob + 1, bob_rtcp)
    assert app.heard(for_bob + 1, bob_rtcp, sender_report()) == (for_alice, ALICE)


def test_refused_offer_to_share_falls_back_to_two_ports(app, sdp, sender_report):
    """§5.1.1: the offerer is prepared for both until the answer."""
    for_bob = app.offer(sdp(*ALICE, MUX, "a=rtcp:4001")).medias[0]
    assert for_bob.rtcp.port == for_bob.port + 1
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    assert app.heard(for_alice + 1, ("192.0.2.10", 4001), sender_report())[0] == for_bob.port + 1


def test_agreed_sharing_names_the_rtp_port_for_rtcp(app, sdp):
    app.offer(sdp(*ALICE, MUX))
    answer = app.answer(sdp(*BOB, MUX, "a=rtcp:5000")).medias[0]
    assert answer.rtcp.port == answer.port


def test_required_sharing_names_one_port_in_the_offer(app, sdp):
    offer = app.offer(sdp(*ALICE, "a=rtcp:4001"), options=wants("require")).medias[0]
    assert offer.rtcp.port == offer.port


@pytest.mark.parametrize(
    ("attribute", "address"),
    [
        ("a=rtcp:53020", ("192.0.2.10", 53020)),
        ("a=rtcp:53020 IN IP4 192.0.2.11", ("192.0.2.11", 53020)),
        ("a=rtcp:rubbish", ("192.0.2.10", 4001)),
        ("a=rtcp:0", ("192.0.2.10", 4001)),
    ],
)
def test_rtcp_attribute_tells_where_rtcp_goes(app, sdp, sender_report, attribute, address):
    """RFC 3605 §2.1"""
    for_bob = app.offer(sdp(*ALICE, attribute)).medias[0].port
    app.answer(sdp(*BOB))
    assert app.heard(for_bob + 1, ("203.0.113.20", 5001), sender_report())[1] == address


def test_described_rtcp_port_holds_behind_a_nat(app, sdp, sender_report):
    for_bob = app.offer(sdp(*ALICE, "a=rtcp:53020")).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    app.heard(for_alice, ("198.18.0.1", 61000))
    hop = app.heard(for_bob + 1, ("203.0.113.20", 5001), sender_report())
    assert hop[1] == ("198.18.0.1", 53020)
