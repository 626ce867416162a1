"""What one party's description says, reduced to what relaying needs.

What belongs here is the reading of an offer or answer. What was learned from packets is `_endpoint`.
"""

from enum import Enum

import attrs

from trunkline.media_relay._errors import RemoteProtocolError
from trunkline.media_relay.sdp import Direction, MediaDescription, Sdp

from ._effects import Address
from ._interfaces import family_of, unicast
from ._options import MediaOptions

MAX_MEDIAS = 16
"""More media sections than this are refused: each costs four ports."""


class Carrier(Enum):
    """What the datagrams of a media section are."""

    RTP = "RTP"
    """RTP and RTCP."""
    SRTP = "SRTP"
    """Both encrypted, with keys from the description (RFC 4568); passed as they are."""
    DTLS = "DTLS"
    """RTP and RTCP keyed by DTLS on the same port (RFC 5764)."""
    OTHER = "other"
    """UDPTL and the like: passed without being looked at."""


@attrs.define(eq=False)
class RemoteMedia:
    """One media section of a party."""

    kind: str
    protocol: str
    carrier: Carrier
    relayed: bool
    """False for what is not UDP; such a section is left where it points to."""
    active: bool
    """False when the port is 0."""
    muted: bool
    """True for a held `c=` of 0.0.0.0: nothing is to be sent there."""
    direction: Direction
    rtp: Address | None
    """Where the party says it receives; None for a name, a group or no address."""
    rtcp: Address | None
    rtcp_mux: bool
    payload_types: frozenset[int]
    clock_rates: dict[int, int]

    @property
    def flows_both_ways(self) -> bool:
        """Tell whether media is expected to come and go, as it is not while held."""
        return self.active and not self.muted and self.direction is Direction.SENDRECV


@attrs.define(eq=False)
class RemoteDescription:
    """All media sections of a party."""

    medias: list[RemoteMedia]
    family: str
    """"IP4" or "IP6": the family of the first usable address; empty when there is none."""
    version: str
    """The `o=` line, which stays the same while the description does (RFC 3264 §8)."""

    @classmethod
    def read(cls, sdp: Sdp, options: MediaOptions) -> "RemoteDescription":
        """Read a party's description.

        Raises: RemoteProtocolError for more sections than a relay will serve, and for port counts.
        """
        if len(sdp.medias) > MAX_MEDIAS:
            reason = f"expected at most {MAX_MEDIAS} media sections, got {len(sdp.medias)}"
            raise RemoteProtocolError(reason, section="RFC 8866 §5.14")
        medias = [_read(media, options) for media in sdp.medias]
        family = ""
        for media in sdp.medias:
            if media.connection is not None and (media.port or not family):
                family = media.connection.family
                if media.port:
                    break
        if not options.trust_address and options.signalling_host:
            family = family_of(options.signalling_host)
        return cls(medias, family, str(sdp.origin) if sdp.origin is not None else "")


def _read(media: MediaDescription, options: MediaOptions) -> RemoteMedia:
    if media.port_count > 1:
        reason = f"expected one port per media section, got {media.port_count} (layered streams)"
        raise RemoteProtocolError(reason, section="RFC 8866 §5.14")
    protocol = media.protocol.upper()
    connection = media.connection
    muted = connection is not None and connection.is_unspecified
    host = unicast(connection.address) if connection is not None else None
    if not options.trust_address and options.signalling_host:
        host = unicast(options.signalling_host)
    rtp: Address | None = (host, media.port) if host is not None and media.port else None
    is_rtp = "RTP/" in protocol
    payload_types = [int(item) for item in media.formats if is_rtp and item.isdecimal() and len(item) < 4]
    return RemoteMedia(
        media.kind,
        media.protocol,
        _carrier(protocol),
        not protocol.startswith(("TCP", "DCCP")),
        media.port != 0,
        muted,
        media.direction,
        rtp,
        _rtcp_address(media, rtp, options),
        media.rtcp_mux,
        frozenset(payload_types),
        media.clock_rates,
    )


def _carrier(protocol: str) -> Carrier:
    if "RTP/" not in protocol:
        return Carrier.OTHER
    if "TLS/" in protocol:
        return Carrier.DTLS
    return Carrier.SRTP if "SAVP" in protocol else Carrier.RTP


def _rtcp_address(media: MediaDescription, rtp: Address | None, options: MediaOptions) -> Address | None:
    """Tell where RTCP goes: `a=rtcp`, or the port above (RFC 3605 §2.1, RFC 3550 §11)."""
    if rtp is None:
        return None
    try:
        attribute = media.rtcp
    except RemoteProtocolError:
        attribute = None
    if attribute is None or not attribute.port:
        return (rtp[0], rtp[1] + 1) if rtp[1] < 65535 else None
    host: str | None = rtp[0]
    if attribute.connection is not None and options.trust_address:
        host = unicast(attribute.connection.address)
    return (host, attribute.port) if host is not None else None
