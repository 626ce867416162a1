"""Bytes from outside: they come back as they were, or are refused in the way that is promised."""

import json

from hypothesis import given
from hypothesis import strategies as st

from trunkline.media_relay import (
    Connection,
    Dropped,
    Interface,
    MediaRewrite,
    NgServer,
    OpenPort,
    Relay,
    RemoteProtocolError,
    Reply,
    RewriteRules,
    RtpPacket,
    Sdp,
    StreamStatistics,
    bdecode,
    bencode,
    ng_reply,
    ng_request,
    parse_rtcp,
    rewrite,
)

LINES = st.sampled_from(
    [
        "o=- 1 1 IN IP4 192.0.2.1",
        "o=odd",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "c=IN IP6 2001:db8::1",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "m=audio 4000 RTP/AVP 0",
        "m=video 0 RTP/AVP 96",
        "m=message 9 TCP/MSRP *",
        "m=video 4000/2 RTP/AVP 31",
        "m=audio 4000 RTP/AVP",
        "m=audio",
        "c=",
        "a=sendonly",
        "a=rtcp:4001",
        "a=rtcp:x",
        "a=rtcp-mux",
        "a=candidate:1",
        "i=title",
        "",
        "a",
        "a=rtpmap:0 PCMU/8000",
        "x=\u00e9\x85\x0b",
    ]
)
TEXTS = st.builds(
    lambda lines, end, last: ("v=0" + end + "".join(line + end for line in lines) + last).encode("latin-1"),
    st.lists(LINES, max_size=12),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from(["", "a=last", "m=audio 1 RTP/AVP 0"]),
)
VALUES = st.recursive(
    st.integers(-(2**63), 2**63) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
SOURCE = ("10.0.0.5", 40000)


def relay():
    return Relay([Interface("198.51.100.1")], (30000, 30099), token=bytes)


@given(TEXTS | st.binary(max_size=60).map(lambda data: b"v=" + data))
def test_description_comes_back_byte_for_byte_or_is_refused(data):
    try:
        sdp = Sdp.parse(data)
    except RemoteProtocolError:
        return
    assert sdp.to_bytes() == data


@given(TEXTS)
def test_rewritten_description_has_our_address_and_nothing_else_changed(data):
    try:
        sdp = Sdp.parse(data)
    except RemoteProtocolError:
        return
    medias = [MediaRewrite(30000, 30001) if media.port else MediaRewrite(0) for media in sdp.medias]
    old = Sdp.parse(data)
    new = Sdp.parse(rewrite(sdp, medias, family="IP4", address="198.51.100.1", rules=RewriteRules()))
    ours = Connection("IP4", "198.51.100.1")
    for before, after in zip(old.medias, new.medias, strict=True):
        assert after.port == (30000 if before.port else 0)
        assert (after.kind, after.protocol, after.formats) == (before.kind, before.protocol, before.formats)
        assert after.direction is before.direction
        if before.port:
            held = before.connection is not None and before.connection.is_unspecified
            assert after.connection == (before.connection if held else ours)
        kept = [item[:2] for item in before.attributes if item[0] not in ("rtcp", "candidate")]
        if before.port:
            assert [item[:2] for item in after.attributes if item[0] != "rtcp"] == kept


@given(VALUES)
def test_bencode_comes_back(value):
    assert bdecode(bencode(value)) == value


@given(st.binary(max_size=60) | VALUES.map(bencode).map(lambda data: data[:-1] + b"e"))
def test_bencode_of_anything_is_read_or_refused(data):
    try:
        bdecode(data)
    except RemoteProtocolError:
        return


COMMANDS = st.sampled_from(["ping", "offer", "answer", "delete", "query", "list", "dance", ""])
WORDS = st.sampled_from(["a", "b", "", "IP4", "RTP/AVP", "192.0.2.1", "x y", "\udc80", "origin"])
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "call-id",
            "from-tag",
            "to-tag",
            "via branch",
            "flags",
            "replace",
            "direction",
            "received from",
            "rtcp-mux",
            "rtpp-flags",
            "ICE",
            "transport protocol",
            "media address",
            "address family",
            "supports",
            "limit",
            "record call",
        ]
    ),
    WORDS | st.lists(WORDS, max_size=3) | st.integers() | st.dictionaries(WORDS, WORDS, max_size=1),
    max_size=8,
)


@given(st.lists(st.tuples(COMMANDS, FIELDS, TEXTS, st.booleans()), max_size=6))
def test_any_request_is_answered_once_and_last(requests):
    server = NgServer(relay())
    for number, (command, fields, sdp, as_json) in enumerate(requests):
        message = {"call-id": "c", "from-tag": "a", "to-tag": "b"} | fields | {"command": command, "sdp": sdp}
        if as_json:
            message["sdp"] = sdp.decode("latin-1")
            datagram = b"%d %b" % (number, json.dumps(message).encode())
        else:
            datagram = b"%d %b" % (number, bencode(message))
        effects = server.receive(datagram, SOURCE, now=float(number))
        assert [isinstance(effect, Reply) for effect in effects].count(True) == 1
        assert isinstance(effects[-1], Reply)
        cookie, reply = ng_reply(effects[-1].data)
        assert cookie == str(number)
        assert reply["result"] in ("ok", "error", "pong")
        assert server.receive(datagram, SOURCE, now=float(number)) == effects[-1:]


@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda data: b"1 d" + data))
def test_any_datagram_is_answered_or_dropped(data):
    (effect,) = NgServer(relay()).receive(data, SOURCE, now=0.0)
    assert isinstance(effect, Reply | Dropped)


@given(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=40)), max_size=10))
def test_any_packet_passes_without_an_error(packets):
    server = NgServer(relay())
    sdp = b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"
    effects = server.receive(ng_request("1", "offer", call_id="c", from_tag="a", sdp=sdp), SOURCE, now=0.0)
    ports = [effect.port for effect in effects if isinstance(effect, OpenPort)]
    for offset, data in packets:
        for prefix in (b"", b"\x80\x00", b"\x80\xc8", b"\x80\xc9\x00\x01"):
            server._relay.packet(ports[offset], prefix + data, ("192.0.2.1", 4000 + offset), 1.0)


@given(st.binary(max_size=100))
def test_any_rtcp_is_read_without_an_error(data):
    parse_rtcp(b"\x81\xc8" + data)
    parse_rtcp(b"\x82\xc9" + data)


@given(
    st.integers(0, 127),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=20),
    st.booleans(),
    st.lists(st.integers(0, 2**32 - 1), max_size=15),
)
def test_rtp_packet_comes_back(kind, sequence, timestamp, ssrc, payload, marker, csrcs):
    packet = RtpPacket(kind, sequence, timestamp, ssrc, payload, marker, tuple(csrcs))
    again = RtpPacket.parse(packet.to_bytes())
    assert again.to_bytes() == packet.to_bytes()
    assert (again.payload, again.csrcs, again.marker) == (payload, tuple(csrcs), marker)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(1, 2)), max_size=60))
def test_statistics_stay_within_reason(packets):
    statistics = StreamStatistics()
    for place, (sequence, ssrc) in enumerate(packets):
        statistics.receive(RtpPacket(0, sequence, place, ssrc, b"").to_bytes(), place / 50)
        assert statistics.highest_sequence & 0xFFFF < 65536
        assert statistics.jitter >= 0.0
        assert statistics.lost >= 0
    assert statistics.received == len(packets)


@given(st.integers(0, 65535), st.lists(st.booleans(), min_size=2, max_size=200))
def test_loss_is_what_did_not_come(start, arrived):
    statistics = StreamStatistics()
    sequences = [start + place for place, came in enumerate(arrived) if came]
    for sequence in sequences:
        statistics.receive(RtpPacket(0, sequence & 0xFFFF, 0, 1, b"").to_bytes(), 0.0)
    if sequences:
        assert statistics.lost == sequences[-1] - sequences[0] + 1 - len(sequences)
