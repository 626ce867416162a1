"""Recursion: the places that redirections name, for a proxy that goes there itself.

A phone that is forwarded answers 302 with the place to call instead. Passed up, the caller's phone calls
there; followed here, it never knows. Every place is gone to once, the one the caller named included, so that
two phones forwarded to each other end the search and do not run it in circles.

Here: which places are left, and what of a redirection remains when some were followed. Not here: whether a
place may be gone to, which is the policy's, and going there (`_forking`).

Source: RFC 3261 §16.7 step 4, §16.5
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from trunkline.sip_parser import NameAddr, OtherUri, RemoteProtocolError, TelUri, Uri, parse_uri

from ._response_context import Branch, ResponseContext

MOST_FOLLOWED = 10
"""Places named by redirections that one request is taken to, so that nobody sends it round the world."""

AnyUri = Uri | TelUri | OtherUri


@attrs.define(slots=True, eq=False)
class Redirection:
    """One place that a 3xx says to go to instead."""

    uri: AnyUri
    """As its Contact says; what no Request-URI may hold is left out when it is written as a target's."""
    q: float
    """0.0 to 1.0, how much it is wanted; 1.0 when the Contact does not say."""


def redirections(context: ResponseContext) -> list[Redirection]:
    """Give the places named by the 3xx responses of a request that it was not taken to yet, highest q first.

    Of a request to a `sips` URI only `sips` places are given, because the caller was promised as much.

    Source: RFC 3261 §16.7 step 4
    """
    left = MOST_FOLLOWED - len(context.followed)
    if left <= 0 or context.is_cancelled or context.is_answered or context.relayed:
        return []
    tried = _tried(context)
    is_secure = context.transaction.request.uri[:5].lower() == "sips:"
    found: list[Redirection] = []
    for branch in context.branches:
        if not 300 <= branch.status < 400 or branch.is_redirected:
            continue
        for contact in _contacts(branch):
            uri = contact.uri
            if is_secure and not (isinstance(uri, Uri) and uri.scheme == "sips"):
                continue
            if not any(uri.equivalent(other) for other in tried):
                tried.append(uri)
                found.append(Redirection(uri, _q(contact)))
    found.sort(key=lambda each: -each.q)
    return found[:left]


def follow(context: ResponseContext, followed: Iterable[Redirection]) -> None:
    """Take these places out of the 3xx responses that named them; one left without any no longer counts.

    Places the request was taken to before go too: the caller, told of them, would only go there again.

    Source: RFC 3261 §16.7 step 4
    """
    context.followed += tuple(str(each.uri) for each in followed)
    tried = _tried(context)
    for branch in context.branches:
        response = branch.response
        if not 300 <= branch.status < 400 or response is None:
            continue
        contacts = _contacts(branch)
        kept = [each for each in contacts if not any(each.uri.equivalent(other) for other in tried)]
        if len(kept) == len(contacts):
            continue
        response.headers.remove("contact")
        response.headers.extend("Contact", [str(each) for each in kept])
        branch.is_redirected = branch.is_redirected or not kept


def _tried(context: ResponseContext) -> list[AnyUri]:
    texts = [context.transaction.request.uri, *context.followed]
    texts += [branch.target.uri for branch in context.branches]
    found: list[AnyUri] = []
    for text in texts:
        try:
            found.append(parse_uri(text))
        except RemoteProtocolError:  # a target the application made up, which was never written
            continue
    return found


def _contacts(branch: Branch) -> list[NameAddr]:
    try:
        return [] if branch.response is None else branch.response.contacts
    except RemoteProtocolError:
        return []


def _q(contact: NameAddr) -> float:
    try:
        return min(max(float(contact.params.get("q") or 1.0), 0.0), 1.0)
    except ValueError:
        return 1.0
