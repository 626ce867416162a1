"""Sender and receiver reports, read from compound RTCP packets.

What belongs here is what a relay wants to know in passing: who reports which loss and jitter about whom, and
the stamps round trips are computed from. Other packet types are stepped over.
"""

import struct

import attrs

_HEAD = struct.Struct("!BBHI")
_SENDER = struct.Struct("!IIIII")
_BLOCK = struct.Struct("!IIIIII")
_SENDER_REPORT = 200
_RECEIVER_REPORT = 201


@attrs.define
class ReportBlock:
    """What a receiver says of one source it hears.

    Source: RFC 3550 §6.4.1
    """

    ssrc: int
    """The source this is about."""
    fraction_lost: float
    """Lost since the last report, 0.0–1.0."""
    cumulative_lost: int
    """Lost since the beginning; negative when duplicates came."""
    highest_sequence: int
    """Extended highest sequence number received."""
    jitter: int
    """Interarrival jitter in timestamp units."""
    last_sender_report: int
    """Middle 32 bits of the NTP stamp of the last sender report heard, 0 for none."""
    delay_since_sender_report: float
    """Seconds between that report's arrival and this one."""


@attrs.define
class RtcpReport:
    """A sender report (with `ntp_middle`) or a receiver report (without)."""

    ssrc: int
    """Who reports."""
    blocks: list[ReportBlock]
    ntp_middle: int | None = None
    """Middle 32 bits of the sender's NTP stamp, which receivers give back."""
    rtp_timestamp: int | None = None
    packet_count: int | None = None
    octet_count: int | None = None


def parse_rtcp(data: bytes) -> list[RtcpReport]:
    """Read the reports of a compound packet, as far as it can be read.

    Args:
        data: a datagram; anything after the first broken packet is left out.
    Returns: the reports in order; none when this is no RTCP or an encrypted one.
    Source: RFC 3550 §6.1, §6.4
    """
    reports = []
    position, size = 0, len(data)
    while position + 8 <= size:
        first, kind, words, ssrc = _HEAD.unpack_from(data, position)
        end = position + 4 * (words + 1)
        if first >> 6 != 2 or end > size or not 192 <= kind <= 223:
            break
        if kind == _SENDER_REPORT and position + 28 <= end:
            seconds, fraction, timestamp, packets, octets = _SENDER.unpack_from(data, position + 8)
            middle = (seconds & 0xFFFF) << 16 | fraction >> 16
            blocks = _blocks(data, position + 28, end, first & 0x1F)
            reports.append(RtcpReport(ssrc, blocks, middle, timestamp, packets, octets))
        elif kind == _RECEIVER_REPORT:
            reports.append(RtcpReport(ssrc, _blocks(data, position + 8, end, first & 0x1F)))
        position = end
    return reports


def _blocks(data: bytes, position: int, end: int, count: int) -> list[ReportBlock]:
    blocks = []
    while count and position + 24 <= end:
        ssrc, lost, highest, jitter, last, delay = _BLOCK.unpack_from(data, position)
        cumulative = lost & 0xFFFFFF
        if cumulative & 0x800000:
            cumulative -= 0x1000000
        blocks.append(ReportBlock(ssrc, (lost >> 24) / 256, cumulative, highest, jitter, last, delay / 65536))
        position += 24
        count -= 1
    return blocks
