"""One side of a call as seen from the relay: our ports towards it, and the parties that may be there.

Usually one party; while a proxy forks one offer to several phones, each answering phone is a party of the
same leg, told apart by its tag. What belongs here is how a description changes a leg.
"""

import attrs

from ._effects import Address
from ._endpoint import Endpoint, same
from ._interfaces import Interface, family_of, unicast
from ._options import MediaOptions
from ._remote import RemoteDescription, RemoteMedia
from ._stream import Medium, Stream


@attrs.define(eq=False)
class Leg:
    """One side of a call."""

    interface: Interface
    public: str
    """The address this side is told to send to."""
    created: float
    tags: list[str] = attrs.field(factory=list)
    tag: str = ""
    """The tag of the party that answered or offered last; empty while nobody has."""
    via_branch: str = ""
    peer: "Leg | None" = None
    """The side this one is connected with."""
    offered_to: "Leg | None" = None
    """The side this one's last offer went to."""
    answered: bool = False
    """Whether an offer from or to this side has been answered."""
    mediums: list[Medium | None] = attrs.field(factory=list)
    """By media section; None where no ports were needed."""
    descriptions: dict[str, RemoteDescription] = attrs.field(factory=dict)
    """The description in force, by tag."""
    proposal: tuple[str, RemoteDescription, MediaOptions] | None = None
    """A re-offer of this side, in force when it is answered."""

    def medium(self, index: int) -> Medium | None:
        """Give our ports for a media section, None when there are none."""
        return self.mediums[index] if index < len(self.mediums) else None

    def add_medium(self, index: int, pair: int) -> Medium:
        """Use a pair of ports for a media section; whoever is on this side may be heard there."""
        while len(self.mediums) <= index:
            self.mediums.append(None)
        medium = Medium(self, index, pair)
        self.mediums[index] = medium
        for stream in medium.streams:
            for tag in self.tags or [""]:
                stream.endpoints[tag] = Endpoint(tag)
            stream.choose(self.tag or (self.tags[0] if self.tags else ""))
        return medium

    def description(self, index: int) -> RemoteMedia | None:
        """Give what the present party says of a media section."""
        description = self.descriptions.get(self.tag)
        if description is None or index >= len(description.medias):
            return None
        return description.medias[index]

    def describe(
        self, tag: str, description: RemoteDescription, options: MediaOptions, settled_at: float
    ) -> None:
        """Put a party's description in force and make it the present party.

        Args:
            tag: the party's; a party heard before it had a tag becomes this one.
            description: what it says.
            options: how the controller wants it treated.
            settled_at: until when a better source may replace the first one learned.
        """
        before = self.descriptions.get(tag)
        changed = before is None or before.version != description.version or not description.version
        self.descriptions[tag] = description
        self.tag = tag
        signalling_host = unicast(options.signalling_host) or ""
        for medium in self.mediums:
            if medium is None:
                continue
            media = description.medias[medium.index] if medium.index < len(description.medias) else None
            if media is None or not media.active or not media.relayed:
                self._silence(medium, tag)
                continue
            medium.expect(media)
            for stream, advertised in ((medium.rtp, media.rtp), (medium.rtcp, media.rtcp)):
                endpoint = self._endpoint(stream, tag)
                endpoint.signalling_host = signalling_host
                endpoint.asymmetric = options.asymmetric
                endpoint.media_handover = options.media_handover
                endpoint.describe(self._reachable(advertised), media.muted, changed, settled_at)
                for other in stream.endpoints.values():
                    if other is not endpoint and same(other.learned, advertised):
                        other.forget()
                stream.choose(tag)
            follow_rtp(medium, tag)

    def forget(self, tag: str, settled_at: float) -> None:
        """Take one of several parties out; the one before it becomes the present one.

        Until `settled_at` its last packets are not taken for another party's first.
        """
        self.tags.remove(tag)
        self.descriptions.pop(tag, None)
        if self.tag == tag:
            self.tag = next((known for known in reversed(self.tags) if known in self.descriptions), "")
        for medium in self.mediums:
            if medium is not None:
                for stream in medium.streams:
                    gone = stream.endpoints.pop(tag, None)
                    source = gone.learned or gone.advertised if gone is not None else None
                    for endpoint in stream.endpoints.values():
                        if endpoint.learned is None and source is not None:
                            endpoint.shun(source, settled_at)
                    stream.choose(self.tag)

    def _silence(self, medium: Medium, tag: str) -> None:
        for stream in medium.streams:
            stream.endpoints.pop(tag, None)
            stream.endpoints.pop("", None)
            stream.choose(tag)

    def _endpoint(self, stream: Stream, tag: str) -> Endpoint:
        early = stream.endpoints.pop("", None)
        endpoint = stream.endpoints.get(tag)
        if endpoint is None:
            endpoint = early or Endpoint(tag)
            endpoint.tag = tag
            stream.endpoints[tag] = endpoint
        return endpoint

    def _reachable(self, advertised: Address | None) -> Address | None:
        """Leave out an address of another family than the one our port is bound to."""
        if advertised is None or family_of(advertised[0]) != self.interface.family:
            return None
        return advertised


def follow_rtp(medium: Medium, tag: str) -> None:
    """Tell a party's RTCP endpoint where its RTP really comes from.

    A NAT that moved the RTP moves the RTCP as well: the host is the same, and the port mostly the one above
    (RFC 3550 §11) or the described one.
    """
    rtp, rtcp = medium.rtp.endpoints.get(tag), medium.rtcp.endpoints.get(tag)
    if rtp is None or rtcp is None:
        return
    source = rtp.learned
    if source is None or same(source, rtp.advertised):
        rtcp.hint = None
        return
    port = min(source[1] + 1, 65535)
    one, other = rtp.advertised, rtcp.advertised
    if one is not None and other is not None and other[1] != one[1] + 1:
        port = other[1]
    rtcp.hint = (source[0], port)
    if rtcp.learned is not None and rtcp.learned[0] != source[0]:
        rtcp.forget()


def without_ports(leg: Leg | None, description: RemoteDescription) -> list[int]:
    """Tell which media sections need ports on a side and have none."""
    return [
        index
        for index, media in enumerate(description.medias)
        if media.active and media.relayed and (leg is None or leg.medium(index) is None)
    ]
