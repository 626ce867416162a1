"""What a session looks like to people: parties, ports, counters and quality, as plain values.

What belongs here is the snapshot. How a control protocol spells it is in `control/`.
"""

import math

import attrs

from trunkline.media_relay.rtp import StreamStatistics

from ._effects import Address
from ._leg import Leg
from ._session import Session
from ._stream import Medium, Stream


@attrs.define(eq=False)
class RelayStatistics:
    """What a relay has done since it was made."""

    offers: int = 0
    answers: int = 0
    deletes: int = 0
    refused: int = 0
    sessions: int = 0
    """Sessions begun."""
    timed_out: int = 0
    ports_failed: int = 0


@attrs.frozen
class StreamReport:
    """One of our ports."""

    local_address: str
    """The address it is bound to."""
    local_port: int
    is_rtcp: bool
    endpoint: Address | None
    """Where we send to."""
    advertised: Address | None
    """Where the party's description said it would be."""
    latched: bool
    """True when the endpoint was learned from packets."""
    packets: int
    """Received from the party."""
    bytes: int
    errors: int
    """Datagrams not relayed."""
    last_packet: float | None
    """Seconds of the caller's monotonic clock; None before the first packet."""
    ssrc: int | None = None
    payload_type: int | None = None
    lost: int = 0
    """RTP packets that never came."""
    jitter: float = 0.0
    """Interarrival jitter in seconds."""


@attrs.frozen
class MediaReport:
    """One media section towards one side."""

    index: int
    """From 1."""
    kind: str
    protocol: str
    rtcp_mux: bool
    streams: tuple[StreamReport, ...]
    round_trip: float | None = None
    """Seconds between us and the party, by its RTCP."""
    reported_loss: float | None = None
    """Fraction of packets the party lost lately, by its RTCP."""
    reported_jitter: float | None = None
    """Seconds of jitter the party saw, by its RTCP."""


@attrs.frozen
class PartyReport:
    """One side of the call, by the tag of its present party."""

    tag: str
    other_tag: str
    """The tag of the party it is connected with; empty when there is none yet."""
    created: float
    medias: tuple[MediaReport, ...]


@attrs.frozen
class SessionReport:
    """One call."""

    call_id: str
    created: float
    """Seconds of the caller's monotonic clock."""
    last_signal: float
    parties: tuple[PartyReport, ...]

    @property
    def totals(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Sum up packets, bytes and errors, of RTP and of RTCP."""
        sums = ([0, 0, 0], [0, 0, 0])
        for party in self.parties:
            for media in party.medias:
                for stream in media.streams:
                    into = sums[stream.is_rtcp]
                    into[0] += stream.packets
                    into[1] += stream.bytes
                    into[2] += stream.errors
        rtp, rtcp = sums
        return (rtp[0], rtp[1], rtp[2]), (rtcp[0], rtcp[1], rtcp[2])


def report(session: Session) -> SessionReport:
    """Take a snapshot of a session."""
    parties = tuple(_party(leg) for leg in session.legs)
    return SessionReport(session.call_id, session.created, session.last_signal, parties)


def _party(leg: Leg) -> PartyReport:
    other = leg.peer.tag if leg.peer is not None else ""
    medias = tuple(_media(medium) for medium in leg.mediums if medium is not None)
    return PartyReport(leg.tag, other, leg.created, medias)


def _media(medium: Medium) -> MediaReport:
    return MediaReport(
        medium.index + 1,
        medium.kind,
        medium.protocol,
        medium.rtcp_mux,
        (_stream(medium.rtp, medium.rtp.statistics), _stream(medium.rtcp, None)),
        medium.round_trip,
        medium.reported_loss,
        medium.reported_jitter,
    )


def _stream(stream: Stream, statistics: StreamStatistics | None) -> StreamReport:
    endpoint = stream.endpoint
    heard = statistics if statistics is not None and statistics.ssrc >= 0 else None
    return StreamReport(
        stream.medium.leg.interface.address,
        stream.port,
        stream.is_rtcp,
        endpoint.remote if endpoint is not None else None,
        endpoint.advertised if endpoint is not None else None,
        endpoint is not None and endpoint.learned is not None,
        stream.packets,
        stream.bytes,
        stream.errors,
        stream.last_packet if stream.last_packet > -math.inf else None,
        heard.ssrc if heard is not None else None,
        heard.payload_type if heard is not None else None,
        heard.lost if heard is not None else 0,
        heard.jitter if heard is not None else 0.0,
    )
