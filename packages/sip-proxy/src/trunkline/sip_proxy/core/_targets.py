"""Where a request is to go, and why one may not go anywhere: what an application says and what it hears.

Not here: how a request is rewritten for its target (`_forwarding`), what refuses it (`_validation`).
"""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from trunkline.sip_transaction import Flow


class NextServer(Protocol):
    """Knows the other servers of a target; `locate.Failover` is one. Source: RFC 3263 §4.3."""

    def after(self, failed: Flow, *, now: float) -> Flow | None:
        """Give the way to the next server, now that one has failed; None when there is none left."""


@attrs.define(slots=True, eq=False)
class Target:
    """One place to forward a request to. Source: RFC 3261 §16.5, §16.6."""

    uri: str
    """The Request-URI to write."""
    flow: Flow
    """The way to send it."""
    route: tuple[str, ...] = ()
    """Route values to put on top, nearest first, such as a binding's Path; `<sip:host;lr>` or a bare URI."""
    q: float = 1.0
    """0.0 to 1.0: equal ones are tried at once, lower ones after all higher ones have failed."""
    ring_timeout: float | None = None
    """Seconds, more than 0, until the branch is given up and counts as 408; it stands in for timer C.

    None: the core's default for an INVITE; another request then waits until its transaction gives up."""
    user: Any = None
    """Whatever the application wants to find again at `Branch.target`."""
    failover: NextServer | None = None
    """Where to go on when the server at the end of `flow` fails; None: the branch fails with it."""
    otherwise: Target | None = None
    """What is tried in its place when its flow fails (430, no connection, no response); None: nothing.

    It has the time that is left of this one. Source: RFC 5626 §7"""


@attrs.define(slots=True, eq=False)
class Rejection:
    """A request that must not be forwarded, and the response it gets (an ACK gets none, ever)."""

    status: int
    """400 to 699."""
    reason: str
    """The reason phrase; for 400 it says what was wrong and where."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers of the response, such as Unsupported."""
