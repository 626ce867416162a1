"""Names: what DNS says in a simulated world. A domain has an SRV record for UDP, its server an address.

Here: records and answers. When an answer comes is the server's affair, and what is made of it that of
`sip_proxy.locate`.
"""

from __future__ import annotations

from random import Random

from trunkline.sip_proxy import Answer, LookupNeeded, Naptr, Outcome, Srv

from ._network import Address

FAILS = 0.02
"Of one: how many questions meet name servers that cannot tell."
TTL = 20.0
"Seconds; short, so that a run asks again."


class Names:
    """A zone file."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], tuple[Naptr | Srv | str, ...]] = {}
        self._names: set[str] = set()

    def add_domain(self, domain: str, address: Address) -> None:
        """Let a domain be served at an address."""
        host, port = address
        server, service = f"sip.{domain}", f"_sip._udp.{domain}"
        self._records[service, "SRV"] = (Srv(0, 0, port, server),)
        self._records[server, "A"] = (host,)
        self._names |= {domain, server, service}

    def answer(self, question: LookupNeeded, random: Random) -> Answer:
        """Answer, or seldom fail to."""
        records = self._records.get((question.name, question.type))
        if records is not None:
            if random.random() < FAILS:
                return Answer(random.choice((Outcome.SERVFAIL, Outcome.UNANSWERED)))
            return Answer(Outcome.FOUND, records, TTL)
        return Answer(Outcome.NO_DATA if question.name in self._names else Outcome.NXDOMAIN, ttl=TTL)
