"""The eager check of what a proxy relies on. What a proxy then refuses by policy is the proxy's.

Source: RFC 3261 §16.3, §8.2
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ._errors import RemoteProtocolError, shown
from ._messages import Message, Request
from ._names import KNOWN_METHODS, WRITTEN_NAMES
from ._uri import OtherUri, Uri

_NAMES: Final = (
    "from to call-id cseq max-forwards content-length content-type expires min-expires event "
    "subscription-state refer-to referred-by replaces session-expires min-se rseq rack sip-if-match "
    "target-dialog"
)
_ONCE: Final = frozenset(_NAMES.split())


def check_message(message: Message) -> None:
    """Read every typed header a proxy relies on, so that none of them raises afterwards.

    Checked are the version, Via, From, To, Call-ID, CSeq (and that its method is the request's),
    Max-Forwards, Contact, Route, Record-Route, that headers of one value come once, and of a request the
    URI: its syntax and that its scheme is sip, sips or tel.

    Raises:
        RemoteProtocolError: `status_hint` is 505 for another version, 416 for another URI scheme, 501 for an
            unknown method that CSeq does not repeat, else 400; `message` is the message.

    Source: RFC 3261 §16.3, §8.2.2.1, §21.5.6, RFC 4475 §3.1.2.18
    """
    try:
        _check(message)
    except RemoteProtocolError as error:
        error.message = message
        raise


def _check(message: Message) -> None:
    version = message.version
    if version != "SIP/2.0" and version.upper() != "SIP/2.0":
        raise RemoteProtocolError(f"expected version SIP/2.0, got {shown(version)}", 505, "RFC 3261 §21.5.6")
    headers = message.headers
    names = headers._names
    at = headers._at
    found: Collection[str] = set(names) if at is None else at
    if len(found) != len(names):
        _check_once(names)
    cache = headers._cache
    if not (cache.get("via") or message.vias):
        raise RemoteProtocolError("expected a Via header, got none", section="RFC 3261 §8.1.1.7")
    if "from" not in cache or "to" not in cache or "call-id" not in cache or "max-forwards" not in cache:
        _ = message.from_, message.to, message.call_id, message.max_forwards
    cseq = message.cseq
    if "contact" not in cache:
        _ = message.contacts
    if "route" in found:
        _ = message.routes
    if "record-route" in found:
        _ = message.record_routes
    if isinstance(message, Request):
        if cseq.method != message.method:
            raise RemoteProtocolError(
                f"CSeq: expected the request's method {shown(message.method)}, got {shown(cseq.method)}",
                400 if message.method in KNOWN_METHODS else 501,
                section="RFC 3261 §8.1.1.5",
            )
        _check_request_uri(message)


def _check_once(names: list[str]) -> None:
    for name in names:
        if name in _ONCE and names.count(name) > 1:
            raise RemoteProtocolError(
                f"expected one {WRITTEN_NAMES[name]} header, got {names.count(name)}",
                section="RFC 3261 §7.3.1",
            )


def _check_request_uri(request: Request) -> None:
    uri = request.parsed_uri
    if isinstance(uri, OtherUri):
        raise RemoteProtocolError(
            f"Request-URI: expected the scheme sip, sips or tel, got {shown(uri.scheme)}",
            416,
            "RFC 3261 §8.2.2.1",
        )
    if isinstance(uri, Uri) and uri.headers is not None:
        raise RemoteProtocolError(
            f"Request-URI: expected no header part, got {shown('?' + uri.headers)}",
            section="RFC 3261 §19.1.1",
        )
