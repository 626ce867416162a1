"""An offer whose ports are being bound by our caller, kept so that a port that is taken can be replaced.

What belongs here is what has to be known to answer the offer again with other ports, or to undo it. Our
caller opens ports in the order it was given them and stops at the first that fails, so the place of that one
tells which are open.
"""

from collections.abc import Iterable

import attrs

from trunkline.media_relay.sdp import Sdp

from ._effects import Effect, OpenPort, SdpReady
from ._leg import Leg
from ._options import MediaOptions
from ._remote import RemoteDescription
from ._rewrite_plan import rewritten
from ._session import Session
from ._stream import Medium
from ._switchboard import Switchboard

MAX_FAILURES = 32
"""After so many ports that could not be bound, the offer is refused: the fault is not theirs."""


@attrs.define(eq=False)
class Opening:
    """The last offer taken in."""

    session: Session
    towards: Leg
    """The side the rewritten description goes to."""
    sdp: bytes
    description: RemoteDescription
    options: MediaOptions
    mediums: list[Medium]
    """The media sections that got ports by this offer."""
    asked: list[tuple[int, Medium]]
    """Every port in the order in which our caller opens them, and whose it is."""
    new_legs: list[Leg]
    new_session: bool
    awaited_answer: bool
    """Whether the session waited for an answer before this offer."""
    failures: int = 0

    @classmethod
    def of(
        cls,
        session: Session,
        towards: Leg,
        sdp: bytes,
        description: RemoteDescription,
        options: MediaOptions,
        mediums: Iterable[Medium],
        new_legs: list[Leg],
        new_session: bool,
    ) -> "Opening":
        """Begin to open the ports of these media sections."""
        listed = list(mediums)
        asked = [(stream.port, medium) for medium in listed for stream in medium.streams]
        awaited = session.awaiting_answer
        return cls(session, towards, sdp, description, options, listed, asked, new_legs, new_session, awaited)

    def position(self, port: int) -> int:
        """Tell the place of a port in the order, -1 when it is not one of these."""
        return next((place for place, asked in enumerate(self.asked) if asked[0] == port), -1)

    def move_last(self, medium: Medium) -> None:
        """Note that a media section has other ports now, which are opened last."""
        self.asked = [asked for asked in self.asked if asked[1] is not medium]
        self.asked += [(stream.port, medium) for stream in medium.streams]

    def effects(self, done: int, sdp: Sdp | None = None) -> list[Effect]:
        """Ask for every port but the first `done`, and then answer the offer, once more without `sdp`."""
        effects: list[Effect] = [
            OpenPort(port, medium.leg.interface.address) for port, medium in self.asked[done:]
        ]
        sdp = sdp or Sdp.parse(self.sdp)
        data = rewritten(sdp, self.description, self.towards, self.options.rules, is_answer=False)
        effects.append(SdpReady(self.session.call_id, data, self.options.warnings))
        return effects

    def undo(self, board: Switchboard) -> None:
        """Take the offer's ports and sides out of a session that was there before."""
        for medium in self.mediums:
            medium.leg.mediums[medium.index] = None
            board.take_back(medium)
        for leg in self.new_legs:
            self.session.remove_leg(leg)
        for leg in self.session.legs:
            leg.proposal = None
        self.session.awaiting_answer = self.awaited_answer
        self.session.connect()
