"""RTP and RTCP as bytes."""

import struct

import pytest

from trunkline.media_relay import RemoteProtocolError, RtpPacket, is_rtcp, parse_rtcp


def test_header_fields():
    data = bytes.fromhex("b1e0 0102 00000003 00000004 00000005 beef 0001 01020304") + b"hello" + b"\0\0\x03"
    packet = RtpPacket.parse(data)
    assert (packet.payload_type, packet.marker) == (96, True)
    assert (packet.sequence_number, packet.timestamp, packet.ssrc) == (0x0102, 3, 4)
    assert packet.csrcs == (5,)
    assert packet.extension == (0xBEEF, b"\1\2\3\4")
    assert packet.payload == b"hello"
    again = RtpPacket.parse(packet.to_bytes())
    assert (again.csrcs, again.extension, again.payload) == (packet.csrcs, packet.extension, b"hello")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(11),
        b"\x81" + bytes(11),
        b"\x90" + bytes(11),
        b"\x90" + bytes(13) + b"\0\1",
        b"\xa0" + bytes(11),
        b"\xa0" + bytes(11) + b"\x05",
    ],
)
def test_broken_packets_are_told(data):
    with pytest.raises(RemoteProtocolError):
        RtpPacket.parse(data)


def test_rtcp_is_told_from_rtp_by_the_second_byte(rtp, sender_report):
    assert is_rtcp(sender_report())
    assert not is_rtcp(rtp())
    assert not is_rtcp(b"\x80")


def test_reports_of_a_compound_packet(sender_report, receiver_report):
    description = bytes.fromhex("81ca0002 000a11ce 01000000")
    data = sender_report(7, 0x89ABCDEF) + description + receiver_report(7, 0x89ABCDEF, 0.5, 51, 160)
    sender, receiver = parse_rtcp(data)
    assert (sender.ssrc, sender.ntp_middle, sender.blocks) == (7, 0x89ABCDEF, [])
    (block,) = receiver.blocks
    assert receiver.ntp_middle is None
    assert (block.ssrc, block.jitter, block.delay_since_sender_report) == (7, 160, 0.5)
    assert abs(block.fraction_lost - 0.2) < 0.001


def test_cumulative_loss_may_be_negative():
    block = struct.pack("!IIIIII", 7, 0xFFFFFF, 0, 0, 0, 0)
    (report,) = parse_rtcp(struct.pack("!BBHI", 0x81, 201, 7, 1) + block)
    assert report.blocks[0].cumulative_lost == -1


@pytest.mark.parametrize("cut", range(28))
def test_cut_reports_are_read_as_far_as_they_go(sender_report, cut):
    assert parse_rtcp(sender_report()[:cut]) == []


def test_block_count_beyond_the_packet_is_not_believed():
    assert parse_rtcp(struct.pack("!BBHI", 0x9F, 201, 1, 1))[0].blocks == []
