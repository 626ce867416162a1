"""From a URI to the places it can be sent to: the searches that RFC 3263 describes, without a resolver.

Strategy: a search goes through three stages, each of which asks all its questions at once and goes on when
the last of them is answered: NAPTR (which transports), SRV (which servers), ADDRESS (where they are). What a
URI says by itself (a numeric host, a port, a transport) lets stages fall away:

    host      port  transport   begins with
    numeric   any   any         nothing: located at once
    name      yes   any         ADDRESS
    name      no    given       SRV of that transport
    name      no    not given   NAPTR; without any, SRV of every transport that we have

Here: the stages. Not here: how services are named and servers put in order (`_services`), which answers are
still known (`_cache`), what happens when a place does not answer (`_failover`).

Source: RFC 3263 §4 and §5
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

import attrs

from trunkline.sip_parser import Uri, Via
from trunkline.sip_proxy.nat import is_ip

from ._cache import DnsCache
from ._records import Answer, Candidate, Effect, Located, LookupNeeded, NotLocated, Outcome
from ._services import SERVICES, Service, by_priority_and_weight, usable_naptrs

MAX_SERVERS = 16
"""Servers of one search whose addresses are looked up."""
MAX_ADDRESSES = 8
"""Addresses of one server and family that become candidates."""
MAX_CANDIDATES = 32
"""Places of one search."""

_is_name = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*", re.ASCII
)


class Stage(Enum):
    """How far a search has come."""

    NAPTR = "NAPTR"
    SRV = "SRV"
    ADDRESS = "A, AAAA"
    FINISHED = "finished"


@attrs.define
class LocatorStatistics:
    """What has been searched for; the counters only grow."""

    searches: int = 0
    """Searches begun for names."""
    questions: int = 0
    """Questions that the cache could not answer."""
    failures: int = 0
    """Searches that found no place."""


class Locator:
    """Begin searches, and keep what DNS answered.

    Args:
        transports: what we can send by, as in a Via, the preferred first; each with the types of address
            record that its sockets reach (A, AAAA), the preferred first.
        token: gives that many random bytes; they decide between servers of one priority.
        cache: what is known already.
    """

    __slots__ = ("cache", "statistics", "token", "transports")

    def __init__(
        self,
        *,
        transports: Mapping[str, Sequence[str]],
        token: Callable[[int], bytes],
        cache: DnsCache | None = None,
    ) -> None:
        self.transports = {name: tuple(types) for name, types in transports.items() if name in SERVICES}
        self.token = token
        self.cache = DnsCache() if cache is None else cache  # an empty one is one
        self.statistics = LocatorStatistics()

    def locate(self, uri: Uri, *, now: float) -> tuple[Search, list[Effect]]:
        """Search for the places that a request is sent to.

        Args:
            uri: the next hop: the topmost Route, else the Request-URI.
            now: monotonic seconds.

        Returns:
            the search, and its first questions or its end; questions are answered by `Search.receive`.

        Source: RFC 3263 §4.1, §4.2
        """
        search = Search(self, secure=uri.scheme == "sips")
        target = (uri.params.get("maddr") or uri.host).strip("[]").rstrip(".").lower()
        named = "transport" in uri.params
        port = uri.port or None
        if named or is_ip(target) or port is not None:
            transport = uri.transport.upper() if named else search.default_transport()
            return search, search.begin(transport, target, port, now)
        return search, search.begin_by_naptr(target, now)

    def locate_via(self, via: Via, *, now: float) -> tuple[Search, list[Effect]]:
        """Search for the places that a response is sent to when the way its request came by is gone.

        Source: RFC 3263 §5
        """
        transport = via.transport.upper()
        search = Search(self, secure=False)
        host = (via.received or via.host).strip("[]").rstrip(".").lower()
        return search, search.begin(transport, host, via.port, now)


class Search:
    """One search; made by `Locator`.

    Attributes:
        result: how it ended; None while questions are open.
    """

    __slots__ = ("_answers", "_locator", "_may_guess", "_open", "_secure", "_servers", "_services", "_stage",
                 "_target", "result")  # fmt: skip

    def __init__(self, locator: Locator, *, secure: bool) -> None:
        self.result: Located | NotLocated | None = None
        self._locator = locator
        self._secure = secure
        self._stage = Stage.FINISHED
        self._target = ""
        self._open: set[LookupNeeded] = set()
        self._answers: dict[LookupNeeded, Answer] = {}
        self._services: list[tuple[Service, str]] = []
        self._servers: list[tuple[Service, str, int]] = []
        self._may_guess = True
        """Whether the domain's own address may stand in when it has no SRV records."""

    def default_transport(self) -> str:
        """Give what to send by where nothing says: UDP, for sips TLS. Source: RFC 3263 §4.1"""
        if self._secure:
            return "TLS"
        ours = self._locator.transports
        return "UDP" if "UDP" in ours or not ours else next(iter(ours))

    # How it begins.

    def begin(self, transport: str, target: str, port: int | None, now: float) -> list[Effect]:
        """Begin where the transport is known."""
        types = self._locator.transports.get(transport)
        if types is None:
            return self._fail(f"nothing here sends by {transport}")
        service = SERVICES[transport]
        if self._secure and not service.secure:
            return self._fail(f"a sips request may not go by {transport}")
        if is_ip(target):
            if ("AAAA" if ":" in target else "A") not in types:
                return self._fail(f"nothing here sends by {transport} to addresses such as {target}")
            return self._end(Located((Candidate(transport, target, port or service.port),)))
        if not self._aim_at(target):
            return self._fail(f"{target[:80]!r} is no host name")
        if port is not None:
            self._servers = [(service, target, port)]
            return self._ask_addresses(now)
        self._services = [(service, f"{service.prefix}.{target}")]
        return self._ask_srv(now)

    def begin_by_naptr(self, target: str, now: float) -> list[Effect]:
        """Begin where the domain is to say which transports it has. Source: RFC 3263 §4.1"""
        if not self._aim_at(target):
            return self._fail(f"{target[:80]!r} is no host name")
        if not any(SERVICES[transport].secure >= self._secure for transport in self._locator.transports):
            return self._fail("nothing here sends sips requests")
        return self._ask(Stage.NAPTR, [LookupNeeded(target, "NAPTR")], now)

    def _aim_at(self, target: str) -> bool:
        self._target = target
        self._locator.statistics.searches += 1
        return _is_name.fullmatch(target) is not None

    # Questions and answers.

    def receive(self, question: LookupNeeded, answer: Answer, *, now: float) -> list[Effect]:
        """Take an answer.

        Returns:
            further questions, or the end; nothing while others are open, or for a question not asked.
        """
        if question not in self._open:
            return []
        self._locator.cache.put(question, answer, now=now)
        self._open.discard(question)
        self._answers[question] = answer
        return [] if self._open else self._go_on(now)

    def give_up(self, reason: str) -> list[Effect]:
        """End the search without waiting for its answers; it may be begun again."""
        if self.result is not None:
            return []
        self._open.clear()
        return self._fail(reason, temporary=True)

    def _ask(self, stage: Stage, questions: Iterable[LookupNeeded], now: float) -> list[Effect]:
        self._stage = stage
        self._answers = {}
        asked: list[Effect] = []
        for question in dict.fromkeys(questions):
            known = self._locator.cache.get(question, now=now)
            if known is None:
                self._open.add(question)
                asked.append(question)
            else:
                self._answers[question] = known
        self._locator.statistics.questions += len(asked)
        return asked or self._go_on(now)

    def _ask_srv(self, now: float) -> list[Effect]:
        return self._ask(Stage.SRV, [LookupNeeded(_plain(name), "SRV") for _, name in self._services], now)

    def _ask_addresses(self, now: float) -> list[Effect]:
        return self._ask(
            Stage.ADDRESS,
            [
                LookupNeeded(name, kind)
                for service, name, _ in self._servers
                if not is_ip(name)
                for kind in self._locator.transports[service.transport]
            ],
            now,
        )

    # What the answers of a stage lead to.

    def _go_on(self, now: float) -> list[Effect]:
        if self._stage is Stage.NAPTR:
            return self._naptr_answered(now)
        if self._stage is Stage.SRV:
            return self._srv_answered(now)
        return self._addresses_answered()

    def _naptr_answered(self, now: float) -> list[Effect]:
        (answer,) = self._answers.values()
        if answer.outcome is Outcome.NXDOMAIN:
            return self._fail(f"{self._target} does not exist")
        if answer.outcome is Outcome.UNANSWERED:
            return self._fail(f"no name server answers about {self._target}", temporary=True)
        ours = self._locator.transports
        self._services = usable_naptrs(answer.records, ours, secure=self._secure)
        if not self._services:
            # A domain that says how it is reached, and names nothing that we speak, is not to be guessed at.
            self._may_guess = not answer.records
            services = (SERVICES[transport] for transport in ours)
            self._services = [
                (service, f"{service.prefix}.{self._target}")
                for service in services
                if service.secure or not self._secure
            ]
        else:
            self._may_guess = False
        return self._ask_srv(now)

    def _srv_answered(self, now: float) -> list[Effect]:
        refused = False
        for service, name in self._services:
            answer = self._answers[LookupNeeded(_plain(name), "SRV")]
            for record in by_priority_and_weight(answer.records, self._locator.token):
                host = _plain(record.target)
                if not host or not record.port or _is_name.fullmatch(host) is None:
                    refused = True
                elif len(self._servers) < MAX_SERVERS:
                    self._servers.append((service, host, record.port))
        if not self._servers:
            if self._has_failed():
                return self._fail(f"DNS fails for the servers of {self._target}", temporary=True)
            if refused or not self._may_guess:
                return self._fail(f"{self._target} names no server that can be used")
            self._guess_server()
            if not self._servers:
                return self._fail(f"nothing here sends as {self._target} needs it")
        return self._ask_addresses(now)

    def _guess_server(self) -> None:
        """Take the domain for a host, by the transport given or the usual one. Source: RFC 3263 §4.2"""
        transport = self._services[0][0].transport if len(self._services) == 1 else self.default_transport()
        if transport in self._locator.transports:
            service = SERVICES[transport]
            self._servers = [(service, self._target, service.port)]

    def _addresses_answered(self) -> list[Effect]:
        found: dict[Candidate, None] = {}
        for service, name, port in self._servers:
            if is_ip(name):
                found[Candidate(service.transport, name, port)] = None
                continue
            for kind in self._locator.transports[service.transport]:
                addresses = self._answers[LookupNeeded(name, kind)].records[:MAX_ADDRESSES]
                for address in addresses:
                    if isinstance(address, str):
                        found[Candidate(service.transport, address, port)] = None
        if found:
            return self._end(Located(tuple(found)[:MAX_CANDIDATES]))
        return self._fail(f"{self._target} has no address", temporary=self._has_failed())

    def _has_failed(self) -> bool:
        failures = (Outcome.SERVFAIL, Outcome.UNANSWERED)
        return any(answer.outcome in failures for answer in self._answers.values())

    # How it ends.

    def _fail(self, reason: str, *, temporary: bool = False) -> list[Effect]:
        self._locator.statistics.failures += 1
        return self._end(NotLocated(reason, temporary))

    def _end(self, result: Located | NotLocated) -> list[Effect]:
        self._stage = Stage.FINISHED
        self.result = result
        return [result]


def _plain(name: str) -> str:
    return name.rstrip(".").lower()
