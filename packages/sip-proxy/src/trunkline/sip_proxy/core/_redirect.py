"""The redirect server: it answers every request with the places to go to instead, and goes nowhere itself.

It keeps the server transaction, through the layer, and nothing else. What it does not understand (methods,
option tags, headers) does not concern it: whoever is asked at the other place will say so.

Here: the answers. Not here: where the places come from, which is the application's, and following such an
answer (`_recursion`).

Source: RFC 3261 §8.3
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from trunkline.sip_parser import (
    LocalProtocolError,
    NameAddr,
    RemoteProtocolError,
    Request,
    make_response,
    parse_uri,
)
from trunkline.sip_transaction import (
    AckReceived,
    CancelReceived,
    Effect,
    RequestReceived,
    ServerTransaction,
    TransactionLayer,
)


@attrs.define(slots=True, eq=False)
class Alternative:
    """One place to go to instead. Source: RFC 3261 §8.3, §20.10"""

    uri: str
    """A URI of any scheme."""
    q: float | None = None
    """0.0 to 1.0, how much it is wanted; None: it does not say."""
    expires: int | None = None
    """Seconds for which the answer holds; None: for this once."""


class RedirectServer:
    """Answer requests with 3xx."""

    __slots__ = ("_layer", "_token")

    def __init__(self, layer: TransactionLayer, *, token: Callable[[int], bytes]) -> None:
        """Make a server.

        Args:
            layer: the transaction layer it answers by.
            token: gives that many random bytes.
        """
        self._layer = layer
        self._token = token

    def receive(self, effect: Effect, *, now: float) -> list[Effect]:
        """Take an effect of the transaction layer.

        Returns:
            A RequestReceived that is to be redirected, at once or after any delay; otherwise what follows:
            malformed requests, those within a dialog (481) and cancelled ones (487) are answered here.
        """
        if isinstance(effect, RequestReceived):
            status, reason = _trouble(effect.request)
            if status:
                return self._respond(effect.transaction, status, (), now, reason)
            return [effect]
        if isinstance(effect, CancelReceived):
            return self._respond(effect.transaction, 487, (), now)
        return [] if isinstance(effect, AckReceived) else [effect]

    def redirect(
        self,
        transaction: ServerTransaction,
        alternatives: Sequence[Alternative],
        *,
        now: float,
        status: int = 302,
    ) -> list[Effect]:
        """Answer a request with the places to go to instead.

        The place that was asked for is left out, because whoever is sent there again runs in circles; when no
        other is left the answer is 404.

        Args:
            transaction: the request's; one that was answered meanwhile, as after a CANCEL, is left alone.
            alternatives: in any order; none: 404.
            now: monotonic seconds.
            status: 300 (several to choose from), 301 (moved for good), 302 (for now) or 305 (use a proxy).

        Raises:
            LocalProtocolError: an alternative that is no URI, or another status.

        Source: RFC 3261 §8.3, §21.3
        """
        if not 300 <= status <= 399:
            raise LocalProtocolError(f"expected a status from 300 to 399, got {status}")
        asked = transaction.request.parsed_uri
        contacts: list[tuple[str, str]] = []
        for each in alternatives:
            try:
                uri = parse_uri(each.uri)
            except RemoteProtocolError as error:
                raise LocalProtocolError(f"alternative: {error.reason}") from None
            if uri.equivalent(asked):
                continue
            params: dict[str, str | None] = {}
            if each.q is not None:
                params["q"] = f"{min(max(each.q, 0.0), 1.0):.3f}".rstrip("0").rstrip(".")
            if each.expires is not None:
                params["expires"] = str(each.expires)
            contacts.append(("Contact", str(NameAddr(None, uri, params))))
        return self._respond(transaction, status if contacts else 404, contacts, now)

    def _respond(
        self,
        transaction: ServerTransaction,
        status: int,
        headers: Sequence[tuple[str, str]],
        now: float,
        reason: str | None = None,
    ) -> list[Effect]:
        if transaction.last_status >= 200:
            return []
        tag = self._token(5).hex()
        response = make_response(transaction.request, status, reason, to_tag=tag, headers=headers)
        return self._layer.respond(transaction, response, now=now)


def _trouble(request: Request) -> tuple[int, str | None]:
    """Give what keeps a request from being redirected: a status and a reason, or 0.

    Only what has to be read to answer is read: the rest is the affair of whoever will be asked at the other
    place. Source: RFC 3261 §8.3
    """
    try:
        _ = request.from_, request.parsed_uri
        if request.version != "SIP/2.0":
            return 505, None
        if request.cseq.method != request.method:
            return 400, "CSeq names another method"
        if request.method == "CANCEL" or request.to_tag is not None:
            return 481, None
    except RemoteProtocolError as error:
        return error.status_hint, error.reason if error.reason.isprintable() else None
    return 0, None
