"""RTP and RTCP (RFC 3550): packets read lean, reports read in passing, loss and jitter counted."""

from ._packet import RtpPacket, is_rtcp
from ._rtcp import ReportBlock, RtcpReport, parse_rtcp
from ._statistics import StreamStatistics

__all__ = ["ReportBlock", "RtcpReport", "RtpPacket", "StreamStatistics", "is_rtcp", "parse_rtcp"]
