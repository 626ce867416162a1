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
- Nobody can name a connection that he was not shown: a token is random, and ends with its connection.

Source: RFC 5626, RFC 3261 §12.2.1.1
"""

from __future__ import annotations

import re
from collections.abc import Callable

from trunkline.sip_parser import Message, Uri
from trunkline.sip_proxy import Binding, Location
from trunkline.sip_transaction import Flow

MARK = "flow"
"The parameter of a Contact that we mark."

_marks = re.compile(rf";{MARK}=[0-9a-f]{{16}}(?=[;?]|$)")


class Flows:
    """Remembers connections as long as they stand.

    Args:
        location: the bindings.
        token: gives that many random bytes.
        outbound: whether bindings may be named by instance and reg-id.
    """

    def __init__(self, location: Location, token: Callable[[int], bytes], *, outbound: bool) -> None:
        self.outbound = outbound
        self._location = location
        self._token = token
        self._tokens: dict[int, str] = {}
        self._by_token: dict[str, Flow] = {}
        self._bound: dict[int, set[str]] = {}

    # -- bindings

    def bind(self, binding: Binding) -> None:
        """Note the connection that a binding was registered over."""
        flow = binding.flow
        if flow is not None and flow.connection:
            self._bound.setdefault(flow.connection, set()).add(binding.aor)

    def lives_by_flow(self, binding: Binding) -> bool:
        """Tell whether a binding is that of one flow, and ends with it (RFC 5626 §6)."""
        return self.outbound and binding.reg_id is not None and binding.instance is not None

    def lost(self, flow: Flow) -> list[Binding]:
        """Forget a connection that has ended; gives the bindings that ended with it, which are removed.

        Other bindings stay until their time is over: the phone may listen where its Contact says.
        """
        token = self._tokens.pop(flow.connection, None)
        if token is not None:
            del self._by_token[token]
        ended: list[Binding] = []
        for aor in self._bound.pop(flow.connection, ()):
            held = self._location.get(aor)
            gone = [binding for binding in held if self.lives_by_flow(binding) and binding.flow == flow]
            if gone:
                self._location.replace(aor, tuple(binding for binding in held if binding not in gone))
                ended += gone
        return ended

    # -- dialogs

    def mark(self, message: Message, flow: Flow) -> None:
        """Mark the Contacts of a message that came straight from a phone, over a connection."""
        token = self._tokens.get(flow.connection)
        if token is None:
            token = self._tokens[flow.connection] = self._token(8).hex()
            self._by_token[token] = flow
        contacts = [
            contact.replace(uri=contact.uri.replace(params={**contact.uri.params, MARK: token}))
            if isinstance(contact.uri, Uri)
            else contact
            for contact in message.contacts
        ]
        if contacts:
            message.headers.set("contact", ", ".join(str(contact) for contact in contacts))

    def marked(self, uri: Uri) -> Flow | None:
        """Return the connection that a URI is marked with; None when there is no mark, or it has ended."""
        return self._by_token.get(uri.params.get(MARK) or "")


def is_marked(uri: str) -> bool:
    """Tell whether a URI, as written, carries a mark of ours."""
    return f";{MARK}=" in uri and _marks.search(uri) is not None


def unmarked(uri: str) -> str:
    """Return a URI without our mark, as the phone wrote it."""
    return _marks.sub("", uri) if f";{MARK}=" in uri else uri
