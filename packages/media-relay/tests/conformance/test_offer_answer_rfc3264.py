"""RFC 3264 as it binds whoever stands in the middle."""

import pytest

from trunkline.media_relay import Sdp

ALICE, BOB = ("192.0.2.10", 4000), ("203.0.113.20", 5000)


def test_number_and_order_of_streams_stay(app, sdp):
    """§6: for each m= line in the offer there is one in the answer."""
    offer = sdp(*ALICE, "m=video 0 RTP/AVP 96", "m=text 4020 RTP/AVP 98", "m=message 9 TCP/MSRP *")
    kinds = [media.kind for media in app.offer(offer).medias]
    assert kinds == ["audio", "video", "text", "message"]


def test_rejected_stream_has_port_zero_and_keeps_it(app, sdp):
    """§6: a rejected stream has port zero."""
    assert app.offer(sdp(*ALICE, "m=video 0 RTP/AVP 96")).medias[1].port == 0


def test_slot_of_a_disabled_stream_may_be_used_again(app, sdp):
    """§8.1: an m= line with port zero may be reused for a new stream."""
    app.offer(sdp(*ALICE, "m=video 0 RTP/AVP 96"))
    app.answer(sdp(*BOB, "m=video 0 RTP/AVP 96"))
    app.offer(sdp(*ALICE, "m=text 4020 RTP/AVP 98", version=2), to_tag="bob")
    answered = app.answer(sdp(*BOB, "m=text 5020 RTP/AVP 98", version=2))
    data = b"\x80\x62" + bytes(20)
    assert app.heard(answered.medias[1].port, ("192.0.2.10", 4020), data)[1] == ("203.0.113.20", 5020)


@pytest.mark.parametrize("direction", ["sendrecv", "sendonly", "recvonly", "inactive"])
def test_direction_passes(app, sdp, direction):
    """§6.1: the direction is the parties' affair."""
    assert app.offer(sdp(*ALICE, f"a={direction}")).medias[0].direction.value == direction


def test_version_is_not_changed_while_the_description_is_not(app, sdp):
    """§8: the same description has the same version."""
    first, again = app.offer(sdp(*ALICE)), app.offer(sdp(*ALICE))
    assert first.origin == again.origin
    assert first.origin.session_version == Sdp.parse(sdp(*ALICE)).origin.session_version


def test_ice_is_taken_out(app, sdp):
    """RFC 8839 §4.2: without candidates there is no ICE."""
    ice = ["a=ice-ufrag:8hhY", "a=ice-pwd:asd88fgpdd777uzjYhagZg"]
    ice.append("a=candidate:1 1 UDP 2130706431 192.0.2.10 4000 typ host")
    offered = app.offer(sdp(*ALICE, *ice, session=("a=ice-options:trickle", "a=group:BUNDLE 0")))
    assert b"ice" not in offered.to_bytes().replace(b"alice", b"")
    assert b"candidate" not in offered.to_bytes()
    assert b"BUNDLE" not in offered.to_bytes()


@pytest.mark.xfail(reason="RFC 8866 §5.14: port counts of layered streams are refused", strict=True)
def test_layered_streams_pass(app, sdp):
    """RFC 8866 §5.14: m=video 49170/2 stands for two pairs of ports."""
    offer = sdp(*ALICE, media="video {port}/2 RTP/AVP 31")
    assert app.offer(offer).medias[0].port_count == 2


@pytest.mark.xfail(reason="RFC 8445: the relay is no ICE agent", strict=True)
def test_ice_offer_gets_candidates_of_the_relay(app, sdp):
    """RFC 8839 §4.2.4: an ICE-lite relay names itself as the only candidate."""
    ice = ["a=ice-ufrag:8hhY", "a=ice-pwd:asd88fgpdd777uzjYhagZg"]
    assert app.offer(sdp(*ALICE, *ice)).medias[0].has_attribute("candidate")


def test_codecs_and_keys_pass(app, sdp):
    lines = ["a=rtpmap:0 PCMU/8000", "a=fmtp:101 0-15", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc"]
    offered = app.offer(sdp(*ALICE, *lines, media="audio {port} RTP/SAVP 0 101")).to_bytes()
    assert offered.startswith(b"v=0\r\n")
    for line in lines:
        assert line.encode() + b"\r\n" in offered
