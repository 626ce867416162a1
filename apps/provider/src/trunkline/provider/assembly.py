"""Puts the layers together from a configuration and a database."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

import attrs

from trunkline.acct import Rules
from trunkline.sip_proxy import (
    Authenticator,
    Blacklist,
    CallWatch,
    Location,
    Locator,
    Nonces,
    ProxyCore,
    Registrar,
    SessionTimers,
)
from trunkline.sip_transaction import Flow, TransactionLayer

from .config import ProxySection, Settings, local_names
from .directory import Directory
from .policy import DefaultPolicy, Domains
from .stack import Stack, StackOptions
from .stack._calls import Calls
from .stack._flows import Flows
from .stack._locating import Locating
from .stack._media import MediaRules, family_of
from .stack._ways import Address, Ways, numeric
from .store import Store
from .transports import ListenPoint


@attrs.define
class Assembly:
    """The composed parts that others need at hand."""

    stack: Stack
    domains: Domains
    location: Location


def assemble(
    settings: Settings,
    store: Store,
    points: list[ListenPoint],
    *,
    token: Callable[[int], bytes],
    clock: Callable[[], datetime],
    now: float,
    connection_open: Callable[[Flow], bool],
) -> Assembly:
    """Build the stack and load what the database knows: domains, bindings, calls that were up."""
    at = clock()
    own = {point.address for point in points}
    own_hosts = {host for host, _ in own} | set(local_names(settings.server.listen))
    served = dict.fromkeys([*settings.server.domains, *store.load_domains()])
    domains = Domains(served, own_hosts, {port for _, port in own})
    location = Location()
    # also those that ended while nobody ran: the first look for expired bindings takes their rows away
    location.load(store.load_bindings(0.0))
    # stretched to one length: what an operator types may be short
    secret = sha256(settings.auth.secret.encode()).digest() if settings.auth.secret else token(32)
    # a restart makes new challenges, but dialogs live on: what proves a path ours must be the same
    path_secret = secret if settings.auth.secret else store.secret("record-route", token)
    # answers go back to where the request came from, and not where it says: that is what reflectors do
    layer = TransactionLayer(token=token, heed_maddr=False, tell_all_ends=False)
    ports = {port for _, port in own}

    def is_local(host: str, port: int | None) -> bool:
        host = numeric(host) or host.strip("[]").lower()
        if host in own_hosts:
            return port in ports or (port is None and (5060 in ports or 5061 in ports))
        # a served domain means us too, as an outbound proxy in a Route; DNS may know another port
        return (port is None or port in ports) and domains.canonical(host) is not None

    timers = session_timers(settings.proxy)
    directory = Directory()
    flows = Flows(location, token, outbound=settings.registrar.outbound)
    local_for = LocalAddresses(points).find
    ways = Ways(
        local_for=local_for,
        connection_open=connection_open,
        location=location,
        clock=clock,
        flows=flows,
    )
    core = ProxyCore(
        layer,
        is_local=is_local,
        token=token,
        record_route=settings.proxy.record_route,
        proxy_require=() if timers is None else ("timer",),
        loop_secret=secret,
        by_stream=ways.by_stream if settings.proxy.udp_request_size else None,
        most_by_datagram=settings.proxy.udp_request_size,
    )
    locating = Locating(
        locator=Locator(transports=reach(points), token=token),
        blacklist=Blacklist(settings.proxy.blacklist_seconds),
        local_for=local_for,
        own={(point.transport, point.address) for point in points},
    )
    calls = Calls(
        watch=CallWatch(max_duration=settings.proxy.max_call_seconds),
        rules=Rules(),
        media=MediaRules(
            settings.media.mode,
            settings.media.address,
            settings.media.timeout,
            {family_of(point.address[0]): point.address[0] for point in reversed(points)},
        ),
        clock=clock,
        session_timers=timers,
        first_number=int.from_bytes(token(7), "big"),
    )
    stack = Stack(
        layer=layer,
        core=core,
        registrar=Registrar(
            location,
            token=token,
            default_expires=settings.registrar.default_expires,
            min_expires=settings.registrar.min_expires,
            max_expires=settings.registrar.max_expires,
            max_contacts=settings.registrar.max_contacts,
            outbound=settings.registrar.outbound,
        ),
        location=location,
        authenticator=Authenticator(
            Nonces(secret, token, lifetime=settings.auth.nonce_lifetime),
            algorithms=tuple(settings.auth.algorithms),
            # phones with an outbound proxy name the proxy there, as they may with the classic systems;
            # what stops a replay is that a nonce count is good once
            check_uri=False,
        ),
        policy=DefaultPolicy(
            challenge=settings.auth.challenge,
            ring_timeout=settings.proxy.ring_timeout,
            outbound=settings.proxy.outbound,
            recurse=settings.proxy.recurse,
            preloaded_routes=settings.proxy.preloaded_routes,
            number_length=settings.proxy.number_length,
        ),
        domains=domains,
        directory=directory,
        ways=ways,
        locating=locating,
        calls=calls,
        clock=clock,
        token=token,
        options=StackOptions(
            user_agent=settings.server.user_agent,
            max_message=settings.limits.message_size,
            max_headers=settings.limits.headers,
            flow_timer=max(1, min(120, int(settings.limits.idle_seconds) // 2)),
        ),
        secret=path_secret,
    )
    calls.bind(stack)
    calls.recover(store.load_calls(), store.last_alive() or at, now)
    recall_marks(calls, domains, flows)
    return Assembly(stack, domains, location)


def recall_marks(calls: Calls, domains: Domains, flows: Flows) -> None:
    """Let marked Contacts of calls that were taken up lead to their phones, once those register again."""
    for call in calls.watch.calls():
        callees = [(call.callee, leg.contact) for leg in call.legs.values()]
        for party, contact in ((call.caller, call.caller_contact), *callees):
            aor = domains.address_of_record(party)
            if aor is not None:
                flows.recall(contact, aor)


def session_timers(proxy: ProxySection) -> SessionTimers | None:
    """Give the rules for session timers; None where refreshes would not come by, or are not wanted."""
    if not (proxy.session_expires and proxy.record_route):
        return None
    return SessionTimers(proxy.session_expires, proxy.min_se)


def reach(points: list[ListenPoint]) -> dict[str, tuple[str, ...]]:
    """Tell what can be sent by: transports in the order of preference, each with its kinds of addresses."""
    found: dict[str, dict[str, None]] = {name: {} for name in ("UDP", "TCP", "TLS", "SCTP")}
    for point in points:
        if point.transport in found:
            found[point.transport]["AAAA" if ":" in point.address[0] else "A"] = None
    return {name: tuple(sorted(kinds)) for name, kinds in found.items() if kinds}


class LocalAddresses:
    """Chooses the listening point that reaches a host: the kernel's own choice of source address."""

    def __init__(self, points: list[ListenPoint]) -> None:
        self._by_transport: dict[str, list[Address]] = {}
        for point in points:
            self._by_transport.setdefault(point.transport, []).append(point.address)
        self._found: dict[tuple[str, str], Address | None] = {}

    def find(self, transport: str, host: str) -> Address | None:
        """Return the (host, port) listened on for `transport` from which `host` is reached, or None."""
        key = (transport, host)
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) > 10_000:
                self._found.clear()
            found = self._found[key] = self._choose(transport, host)
            return found

    def _choose(self, transport: str, host: str) -> Address | None:
        family = [
            address
            for address in self._by_transport.get(transport, ())
            if (":" in address[0]) == (":" in host)
        ]
        if len(family) <= 1:
            return family[0] if family else None
        source = source_address(host)
        for address in family:
            if address[0] == source:
                return address
        return family[0]


def source_address(host: str) -> str | None:
    """Ask the kernel which of our addresses it would send from to `host`; sends nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
