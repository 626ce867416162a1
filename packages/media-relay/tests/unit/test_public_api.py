"""What the package promises by name: a change here is a change for others."""

import trunkline.media_relay


def test_public_names():
    assert trunkline.media_relay.__all__ == sorted(trunkline.media_relay.__all__)
    assert trunkline.media_relay.__all__ == [
        "Address",
        "Bencoded",
        "BranchDeleted",
        "ClosePort",
        "Connection",
        "Direction",
        "Dropped",
        "Effect",
        "Hop",
        "Interface",
        "LocalProtocolError",
        "MediaDescription",
        "MediaError",
        "MediaOptions",
        "MediaReport",
        "MediaRewrite",
        "NgController",
        "NgMessage",
        "NgServer",
        "OpenPort",
        "Origin",
        "PartyReport",
        "Refused",
        "Relay",
        "RelayStatistics",
        "RemoteProtocolError",
        "Reply",
        "ReportBlock",
        "RewriteRules",
        "RtcpAttribute",
        "RtcpReport",
        "RtpPacket",
        "Sdp",
        "SdpReady",
        "SessionDeleted",
        "SessionReport",
        "SessionTimedOut",
        "SourceLatched",
        "StreamReport",
        "StreamStatistics",
        "TimeoutReason",
        "bdecode",
        "bencode",
        "is_rtcp",
        "ng_reply",
        "ng_request",
        "parse_ng",
        "parse_rtcp",
        "rewrite",
    ]


def test_every_public_name_is_there():
    for name in trunkline.media_relay.__all__:
        assert hasattr(trunkline.media_relay, name)
