"""Where one party is: the address its description gives, and the one its packets come from.

What belongs here is the rule by which a packet's source is believed (latching). Strategy: nothing in plain
RTP proves who sends, so sources are ranked by how well they match what signalling said, the first one is
taken, a better one may replace it for a few seconds, and then it stays. Later it moves only with a new
description, with the stream itself (same SSRC, next sequence numbers: a NAT changed its mind), or when it has
been silent and somebody at the same host goes on.
"""

from enum import IntEnum

import attrs

from ._effects import Address

SILENCE = 5.0
"""Seconds a learned source must have been silent before its host may go on from another port."""


class Match(IntEnum):
    """How well a source matches what signalling said, the better the higher."""

    NONE = 0
    ELSEWHERE = 1
    """An address nobody spoke of: a party behind a NAT, or a stranger."""
    SIGNALLING = 2
    """The host the signalling came from."""
    HOST = 3
    """The described host, another port."""
    EXACT = 4
    """The described address."""


@attrs.define(eq=False)
class Endpoint:
    """One party of a stream, heard on one of our ports."""

    tag: str
    """The party's tag; empty before its answer."""
    advertised: Address | None = None
    """The described address."""
    signalling_host: str = ""
    learned: Address | None = None
    """Where its packets come from."""
    match: Match = Match.NONE
    """How well `learned` matches."""
    muted: bool = False
    """True while the party holds with 0.0.0.0."""
    asymmetric: bool = False
    """True to send to the described address, wherever packets come from."""
    media_handover: bool = False
    """True to follow any source at any time."""
    hint: Address | None = None
    """Of an RTCP endpoint: where RTCP must be, by where RTP came from."""
    _settled_at: float = 0.0
    _reopened: bool = False
    _stale: Address | None = None

    @property
    def remote(self) -> Address | None:
        """Tell where to send to, None for nowhere."""
        if self.muted:
            return None
        if self.asymmetric:
            return self.advertised
        return self.learned or self.hint or self.advertised

    def describe(self, advertised: Address | None, muted: bool, changed: bool, settled_at: float) -> None:
        """Take in what a new description says.

        Args:
            advertised: the described address.
            muted: whether the party holds with 0.0.0.0; the address of before is then kept for later.
            changed: whether the description is another than the last one.
            settled_at: until when a better source may replace the first.
        """
        self.muted = muted
        if muted:
            return
        if advertised == self.advertised:
            if changed:
                self._reopened = True
                self._settled_at = settled_at
            return
        if self.advertised is not None and not same(self.learned, advertised):
            self._stale, self.learned, self.hint = self.learned, None, None
        self.advertised = advertised
        self.match = self.rank(self.learned) if self.learned is not None else Match.NONE
        self._settled_at = settled_at

    def shun(self, source: Address, settled_at: float) -> None:
        """Do not take a source for this party for a while, because it was another one's."""
        self._stale, self._settled_at = source, settled_at

    def forget(self) -> None:
        """Give up what was learned, because the address turned out to be another party's."""
        self.learned, self.match = None, Match.NONE

    def rank(self, source: Address) -> Match:
        """Tell how well a source matches what signalling said."""
        host, port = source[0], source[1]
        known = False
        for address in (self.advertised, self.hint):
            if address is not None and address[0] == host:
                if address[1] == port:
                    return Match.EXACT
                known = True
        if known:
            return Match.HOST
        return Match.SIGNALLING if host == self.signalling_host else Match.ELSEWHERE

    def admits(self, source: Address, match: Match, now: float, last_packet: float, continues: bool) -> bool:
        """Decide whether a new source may be this party.

        Args:
            source: where the packet came from.
            match: its rank.
            now: seconds.
            last_packet: when the learned source was last heard.
            continues: whether the packet goes on with the learned source's RTP stream.
        """
        if self.hint is not None and match < Match.HOST:
            return False
        if self.learned is None:
            return not same(source, self._stale) or match is Match.EXACT or now >= self._settled_at
        if self.media_handover or continues:
            return True
        if now < self._settled_at and (match > self.match or (self._reopened and match >= self.match)):
            return True
        if now - last_packet < SILENCE:
            return False
        return source[0] == self.learned[0] or (match > Match.ELSEWHERE and match >= self.match)

    def latch(self, source: Address, match: Match, settled_at: float) -> None:
        """Believe a source from now on."""
        if self.learned is None:
            self._settled_at = settled_at
        self.learned, self.match = source, match
        self._reopened = False
        self._stale = None


def same(one: Address | None, other: Address | None) -> bool:
    """Tell whether two addresses are the same host and port, whatever flow label and scope they carry."""
    return one is not None and other is not None and one[:2] == other[:2]
