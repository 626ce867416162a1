"""Flows: which bindings live on a connection, and how requests of a dialog find a connection again.

A phone behind a NAT or a firewall is reached only by the connection that it opened. For a request to its
binding, that is the connection it registered over. For requests within a dialog, its Contact is marked, on
its way through us, with a token of the connection; the token comes back in the Request-URI and is taken out
before the phone sees it.

Why the Contact and not our Record-Route (RFC 5626 §5.1), and not the source address in place of its host:
- Both sides come back with the same Record-Route, so that a token there does not tell who is meant; and the
  route set of a dialog is never renewed (RFC 3261 §12.2), while a phone that lost its connection and made
  another sends a new Contact with its re-INVITE, and is marked anew.
- The phone finds its own URI in the request, and a phone that listens is still reached when the connection
  is gone. Its host replaced, it would be reached by nobody.
- Nobody can name a connection that he was not shown: a token is random.

A phone that lost its connection mostly has another long before it has a reason to send a re-INVITE: it
registers over it. So a token outlives its connection, and leads to the one over which the same phone (the
same instance, or else the same Contact, of the same address of record) has registered since.

Source: RFC 5626, RFC 3261 §12.2.1.1
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from trunkline.sip_parser import Message, Uri
from trunkline.sip_proxy import Binding, Location
from trunkline.sip_transaction import Flow

MARK = "flow"
"The parameter of a Contact that we mark."
ENDED_REMEMBERED = 10_000
"Tokens of connections that have ended which still lead to the phone; the oldest are forgotten first."

_marks = re.compile(rf";{MARK}=[0-9a-f]{{16}}(?=[;?]|$)")


@attrs.define(eq=False)
class _Connection:
    """What is known of a connection that bindings live on, or that Contacts were marked with."""

    flow: Flow | None
    "None for one of before a restart."
    token: str = ""
    "Empty until a Contact is marked with it."
    phones: dict[str, tuple[str, str | None]] = attrs.Factory(dict)
    "By address of record, the Contact and the instance that registered over it last."


class Flows:
    """Remembers connections, and after their end whose they were.

    Args:
        location: the bindings.
        token: gives that many random bytes.
        outbound: whether bindings may be named by instance and reg-id.
    """

    def __init__(self, location: Location, token: Callable[[int], bytes], *, outbound: bool) -> None:
        self.outbound = outbound
        self._location = location
        self._token = token
        self._standing: dict[int, _Connection] = {}
        self._by_token: dict[str, _Connection] = {}
        self._ended: dict[str, None] = {}

    def _of(self, flow: Flow) -> _Connection:
        connection = self._standing.get(flow.connection)
        if connection is None:
            connection = self._standing[flow.connection] = _Connection(flow)
        return connection

    # -- bindings

    def bind(self, binding: Binding) -> None:
        """Note the connection that a binding was registered over."""
        flow = binding.flow
        if flow is not None and flow.connection:
            self._of(flow).phones[binding.aor] = binding.contact, binding.instance

    def lives_by_flow(self, binding: Binding) -> bool:
        """Tell whether a binding is that of one flow, and ends with it (RFC 5626 §6)."""
        return self.outbound and binding.reg_id is not None and binding.instance is not None

    def lost(self, flow: Flow) -> list[Binding]:
        """Take the end of a connection; gives the bindings that ended with it, which are removed.

        Other bindings stay until their time is over: the phone may listen where its Contact says.
        """
        connection = self._standing.pop(flow.connection, None)
        if connection is None:
            return []
        if connection.token and not connection.phones:
            del self._by_token[connection.token]
        elif connection.token:
            self._remember(connection)
        ended: list[Binding] = []
        for aor in connection.phones:
            held = self._location.get(aor)
            gone = [binding for binding in held if self.lives_by_flow(binding) and binding.flow == flow]
            if gone:
                self._location.replace(aor, tuple(binding for binding in held if binding not in gone))
                ended += gone
        return ended

    def _remember(self, connection: _Connection) -> None:
        """Keep the token of a connection that has ended: it may lead to the phone's next one."""
        self._ended[connection.token] = None
        if len(self._ended) > ENDED_REMEMBERED:
            oldest = next(iter(self._ended))
            del self._ended[oldest], self._by_token[oldest]

    def recall(self, contact: str, aor: str) -> None:
        """Take up the marked Contact of a user's phone from before a restart, which ended its connection."""
        found = _marks.search(contact)
        if found is None:
            return
        token, own = found[0].rpartition("=")[2], unmarked(contact)
        instances = (binding.instance for binding in self._location.get(aor) if binding.contact == own)
        connection = self._by_token.setdefault(token, _Connection(None, token))
        connection.phones[aor] = own, next(instances, None)
        self._remember(connection)

    # -- dialogs

    def mark(self, message: Message, flow: Flow) -> None:
        """Mark the Contacts of a message that came straight from a phone, over a connection."""
        connection = self._of(flow)
        token = connection.token
        if not token:
            token = connection.token = self._token(8).hex()
            self._by_token[token] = connection
        contacts = [
            contact.replace(uri=contact.uri.replace(params={**contact.uri.params, MARK: token}))
            if isinstance(contact.uri, Uri)
            else contact
            for contact in message.contacts
        ]
        if contacts:
            message.headers.set("contact", ", ".join(str(contact) for contact in contacts))

    def marked(self, uri: Uri) -> Flow | None:
        """Return the connection of the phone whose URI is marked; None when there is no mark, or none stands.

        Of a phone that has registered over another connection since, that is the other one, although the
        first may seem to stand: a phone that has changed networks could not say goodbye. Who shared a
        connection with others (behind a proxy without Path) and parted from them is not told from them: then
        it is the first, or none.
        """
        connection = self._by_token.get(uri.params.get(MARK) or "")
        if connection is None:
            return None
        ways = {self._way_of(aor, connection) for aor in connection.phones}
        way = ways.pop() if len(ways) == 1 else None
        if way is not None:
            return way
        first = connection.flow
        return first if first is not None and first.connection in self._standing else None

    def _way_of(self, aor: str, connection: _Connection) -> Flow | None:
        """Give the connection over which the phone that was on this one registered last."""
        contact, instance = connection.phones[aor]
        latest: Binding | None = None
        for binding in self._location.get(aor):
            flow = binding.flow
            if flow is None or flow.connection not in self._standing:
                continue
            if flow == connection.flow and self.lives_by_flow(binding):
                return flow  # one of several that the phone holds at the same time
            same = binding.contact == contact if instance is None else binding.instance == instance
            if same and (latest is None or binding.last_modified >= latest.last_modified):
                latest = binding
        return None if latest is None else latest.flow


def unmarked(uri: str) -> str:
    """Return a URI without our mark, as the phone wrote it."""
    return _marks.sub("", uri) if f";{MARK}=" in uri else uri
