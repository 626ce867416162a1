"""Reading descriptions, and editing them line by line."""

import pytest

from trunkline.media_relay import (
    Connection,
    Direction,
    MediaRewrite,
    Origin,
    RemoteProtocolError,
    RewriteRules,
    RtcpAttribute,
    Sdp,
    rewrite,
)

OFFER = (
    b"v=0\r\no=jdoe 2890844526 2890842807 IN IP4 10.47.16.5\r\ns=A call\r\nc=IN IP4 224.2.17.12/127\r\n"
    b"t=0 0\r\na=recvonly\r\na=ice-lite\r\na=group:BUNDLE 0 1\r\na=group:LS 0 1\r\n"
    b"m=audio 49170 RTP/AVP 0 96\r\ni=speech\r\nb=AS:64\r\na=rtpmap:96 opus/48000/2\r\na=sendrecv\r\n"
    b"a=rtcp:49999 IN IP4 10.47.16.6\r\na=candidate:1 1 UDP 2130706431 10.47.16.5 49170 typ host\r\n"
    b"a=ice-ufrag:8hhY\r\nm=video 51372/2 RTP/AVPF 99\r\nc=IN IP6 2001:db8::7\r\na=rtcp-mux\r\n"
)


def test_what_a_description_says():
    sdp = Sdp.parse(OFFER)
    assert sdp.origin == Origin("jdoe", "2890844526", "2890842807", "IP4", "10.47.16.5")
    assert sdp.connection == Connection("IP4", "224.2.17.12", "/127")
    assert sdp.direction is Direction.RECVONLY
    audio, video = sdp.medias
    assert (audio.kind, audio.port, audio.port_count, audio.protocol) == ("audio", 49170, 1, "RTP/AVP")
    assert audio.formats == ["0", "96"]
    assert audio.connection is sdp.connection
    assert audio.direction is Direction.SENDRECV
    assert audio.rtcp == RtcpAttribute(49999, Connection("IP4", "10.47.16.6"))
    assert audio.clock_rates == {96: 48000}
    assert not audio.rtcp_mux
    assert (video.port, video.port_count, video.connection.address) == (51372, 2, "2001:db8::7")
    assert video.direction is Direction.RECVONLY
    assert video.rtcp_mux
    assert video.rtcp is None


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("last", [True, False])
def test_bytes_come_back_with_any_line_end(end, last):
    data = OFFER.replace(b"\r\n", end)
    data = data if last else data.removesuffix(end)
    sdp = Sdp.parse(data)
    assert sdp.to_bytes() == data
    assert len(sdp.medias) == 2


def test_bytes_of_any_character_set_come_back():
    data = b"v=0\r\ns=\xff\xfe \x85\x0b\xe9\r\nx\r\n\r\nm=audio 1 RTP/AVP 0\r\n"
    assert Sdp.parse(data).to_bytes() == data


@pytest.mark.parametrize(
    ("line", "section"),
    [
        (b"m=audio", "RFC 8866 §5.14"),
        (b"m=audio x RTP/AVP 0", "RFC 8866 §5.14"),
        (b"m=audio 65536 RTP/AVP 0", "RFC 8866 §5.14"),
        (b"c=IN IP5 1", "RFC 8866 §5.7"),
        (b"c=", "RFC 8866 §5.7"),
    ],
)
def test_line_that_cannot_be_read_is_told_with_its_place(line, section):
    with pytest.raises(RemoteProtocolError) as caught:
        Sdp.parse(b"v=0\r\n" + line + b"\r\n")
    assert (caught.value.section, caught.value.offset, caught.value.status_hint) == (section, 5, 488)


@pytest.mark.parametrize("data", [b"", b"\r\n", b"o=x\r\n", b"<xml/>"])
def test_other_bodies_are_no_description(data):
    with pytest.raises(RemoteProtocolError):
        Sdp.parse(data)


@pytest.mark.parametrize("text", ["", "x", "70000", "1 IN IP9 1", "1 IN IP4"])
def test_broken_rtcp_attribute(text):
    with pytest.raises(RemoteProtocolError):
        RtcpAttribute.parse(text)


def test_edits_are_seen_at_once_and_touch_their_line_only():
    sdp = Sdp.parse(b"v=0\nm=audio 4000 RTP/AVP 0\ni=speech\nb=AS:64\na=rtcp:4001\n\nm=text 5 RTP/AVP 98")
    audio, text = sdp.medias
    audio.set_port(30000)
    audio.set_attribute("rtcp", "30001")
    audio.set_attribute("rtcp-mux")
    audio.set_connection(Connection("IP4", "192.0.2.1"))
    text.set_connection(Connection("IP4", "192.0.2.2"))
    assert audio.rtcp_mux
    assert sdp.to_bytes() == (
        b"v=0\nm=audio 30000 RTP/AVP 0\ni=speech\nc=IN IP4 192.0.2.1\nb=AS:64\na=rtcp:30001\na=rtcp-mux\n\n"
        b"m=text 5 RTP/AVP 98\r\nc=IN IP4 192.0.2.2"
    )
    audio.set_connection(Connection("IP4", "192.0.2.3"))
    assert audio.remove_attributes("rtcp-mux", "rtcp") == 2
    assert Sdp.parse(sdp.to_bytes()).medias[0].own_connection.address == "192.0.2.3"
    assert b"rtcp" not in sdp.to_bytes()


def test_what_a_relay_replaces():
    sdp = Sdp.parse(OFFER)
    rules = RewriteRules(origin=True)
    medias = [MediaRewrite(30000, 30001, False), MediaRewrite(30002, 30002, True)]
    data = rewrite(sdp, medias, family="IP4", address="192.0.2.1", rules=rules)
    assert data == (
        b"v=0\r\no=jdoe 2890844526 2890842807 IN IP4 192.0.2.1\r\ns=A call\r\nc=IN IP4 192.0.2.1\r\n"
        b"t=0 0\r\na=recvonly\r\na=group:LS 0 1\r\n"
        b"m=audio 30000 RTP/AVP 0 96\r\ni=speech\r\nb=AS:64\r\na=rtpmap:96 opus/48000/2\r\na=sendrecv\r\n"
        b"a=rtcp:30001 IN IP4 192.0.2.1\r\n"
        b"m=video 30002 RTP/AVPF 99\r\nc=IN IP4 192.0.2.1\r\na=rtcp-mux\r\n"
    )


def test_session_connection_is_left_when_no_stream_depends_on_it():
    data = b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4 10.0.0.2\r\nm=video 0 RTP/AVP 99\r\n"
    medias = [MediaRewrite(30000), MediaRewrite(0)]
    kept = rewrite(Sdp.parse(data), medias, family="IP4", address="192.0.2.1", rules=RewriteRules())
    assert kept.count(b"192.0.2.1") == 1
    rules = RewriteRules(session_connection=True)
    replaced = rewrite(Sdp.parse(data), medias, family="IP4", address="192.0.2.1", rules=rules)
    assert replaced.count(b"192.0.2.1") == 2


def test_missing_connection_is_added_to_the_stream():
    data = b"v=0\r\nm=audio 1 RTP/AVP 0\r\n"
    new = rewrite(Sdp.parse(data), [MediaRewrite(30000)], family="IP6", address="::5", rules=RewriteRules())
    assert new == b"v=0\r\nm=audio 30000 RTP/AVP 0\r\nc=IN IP6 ::5\r\n"


@pytest.mark.parametrize(("zero_address", "count"), [(False, 0), (True, 1)])
def test_held_address_stays_unless_told_otherwise(zero_address, count):
    data = b"v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 1 RTP/AVP 0\r\n"
    rules = RewriteRules(zero_address=zero_address)
    new = rewrite(Sdp.parse(data), [MediaRewrite(30000)], family="IP4", address="192.0.2.1", rules=rules)
    assert new.count(b"192.0.2.1") == count


def test_rtcp_attribute_when_told_to_write_or_to_omit_it():
    data = b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\n"
    medias = [MediaRewrite(30000, 30001)]
    full = RewriteRules(full_rtcp_attribute=True)
    new = rewrite(Sdp.parse(data), medias, family="IP4", address="192.0.2.1", rules=full)
    assert new.endswith(b"a=rtcp:30001 IN IP4 192.0.2.1\r\n")
    none = RewriteRules(no_rtcp_attribute=True)
    assert b"a=rtcp" not in rewrite(Sdp.parse(new), medias, family="IP4", address="192.0.2.1", rules=none)
