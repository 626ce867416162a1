"""The names by which DNS knows the transports of SIP, and the order in which servers of a service are tried.

Source: RFC 3263 §4.1 and §4.2, RFC 3261 §18.1, RFC 7118 §5.5, RFC 2782 (weights)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ._records import Naptr, Srv

MAX_RECORDS = 64
"""SRV records of one name that are looked at; no service has more, but an answer over TCP could."""


@attrs.frozen
class Service:
    """A transport as DNS has it."""

    transport: str
    """As in a Via."""
    naptr: str
    """The service field of its NAPTR records, upper case."""
    prefix: str
    """What stands before the domain in the name of its SRV records."""
    port: int
    """Its default port."""
    secure: bool
    """Whether it may carry a sips request."""


SERVICES = {
    service.transport: service
    for service in (
        Service("UDP", "SIP+D2U", "_sip._udp", 5060, False),
        Service("TCP", "SIP+D2T", "_sip._tcp", 5060, False),
        Service("TLS", "SIPS+D2T", "_sips._tcp", 5061, True),
        Service("SCTP", "SIP+D2S", "_sip._sctp", 5060, False),
        Service("WS", "SIP+D2W", "_sip._ws", 80, False),
        Service("WSS", "SIPS+D2W", "_sips._ws", 443, True),
    )
}
"""By transport, as in a Via."""


def usable_naptrs(
    records: Iterable[object], transports: Iterable[str], *, secure: bool
) -> list[tuple[Service, str]]:
    """Choose from the NAPTR records of a domain the services that we speak too, best first.

    Args:
        records: as they came.
        transports: what we can send by, as in a Via.
        secure: whether only what may carry a sips request will do.

    Returns:
        services, each with the name of its SRV records.

    Source: RFC 3263 §4.1
    """
    ours = {
        service.naptr: service
        for service in map(SERVICES.__getitem__, transports)
        if service.secure or not secure
    }
    found = [
        record
        for record in records
        if isinstance(record, Naptr)
        and record.flags.lower() == "s"
        and record.service.upper() in ours
        and record.replacement.strip(".")
    ]
    found.sort(key=lambda record: (record.order, record.preference))
    return [(ours[record.service.upper()], record.replacement) for record in found]


def by_priority_and_weight(records: Iterable[object], token: Callable[[int], bytes]) -> list[Srv]:
    """Put SRV records into the order in which they are to be tried this time.

    Within a priority each stands first as often as its weight says, the rest follow likewise. Servers of
    weight 0 beside others get the very small chance that the RFC wants for them; where there are none, the
    drawing leaves out its 0, which would only favour the lightest.

    Source: RFC 2782 ("Usage rules")
    """
    ranked = sorted(
        (record for record in records if isinstance(record, Srv)),
        key=lambda record: (record.priority, record.weight),  # within a priority those of weight 0 come first
    )[:MAX_RECORDS]
    ordered: list[Srv] = []
    while ranked:
        group = [record for record in ranked if record.priority == ranked[0].priority]
        del ranked[: len(group)]
        while len(group) > 1:
            ordered.append(group.pop(_pick(group, token)))
        ordered += group
    return ordered


def _pick(group: list[Srv], token: Callable[[int], bytes]) -> int:
    total = sum(record.weight for record in group)
    least = 1 if group[0].weight else 0
    drawn = least + int.from_bytes(token(8), "big") % (total + 1 - least)
    for place, record in enumerate(group):
        drawn -= record.weight
        if drawn <= 0:
            return place
    return len(group) - 1
