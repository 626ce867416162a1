"""Calls through the relay: offer, answer, packets both ways, re-offers, hold, forks, deletion.

Addresses: alice 192.0.2.10:4000, bob 203.0.113.20:5000, the relay 198.51.100.1. Latching has its own file.
"""

from trunkline.media_relay import (
    BranchDeleted,
    Interface,
    MediaOptions,
    Refused,
    RewriteRules,
    SessionDeleted,
)

ALICE, BOB, CAROL = ("192.0.2.10", 4000), ("203.0.113.20", 5000), ("203.0.113.30", 6000)


def port_of(sdp, index=0):
    return sdp.medias[index].port


def call(app, sdp):
    """Set a call up and give our ports towards alice and towards bob."""
    towards_bob = port_of(app.offer(sdp(*ALICE)))
    towards_alice = port_of(app.answer(sdp(*BOB)))
    return towards_alice, towards_bob


def test_media_flows_both_ways(app, sdp, rtp, sender_report):
    for_alice, for_bob = call(app, sdp)
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)
    assert app.heard(for_bob, BOB) == (for_alice, ALICE)
    alice_rtcp, bob_rtcp = ("192.0.2.10", 4001), ("203.0.113.20", 5001)
    assert app.heard(for_alice + 1, alice_rtcp, sender_report()) == (for_bob + 1, bob_rtcp)
    assert app.heard(for_bob + 1, bob_rtcp, sender_report()) == (for_alice + 1, alice_rtcp)


def test_both_descriptions_name_the_relay(app, sdp):
    offered, answered = app.offer(sdp(*ALICE)), app.answer(sdp(*BOB))
    for description in (offered, answered):
        assert description.connection.address == description.origin.address == "198.51.100.1"
        assert port_of(description) % 2 == 0
    assert port_of(offered) != port_of(answered)


def test_four_ports_are_opened_for_one_audio_stream_and_closed_at_the_end(app, sdp):
    call(app, sdp)
    assert len(app.open) == 4
    told = app.perform(app.relay.delete("c1", "alice", now=app.now))
    assert isinstance(told[-1], SessionDeleted)
    assert not app.open
    assert app.relay.free_pairs == 50
    assert len(app.relay) == 0


def test_early_media_before_the_answer_reaches_the_caller(app, sdp):
    for_bob = port_of(app.offer(sdp(*ALICE)))
    assert app.heard(for_bob, BOB)[1] == ALICE


def test_early_media_teaches_where_to_send_before_the_answer(app, sdp):
    for_bob = port_of(app.offer(sdp(*ALICE)))
    for_alice = app.heard(for_bob, BOB)[0]
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)


def test_answer_again_changes_nothing(app, sdp):
    for_alice, for_bob = call(app, sdp)
    app.heard(for_bob, ("203.0.113.77", 9))
    assert port_of(app.answer(sdp(*BOB))) == for_alice
    assert app.heard(for_alice, ALICE) == (for_bob, ("203.0.113.77", 9))
    assert len(app.open) == 4


def test_offer_again_gives_the_same_ports(app, sdp):
    first = app.offer(sdp(*ALICE)).to_bytes()
    assert app.offer(sdp(*ALICE)).to_bytes() == first
    assert len(app.open) == 4


def test_reoffer_from_either_side_keeps_our_ports(app, sdp):
    for_alice, for_bob = call(app, sdp)
    moved = ("192.0.2.10", 4100)
    assert port_of(app.offer(sdp(*moved, version=2), to_tag="bob")) == for_bob
    assert port_of(app.answer(sdp(*BOB, version=2))) == for_alice
    assert app.heard(for_bob, BOB) == (for_alice, moved)
    again = app.offer(sdp("203.0.113.20", 5100, version=3), from_tag="bob", to_tag="alice")
    assert port_of(again) == for_alice
    assert port_of(app.answer(sdp(*moved, version=3), from_tag="bob", to_tag="alice")) == for_bob
    assert app.heard(for_alice, moved) == (for_bob, ("203.0.113.20", 5100))
    assert len(app.open) == 4


def test_rejected_reoffer_leaves_media_where_it_was(app, sdp):
    for_alice, for_bob = call(app, sdp)
    app.offer(sdp("192.0.2.99", 4100, version=2), to_tag="bob")
    assert app.heard(for_bob, BOB) == (for_alice, ALICE)


def test_reoffer_can_add_a_stream(app, sdp):
    call(app, sdp)
    video = sdp(*ALICE, "m=video 4010 RTP/AVP 96", version=2)
    offered = app.offer(video, to_tag="bob")
    assert len(app.open) == 8
    app.answer(sdp(*BOB, "m=video 5010 RTP/AVP 96", version=2))
    assert app.heard(port_of(offered, 1), ("203.0.113.20", 5010))[1] == ("192.0.2.10", 4010)


def test_stream_disabled_by_both_gives_its_ports_back(app, sdp):
    app.offer(sdp(*ALICE, "m=video 4010 RTP/AVP 96"))
    app.answer(sdp(*BOB, "m=video 5010 RTP/AVP 96"))
    assert len(app.open) == 8
    offered = app.offer(sdp(*ALICE, "m=video 0 RTP/AVP 96", version=2), to_tag="bob")
    assert port_of(offered, 1) == 0
    assert len(app.open) == 8
    app.answer(sdp(*BOB, "m=video 0 RTP/AVP 96", version=2))
    assert len(app.open) == 4


def test_rejected_stream_stays_rejected(app, sdp):
    app.offer(sdp(*ALICE, "m=video 4010 RTP/AVP 96"))
    answered = app.answer(sdp(*BOB, "m=video 0 RTP/AVP 96"))
    assert [media.port == 0 for media in answered.medias] == [False, True]


def test_stream_that_was_not_offered_cannot_be_answered(app, sdp):
    app.offer(sdp(*ALICE, "m=video 0 RTP/AVP 96"))
    answered = app.answer(sdp(*BOB, "m=video 5010 RTP/AVP 96", "m=text 5020 RTP/AVP 98"))
    assert [media.port == 0 for media in answered.medias] == [False, True, True]


def test_held_with_zero_address_sends_nothing_there_and_goes_on_after(app, sdp):
    for_alice, for_bob = call(app, sdp)
    app.heard(for_alice, ALICE)
    held = app.offer(sdp("0.0.0.0", 4000, version=2), to_tag="bob")
    assert held.connection.address == "0.0.0.0"
    assert port_of(held) == for_bob
    app.answer(sdp(*BOB, "a=recvonly"))
    assert app.heard(for_bob, BOB) is None
    app.offer(sdp(*ALICE, version=3), to_tag="bob")
    app.answer(sdp(*BOB))
    assert app.heard(for_bob, BOB) == (for_alice, ALICE)


def test_held_with_sendonly_keeps_the_attribute_and_the_way(app, sdp):
    for_alice, for_bob = call(app, sdp)
    held = app.offer(sdp(*ALICE, "a=sendonly", version=2), to_tag="bob")
    assert held.medias[0].direction.value == "sendonly"
    app.answer(sdp(*BOB, "a=recvonly", version=2))
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)


def test_late_offer_comes_from_the_callee(app, sdp):
    for_alice = port_of(app.offer(sdp(*BOB), from_tag="bob", to_tag="alice"))
    for_bob = port_of(app.answer(sdp(*ALICE), from_tag="bob", to_tag="alice"))
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)
    assert app.heard(for_bob, BOB) == (for_alice, ALICE)


def test_forked_answers_share_our_ports_and_the_last_one_is_sent_to(app, sdp):
    for_callees = port_of(app.offer(sdp(*ALICE)))
    first = port_of(app.answer(sdp(*BOB), to_tag="bob"))
    second = port_of(app.answer(sdp(*CAROL), to_tag="carol"))
    assert first == second
    assert app.heard(first, ALICE) == (for_callees, CAROL)
    assert app.heard(for_callees, BOB) == (first, ALICE)
    assert app.heard(for_callees, CAROL) == (first, ALICE)
    app.answer(sdp(*BOB), to_tag="bob")
    assert app.heard(first, ALICE) == (for_callees, BOB)
    assert len(app.open) == 4


def test_branches_with_ports_of_their_own(app, sdp):
    for_bob = port_of(app.offer(sdp(*ALICE), via_branch="z9hG4bK1"))
    for_carol = port_of(app.offer(sdp(*ALICE), via_branch="z9hG4bK2"))
    assert for_bob != for_carol
    one = port_of(app.answer(sdp(*BOB), to_tag="bob", via_branch="z9hG4bK1"))
    two = port_of(app.answer(sdp(*CAROL), to_tag="carol", via_branch="z9hG4bK2"))
    assert one == two
    assert app.heard(one, ALICE) == (for_carol, CAROL)
    assert app.heard(for_bob, BOB) == (one, ALICE)
    assert len(app.open) == 6


def test_deleting_a_branch_leaves_the_other(app, sdp):
    for_bob = port_of(app.offer(sdp(*ALICE), via_branch="z9hG4bK1"))
    app.offer(sdp(*ALICE), via_branch="z9hG4bK2")
    for_alice = port_of(app.answer(sdp(*BOB), to_tag="bob", via_branch="z9hG4bK1"))
    app.answer(sdp(*CAROL), to_tag="carol", via_branch="z9hG4bK2")
    told = app.perform(app.relay.delete("c1", "alice", now=app.now, via_branch="z9hG4bK2"))
    assert isinstance(told[-1], BranchDeleted)
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)
    assert len(app.open) == 4
    app.perform(app.relay.delete("c1", "alice", now=app.now, via_branch="z9hG4bK1"))
    assert not app.open


def test_deleting_one_tag_of_a_fork_leaves_the_other(app, sdp):
    for_callees = port_of(app.offer(sdp(*ALICE)))
    for_alice = port_of(app.answer(sdp(*BOB), to_tag="bob"))
    app.answer(sdp(*CAROL), to_tag="carol")
    told = app.perform(app.relay.delete("c1", "alice", "carol", now=app.now))
    assert [effect.tag for effect in told] == ["carol"]
    assert app.heard(for_alice, ALICE) == (for_callees, BOB)
    assert app.heard(for_callees, CAROL) is None
    told = app.perform(app.relay.delete("c1", "bob", "alice", now=app.now))
    assert isinstance(told[-1], SessionDeleted)


def test_delete_by_the_callee_ends_the_call(app, sdp):
    call(app, sdp)
    app.perform(app.relay.delete("c1", "bob", "alice", now=app.now))
    assert not app.open


def test_delete_of_a_branch_that_never_answered_ends_an_unanswered_call_only(app, sdp):
    app.offer(sdp(*ALICE))
    app.answer(sdp(*BOB))
    assert app.relay.delete("c1", "alice", "dave", now=app.now) == []
    app.offer(sdp(*ALICE), call_id="c2")
    app.perform(app.relay.delete("c2", "alice", "dave", now=app.now))
    assert app.relay.call_ids() == ["c1"]


def test_delete_twice_and_of_strangers_does_nothing(app, sdp):
    call(app, sdp)
    assert app.relay.delete("c1", "mallory", now=app.now) == []
    app.perform(app.relay.delete("c1", now=app.now))
    assert app.relay.delete("c1", "alice", now=app.now) == []
    assert app.relay.free_pairs == 50


def test_deleting_a_branch_by_its_tag_leaves_the_other(app, sdp):
    for_bob = port_of(app.offer(sdp(*ALICE), via_branch="z9hG4bK1"))
    app.offer(sdp(*ALICE), via_branch="z9hG4bK2")
    for_alice = port_of(app.answer(sdp(*BOB), to_tag="bob", via_branch="z9hG4bK1"))
    app.answer(sdp(*CAROL), to_tag="carol", via_branch="z9hG4bK2")
    app.perform(app.relay.delete("c1", "alice", "carol", now=app.now))
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)
    assert len(app.open) == 4


def test_answer_to_nothing_is_refused(app, sdp):
    (told,) = app.relay.answer("c9", "alice", "bob", sdp(*BOB), now=app.now)
    assert told.unknown
    app.offer(sdp(*ALICE))
    (told,) = app.relay.answer("c1", "mallory", "bob", sdp(*BOB), now=app.now)
    assert told.unknown
    (told,) = app.relay.answer("c1", "alice", "alice", sdp(*BOB), now=app.now)
    assert told.unknown
    (told,) = app.relay.answer("c1", "alice", "bob", b"", now=app.now)
    assert isinstance(told, Refused)
    nowhere = MediaOptions(media_address="nowhere")
    (told,) = app.relay.answer("c1", "alice", "bob", sdp(*BOB), now=app.now, options=nowhere)
    assert isinstance(told, Refused)


def test_broken_descriptions_are_refused(app, sdp):
    for broken in (b"", b"hello", b"v=0\r\nm=audio RTP/AVP\r\n", b"v=0\r\nc=nowhere\r\n"):
        (told,) = app.relay.offer("c1", "alice", broken, now=app.now)
        assert isinstance(told, Refused)
    many = sdp(*ALICE, *["m=audio 4002 RTP/AVP 0"] * 16)
    (told,) = app.relay.offer("c1", "alice", many, now=app.now)
    assert "at most 16" in told.reason
    layered = sdp(*ALICE, media="video 4000/2 RTP/AVP 31")
    (told,) = app.relay.offer("c1", "alice", layered, now=app.now)
    assert "layered" in told.reason
    assert len(app.relay) == 0
    assert app.relay.free_pairs == 50


def test_tags_of_one_side_do_not_make_a_dialog(app, sdp):
    app.offer(sdp(*ALICE))
    app.answer(sdp(*BOB), to_tag="bob")
    app.answer(sdp(*CAROL), to_tag="carol")
    (told,) = app.relay.offer("c1", "bob", sdp(*BOB, version=2), now=app.now, to_tag="carol")
    assert isinstance(told, Refused)


def test_without_ports_an_offer_is_refused_and_nothing_leaks(make_app, sdp):
    app = make_app(ports=(30000, 30007))
    app.offer(sdp(*ALICE))
    (told,) = app.relay.offer("c2", "alice", sdp(*ALICE, "m=video 4010 RTP/AVP 96"), now=app.now)
    assert told.overloaded
    assert app.relay.free_pairs == 2
    app.offer(sdp(*ALICE), call_id="c3")
    assert app.relay.free_pairs == 0


def test_session_limit(make_app, sdp):
    app = make_app(max_sessions=1)
    app.offer(sdp(*ALICE))
    (told,) = app.relay.offer("c2", "alice", sdp(*ALICE), now=app.now)
    assert told.overloaded
    app.offer(sdp(*ALICE))


def test_description_that_passed_already_goes_on_unchanged(app, sdp):
    passed = app.offer(sdp(*ALICE)).to_bytes()
    assert app.offer(passed).to_bytes() == passed
    for_alice = port_of(app.answer(sdp(*BOB)))
    again = app.answer(sdp("198.51.100.1", for_alice))
    assert port_of(again) == for_alice
    assert app.heard(for_alice, ALICE)[1] == BOB


def test_each_side_gets_an_address_of_its_family(app, sdp):
    offered = app.offer(sdp(*ALICE), options=MediaOptions(address_family="IP6"))
    assert str(offered.connection) == "IN IP6 2001:db8::1"
    answered = app.answer(sdp("2001:db8::20", 5000))
    assert str(answered.connection) == "IN IP4 198.51.100.1"
    assert sorted(set(app.open.values())) == ["198.51.100.1", "2001:db8::1"]
    source = ("2001:db8::20", 5000, 0, 0)
    assert app.heard(port_of(offered), source) == (port_of(answered), ALICE)
    assert app.heard(port_of(answered), ALICE) == (port_of(offered), source)


def test_ipv6_offer_to_an_ipv4_relay_is_refused(make_app, sdp):
    app = make_app(interfaces=[Interface("198.51.100.1")])
    (told,) = app.relay.offer("c1", "alice", sdp("2001:db8::10", 4000), now=app.now)
    assert "no IP6" in told.reason


def test_answer_of_the_wrong_family_is_not_sent_to(app, sdp):
    app.offer(sdp(*ALICE))
    for_alice = port_of(app.answer(sdp("2001:db8::20", 5000)))
    assert app.heard(for_alice, ALICE) is None


def test_interfaces_by_name(make_app, sdp):
    inside, outside = Interface("10.0.0.1", name="inside"), Interface("192.0.2.1", "203.0.113.1", "outside")
    app = make_app(interfaces=[inside, outside])
    options = MediaOptions(interfaces=("inside", "outside"))
    assert app.offer(sdp("10.0.0.9", 4000), options=options).connection.address == "203.0.113.1"
    assert app.answer(sdp(*BOB)).connection.address == "10.0.0.1"
    assert sorted(set(app.open.values())) == ["10.0.0.1", "192.0.2.1"]


def test_unknown_interface_names_are_warned_about(app, sdp):
    options = MediaOptions(interfaces=("", "outside"))
    (*_, told) = app.relay.offer("c1", "alice", sdp(*ALICE), now=app.now, options=options)
    assert "'outside'" in told.warnings[0]


def test_ipv4_address_written_as_ipv6_is_ipv4(app, sdp):
    for_bob = port_of(app.offer(sdp("::ffff:192.0.2.10", 4000), options=MediaOptions(address_family="IP4")))
    assert app.heard(for_bob, BOB) is None
    for_carol = port_of(app.offer(sdp(*ALICE), call_id="c2"))
    app.answer(sdp("::ffff:203.0.113.20", 5000), call_id="c2")
    for_alice = app.heard(for_carol, BOB)[0]
    assert app.heard(for_alice, ALICE) == (for_carol, BOB)


def test_wildcard_interface_needs_the_address_with_the_offer(make_app, sdp):
    app = make_app(interfaces=[Interface("0.0.0.0")])
    (told,) = app.relay.offer("c1", "alice", sdp(*ALICE), now=app.now)
    assert "media-address" in told.reason
    options = MediaOptions(media_address="198.51.100.9")
    assert app.offer(sdp(*ALICE), options=options).connection.address == "198.51.100.9"
    assert app.answer(sdp(*BOB)).connection.address == "198.51.100.9"


def test_origin_and_session_connection_are_replaced_only_when_asked_or_needed(app, sdp):
    keep = MediaOptions(rules=RewriteRules())
    own = sdp("192.0.2.10", 4000, "c=IN IP4 192.0.2.11")
    offered = app.offer(own, options=keep)
    assert offered.origin.address == offered.connection.address == "192.0.2.10"
    assert offered.medias[0].connection.address == "198.51.100.1"
    assert app.offer(sdp(*ALICE), options=keep, call_id="c2").connection.address == "198.51.100.1"


def test_tcp_media_is_left_where_it_points_to(app, sdp):
    offered = app.offer(sdp(*ALICE, "m=message 7000 TCP/MSRP *"))
    assert offered.connection.address == "198.51.100.1"
    assert (offered.medias[1].port, offered.medias[1].connection.address) == (7000, "192.0.2.10")
    assert len(app.open) == 4


def test_fax_passes_as_it_is(app, sdp):
    call(app, sdp)
    offered = app.offer(sdp(*ALICE, media="image {port} udptl t38", version=2), to_tag="bob")
    answered = app.answer(sdp(*BOB, media="image {port} udptl t38", version=2))
    packet = b"\x00\x01\x02fax"
    assert app.heard(port_of(answered), ALICE, packet) == (port_of(offered), BOB)
    assert app.heard(port_of(offered), BOB, packet) == (port_of(answered), ALICE)


def test_dtls_handshakes_pass_where_they_are_expected(app, sdp):
    media = "audio {port} UDP/TLS/RTP/SAVP 0"
    for_bob = port_of(app.offer(sdp(*ALICE, media=media)))
    for_alice = port_of(app.answer(sdp(*BOB, media=media)))
    hello = bytes([22, 254, 253]) + bytes(40)
    assert app.heard(for_alice, ALICE, hello) == (for_bob, BOB)
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)


def test_what_is_no_media_goes_nowhere(app, sdp):
    for_alice, _ = call(app, sdp)
    app.heard(for_alice, ALICE)
    for junk in (b"", b"\r\n\r\n", b"\x80" * 11, b"\x00\x01" + bytes(18), bytes([22]) * 40):
        assert app.packet(for_alice, junk, ALICE) is None
    assert app.relay.packet(29999, b"", ALICE, app.now) is None
    stream = app.relay.query("c1").parties[0].medias[0].streams[0]
    assert (stream.packets, stream.errors) == (1, 5)


def test_statistics_tell_what_passed(app, sdp, rtp, sender_report, receiver_report):
    for_alice, for_bob = call(app, sdp)
    for sequence in (1, 2, 3, 6, 7):
        app.now = 100 + sequence * 0.02
        app.heard(for_alice, ALICE, rtp(sequence))
    app.heard(for_bob, BOB, rtp(1, ssrc=0xB0B))
    app.now = 110.0
    app.heard(for_alice + 1, ("192.0.2.10", 4001), sender_report(middle=0x00010002))
    app.now = 110.5
    report = receiver_report(0xA11CE, last=0x00010002, delay=0.4, lost=64, jitter=80)
    app.heard(for_bob + 1, ("203.0.113.20", 5001), report)
    alice, bob = app.relay.query("c1").parties
    assert (alice.tag, alice.other_tag, bob.tag, bob.other_tag) == ("alice", "bob", "bob", "alice")
    rtp_stream, rtcp_stream = alice.medias[0].streams
    assert (rtp_stream.packets, rtp_stream.bytes, rtp_stream.lost) == (5, 5 * 172, 2)
    assert rtp_stream.last_packet == 100.14
    assert rtp_stream.jitter < 0.001
    assert (rtp_stream.local_port, rtp_stream.ssrc, rtp_stream.latched) == (for_alice, 0xA11CE, True)
    assert rtcp_stream.packets == 1
    assert abs(bob.medias[0].round_trip - 0.1) < 0.001
    assert bob.medias[0].reported_loss == 0.25
    assert bob.medias[0].reported_jitter == 0.01
    assert app.relay.query("c1").totals == ((6, 6 * 172, 0), (2, 28 + 32, 0))
    assert app.relay.query("c2") is None
