"""What the relay asks for and tells: effects, in the order in which they are to be carried out.

What belongs here is the vocabulary between the relay and whoever owns the sockets. The hot path gives no
effects but a `Hop`; see `Relay.packet`.
"""

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

if TYPE_CHECKING:
    from ._report import SessionReport

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as `recvfrom` gives it; what the relay itself makes of SDP is (host, port)."""


class TimeoutReason(Enum):
    """Why a session was given up."""

    MEDIA = "media timeout"
    """Answered, not held, and nothing heard from either side."""
    SILENCE = "silence timeout"
    """Held, and nothing heard for much longer."""
    OFFER = "offer timeout"
    """Offered, and neither answered nor deleted."""


@attrs.define(eq=True)
class OpenPort:
    """Bind a UDP socket. When that fails, drop the effects that follow and report `port_failed`."""

    port: int
    """The local port; no two open ports of a relay have the same number, whatever their address."""
    address: str
    """The address to bind; one with a colon is IPv6 (set IPV6_V6ONLY)."""


@attrs.define(eq=True)
class ClosePort:
    """Close the socket of that port; the number may come again in a later `OpenPort`."""

    port: int


@attrs.define(eq=True)
class SdpReady:
    """An offer or answer was taken in; send this description on in its place."""

    call_id: str
    sdp: bytes
    warnings: tuple[str, ...] = ()
    """What was asked for and not done."""


@attrs.define(eq=True)
class Refused:
    """An offer or answer was not taken in; the session is as it was before."""

    call_id: str
    reason: str
    overloaded: bool = False
    """True when another relay might take it: no ports or sessions left here."""
    unknown: bool = False
    """True when there is no such session or tag."""


@attrs.define(eq=True)
class SourceLatched:
    """A party's real address was learned, or learned anew."""

    call_id: str
    tag: str
    """The party's tag; empty before its answer."""
    port: int
    """Our port it was heard on."""
    source: Address
    """Where it sends from, and is sent to from now on."""
    advertised: Address | None
    """Where its description said it would be."""


@attrs.define(eq=False)
class BranchDeleted:
    """One branch of a forked call was taken out; the session goes on."""

    call_id: str
    tag: str


@attrs.define(eq=False)
class SessionDeleted:
    """A session is over because it was deleted; its ports have been closed by the effects before."""

    call_id: str
    report: "SessionReport"


@attrs.define(eq=False)
class SessionTimedOut:
    """A session is over because nothing was heard; its ports have been closed by the effects before."""

    call_id: str
    reason: TimeoutReason
    tags: tuple[str, ...]
    """Everybody's tags, the first offerer's first."""
    last_heard: float
    """When the last packet came, in the caller's monotonic seconds; when it was set up if none came."""
    controller: Any
    """What was given as `controller` with the last offer or answer."""
    report: "SessionReport"


@attrs.define(eq=True)
class Reply:
    """Send this datagram of a control protocol."""

    data: bytes
    destination: Address


@attrs.define(eq=True)
class Dropped:
    """A control datagram nobody can be answered about."""

    reason: str
    source: Address


Effect: TypeAlias = (
    OpenPort
    | ClosePort
    | SdpReady
    | Refused
    | SourceLatched
    | BranchDeleted
    | SessionDeleted
    | SessionTimedOut
    | Reply
    | Dropped
)

Hop: TypeAlias = tuple[int, Address, tuple[SourceLatched, ...]]
"""Send from this port, to this address; and what was learned by this very packet, mostly nothing."""
