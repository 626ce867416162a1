"""What a policy is shown of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv6Address

import attrs

from trunkline.provider.directory import Directory, Name
from trunkline.sip_parser import (
    DigestCredentials,
    OtherUri,
    RemoteProtocolError,
    Request,
    TelUri,
    Uri,
    parse_uri,
    unescape,
)
from trunkline.sip_proxy import Authenticator, Location, Place, Routed, Target, find_credentials
from trunkline.sip_transaction import Flow

from ._decisions import Unlocated


class Domains:
    """The domains served, and the machine's own addresses that stand for the first of them.

    Args:
        names: the served domains, the default one first; any case.
        own_hosts: host names and addresses the server listens on.
        own_ports: the ports it listens on; none given = whatever port is said.
    """

    def __init__(self, names: Iterable[str], own_hosts: Iterable[str], own_ports: Iterable[int] = ()) -> None:
        self.own_hosts = frozenset(host.lower() for host in own_hosts)
        self.own_ports = frozenset(own_ports)
        self.names: dict[str, None] = {}
        self._plain: dict[str, str] = {}
        self.replace(names)

    def replace(self, names: Iterable[str]) -> None:
        """Serve these from now on."""
        self.names = dict.fromkeys(name.lower() for name in names)
        # a host that is spelled so is a served domain as it is; who keeps its name keeps this one text
        self._plain = {name: name for name in self.names if ":" not in name and name[-1:] != "."}

    @property
    def default(self) -> str | None:
        """The domain that a subscriber without one belongs to; None when none is configured."""
        return next(iter(self.names), None)

    def canonical(self, host: str, port: int | None = None) -> str | None:
        """Return the served domain that `host` means, or None when it is not ours.

        One of our own addresses means the default domain, so that a phone which was given only
        the server's address finds its subscriber; where no domain is configured at all, it is
        a domain by itself. With a port that we do not listen on it is another server of the same machine.
        """
        plain = self._plain.get(host)
        if plain is not None:
            return plain
        host = host.lower().rstrip(".")
        if ":" in host:
            host = _one_spelling(host.strip("[]"))
            if f"[{host}]" in self.names:
                return f"[{host}]"
        if host in self.names:
            return host
        if host in self.own_hosts and (port is None or not self.own_ports or port in self.own_ports):
            return self.default or host
        return None

    def address_of_record(self, text: str) -> str | None:
        """Return the address of record that a URI means, as written; None when it is nobody's of ours."""
        try:
            uri = parse_uri(text)
        except RemoteProtocolError:
            return None
        if not isinstance(uri, Uri) or not uri.user:
            return None
        domain = self.canonical(uri.host)
        return None if domain is None else f"{unescape(uri.user)}@{domain}"


@lru_cache(maxsize=1024)
def _one_spelling(address: str) -> str:
    """Spell an IPv6 address as everybody does, so that equal ones are the same text (RFC 5952)."""
    try:
        return str(IPv6Address(address))
    except ValueError:
        return address


@attrs.define(eq=False)
class RequestContext:
    """One request on its way through the policy."""

    request: Request
    "The request, own Routes already taken out."
    flow: Flow
    "How it came."
    routed: Routed
    "What route processing found (RFC 3261 §16.4)."
    domains: Domains
    directory: Directory
    location: Location
    authenticator: Authenticator
    locate: Callable[[Uri | TelUri | OtherUri], Flow | None]
    "Finds the way to a URI without asking anybody; None when it cannot."
    binding_targets: Callable[[str], list[Target | Unlocated]]
    "Targets of an address of record's live bindings, best first."
    on_our_path: bool
    "It is within a dialog whose path we once recorded ourselves on."
    _nated: bool | Callable[[Request, Flow], bool]
    "Whether the sender sits behind a NAT, or what finds it out."
    at: datetime
    "Wall-clock time of arrival."
    place: Place | None = None
    "The call it belongs to, where it is within one that is known."
    identity: Name | None = None
    "The subscriber in whose name the request is made, once the policy believes it."
    _found: tuple[str, DigestCredentials | None] | None = attrs.field(default=None, init=False, repr=False)
    _callee: str | None = attrs.field(default=None, init=False, repr=False)

    @property
    def nated(self) -> bool:
        """Tell whether the sender sits behind a NAT; found out when first asked, as a challenge never does.

        Raises:
            RemoteProtocolError: Via or Contact is malformed.
        """
        nated = self._nated
        if not isinstance(nated, bool):
            nated = self._nated = nated(self.request, self.flow)
        return nated

    def callee(self) -> str | None:
        """Return the address of record of ours that the Request-URI names; None where it names none.

        It is worked out once, though both the question whom to load and the decision need it.
        """
        callee = self._callee
        if callee is None:
            uri = self.request.parsed_uri
            if isinstance(uri, Uri) and uri.user:
                domain = self.domains.canonical(uri.host, uri.port)
                if domain is not None:
                    callee = self._callee = f"{user_of(uri)}@{domain}"
        return callee

    def credentials(self, realm: str) -> DigestCredentials | None:
        """Return the digest credentials for a realm, None when there are none that can be read.

        They are looked for once, though both the question whom to load and the decision need them.

        Source: RFC 3261 §22.2, §22.3
        """
        found = self._found
        if found is None or found[0] != realm:
            proxy = self.request.method != "REGISTER"
            found = self._found = realm, find_credentials(self.request, realm, proxy=proxy)
        return found[1]


def user_of(uri: Uri) -> str:
    """Return the user part, unescaped; it may hold an @ of its own."""
    user = uri.user
    return "" if user is None else unescape(user) if "%" in user else user
