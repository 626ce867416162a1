"""Which of our addresses each side of a call is served from."""

import attrs

from trunkline.media_relay._errors import LocalProtocolError

from ._interfaces import Interface, Interfaces, family_of, literal
from ._leg import Leg
from ._options import MediaOptions
from ._remote import RemoteDescription


@attrs.frozen
class Side:
    """Our address towards one side."""

    interface: Interface
    public: str
    """The address that side is told."""


def choose_sides(
    interfaces: Interfaces,
    offerer: Leg | None,
    other: Leg | None,
    description: RemoteDescription,
    options: MediaOptions,
) -> tuple[Side, Side]:
    """Choose for the offerer and for whom the offer goes to; a known side keeps its interface.

    Raises: LocalProtocolError, with the reason for which the offer is to be refused.
    """
    media_address = literal(options.media_address) if options.media_address else ""
    if offerer is not None:
        mine = Side(offerer.interface, offerer.public)
    else:
        mine = _new(interfaces, options.interfaces[0], description.family, "", media_address)
    if other is not None:
        return mine, Side(other.interface, public_of(other, media_address))
    family = options.address_family or mine.interface.family
    return mine, _new(interfaces, options.interfaces[1], family, media_address, "")


def public_of(leg: Leg, media_address: str) -> str:
    """Give the address a side is told: the one asked for, unless its sockets are of the other family."""
    return media_address if family_of(media_address) == leg.interface.family and media_address else leg.public


def with_warnings(interfaces: Interfaces, options: MediaOptions) -> MediaOptions:
    """Add a warning for each interface name that is not known; the default is used instead."""
    unknown = [name for name in options.interfaces if name and not interfaces.knows(name)]
    if not unknown:
        return options
    warnings = [f"there is no interface {name!r}, the default is used" for name in unknown]
    return attrs.evolve(options, warnings=(*options.warnings, *warnings))


def _new(interfaces: Interfaces, name: str, family: str, public: str, otherwise: str) -> Side:
    family = family or interfaces.default_family
    interface = interfaces.find(name, family)
    if interface is None:
        raise LocalProtocolError(f"this relay has no {family} address")
    public = public or interface.public or otherwise
    if not public:
        wanted = "give the interface an advertised address, or the offer a media-address"
        raise LocalProtocolError(f"{interface.address} cannot be told to a peer: {wanted}")
    return Side(interface, public)
