"""The long way of a packet: sources not yet known, RTCP, DTLS, and what is no media at all.

What belongs here is everything but the relaying of RTP from a learned source, which is in `Relay.packet`.
"""

from enum import Enum

from trunkline.media_relay.rtp import is_rtcp, parse_rtcp

from ._effects import Address, Hop, SourceLatched
from ._endpoint import Endpoint, Match
from ._leg import follow_rtp
from ._remote import Carrier
from ._session import Session
from ._stream import Medium, Stream


class Content(Enum):
    """What a datagram is, by its first two bytes (RFC 7983 §7, RFC 5761 §4)."""

    RTP = "RTP"
    RTCP = "RTCP"
    OTHER = "other"
    """Passed without being looked at: DTLS where it is expected, UDPTL."""
    NONE = "none"
    """Nothing this stream carries."""


def classify(stream: Stream, data: bytes) -> Content:
    """Tell what a datagram is, on this stream."""
    carrier = stream.medium.carrier
    if carrier is Carrier.OTHER:
        return Content.OTHER
    if len(data) < 8:
        return Content.NONE
    first = data[0]
    if 128 <= first <= 191:
        if is_rtcp(data):
            return Content.RTCP
        return Content.RTP if len(data) >= 12 and not stream.is_rtcp else Content.NONE
    if carrier is Carrier.DTLS and 20 <= first <= 63:
        return Content.OTHER
    return Content.NONE


def receive(
    session: Session, stream: Stream, data: bytes, source: Address, now: float, window: float
) -> Hop | None:
    """Take in a datagram from a source that has no short way.

    Args:
        session: the call the port belongs to.
        stream: the port.
        data: the datagram.
        source: where it came from.
        now: seconds.
        window: for how many seconds a better source may replace one learned now.
    Returns: where to send it, None for nowhere.
    """
    content = classify(stream, data)
    if content is Content.NONE:
        stream.errors += 1
        return None
    endpoint = next((known for known in stream.endpoints.values() if known.learned == source), None)
    fact = None
    if endpoint is None:
        endpoint = _latch(stream, content, data, source, now, window)
        if endpoint is None:
            stream.errors += 1
            return None
        fact = SourceLatched(session.call_id, endpoint.tag, stream.port, source, endpoint.advertised)
        if not stream.is_rtcp:
            follow_rtp(stream.medium, endpoint.tag)
        stream.refresh()
        session.connect()
    stream.packets += 1
    stream.bytes += len(data)
    stream.last_packet = now
    if content is Content.RTCP:
        _note_reports(session, stream.medium, data, now)
    elif content is Content.RTP and endpoint is stream.endpoint:
        stream.statistics.receive(data, now)
    hop = stream.rtcp_route if content is Content.RTCP else stream.route
    if fact is None:
        return hop
    if hop is None:
        session.facts[stream.port] = fact
        return None
    return (hop[0], hop[1], (fact,))


def _latch(
    stream: Stream, content: Content, data: bytes, source: Address, now: float, window: float
) -> Endpoint | None:
    """Find the party a new source may be, the best match first, and believe it.

    A payload type nobody described shows a stranger, unless the address is one that was described.
    """
    continues = content is Content.RTP and stream.statistics.continues(data)
    best: Endpoint | None = None
    best_match = Match.NONE
    for endpoint in stream.endpoints.values():
        match = endpoint.rank(source)
        own = endpoint is stream.endpoint
        if not endpoint.admits(source, match, now, stream.last_packet, continues and own):
            continue
        if match > best_match or (match == best_match and own):
            best, best_match = endpoint, match
    if best is None:
        return None
    if content is Content.RTP and best_match < Match.HOST:
        known = stream.medium.payload_types
        if known and data[1] & 0x7F not in known:
            return None
    best.latch(source, best_match, now + window)
    return best


def _note_reports(session: Session, medium: Medium, data: bytes, now: float) -> None:
    """Remember what this side reports, and compute the round trip to it (RFC 3550 §6.4.1)."""
    if medium.carrier is not Carrier.RTP:
        return
    peer = medium.leg.peer.medium(medium.index) if medium.leg.peer is not None else None
    for report in parse_rtcp(data):
        if report.ntp_middle is not None:
            medium.sender_report = (report.ntp_middle, now)
        for block in report.blocks:
            medium.reported_loss = block.fraction_lost
            if peer is None:
                continue
            medium.reported_jitter = block.jitter / peer.rtp.statistics.clock_rate
            if peer.sender_report is not None and peer.sender_report[0] == block.last_sender_report:
                elapsed = now - peer.sender_report[1] - block.delay_since_sender_report
                medium.round_trip = max(0.0, elapsed)
