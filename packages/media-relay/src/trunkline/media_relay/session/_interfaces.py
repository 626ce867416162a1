"""The addresses media may use on our side, by name and family."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import attrs

from trunkline.media_relay._errors import LocalProtocolError


@attrs.frozen
class Interface:
    """One local address."""

    address: str
    """The address to bind, a literal; 0.0.0.0 or :: for all of that family."""
    advertised: str = ""
    """The address peers are told to send to, when it differs (the relay is behind a static NAT)."""
    name: str = "default"
    """What the NG protocol's `direction` calls it; one name may have an address of each family."""

    @property
    def family(self) -> str:
        """Tell "IP4" or "IP6"."""
        return family_of(self.address)

    @property
    def public(self) -> str:
        """Tell the address peers can send to; empty when each offer has to bring it."""
        return self.advertised or ("" if self.address in ("0.0.0.0", "::") else self.address)


@attrs.define(eq=False)
class Interfaces:
    """Every local address; the first is the default."""

    _by_name: dict[tuple[str, str], Interface]
    _default: Interface

    @classmethod
    def of(cls, interfaces: Iterable[Interface]) -> "Interfaces":
        """Collect them.

        Raises: LocalProtocolError when there is none, one is no address, or two are the same.
        """
        by_name: dict[tuple[str, str], Interface] = {}
        for interface in interfaces:
            for address in filter(None, (interface.address, interface.advertised)):
                literal(address)
            key = (interface.name, interface.family)
            if key in by_name:
                raise LocalProtocolError(f"expected one {key[1]} address for interface {key[0]!r}, got two")
            by_name[key] = interface
        if not by_name:
            raise LocalProtocolError("expected at least one interface, got none")
        return cls(by_name, next(iter(by_name.values())))

    def find(self, name: str, family: str) -> Interface | None:
        """Give the address of that name and family; an empty or unknown name means the default's."""
        found = self._by_name.get((name or self._default.name, family))
        return found or self._by_name.get((self._default.name, family))

    def knows(self, name: str) -> bool:
        """Tell whether an interface has that name."""
        return any(known == name for known, _ in self._by_name)

    @property
    def default_family(self) -> str:
        """Tell the family of the first interface."""
        return self._default.family


def family_of(address: str) -> str:
    """Tell "IP6" for an address with a colon, else "IP4"."""
    return "IP6" if ":" in address else "IP4"


def literal(address: str) -> str:
    """Give an address literal as the kernel spells it.

    Raises: LocalProtocolError when it is none.
    """
    try:
        return str(ip_address(address))
    except ValueError:
        raise LocalProtocolError(f"expected an IPv4 or IPv6 address, got {address!r}") from None


@lru_cache(1024)
def unicast(address: str) -> str | None:
    """Give a peer's address as the kernel spells it; None for names, groups, broadcast and unspecified."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if parsed.is_multicast or parsed.is_unspecified or str(parsed) == "255.255.255.255":
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)
