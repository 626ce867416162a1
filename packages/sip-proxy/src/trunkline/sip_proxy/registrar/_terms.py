"""Terms: what a REGISTER says that goes for all its contacts, read once.

Here: the request's share of a binding, and making the binding. Not here: what each contact asks for
(`_contacts.py`), nor which binding it replaces (`_update.py`).
"""

from functools import lru_cache
from typing import Final

import attrs

from trunkline.sip_parser import Request
from trunkline.sip_transaction import Flow

from ._bindings import NATED, Binding, Traits, bound_as, shared_traits, socket_name
from ._contacts import ContactRequest, check_storable, delta_seconds, methods_of

__all__ = ["MAX_CALL_ID", "MAX_USER_AGENT", "Terms", "read_terms", "traits_of"]

MAX_CALL_ID: Final = 255
MAX_USER_AGENT: Final = 255


@attrs.define(slots=True, eq=False)
class Terms:
    """Hold what all bindings of one REGISTER have in common."""

    call_id: str
    cseq: int
    expires: int | None
    """Seconds asked for with Expires, for contacts that do not say; None = the header is absent."""
    user_agent: str
    """As it came, cut to what we store."""
    methods: int | None
    """From Allow, as bits; None = the header is absent."""
    flow: Flow
    """What it came by."""
    path: tuple[str, ...]
    received: str | None
    nated: bool
    now: float
    """Unix seconds."""

    def bind(self, aor: str, wanted: ContactRequest, seconds: int, previous: Binding | None) -> Binding:
        """Make a binding that ends after so many seconds, in place of a previous one if there is one."""
        flow = self.flow
        flags = cflags = 0
        if previous is not None:
            before = previous.traits
            aor, flags, cflags = previous.aor, before.flags, before.cflags & ~NATED
        traits = traits_of(
            wanted.q,
            self.user_agent,
            flow.transport,
            flow.local,
            flags,
            cflags | NATED if self.nated else cflags,
            self.methods if wanted.methods is None else wanted.methods,
        )
        now = self.now
        return bound_as(
            traits,
            aor,
            wanted.contact,
            self.received,
            self.path,
            now + seconds,
            self.call_id,
            self.cseq,
            wanted.instance,
            wanted.reg_id,
            now,
            flow if flow.connection else None,
        )


def read_terms(
    request: Request, flow: Flow, path: tuple[str, ...], received: str | None, nated: bool, now: float
) -> Terms:
    """Read the headers that go for all contacts of a REGISTER.

    Raises:
        RemoteProtocolError: the Call-ID is longer than we store.
    """
    headers = request.headers
    call_id = request.call_id
    check_storable(call_id, MAX_CALL_ID, "Call-ID")
    expires = headers.get("expires")
    allow = headers.get("allow")
    user_agent = headers.get("user-agent")
    return Terms(
        call_id,
        request.cseq.number,
        None if expires is None else delta_seconds(expires),
        user_agent[:MAX_USER_AGENT] if user_agent else "",
        None if allow is None else methods_of(allow),
        flow,
        path,
        received,
        nated,
        now,
    )


@lru_cache(maxsize=4096)
def traits_of(
    q: float,
    user_agent: str,
    transport: str,
    local: tuple[str, int],
    flags: int,
    cflags: int,
    methods: int | None,
) -> Traits:
    """Give the traits of a binding, of what a REGISTER says; the same few come from every phone."""
    if not user_agent.isprintable():
        user_agent = "".join([char if char.isprintable() else "?" for char in user_agent])
    return shared_traits(q, user_agent, socket_name(transport, local), flags, cflags, methods)
