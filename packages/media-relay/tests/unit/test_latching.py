"""Which source is believed to be the party: the first plausible one, a better one for a while, then none.

Alice says she is at 192.0.2.10:4000 and her signalling comes from 192.0.2.1; the NAT sends from elsewhere.
"""

import pytest

from trunkline.media_relay import MediaOptions, RtpPacket, SourceLatched

ALICE, BOB = ("192.0.2.10", 4000), ("203.0.113.20", 5000)
NAT, STRANGER = ("192.0.2.1", 61000), ("198.18.0.66", 6666)


def packet(sequence=1, ssrc=0xA11CE, payload_type=0):
    return RtpPacket(payload_type, sequence, sequence * 160, ssrc, bytes(160)).to_bytes()


@pytest.fixture
def call(app, sdp):
    """A call set up at second 100; gives our ports towards alice and towards bob."""
    options = MediaOptions(signalling_host="192.0.2.1")
    for_bob = app.offer(sdp(*ALICE), options=options).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    return for_alice, for_bob


def sent_to_alice(app, call):
    """Where what bob says goes."""
    app.now += 0.001
    return app.heard(call[1], BOB)[1]


def test_before_the_first_packet_the_described_address_is_sent_to(app, call):
    assert sent_to_alice(app, call) == ALICE


def test_first_packet_teaches_the_real_source(app, call):
    hop = app.packet(call[0], packet(), NAT)
    assert hop == (call[1], BOB, (SourceLatched("c1", "alice", call[0], NAT, ALICE),))
    assert sent_to_alice(app, call) == NAT


def test_facts_are_told_once(app, call):
    assert app.packet(call[0], packet(1), NAT)[2] != ()
    assert app.packet(call[0], packet(2), NAT)[2] == ()


def test_source_learned_before_the_answer_is_told_with_it(app, sdp):
    app.offer(sdp(*ALICE))
    for_alice = min(app.open)
    assert app.relay.query("c1").parties[0].medias[0].streams[0].local_port == for_alice
    assert app.packet(for_alice, packet(), NAT) is None
    told = app.perform(app.relay.answer("c1", "alice", "bob", sdp(*BOB), now=app.now))
    assert told[0] == SourceLatched("c1", "alice", for_alice, NAT, ALICE)


@pytest.mark.parametrize(
    ("first", "better"),
    [
        (STRANGER, NAT),
        (STRANGER, ("192.0.2.10", 4444)),
        (STRANGER, ALICE),
        (NAT, ("192.0.2.10", 4444)),
        (NAT, ALICE),
        (("192.0.2.10", 4444), ALICE),
    ],
)
def test_more_plausible_source_takes_over_within_the_window(app, call, first, better):
    app.heard(call[0], first, packet())
    app.now += 2.9
    assert app.heard(call[0], better, packet(500, ssrc=2)) is not None
    assert sent_to_alice(app, call) == better
    assert app.heard(call[0], first, packet(501)) is None


def test_no_source_takes_over_after_the_window(app, call):
    app.heard(call[0], STRANGER, packet())
    app.now += 3.1
    app.heard(call[0], STRANGER, packet(2))
    assert app.heard(call[0], NAT, packet(500, ssrc=2)) is None
    assert sent_to_alice(app, call) == STRANGER


def test_less_plausible_source_never_takes_over(app, call):
    app.heard(call[0], ALICE, packet())
    for source in (STRANGER, NAT, ("192.0.2.10", 4444)):
        assert app.heard(call[0], source, packet(500, ssrc=2)) is None
    assert sent_to_alice(app, call) == ALICE


def test_stream_that_goes_on_from_elsewhere_is_followed(app, call):
    app.heard(call[0], NAT, packet(1))
    app.now += 60
    app.heard(call[0], NAT, packet(2))
    rebound = ("192.0.2.1", 62000)
    assert app.heard(call[0], rebound, packet(3)) is not None
    assert sent_to_alice(app, call) == rebound


def test_same_source_identifier_far_away_is_not_followed(app, call):
    app.heard(call[0], ALICE, packet(1))
    assert app.heard(call[0], STRANGER, packet(30000)) is None


def test_silent_source_may_be_followed_by_its_own_host_only(app, call):
    app.heard(call[0], NAT, packet(1))
    app.now += 30
    assert app.heard(call[0], STRANGER, packet(500, ssrc=2)) is None
    assert app.heard(call[0], ("192.0.2.1", 62000), packet(500, ssrc=2)) is not None


def test_payload_nobody_described_shows_a_stranger(app, call):
    assert app.heard(call[0], STRANGER, packet(payload_type=97)) is None
    assert app.heard(call[0], ALICE, packet(payload_type=97)) is not None


def test_rtcp_is_expected_where_rtp_came_from(app, call, sender_report):
    app.heard(call[0], NAT, packet())
    for_bob_rtcp = call[1] + 1
    rtcp = app.heard(for_bob_rtcp, ("203.0.113.20", 5001), sender_report())
    assert rtcp == (call[0] + 1, ("192.0.2.1", 61001))
    assert app.heard(call[0] + 1, STRANGER, sender_report()) is None
    assert app.heard(call[0] + 1, ("192.0.2.1", 61777), sender_report()) is not None
    rtcp = app.heard(for_bob_rtcp, ("203.0.113.20", 5001), sender_report())
    assert rtcp == (call[0] + 1, ("192.0.2.1", 61777))


def test_rtp_from_elsewhere_makes_rtcp_of_a_stranger_forgotten(app, call, sender_report):
    app.heard(call[0] + 1, STRANGER, sender_report())
    app.heard(call[0], NAT, packet())
    rtcp = app.heard(call[1] + 1, ("203.0.113.20", 5001), sender_report())
    assert rtcp[1] == ("192.0.2.1", 61001)


def test_asymmetric_party_is_sent_to_where_it_says(app, sdp):
    for_bob = app.offer(sdp(*ALICE), options=MediaOptions(asymmetric=True)).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    app.heard(for_alice, ("192.0.2.10", 4999), packet())
    assert app.heard(for_bob, BOB)[1] == ALICE


def test_media_handover_follows_anybody(app, sdp):
    for_bob = app.offer(sdp(*ALICE), options=MediaOptions(media_handover=True)).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    app.heard(for_alice, ALICE, packet())
    app.now += 60
    app.heard(for_alice, STRANGER, packet(500, ssrc=2))
    assert app.heard(for_bob, BOB)[1] == STRANGER


def test_untrusted_description_means_the_signalling_host(app, sdp):
    options = MediaOptions(signalling_host="192.0.2.1", trust_address=False)
    for_bob = app.offer(sdp("10.0.0.1", 4000, "a=rtcp:4009 IN IP4 10.0.0.1"), options=options).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    assert app.heard(for_bob, BOB) == (for_alice, ("192.0.2.1", 4000))


@pytest.mark.parametrize("host", ["host.example.test", "224.0.0.5", "255.255.255.255"])
def test_what_is_no_single_address_is_not_sent_to_until_heard(app, sdp, host):
    for_bob = app.offer(sdp(host, 4000)).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    assert app.heard(for_bob, BOB) is None
    app.heard(for_alice, NAT)
    assert app.heard(for_bob, BOB) == (for_alice, NAT)


def reoffer(app, sdp, host, port):
    options = MediaOptions(signalling_host="192.0.2.1")
    app.offer(sdp(host, port, version=2), to_tag="bob", options=options)
    app.answer(sdp(*BOB))


def test_new_address_in_a_reoffer_is_followed_and_learned_anew(app, call, sdp):
    app.heard(call[0], NAT, packet())
    app.now += 60
    reoffer(app, sdp, "192.0.2.10", 4100)
    assert sent_to_alice(app, call) == ("192.0.2.10", 4100)
    assert app.heard(call[0], NAT, packet(2)) is None
    assert app.heard(call[0], ("192.0.2.1", 62000), packet(1, ssrc=3)) is not None
    assert sent_to_alice(app, call) == ("192.0.2.1", 62000)


def test_reoffer_with_the_old_address_lets_an_equal_source_in_once(app, call, sdp):
    app.heard(call[0], NAT, packet())
    app.now += 60
    app.heard(call[0], NAT, packet(2))
    reoffer(app, sdp, *ALICE)
    assert sent_to_alice(app, call) == NAT
    assert app.heard(call[0], ("192.0.2.1", 62000), packet(500, ssrc=2)) is not None
    assert app.heard(call[0], NAT, packet(900, ssrc=3)) is None


def test_address_of_another_fork_goes_to_that_fork(app, sdp):
    carol = ("203.0.113.30", 6000)
    for_callees = app.offer(sdp(*ALICE)).medias[0].port
    app.heard(for_callees, carol, packet())
    for_alice = app.answer(sdp(*BOB), to_tag="bob").medias[0].port
    app.answer(sdp(*carol), to_tag="carol")
    app.answer(sdp(*BOB), to_tag="bob")
    assert app.heard(for_alice, ALICE)[1] == BOB
