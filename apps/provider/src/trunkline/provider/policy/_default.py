"""The default policy: a provider's own subscribers call each other, and nobody else gets anything done.

Who may do what: REGISTER and calls in the name of a served domain need that subscriber's
credentials; who gave them may call foreign places too; anybody may call a registered subscriber;
nobody is relayed from one foreign place to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from trunkline.provider.directory import Name
from trunkline.sip_parser import DigestCredentials, Uri
from trunkline.sip_proxy import Target, Verdict, consume_credentials

from ._decisions import Challenge, Decision, Forward, Refuse, Register, Reply, Unlocated
from ._redirections import RedirectContext
from ._request import RequestContext, user_of

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, MESSAGE, PRACK, REFER, SUBSCRIBE, NOTIFY, UPDATE"
ALLOWED = frozenset(ALLOW.split(", "))
_EXTENSIONS = frozenset({"path", "outbound"})
UNCHALLENGED = frozenset({"ACK", "CANCEL", "BYE", "PRACK"})
"Methods that cannot carry, or need not repeat, credentials (RFC 3261 §22.1)."


class DefaultPolicy:
    """Decides as the classic provider's script did.

    Args:
        challenge: False trusts the From header; for closed networks and measurements.
        ring_timeout: seconds a callee may ring before the call fails with 408.
        outbound: whether subscribers may call the users of other domains.
        recurse: whether requests are taken where a phone's 3xx says, in place of telling the caller.
        preloaded_routes: whether subscribers may say by Route which way a request goes.
        number_length: digits of the shortest complete number; 0: every number counts as complete.
    """

    def __init__(
        self,
        *,
        challenge: bool = True,
        ring_timeout: float = 120.0,
        outbound: bool = True,
        recurse: bool = False,
        preloaded_routes: bool = False,
        number_length: int = 0,
    ) -> None:
        self.challenge = challenge
        self.outbound = outbound
        self.recurse = recurse
        self.preloaded_routes = preloaded_routes
        self.number_length = number_length
        self.ring_timeout = ring_timeout

    def wants(self, context: RequestContext) -> Iterable[Name]:
        """Name the subscribers that `request` may ask the directory for."""
        request = context.request
        method = request.method
        registers = method == "REGISTER"
        if not registers and request.to_tag is not None:
            return ()
        names: list[Name] = []
        shown = "authorization" if registers else "proxy-authorization"
        if self.challenge and shown in request.headers and method not in UNCHALLENGED:
            realm = self._realm(context)
            credentials = None if realm is None else context.credentials(realm)
            if realm is not None and credentials is not None:
                names.append((username_of(credentials), realm))
        if not registers and method != "CANCEL":
            callee = context.callee()
            if callee is not None and callee not in context.location:
                names.append(name_of(callee))
        return names

    def request(self, context: RequestContext) -> Decision:
        """Decide about one request."""
        request = context.request
        method = request.method
        if method != "REGISTER" and request.to_tag is not None:
            return self._in_dialog(context)
        if "route" in request.headers and (context.routed.preloaded or method != "REGISTER"):
            return self._preloaded(context)
        decide = self._by_method.get(method)
        if decide is not None:
            return decide(self, context)
        return self._call(context)

    def redirected(self, context: RedirectContext) -> Sequence[Target | Unlocated]:
        """Say where a request goes that a 3xx sends elsewhere; nothing leaves that to the caller.

        A place of ours is one that anybody may call. Elsewhere goes who could have called there at once.
        """
        uri = context.uri
        if not self.recurse or not isinstance(uri, Uri):
            return ()
        targets: list[Target | Unlocated] = []
        domain = context.domains.canonical(uri.host)
        if domain is not None:
            if uri.user:
                targets = context.binding_targets(f"{user_of(uri)}@{domain}")
        elif self.outbound and context.identity is not None and context.method not in UNCHALLENGED:
            targets = [Unlocated(str(uri), uri, foreign=True)]
        for target in targets:
            target.q, target.ring_timeout = context.q, self.ring_timeout
        return targets

    def _preloaded(self, context: RequestContext) -> Decision:
        """Follow the Route of a request that begins something, for subscribers and where that is wanted.

        A Route that named only us was a phone's outbound proxy and is gone by now; one that goes on is what
        an open relay would follow.
        """
        request, next_hop = context.request, context.routed.next_hop
        refused = Refuse(403, "Preloaded Route Refused")
        if not self.preloaded_routes or next_hop is None or request.method in {"REGISTER", *UNCHALLENGED}:
            return refused
        caller, realm = request.from_.uri, self._realm(context)
        if realm is None or not isinstance(caller, Uri):
            return refused
        if request.uri[:5].lower() == "sips:" and next_hop.scheme != "sips":
            return Refuse(403, "SIPS Needs TLS On Every Hop")
        return self._authenticate(context, realm, user_of(caller)) or Forward(
            [Unlocated(request.uri, next_hop, ring_timeout=self.ring_timeout, foreign=True)]
        )

    def _in_dialog(self, context: RequestContext) -> Decision:
        request = context.request
        next_hop = context.routed.next_hop if context.on_our_path else None
        if next_hop is None:
            return Refuse(481)
        flow = context.locate(next_hop)
        if flow is not None:
            return Forward([Target(request.uri, flow)], in_dialog=True)
        if "flow" in next_hop.params:
            return Refuse(430, "Flow Failed")
        return Forward([Unlocated(request.uri, next_hop)], in_dialog=True)

    def _register(self, context: RequestContext) -> Decision:
        request = context.request
        to = request.to.uri
        uri = request.parsed_uri
        if not isinstance(to, Uri) or not isinstance(uri, Uri):
            return Refuse(400, "Address Of Record Must Be A SIP URI")  # RFC 4475 §3.3.4
        if not to.user:
            return Refuse(404, "Address Of Record Must Be user@domain")
        domain = context.domains.canonical(to.host, to.port)
        same = uri.host == to.host and uri.port == to.port
        if domain is None or not (same or context.domains.canonical(uri.host, uri.port) == domain):
            return Refuse(403, "Not Registrar Of This Domain")
        user = user_of(to)
        return self._authenticate(context, domain, user) or Register(f"{user}@{domain}")

    def _options(self, context: RequestContext) -> Decision:
        uri = context.request.parsed_uri
        if (
            isinstance(uri, Uri)
            and not uri.user
            and context.domains.canonical(uri.host, uri.port) is not None
        ):
            # who is asked about itself is a user agent: RFC 3261 §8.2.2.3
            unknown = [tag for tag in context.request.require if tag not in _EXTENSIONS]
            if unknown:
                named = ", ".join([tag for tag in unknown if tag.isprintable()])
                return Refuse(420, headers=(("Unsupported", named),))
            return Reply(
                200, headers=(("Allow", ALLOW), ("Accept", "application/sdp"), ("Supported", "path"))
            )
        return self._call(context)

    def _call(self, context: RequestContext) -> Decision:
        request = context.request
        if request.method == "CANCEL":
            return Refuse(481)
        callee = context.callee()
        if callee is None and not isinstance(request.parsed_uri, Uri):
            return Refuse(404, "No Route To This Kind Of Address")
        caller = request.from_.uri
        if isinstance(caller, Uri):
            realm = context.domains.canonical(caller.host, caller.port)
            if realm is not None:
                refusal = self._authenticate(context, realm, user_of(caller))
                if refusal is not None:
                    return refusal
        if callee is None:
            return self._nobody(context)
        targets = context.binding_targets(callee)
        if targets:
            for target in targets:
                target.ring_timeout = self.ring_timeout
            return Forward(targets)
        name = name_of(callee)
        known = callee in context.location or context.directory.get(name) is not None
        return Refuse(480 if known else 484 if self._is_incomplete(name[0]) else 404)

    def _nobody(self, context: RequestContext) -> Decision:
        """Decide about a request to another domain, or to one of ours as such."""
        request = context.request
        uri = request.parsed_uri
        if isinstance(uri, Uri) and context.domains.canonical(uri.host, uri.port) is None:
            return self._outbound(context, uri)
        return Refuse(484) if request.method in ALLOWED else Refuse(405, headers=(("Allow", ALLOW),))

    def _is_incomplete(self, user: str) -> bool:
        """Tell whether nobody's number may become somebody's when more of it is dialled (RFC 3578)."""
        digits = user.removeprefix("+")
        return digits.isascii() and digits.isdecimal() and len(digits) < self.number_length

    def _outbound(self, context: RequestContext, uri: Uri) -> Decision:
        # what cannot be challenged proves nothing, and has no business outside a dialog
        if not self.outbound or context.identity is None or context.request.method in UNCHALLENGED:
            return Refuse(403, "Relaying Denied")
        return Forward([Unlocated(context.request.uri, uri, ring_timeout=self.ring_timeout, foreign=True)])

    def _authenticate(self, context: RequestContext, realm: str, user: str) -> Decision | None:
        """Return None when the request was made by `user` of `realm`, else what to answer."""
        request = context.request
        if not self.challenge or request.method in UNCHALLENGED:
            context.identity = (user, realm)
            return None
        proxy = request.method != "REGISTER"
        credentials = context.credentials(realm)
        if credentials is None:
            return Challenge(realm)
        claimed = username_of(credentials)
        subscriber = context.directory.get((claimed, realm))
        ha1 = no_subscriber
        if subscriber is not None:
            ha1 = subscriber.ha1b_for if "@" in credentials.username else subscriber.ha1_for
        verdict = context.authenticator.verify(request, credentials, ha1, at=context.at)
        if verdict is not Verdict.ACCEPTED:
            return Challenge(realm, stale=verdict.stale)
        if claimed != user:
            return Refuse(403, "From And Credentials Differ" if proxy else "To And Credentials Differ")
        if proxy:  # a REGISTER ends here, and nobody is shown its credentials
            consume_credentials(request, realm, proxy=True)
        context.identity = (user, realm)
        return None

    def _realm(self, context: RequestContext) -> str | None:
        """Return the served domain in whose name the request is made (None = a stranger's)."""
        request = context.request
        claimed = request.to.uri if request.method == "REGISTER" else request.from_.uri
        return context.domains.canonical(claimed.host, claimed.port) if isinstance(claimed, Uri) else None

    _by_method: ClassVar[dict[str, Callable[[DefaultPolicy, RequestContext], Decision]]] = {
        "REGISTER": _register,
        "OPTIONS": _options,
    }


def no_subscriber(algorithm: str) -> str | None:
    """Give the HA1 of nobody; credentials are still computed, so that time tells nothing."""
    return None


def name_of(address_of_record: str) -> Name:
    """Return the name that the directory has for an address of record; its user may hold an @ of its own."""
    user, _, domain = address_of_record.rpartition("@")
    return user, domain


def username_of(credentials: DigestCredentials) -> str:
    """Return the user part of the digest username, which some phones write with their domain."""
    return credentials.username.partition("@")[0]
