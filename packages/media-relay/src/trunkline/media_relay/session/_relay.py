"""The relay: every session, every port, and the one call each packet makes.

What belongs here is the outside of the machine: commands with their effects, the hot path, and time. How a
description changes a session is `_session`; packets that are not plain RTP from a learned source are
`_reception`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from trunkline.media_relay._errors import LocalProtocolError, RemoteProtocolError
from trunkline.media_relay.sdp import Sdp

from ._deadlines import Deadlines
from ._deletion import doomed
from ._effects import (
    Address,
    BranchDeleted,
    ClosePort,
    Effect,
    Hop,
    Refused,
    SdpReady,
    SessionDeleted,
    SessionTimedOut,
)
from ._interfaces import Interface, Interfaces, literal
from ._leg import Leg, without_ports
from ._opening import MAX_FAILURES, Opening
from ._options import MediaOptions
from ._ports import PortPool
from ._reception import receive
from ._remote import RemoteDescription
from ._report import RelayStatistics, SessionReport, report
from ._rewrite_plan import rewritten
from ._session import Session
from ._sides import choose_sides, public_of, with_warnings
from ._switchboard import Switchboard

DEFAULT_OPTIONS = MediaOptions()


class Relay:
    """All relay sessions of one process.

    The effects of one call are to be carried out, in order, before the next call; `packet` may be called at
    any time between.
    """

    def __init__(
        self,
        interfaces: Iterable[Interface],
        ports: tuple[int, int],
        *,
        token: Callable[[int], bytes],
        timeout: float = 60.0,
        silent_timeout: float = 3600.0,
        offer_timeout: float = 300.0,
        latch_window: float = 3.0,
        max_sessions: int | None = None,
    ) -> None:
        """Make a relay without sessions.

        Args:
            interfaces: our addresses; the first one is the default.
            ports: lowest and highest port to use, for all addresses together.
            token: gives that many random bytes.
            timeout: seconds without a packet after which an answered call is over.
            silent_timeout: the same while every stream is held.
            offer_timeout: the same while an offer waits for its answer.
            latch_window: for how many seconds after the first packet a more plausible source may take over.
            max_sessions: how many sessions are taken at once; None for as many as there are ports.
        Raises: LocalProtocolError
        """
        self._interfaces = Interfaces.of(interfaces)
        self._board = Switchboard(PortPool.of(ports, token))
        self._latch_window = latch_window
        self._max_sessions = max_sessions
        self._sessions: dict[str, Session] = {}
        self._streams = self._board.streams
        self._deadlines = Deadlines(timeout, silent_timeout, offer_timeout)
        self._opening: Opening | None = None
        self.statistics = RelayStatistics()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def free_pairs(self) -> int:
        """Tell how many port pairs are left; an audio call takes two."""
        return self._board.pool.free

    def packet(self, local_port: int, data: bytes, source: Address, now: float) -> Hop | None:
        """Relay one datagram.

        Args:
            local_port: the port it came to.
            data: the datagram.
            source: where it came from, as `recvfrom` gives it.
            now: when it came, in seconds.
        Returns: (port to send from, address to send to, facts), or None when it goes nowhere. The facts are
            empty but for the packet a source was learned from.
        """
        found = self._streams.get(local_port)
        if found is None:
            return None
        stream = found[0]
        size = len(data)
        if source == stream.source and size >= 12 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223:
            stream.packets += 1
            stream.bytes += size
            stream.last_packet = now
            stream.statistics.receive(data, now)
            return stream.route
        return receive(found[1], stream, data, source, now, self._latch_window)

    def offer(
        self,
        call_id: str,
        from_tag: str,
        sdp: bytes,
        *,
        now: float,
        to_tag: str = "",
        via_branch: str = "",
        options: MediaOptions = DEFAULT_OPTIONS,
        controller: Any = None,
    ) -> list[Effect]:
        """Take in an offer and put our addresses into it.

        Args:
            call_id: names the session.
            from_tag: the tag of whoever makes the offer, caller or callee.
            sdp: the description.
            now: seconds.
            to_tag: the tag of whom it goes to, when it is known.
            via_branch: tells branches apart to which the same offer goes with ports of their own.
            options: how to treat it.
            controller: kept for `SessionTimedOut`.
        Returns: `OpenPort` for every port it needs, then `SdpReady`; or `Refused` alone, and nothing has
            changed. When a port cannot be bound, see `port_failed`.
        Source: RFC 3264 §5, §8
        """
        self.statistics.offers += 1
        self._opening = None
        session = self._sessions.get(call_id)
        if session is None and self._max_sessions is not None and len(self._sessions) >= self._max_sessions:
            return self._refuse(call_id, f"all {self._max_sessions} sessions are in use", overloaded=True)
        new_session = session is None
        session = session or Session(call_id, now, now)
        try:
            parsed = Sdp.parse(sdp)
            description = RemoteDescription.read(parsed, options)
            if session.owns(description):
                return [SdpReady(call_id, sdp, ("the description has passed this relay before",))]
            offerer, other = session.find_offer_legs(from_tag, to_tag, via_branch)
            sides = choose_sides(self._interfaces, offerer, other, description, options)
        except RemoteProtocolError as error:
            return self._refuse(call_id, error.reason)
        except LocalProtocolError as error:
            return self._refuse(call_id, str(error))
        if not from_tag or (offerer is not None and offerer is other):
            return self._refuse(call_id, f"expected the tags of two sides, got {from_tag!r} and {to_tag!r}")
        options = with_warnings(self._interfaces, options)
        needed = [without_ports(leg, description) for leg in (offerer, other)]
        if len(needed[0]) + len(needed[1]) > self.free_pairs:
            reason = f"{self.free_pairs} of {self._board.pool.total} port pairs are free, too few"
            return self._refuse(call_id, reason, overloaded=True)

        new_legs = []
        if offerer is None:
            offerer = session.add_leg(Leg(sides[0].interface, sides[0].public, now))
            new_legs.append(offerer)
        if other is None:
            other = session.add_leg(Leg(sides[1].interface, sides[1].public, now, via_branch=via_branch))
            new_legs.append(other)
        other.public = sides[1].public
        session.adopt(offerer, from_tag)
        session.adopt(other, to_tag)
        mediums = [
            self._board.give(session, leg, index)
            for leg, indexes in zip((offerer, other), needed, strict=True)
            for index in indexes
        ]
        opening = Opening.of(session, other, sdp, description, options, mediums, new_legs, new_session)
        session.take_offer(offerer, other, from_tag, description, options, now + self._latch_window)
        if new_session:
            self._sessions[call_id] = session
            self.statistics.sessions += 1
        self._signalled(session, now, controller)
        self._opening = opening
        return opening.effects(0, parsed)

    def port_failed(self, port: int, *, now: float) -> list[Effect]:
        """Take another port for one that could not be bound.

        To be called instead of carrying out the effects that followed the `OpenPort`. The pair is tried
        again when its turn comes.

        Args:
            port: the port of the `OpenPort`.
            now: seconds.
        Returns: what is to be done instead: ports to close and to open and then `SdpReady` with the other
            ports in it; or, after too many failures or with no port left, ports to close and `Refused`, and
            the session, if there was one before the offer, goes on with the ports it had.
        Raises: LocalProtocolError when that port is none the last offer asked for.
        """
        opening = self._opening
        place = opening.position(port) if opening is not None else -1
        if opening is None or place < 0:
            raise LocalProtocolError(f"expected a port of the last offer, got {port}")
        self.statistics.ports_failed += 1
        opening.failures += 1
        opened = opening.asked[:place]
        medium = opening.asked[place][1]
        effects: list[Effect] = [ClosePort(number) for number, whose in opened if whose is medium]
        if opening.failures < MAX_FAILURES and self.free_pairs:
            self._board.move(opening.session, medium)
            opening.move_last(medium)
            opening.session.connect()
            return [*effects, *opening.effects(len(opened) - len(effects))]
        self._opening = None
        effects += [ClosePort(number) for number, whose in opened if whose is not medium]
        if opening.new_session:
            self._end(opening.session)
            self.statistics.sessions -= 1
        else:
            opening.undo(self._board)
        reason = f"{opening.failures} ports could not be bound, the last one was {port}"
        return effects + self._refuse(opening.session.call_id, reason, overloaded=True)

    def answer(
        self,
        call_id: str,
        from_tag: str,
        to_tag: str,
        sdp: bytes,
        *,
        now: float,
        via_branch: str = "",
        options: MediaOptions = DEFAULT_OPTIONS,
        controller: Any = None,
    ) -> list[Effect]:
        """Take in an answer and put our addresses into it.

        It may come again and again, with one tag (a provisional and a final response, retransmissions) or
        with several (a fork); the last one decides whom the offerer is connected with.

        Args:
            call_id: names the session.
            from_tag: the tag of whoever made the offer.
            to_tag: the tag of whoever answers.
            sdp: the description of whoever answers.
            now: seconds.
            via_branch: what was given with the offer, if anything was.
            options: how to treat it.
            controller: kept for `SessionTimedOut`.
        Returns: `ClosePort` for streams both sides gave up, sources learned meanwhile, and `SdpReady`; or
            `Refused` alone, and nothing has changed.
        Source: RFC 3264 §6
        """
        self.statistics.answers += 1
        self._opening = None
        session = self._sessions.get(call_id)
        if session is None:
            return self._refuse(call_id, "unknown call-id", unknown=True)
        try:
            parsed = Sdp.parse(sdp)
            description = RemoteDescription.read(parsed, options)
            media_address = literal(options.media_address) if options.media_address else ""
        except RemoteProtocolError as error:
            return self._refuse(call_id, error.reason)
        except LocalProtocolError as error:
            return self._refuse(call_id, str(error))
        if session.owns(description):
            return [SdpReady(call_id, sdp, ("the description has passed this relay before",))]
        legs = session.find_answer_legs(from_tag, to_tag, via_branch)
        if legs is None or not to_tag:
            reason = f"nobody of this call with the tag {from_tag!r} waits for an answer of {to_tag!r}"
            return self._refuse(call_id, reason, unknown=True)
        offerer, answerer = legs
        offerer.public = public_of(offerer, media_address)
        session.adopt(answerer, to_tag)
        settled_at = now + self._latch_window
        disabled = session.take_answer(offerer, answerer, to_tag, description, options, settled_at)
        self._signalled(session, now, controller)
        effects: list[Effect] = []
        for medium in disabled:
            effects += self._board.take_back(medium)
        effects += session.facts.values()
        session.facts.clear()
        data = rewritten(parsed, description, offerer, options.rules, is_answer=True)
        effects.append(SdpReady(call_id, data, options.warnings))
        return effects

    def delete(
        self, call_id: str, from_tag: str = "", to_tag: str = "", *, now: float, via_branch: str = ""
    ) -> list[Effect]:
        """End a session, or take one branch out of a forked one.

        Args:
            call_id: names the session.
            from_tag: a tag of it; with `to_tag` the dialog between the two is meant, and while the call is
                forked the others go on. Without, the session is.
            to_tag: the other tag of that dialog.
            now: seconds.
            via_branch: the branch that is to go, if it was given with the offer.
        Returns: `ClosePort` for every port, then `SessionDeleted` or `BranchDeleted`; nothing when there is
            no such session or branch (any more).
        """
        self.statistics.deletes += 1
        session = self._sessions.get(call_id)
        target = doomed(session, from_tag, to_tag, via_branch) if session is not None else None
        if session is None or target is None:
            return []
        if isinstance(target, Session):
            snapshot = report(session)
            return [*self._end(session), SessionDeleted(call_id, snapshot)]
        session.last_signal = now
        effects: list[Effect] = []
        if isinstance(target, Leg):
            tag = target.tag
            session.remove_leg(target)
            for medium in target.mediums:
                if medium is not None:
                    effects += self._board.take_back(medium)
        else:
            leg, tag = target
            leg.forget(tag, now + self._latch_window)
            session.by_tag.pop(tag, None)
        session.connect()
        return [*effects, BranchDeleted(call_id, tag)]

    def query(self, call_id: str) -> SessionReport | None:
        """Give a snapshot of a session, None when there is none."""
        session = self._sessions.get(call_id)
        return report(session) if session is not None else None

    def call_ids(self) -> list[str]:
        """Give the Call-ID of every session, oldest first."""
        return list(self._sessions)

    def next_timeout(self) -> float | None:
        """Tell when `handle_timeout` is due next, None for never."""
        return self._deadlines.next()

    def handle_timeout(self, *, now: float) -> list[Effect]:
        """Give up the sessions in which nothing was heard for too long.

        Args:
            now: seconds.
        Returns: for each, `ClosePort` for every port and `SessionTimedOut`.
        """
        effects: list[Effect] = []
        while (session := self._deadlines.pop_due(now)) is not None:
            reason, due = self._deadlines.due(session)
            if due > now:
                self._deadlines.arm(session)
                continue
            self.statistics.timed_out += 1
            snapshot, last_heard, tags = report(session), session.last_heard, tuple(session.by_tag)
            effects += self._end(session)
            effects.append(
                SessionTimedOut(session.call_id, reason, tags, last_heard, session.controller, snapshot)
            )
        return effects

    def _signalled(self, session: Session, now: float, controller: Any) -> None:
        session.last_signal = now
        if controller is not None:
            session.controller = controller
        self._deadlines.arm(session)

    def _end(self, session: Session) -> list[Effect]:
        self._opening = None
        del self._sessions[session.call_id]
        self._deadlines.disarm(session)
        effects: list[Effect] = []
        for leg in session.legs:
            for medium in leg.mediums:
                if medium is not None:
                    effects += self._board.take_back(medium)
        return effects

    def _refuse(
        self, call_id: str, reason: str, *, overloaded: bool = False, unknown: bool = False
    ) -> list[Effect]:
        self.statistics.refused += 1
        return [Refused(call_id, reason, overloaded, unknown)]
