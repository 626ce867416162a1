"""Locating: names become flows before a message is sent on (RFC 3263); numeric hosts never come here.

The searches themselves are `trunkline.sip_proxy.locate`'s. Here they get their answers: a question that is
already under way is not asked twice, and a request goes on when the last of its targets is found or lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from trunkline.provider.policy import Refuse, Unlocated
from trunkline.sip_parser import Uri, Via
from trunkline.sip_proxy import (
    Answer,
    Binding,
    Blacklist,
    Candidate,
    Failover,
    Located,
    Locator,
    LookupNeeded,
    NotLocated,
    Search,
    Target,
)
from trunkline.sip_transaction import Flow

from ._effects import AskDns, Effect
from ._ways import SECURE, numeric

Address = tuple[str, int]
Found = Callable[[list[Target], Refuse, float], None]
"What goes on with the targets that were found, the refusal that is due where there are none, and the time."
WayFound = Callable[[Flow | None, float], None]

MAX_SEARCHES = 2000
"Searches under way at one time; past that DNS is taken for dead, and callers are told to come again."

UNAVAILABLE = Refuse(480)
UNRESOLVABLE = Refuse(478, "Unresolvable Destination")
DNS_FAILS = Refuse(500, "Destination Lookup Failed", (("Retry-After", "5"),))
BLACKLISTED = Refuse(473, "Filtered Destination")
OURSELVES = Refuse(482, "Destination Is This Server")


class Locating:
    """Finds the servers of targets that have names.

    Args:
        locator: the searches and what DNS said before.
        blacklist: foreign servers that failed a moment ago.
        local_for: the listening point from which a transport reaches a numeric host; None when there is none.
        own: the (transport, address) pairs listened on.
        emit: takes effects.
    """

    def __init__(
        self,
        *,
        locator: Locator,
        blacklist: Blacklist,
        local_for: Callable[[str, str], Address | None],
        own: set[tuple[str, Address]],
        emit: Callable[[Effect], None] | None = None,
    ) -> None:
        self.locator = locator
        self.blacklist = blacklist
        self.filtered = 0
        "Requests refused because only blacklisted servers were left."
        self.emit = emit
        self._local_for = local_for
        self._own = own
        self._waiting: dict[LookupNeeded, list[tuple[Search, Callable[[_End, float], None]]]] = {}
        self._searches = 0

    def targets(self, wanted: Sequence[Target | Unlocated], then: Found, now: float) -> None:
        """Find the servers of all targets, and go on once."""
        _Gathering(self, wanted, then).begin(now)

    def way(self, uri: Uri, then: WayFound, now: float) -> None:
        """Find the first way to a URI, for a message without a transaction."""
        search, effects = self.locator.locate(uri, now=now)
        self.run(search, effects, partial(self._first, then, uri.host), now)

    def response_way(self, via: Via, then: WayFound, now: float) -> None:
        """Find the first way for a response whose request's own way is gone (RFC 3263 §5)."""
        search, effects = self.locator.locate_via(via, now=now)
        self.run(search, effects, partial(self._first, then, via.host), now)

    def _first(self, then: WayFound, name: str, end: _End, now: float) -> None:
        flows = self.flows(end.candidates, name) if isinstance(end, Located) else []
        then(flows[0] if flows else None, now)

    def flows(self, candidates: Sequence[Candidate], name: str) -> list[Flow]:
        """Give the flows to places, but to those that no socket of ours reaches.

        `name` is what was looked up: by TLS the certificate has to be for that, and not for the name of the
        server that DNS led to (RFC 5922 §7.3).
        """
        peer = None if numeric(name) else name.lower().rstrip(".")
        flows: list[Flow] = []
        for place in candidates:
            local = self._local_for(place.transport, place.host)
            if local is not None:
                flow = Flow(place.transport, local, (place.host, place.port))
                if place.transport in SECURE:
                    flow.server_name = peer
                flows.append(flow)
        return flows

    def is_own(self, candidate: Candidate) -> bool:
        """Tell whether a place is a listening point of this server."""
        return (candidate.transport, (candidate.host, candidate.port)) in self._own

    def run(
        self,
        search: Search,
        effects: Sequence[LookupNeeded | _End],
        done: Callable[[_End, float], None],
        now: float,
    ) -> None:
        """Ask what a search wants to know, and call `done` at its end, which may be now."""
        assert self.emit is not None
        for effect in effects:
            if not isinstance(effect, LookupNeeded):
                done(effect, now)
            elif effect in self._waiting:
                self._waiting[effect].append((search, done))
            elif self._searches >= MAX_SEARCHES:
                self.run(search, search.give_up("too many lookups are under way"), done, now)
                return
            else:
                self._searches += 1
                self._waiting[effect] = [(search, done)]
                self.emit(AskDns(effect, partial(self._answered, effect)))

    def _answered(self, question: LookupNeeded, answer: Answer, now: float) -> None:
        self._searches -= 1
        waiting = self._waiting.pop(question)
        failed: Exception | None = None
        for search, done in waiting:
            try:
                self.run(search, search.receive(question, answer, now=now), done, now)
            except Exception as error:  # one request's trouble is not that of the others who wait
                failed = error
        if failed is not None:
            raise failed


_End = Located | NotLocated


class _Gathering:
    """The targets of one request while they are being found."""

    __slots__ = ("_found", "_locating", "_open", "_refusals", "_then", "_wanted")

    def __init__(self, locating: Locating, wanted: Sequence[Target | Unlocated], then: Found) -> None:
        self._locating = locating
        self._wanted = wanted
        self._then = then
        self._found: list[Target | None] = [None] * len(wanted)
        self._refusals: list[Refuse] = []
        self._open = len(wanted)

    def begin(self, now: float) -> None:
        for place, target in enumerate(self._wanted):
            if isinstance(target, Target):
                self._close(place, target, now)
            else:
                search, effects = self._locating.locator.locate(target.next_hop, now=now)
                self._locating.run(search, effects, partial(self._ended, place, target), now)

    def _ended(self, place: int, wanted: Unlocated, end: _End, now: float) -> None:
        if isinstance(end, NotLocated):
            self._refuse(place, DNS_FAILS if end.temporary else _nowhere(wanted), now)
            return
        locating = self._locating
        candidates = list(end.candidates)
        if wanted.foreign:
            candidates = [each for each in candidates if not locating.is_own(each)]
            if not candidates:
                self._refuse(place, OURSELVES, now)
                return
            candidates = locating.blacklist.allowed(candidates, now=now)
            if not candidates:
                locating.filtered += 1
                self._refuse(place, BLACKLISTED, now)
                return
        flows = locating.flows(candidates, wanted.next_hop.host)
        if not flows:
            self._refuse(place, _nowhere(wanted), now)
            return
        failover = Failover(flows[1:], locating.blacklist if wanted.foreign else None)
        target = Target(
            wanted.uri,
            flows[0],
            wanted.route,
            wanted.q,
            wanted.ring_timeout,
            wanted.user,
            failover,
        )
        self._close(place, target, now)

    def _refuse(self, place: int, refusal: Refuse, now: float) -> None:
        self._refusals.append(refusal)
        self._close(place, None, now)

    def _close(self, place: int, target: Target | None, now: float) -> None:
        self._found[place] = target
        self._open -= 1
        if self._open:
            return
        found = [target for target in self._found if target is not None]
        # what may be better at the next try says more than that one of several names means nothing
        refusal = min(self._refusals, key=_rank, default=UNRESOLVABLE)
        self._then(found, refusal, now)


def _nowhere(wanted: Unlocated) -> Refuse:
    # a phone that registered where nobody can be is one that is not there; the caller wrote nothing wrong
    return UNAVAILABLE if isinstance(wanted.user, Binding) else UNRESOLVABLE


def _rank(refusal: Refuse) -> int:
    return (500, 473, 482, 480, 478).index(refusal.status)
