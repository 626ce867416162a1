"""Binding: where an address of record can be reached, and until when; and the news about one.

Here: the two values and the way a binding says how to send to it. Not here: which bindings exist
(`_location.py`) nor what a REGISTER does to them (`_update.py`).
"""

import re
from functools import lru_cache
from operator import attrgetter
from sys import intern
from typing import Any, ClassVar, Final, Literal

import attrs

from trunkline.sip_parser import RemoteProtocolError, Uri, parse_uri
from trunkline.sip_proxy.nat._addresses import is_ip
from trunkline.sip_transaction import Flow

__all__ = ["NATED", "Binding", "BindingChanged", "Traits", "bound_as", "shared_traits", "socket_name"]

NATED: Final = 64
"""The bit of `Binding.cflags` that says the contact is behind a NAT (branch flag 6, as the classic scripts
have it)."""


_new: Final = object.__new__

# A phone's URI as nearly all are: an IPv4 address, no parameter that could lead elsewhere, no escape. Each
# phone has another, so that remembering what was parsed would not help.
_plain_contact = re.compile(
    r"sip:(?:[A-Za-z0-9\-_.!~*'()&=+$,#]++@)?([0-9.]++)(?::([0-9]{1,5}))?"
    r"(?:;transport=udp)?(?:;ob|;(?:line|rinstance)=[A-Za-z0-9]+)?"
).fullmatch


@attrs.frozen
class Traits:
    """Hold what thousands of bindings have in common: how phones registered, not which of them nor when.

    The attributes are those of `Binding`, and told of there.
    """

    q: float
    user_agent: str
    socket: str | None
    flags: int
    cflags: int
    methods: int | None


shared_traits = lru_cache(maxsize=4096, typed=True)(Traits)
"""Gives the same object for the same traits, as long as there are not too many of them."""


def _trait(name: str, told: str) -> Any:
    return property(attrgetter(f"traits.{name}"), doc=told)


@attrs.define(slots=True, eq=False, weakref_slot=False, init=False)
class Binding:
    """Bind a contact to an address of record; treat as immutable, a refresh makes a new one.

    Source: RFC 3261 §10.3, the columns of table `location`.
    """

    aor: str
    """user@host, as the application spells every address of record."""
    contact: str
    """The contact's URI, without brackets."""
    received: str | None
    """`sip:ip:port;transport=udp`: where a NATed contact was seen."""
    path: tuple[str, ...]
    """The Path values, topmost first: the route set of a request to this contact (RFC 3327)."""
    expires: float
    """Unix seconds; 0 = never."""
    call_id: str
    cseq: int
    instance: str | None
    """The +sip.instance value without quotes: `<urn:uuid:…>` (RFC 5626)."""
    reg_id: int | None
    last_modified: float
    """Unix seconds of the last REGISTER that touched it."""
    traits: Traits
    """The rest, which it shares with others."""
    _flow: Flow | None
    due: int = attrs.field(default=0, init=False, repr=False)
    """The Location's own: the second under which it filed this binding's address of record."""

    def __init__(
        self,
        aor: str,
        contact: str,
        received: str | None = None,
        path: tuple[str, ...] = (),
        q: float = 1.0,
        expires: float = 0,
        call_id: str = "",
        cseq: int = 0,
        user_agent: str = "",
        socket: str | None = None,
        flags: int = 0,
        cflags: int = 0,
        methods: int | None = None,
        instance: str | None = None,
        reg_id: int | None = None,
        last_modified: float = 0,
        flow: Flow | None = None,
    ) -> None:
        """Make a binding; what it shares with others is found or made."""
        traits = shared_traits(q, user_agent, socket, flags, cflags, methods)
        self.__attrs_init__(
            aor,
            contact,
            received,
            path,
            expires,
            call_id,
            cseq,
            instance,
            reg_id,
            last_modified,
            traits,
            flow,
        )

    q: ClassVar[float] = _trait("q", "Preference, 0 to 1.")
    user_agent: ClassVar[str] = _trait("user_agent", "As the phone calls itself; empty when it does not.")
    socket: ClassVar[str | None] = _trait(
        "socket", "`udp:ip:port` of our listening point that the phone registered at."
    )
    flags: ClassVar[int] = _trait("flags", "The column of that name; ours are in `cflags`.")
    cflags: ClassVar[int] = _trait("cflags", "Flags of the contact; see `NATED`.")
    methods: ClassVar[int | None] = _trait(
        "methods",
        "Methods the contact says it takes, as bits (INVITE 1 … PUBLISH 8192); None = it did not say.",
    )

    @property
    def flow(self) -> Flow | None:
        """Name the flow to send a request by, without asking DNS.

        Returns:
            The connection the contact registered over; for a datagram the way back to `received`, or to the
            contact when its host is an address and it asks for UDP. None where a URI has to be located first
            (`path[0]`, or the contact): after a restart, with a Path, or with a host name.

        Source: RFC 5626 §5.3, RFC 3581 §4.
        """
        if self._flow is not None:
            return self._flow
        socket = self.traits.socket
        if socket is None or self.path or not socket.startswith("udp:"):
            return None
        remote = _datagram_remote(self.received or self.contact)
        return None if remote is None else Flow("UDP", _socket_address(socket), remote)

    @property
    def nated(self) -> bool:
        """Tell whether the contact was found to be behind a NAT."""
        return bool(self.traits.cflags & NATED)

    def expired(self, now_epoch: float) -> bool:
        """Tell whether the binding has ended at this time (unix seconds)."""
        return self.expires != 0 and self.expires <= now_epoch


def bound_as(
    traits: Traits,
    aor: str,
    contact: str,
    received: str | None,
    path: tuple[str, ...],
    expires: float,
    call_id: str,
    cseq: int,
    instance: str | None,
    reg_id: int | None,
    last_modified: float,
    flow: Flow | None,
) -> Binding:
    """Make a binding whose traits are at hand, for a fifth of what `Binding` with its defaults costs."""
    binding = _new(Binding)
    binding.__attrs_init__(
        aor, contact, received, path, expires, call_id, cseq, instance, reg_id, last_modified, traits, flow
    )
    return binding


@attrs.define(slots=True, eq=False)
class BindingChanged:
    """Tell what happened to a binding: the application stores it and tells the watchers."""

    kind: Literal["added", "refreshed", "removed", "expired"]
    binding: Binding
    """As it is now; for a removed or expired one as it was last."""
    previous: Binding | None = None
    """As it was before, for a refreshed one. Its contact may be spelled differently (RFC 3261 §19.1.4): the
    stored row is the one of `previous.contact`."""


@lru_cache(maxsize=64)
def socket_name(transport: str, local: tuple[str, int]) -> str:
    """Write a listening point as table `location` has it: `udp:192.0.2.1:5060`, IPv6 in brackets."""
    host, port = local
    return intern(f"{transport.lower()}:{f'[{host}]' if ':' in host else host}:{port}")


@lru_cache(maxsize=64)
def _socket_address(socket: str) -> tuple[str, int]:
    host, _, port = socket.partition(":")[2].rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 5060


def _datagram_remote(text: str) -> tuple[str, int] | None:
    plain = _plain_contact(text)
    if plain is not None:
        host, port = plain[1], int(plain[2] or 0)
        if port <= 65535 and is_ip(host):
            return host, port or 5060
    try:
        uri = parse_uri(text)
    except RemoteProtocolError:
        return None
    if not isinstance(uri, Uri) or uri.transport != "udp" or "maddr" in uri.params or not is_ip(uri.host):
        return None
    return uri.host, uri.port or 5060
