"""The resolver: questions of the stack to name servers, by dnspython on trio.

Every question is answered within a deadline, be it with "no name server answers". Nothing is kept here:
`trunkline.sip_proxy.locate` does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import dns.resolver
import dns.ttl
import structlog
import trio

from trunkline.sip_proxy import Answer, LookupNeeded, Naptr, Outcome, Srv, is_ip

from .config import ListenAddress

log = structlog.get_logger("dns")

MAX_LOOKUPS = 200
"Questions on the wire at one time; further ones wait, within their deadline."
TRY_SECONDS = 2.0
"How long one name server is waited for before the next is asked, or the same again."
RESOLV_CONF = Path("/etc/resolv.conf")
HOSTS_TTL = 60.0
"Seconds for which a line of /etc/hosts is believed."


class Resolver:
    """Looks names up.

    Args:
        servers: the name servers to ask; none: those of the system.
        timeout: seconds within which a question is answered.
        hosts: the table of names that DNS is not asked about; None: there is none.
    """

    def __init__(
        self, servers: Sequence[ListenAddress], timeout: float, hosts: Path | None = Path("/etc/hosts")
    ) -> None:
        self.timeout = timeout
        self.failures = 0
        "Questions that no name server answered, or that all said they cannot answer."
        self._limit = trio.CapacityLimiter(MAX_LOOKUPS)
        self._hosts = {} if hosts is None else read_hosts(hosts)
        self._servers = servers
        self._resolver_of_system = 0
        self._resolver = self._make()
        self._backend = dns.asyncbackend.get_backend("trio")

    def _make(self) -> dns.asyncresolver.Resolver:
        resolver = _make(self._servers)
        resolver.timeout = min(TRY_SECONDS, self.timeout)
        return resolver

    def _follow_the_system(self) -> None:
        """Heed that the machine has moved to another network since the last question."""
        if self._servers:
            return
        try:
            changed = RESOLV_CONF.stat().st_mtime_ns
        except OSError:
            return
        if changed != self._resolver_of_system:
            self._resolver_of_system = changed
            self._resolver = self._make()

    async def lookup(self, question: LookupNeeded) -> Answer:
        """Ask, and wait for the answer: `timeout` seconds at most."""
        local = self._hosts.get(question.name)
        if local is not None and question.type != "SRV":
            addresses = tuple(each for each in local if (":" in each) == (question.type == "AAAA"))
            if addresses and question.type in ("A", "AAAA"):
                return Answer(Outcome.FOUND, addresses, HOSTS_TTL)
            return Answer(Outcome.NO_DATA, (), HOSTS_TTL)
        self._follow_the_system()
        answer = Answer(Outcome.UNANSWERED)
        with trio.move_on_after(self.timeout):
            async with self._limit:
                answer = await self._ask(question)
        if answer.outcome in (Outcome.SERVFAIL, Outcome.UNANSWERED):
            self.failures += 1
            log.warning("a name could not be looked up", name=question.name, type=question.type,
                        why=answer.outcome.value)  # fmt: skip
        return answer

    async def _ask(self, question: LookupNeeded) -> Answer:
        try:
            answer = await self._resolver.resolve(
                question.name + ".",
                question.type,
                lifetime=self.timeout,
                raise_on_no_answer=False,
                search=False,
                backend=self._backend,
            )
        except dns.resolver.NXDOMAIN as error:
            return Answer(Outcome.NXDOMAIN, (), _negative_ttl(error))
        except dns.exception.Timeout:
            return Answer(Outcome.UNANSWERED)
        except (dns.resolver.NoNameservers, dns.exception.DNSException, OSError):
            return Answer(Outcome.SERVFAIL)
        ttl = _bounded(answer.chaining_result.minimum_ttl)
        if answer.rrset is None:
            return Answer(Outcome.NO_DATA, (), ttl)
        return Answer(Outcome.FOUND, tuple(_record(question.type, rdata) for rdata in answer.rrset), ttl)


def _make(servers: Sequence[ListenAddress]) -> dns.asyncresolver.Resolver:
    if servers:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(each.host, each.port) for each in servers]
        return resolver
    try:
        return dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        log.warning("the system names no name server: calls to other domains by name cannot be made")
        return dns.asyncresolver.Resolver(configure=False)


def _record(kind: str, rdata: Any) -> Naptr | Srv | str:
    if kind == "NAPTR":
        return Naptr(
            rdata.order,
            rdata.preference,
            rdata.flags.decode("latin-1"),
            rdata.service.decode("latin-1"),
            str(rdata.replacement),
        )
    if kind == "SRV":
        return Srv(rdata.priority, rdata.weight, rdata.port, str(rdata.target))
    return str(rdata.address)


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    responses: dict[Any, dns.message.QueryMessage] = error.kwargs["responses"]
    ttls = [response.resolve_chaining().minimum_ttl for response in responses.values()]
    return _bounded(min(ttls, default=0))


def _bounded(ttl: int) -> float:
    """Give a TTL; without an SOA a negative answer has none, and is not to be kept (RFC 2308 §5)."""
    return 0.0 if ttl >= dns.ttl.MAX_TTL else float(ttl)


def read_hosts(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a table in the format of hosts(5): addresses by name; lines that are none are passed over."""
    found: dict[str, tuple[str, ...]] = {}
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return found
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if is_ip(address):
            for name in names:
                key = name.lower().rstrip(".")
                found[key] = (*found.get(key, ()), address)
    return found
