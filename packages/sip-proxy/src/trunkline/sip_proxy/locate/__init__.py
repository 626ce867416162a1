"""Locating SIP servers (RFC 3263): from a URI to places to send to, and on to the next when one fails."""

from ._blacklist import Blacklist
from ._cache import DnsCache
from ._candidates import MAX_CANDIDATES, Locator, LocatorStatistics, Search
from ._failover import Failover
from ._records import Answer, Candidate, Located, LookupNeeded, Naptr, NotLocated, Outcome, Srv

__all__ = [
    "MAX_CANDIDATES",
    "Answer",
    "Blacklist",
    "Candidate",
    "DnsCache",
    "Failover",
    "Located",
    "Locator",
    "LocatorStatistics",
    "LookupNeeded",
    "Naptr",
    "NotLocated",
    "Outcome",
    "Search",
    "Srv",
]
