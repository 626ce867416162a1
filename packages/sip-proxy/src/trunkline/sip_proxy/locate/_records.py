"""What DNS is asked and what it says, as values: questions, records, answers, and the places found.

Not here: how a resolver talks (the application's), how long an answer is believed (`_cache`), nor what is
made of it (`_candidates`).

Source: RFC 1035, RFC 2782 (SRV), RFC 3403 (NAPTR), RFC 2308 (negative answers)
"""

from __future__ import annotations

from enum import Enum

import attrs


@attrs.frozen
class LookupNeeded:
    """A question for DNS; equal questions may share one answer."""

    name: str
    """The name, lower case, without the dot at its end."""
    type: str
    """NAPTR, SRV, A or AAAA."""


@attrs.frozen
class Naptr:
    """A NAPTR record: by which service a domain is reached, and under which name to go on."""

    order: int
    """0 to 65535; a lower one is used before a higher one."""
    preference: int
    """0 to 65535; within one order, the lower is what the domain would rather have."""
    flags: str
    """`s`: an SRV lookup follows; nothing else is of use in SIP."""
    service: str
    """Such as `SIP+D2U`."""
    replacement: str
    """The name to go on with."""


@attrs.frozen
class Srv:
    """An SRV record: one server of a service."""

    priority: int
    """0 to 65535; a lower one is tried before a higher one."""
    weight: int
    """0 to 65535; its share of the calls within one priority."""
    port: int
    """0 to 65535."""
    target: str
    """The server's name; `.` or empty: the service is decidedly not offered."""


class Outcome(Enum):
    """How a lookup ended."""

    FOUND = "found"
    """There are records."""
    NO_DATA = "no data"
    """The name exists, without records of this type."""
    NXDOMAIN = "no such name"
    """The name does not exist, nor any below it. Source: RFC 8020."""
    SERVFAIL = "server failure"
    """A name server answered that it cannot tell."""
    UNANSWERED = "unanswered"
    """No name server answered in time."""


@attrs.frozen
class Answer:
    """What a lookup gave."""

    outcome: Outcome
    """How it ended."""
    records: tuple[Naptr | Srv | str, ...] = ()
    """The records of the type asked for, addresses as text; empty unless FOUND."""
    ttl: float = 0.0
    """Seconds it may be believed: the records' TTL, or for a negative answer what the zone's SOA says."""


@attrs.frozen
class Candidate:
    """One place to send a request to."""

    transport: str
    """As in a Via, upper case."""
    host: str
    """A numeric address, IPv6 without brackets."""
    port: int
    """1 to 65535."""


@attrs.frozen
class Located:
    """A search is over: these are the places, the first to be tried first."""

    candidates: tuple[Candidate, ...]
    """At least one, no two the same."""


@attrs.frozen
class NotLocated:
    """A search is over without any place."""

    reason: str
    """Why, in words for a log."""
    temporary: bool
    """Whether DNS failed, so that a later try may succeed; False: there is nothing to be found."""


Effect = LookupNeeded | Located | NotLocated
"""What a search gives: questions, all of which may be asked at once, or its end."""
