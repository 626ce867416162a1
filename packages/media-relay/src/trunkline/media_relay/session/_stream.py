"""One of our ports with what is heard on it, and the two ports of a media section.

What belongs here is state the hot path reads and counts in. Who may be heard is `_endpoint`.
"""

import math
from typing import TYPE_CHECKING

import attrs

from trunkline.media_relay.rtp import StreamStatistics

from ._effects import Address, Hop
from ._endpoint import Endpoint
from ._remote import Carrier, RemoteMedia

if TYPE_CHECKING:
    from ._leg import Leg


@attrs.define(eq=False)
class Stream:
    """One local port: RTP or RTCP towards one side of a call."""

    port: int
    medium: "Medium"
    is_rtcp: bool
    source: Address | None = None
    """The learned source of the present party's RTP: packets from there take the short way."""
    route: Hop | None = None
    """Where what is heard here goes, unless it is RTCP."""
    rtcp_route: Hop | None = None
    """Where RTCP heard here goes, on either port."""
    packets: int = 0
    bytes: int = 0
    errors: int = 0
    """Datagrams not relayed: from strangers, or not what the stream carries."""
    last_packet: float = -math.inf
    statistics: StreamStatistics = attrs.field(factory=StreamStatistics)
    endpoints: dict[str, Endpoint] = attrs.field(factory=dict)
    """Who may be heard here, by tag: several while a call is forked."""
    endpoint: Endpoint | None = None
    """The present party, whom the other side is sent to."""

    def choose(self, tag: str) -> None:
        """Make the party of that tag the present one."""
        self.endpoint = self.endpoints.get(tag)
        self.refresh()

    def refresh(self) -> None:
        """Set the short way after the present party or its address changed."""
        plain = not self.is_rtcp and self.medium.carrier is not Carrier.OTHER
        self.source = self.endpoint.learned if plain and self.endpoint is not None else None


@attrs.define(eq=False)
class Medium:
    """Our two ports for one media section, towards one side of a call."""

    leg: "Leg"
    index: int
    pair: int
    """The even port."""
    kind: str = "audio"
    protocol: str = ""
    carrier: Carrier = Carrier.RTP
    payload_types: frozenset[int] = frozenset()
    """What either side described; a stranger sending anything else is no party."""
    rtcp_mux: bool = False
    """Whether RTCP to this side goes to its RTP port."""
    mux_wanted: bool = False
    """Whether this side was offered, or offered, to share the port."""
    mux_required: bool = False
    """Whether this side shares the port whatever the other side says."""
    rtp: Stream = attrs.field(init=False)
    rtcp: Stream = attrs.field(init=False)
    sender_report: tuple[int, float] | None = None
    """Stamp and passing time of the last sender report heard from this side."""
    round_trip: float | None = None
    """Seconds between us and this side, by its receiver reports."""
    reported_loss: float | None = None
    """Fraction of our packets this side lost between its last two reports."""
    reported_jitter: float | None = None
    """Seconds of jitter this side saw, by its last report."""

    def __attrs_post_init__(self) -> None:
        self.rtp = Stream(self.pair, self, False)
        self.rtcp = Stream(self.pair + 1, self, True)

    @property
    def streams(self) -> tuple[Stream, Stream]:
        """Give the RTP and the RTCP port."""
        return self.rtp, self.rtcp

    def move(self, pair: int) -> None:
        """Go to another pair of ports before anybody was told of this one."""
        self.pair = pair
        self.rtp.port, self.rtcp.port = pair, pair + 1

    def expect(self, media: RemoteMedia) -> None:
        """Take in what is going to come here, by either side's description."""
        self.kind, self.protocol, self.carrier = media.kind, media.protocol, media.carrier
        self.payload_types |= media.payload_types
        self.rtp.statistics.clock_rates.update(media.clock_rates)
