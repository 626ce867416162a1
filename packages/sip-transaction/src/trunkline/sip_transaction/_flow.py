"""Flow: the pair of addresses, and the connection between them, that a message came by or goes by.

Here: the value and what follows from its transport alone. Not here: how a connection is opened (the
application's) nor where a response must go (`_routing`).
"""

from __future__ import annotations

import attrs


@attrs.define(slots=True, unsafe_hash=True)
class Flow:
    """Name the way between one of our listening points and one peer; treat as immutable.

    Equal and hashed by value, so it can key dictionaries. Source: RFC 5626 §2 (the notion of a flow).
    """

    transport: str
    """As in a Via: "UDP", "TCP", "TLS", "WS", "WSS" or "SCTP", upper case."""
    local: tuple[str, int]
    """Address and port of the listening point, which Via and Record-Route show (not an ephemeral port)."""
    remote: tuple[str, int]
    """Address and port of the peer; for a datagram received, its source."""
    connection: int = 0
    """The application's number of the connection; 0 for UDP, or to ask for any one to `remote`."""
    server_name: str | None = None
    """For TLS that is to be opened: the name the peer has to prove, where it is not `remote`'s address."""
    reliable: bool = attrs.field(init=False, eq=False, repr=False)
    """Whether the transport itself delivers or fails: anything but UDP."""

    def __attrs_post_init__(self) -> None:
        self.reliable = self.transport != "UDP"
