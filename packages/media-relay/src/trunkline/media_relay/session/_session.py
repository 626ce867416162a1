"""All a relay knows of one Call-ID: its legs, who is connected with whom, and where each packet goes.

What belongs here is offer and answer as they change the legs (RFC 3264 seen from the middle), and the routes
that follow. Ports are given out, and time is kept, by `_relay`.
"""

import math
from collections.abc import Iterator
from typing import Any

import attrs

from ._effects import SourceLatched
from ._leg import Leg
from ._options import MediaOptions
from ._remote import RemoteDescription
from ._stream import Medium, Stream


@attrs.define(eq=False)
class Session:
    """One call."""

    call_id: str
    created: float
    last_signal: float
    legs: list[Leg] = attrs.field(factory=list)
    by_tag: dict[str, Leg] = attrs.field(factory=dict)
    awaiting_answer: bool = True
    """True from an offer until the next answer."""
    controller: Any = None
    facts: dict[int, SourceLatched] = attrs.field(factory=dict)
    """Sources learned while there was nowhere to send to, by port; told with the next answer."""
    deadline: float = math.inf
    """When the relay looks at this session again."""

    def streams(self) -> Iterator[Stream]:
        """Give every open port."""
        for leg in self.legs:
            for medium in leg.mediums:
                if medium is not None:
                    yield medium.rtp
                    yield medium.rtcp

    def find_offer_legs(self, from_tag: str, to_tag: str, via_branch: str) -> tuple[Leg | None, Leg | None]:
        """Find the offering side and the side the offer goes to; None for one that is new."""
        offerer, other = self.by_tag.get(from_tag), self.by_tag.get(to_tag) if to_tag else None
        if offerer is None:
            return (other.offered_to or other.peer if other is not None else None), other
        if other is None:
            if via_branch and not to_tag:
                return offerer, self._branch(offerer, via_branch)
            other = self._branch(offerer, via_branch) or offerer.offered_to or offerer.peer
        return offerer, other

    def find_answer_legs(self, from_tag: str, to_tag: str, via_branch: str) -> tuple[Leg, Leg] | None:
        """Find the side that offered and the side that answers, None when nobody offered."""
        offerer = self.by_tag.get(from_tag)
        if offerer is None:
            return None
        answerer = self.by_tag.get(to_tag) or self._branch(offerer, via_branch) or offerer.offered_to
        if answerer is None or answerer is offerer:
            return None
        return offerer, answerer

    def _branch(self, offerer: Leg, via_branch: str) -> Leg | None:
        if not via_branch:
            return None
        for leg in self.legs:
            if leg.via_branch == via_branch and leg.peer is offerer:
                return leg
        return None

    def add_leg(self, leg: Leg) -> Leg:
        """Take in a new side and give it back."""
        self.legs.append(leg)
        return leg

    def remove_leg(self, leg: Leg) -> None:
        """Take a side out; who was connected with it is connected with the branch before it."""
        self.legs.remove(leg)
        for tag in leg.tags:
            self.by_tag.pop(tag, None)
        for other in self.legs:
            if other.peer is leg or other.offered_to is leg:
                rest = [known for known in self.legs if known.peer is other]
                other.peer = other.offered_to = rest[-1] if rest else None

    def adopt(self, leg: Leg, tag: str) -> None:
        """Let a side be known by one more tag."""
        if tag and tag not in self.by_tag:
            leg.tags.append(tag)
            self.by_tag[tag] = leg

    def take_offer(
        self,
        offerer: Leg,
        other: Leg,
        tag: str,
        description: RemoteDescription,
        options: MediaOptions,
        settled_at: float,
    ) -> None:
        """Take in an offer.

        A first offer is in force at once, because early media may come before the answer. A re-offer is kept
        until it is answered: when it is rejected, everything stays as it was (RFC 3264 §8).
        """
        offerer.offered_to = other
        other.peer = other.peer or offerer
        offerer.peer = offerer.peer or other
        self.awaiting_answer = True
        self._offer_mux(offerer, other, description, options)
        if offerer.answered:
            offerer.proposal = (tag, description, options)
        else:
            offerer.describe(tag, description, options, settled_at)
            for medium in other.mediums:
                if medium is not None and not other.answered and medium.index < len(description.medias):
                    medium.expect(description.medias[medium.index])
                    for stream in medium.streams:
                        stream.refresh()
        self.connect()

    def take_answer(
        self,
        offerer: Leg,
        answerer: Leg,
        tag: str,
        description: RemoteDescription,
        options: MediaOptions,
        settled_at: float,
    ) -> list[Medium]:
        """Take in an answer; the last one to answer is the one the offerer is connected with.

        Returns: our ports for streams both sides have disabled; they can be given back.
        """
        offerer.peer, answerer.peer = answerer, offerer
        offerer.answered = answerer.answered = True
        self.awaiting_answer = False
        if offerer.proposal is not None:
            proposing, proposed, how = offerer.proposal
            offerer.proposal = None
            offerer.describe(proposing, proposed, how, settled_at)
        answerer.describe(tag, description, options, settled_at)
        self._answer_mux(offerer, answerer, description)
        disabled = []
        for index in range(len(description.medias)):
            offered = offerer.description(index)
            if offered is not None and not offered.active and not description.medias[index].active:
                for leg in (offerer, answerer):
                    medium = leg.medium(index)
                    if medium is not None:
                        leg.mediums[index] = None
                        disabled.append(medium)
        self.connect()
        return disabled

    def _offer_mux(
        self, offerer: Leg, other: Leg, description: RemoteDescription, options: MediaOptions
    ) -> None:
        """Decide per stream whether RTP and RTCP are offered to share a port (RFC 5761 §5.1.1)."""
        how = options.rtcp_mux
        for index, media in enumerate(description.medias):
            towards, back = other.medium(index), offerer.medium(index)
            if towards is None or back is None:
                continue
            if how & {"offer", "require"}:
                towards.mux_wanted = True
            else:
                towards.mux_wanted = media.rtcp_mux and not how & {"demux", "reject"}
            towards.mux_required = "require" in how
            back.mux_wanted = media.rtcp_mux and "reject" not in how
            back.mux_required = back.mux_wanted and bool(how & {"demux", "accept"})

    def _answer_mux(self, offerer: Leg, answerer: Leg, description: RemoteDescription) -> None:
        for index, media in enumerate(description.medias):
            towards, back = offerer.medium(index), answerer.medium(index)
            if towards is None or back is None:
                continue
            back.rtcp_mux = back.mux_required or (back.mux_wanted and media.rtcp_mux)
            towards.rtcp_mux = towards.mux_wanted and (towards.mux_required or media.rtcp_mux)

    def connect(self) -> None:
        """Work out where what is heard on each port goes. To be called after any change."""
        for leg in self.legs:
            for medium in leg.mediums:
                if medium is None:
                    continue
                out = leg.peer.medium(medium.index) if leg.peer is not None else None
                rtp = rtcp = None
                if out is not None:
                    endpoint = out.rtp.endpoint
                    if endpoint is not None and endpoint.remote is not None:
                        rtp = (out.rtp.port, endpoint.remote, ())
                    endpoint = out.rtcp.endpoint
                    if out.rtcp_mux:
                        rtcp = rtp
                    elif endpoint is not None and endpoint.remote is not None:
                        rtcp = (out.rtcp.port, endpoint.remote, ())
                medium.rtp.route = rtp
                medium.rtp.rtcp_route = medium.rtcp.route = medium.rtcp.rtcp_route = rtcp

    @property
    def held(self) -> bool:
        """Tell whether no stream is expected to flow both ways (RFC 3264 §8.4)."""
        for leg in self.legs:
            if leg.peer is None:
                continue
            for index in range(len(leg.mediums)):
                one, other = leg.description(index), leg.peer.description(index)
                if one is not None and other is not None and one.flows_both_ways and other.flows_both_ways:
                    return False
        return True

    @property
    def last_heard(self) -> float:
        """Tell when the last packet of a party came, or when the session was set up."""
        return max([self.created, *(stream.last_packet for stream in self.streams())])

    def owns(self, description: RemoteDescription) -> bool:
        """Tell whether a description points to this session's own ports: it has passed here already."""
        ports = {stream.port for stream in self.streams()}
        hosts = {leg.public for leg in self.legs}
        addresses = [media.rtp for media in description.medias if media.active and media.rtp is not None]
        return bool(addresses) and all(host in hosts and port in ports for host, port, *_ in addresses)
