"""What a hop changes in a request that it passes on: the copy with its lines is made in one go.

Within a dialog a hop also reads few things of a request, and these in one go.

Strategy: of some dozen lines two or three change, so the lists of names and lines are copied and changed as
lists; a header that is not there once, as it nearly always is, goes the way that `Headers` goes. Nobody
reads what is sent, so that what was parsed of the request does not come along.

Not here: what is to be written, which is the proxy's to say.

Source: RFC 3261 §16.6
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from ._errors import RemoteProtocolError
from ._grammar import BLANKS, encode_escaped
from ._headers import Headers, breaks_line
from ._messages import Request, check_uri
from ._typed import TYPED

WithinDialog = tuple[str, str, str, int, str]
"""Call-ID, the tags of From ("" when it has none) and To, the number of CSeq, and the only Route."""

_READ_WITHIN_DIALOGS: Final = ("call-id", "from", "to", "cseq", "max-forwards")
_new_object = object.__new__
_take_read = itemgetter(*_READ_WITHIN_DIALOGS)


def read_within_dialog(request: Request) -> WithinDialog | None:
    """Read what a hop asks of a plain request within a dialog: one Route in all, and hops left.

    Returns:
        None for any other: without To tag, with several Routes, a Proxy-Require or another version, without
        Max-Forwards or with its last hop, and where something cannot be read or the methods differ. Such a
        request is to be looked at piece by piece.

    Source: RFC 3261 §16.3, §16.4
    """
    headers = request.headers
    lines, cache = headers._lines, headers._cache
    at = headers._at
    if at is None:
        at = headers._find()
    route_at = at.get("route", -1)
    if route_at < 0 or "proxy-require" in at or request._version != "SIP/2.0":
        return None
    try:
        call_id, sender, receiver, cseq, hops = _take_read(cache)
    except KeyError:  # not all of it was read at once
        try:
            for name in _READ_WITHIN_DIALOGS:
                cache[name] = TYPED[lines[headers._names.index(name)]]
        except (ValueError, RemoteProtocolError):  # it is not there, or cannot be read
            return None
        call_id, sender, receiver, cseq, hops = _take_read(cache)
    to_tag = receiver.params.get("tag")
    route = lines[route_at].partition(":")[2].strip(BLANKS)
    if not to_tag or not hops or cseq.method != request._method or "," in route or "\n" in route:
        return None
    return call_id, sender.params.get("tag") or "", to_tag, cseq.number, route


def forwarded_bytes(
    request: Request,
    *,
    via: str,
    max_forwards: str,
    uri: str | None = None,
    record_routes: Sequence[str] = (),
    max_breadth: str | None = None,
    drop_route: bool = False,
) -> bytes:
    """Write a request as `forwarded_copy` makes it, for who keeps the text of it and no more.

    Args:
        request: as received; it is not changed.
        via: our Via, put above the others.
        max_forwards: the value of Max-Forwards.
        uri: the Request-URI to write; None: the one received.
        record_routes: values to put above the other Record-Routes, the lowest first; each gets a line.
        max_breadth: the value of Max-Breadth; None: as received.
        drop_route: leave out the topmost Route.

    Raises:
        LocalProtocolError: the URI holds blanks, or a value a line break or NUL.

    Source: RFC 3261 §16.6, §16.11
    """
    headers = request.headers
    body = request._body
    at = headers._at
    if at is None:
        at = headers._find()
    hops = at.get("max-forwards", -1)
    top = at.get("route", -1) if drop_route else -1
    if (
        hops < 0
        or "via" not in at
        or headers._cache.get("content-length") != len(body)
        or (drop_route and (top < 0 or "," in headers._lines[top]))
        or (record_routes and "record-route" in at)
        or (max_breadth is not None and "max-breadth" in at)
        or breaks_line("".join((via, max_forwards, max_breadth or "", *record_routes)))
    ):
        copy = forwarded_copy(
            request,
            uri=request._uri if uri is None else uri,
            via=via,
            max_forwards=max_forwards,
            record_routes=record_routes,
            max_breadth=max_breadth,
        )
        if drop_route:
            copy.headers.drop_top("route")
        return copy.to_bytes()
    start = request._start or request.start_line()
    if uri is not None and uri != request._uri:
        check_uri(uri)
        start = f"{request._method} {uri} {request._version}"
    lines = headers._lines.copy()
    lines[hops] = "Max-Forwards: " + max_forwards
    above = at["via"]
    if above < 0:
        above = headers._names.index("via")
    if top >= 0:
        del lines[top]
        if top < above:
            above -= 1
    lines.insert(above, "Via: " + via)
    if max_breadth is not None:
        lines.append("Max-Breadth: " + max_breadth)
    if record_routes:
        lines[:0] = ["Record-Route: " + value for value in reversed(record_routes)]
    text = "\r\n".join([start, *lines, "", ""])
    try:
        head = text.encode()
    except UnicodeEncodeError:
        head = encode_escaped(text)
    return head + body if body else head


def forwarded_copy(
    request: Request,
    *,
    uri: str,
    via: str,
    max_forwards: str,
    record_routes: Sequence[str] = (),
    max_breadth: str | None = None,
) -> Request:
    """Make the copy of a request that goes to the next hop.

    The result is what `copy`, `set` and `prepend` would make of it, in this order: the Request-URI,
    Max-Forwards, Max-Breadth, Record-Route, Via. Every other line stays as it came.

    Args:
        request: as received; it is not changed.
        uri: the Request-URI to write.
        via: our Via, put above the others.
        max_forwards: the value of Max-Forwards, in the place of the old one or at the end.
        record_routes: values to put above the other Record-Routes, the lowest first; each gets a line.
        max_breadth: the value of Max-Breadth; None: as received.

    Raises:
        LocalProtocolError: the URI holds blanks, or a value a line break or NUL.

    Source: RFC 3261 §16.6 steps 1 to 4 and 8, RFC 5393 §5.3.3
    """
    received = request.headers
    at = received._at
    if at is None:
        at = received._find()
    headers = _new_object(Headers)
    names = headers._names = received._names.copy()
    lines = headers._lines = received._lines.copy()
    length = received._cache.get("content-length")
    headers._at = None
    headers._cache = {} if length is None else {"content-length": length}
    headers._changed = True
    hops = at.get("max-forwards", -1)
    if hops >= 0 and max_forwards.isalnum():
        lines[hops] = "Max-Forwards: " + max_forwards
    else:
        headers.set("Max-Forwards", max_forwards)
    if max_breadth is not None:
        if "max-breadth" in at or not max_breadth.isalnum():
            headers.set("Max-Breadth", max_breadth)
        else:
            names.append("max-breadth")
            lines.append("Max-Breadth: " + max_breadth)
    written = via + record_routes[0] if record_routes else via
    is_plain = not ("\r" in written or "\n" in written or "\0" in written)
    is_first = is_plain and "record-route" not in at
    for value in record_routes:
        if is_first:
            is_first = False
            names.insert(0, "record-route")
            lines.insert(0, "Record-Route: " + value)
        else:
            headers.prepend("Record-Route", value)
    if is_plain and "via" in at:
        index = names.index("via")
        names.insert(index, "via")
        lines.insert(index, "Via: " + via)
    else:
        headers.prepend("Via", via)
    copy = _new_object(Request)
    copy.headers = headers
    copy._body = request._body
    copy._changed = True
    copy._method = request._method
    copy._version = request._version
    if uri == request._uri:
        copy._start = request._start
        copy._uri = uri
        copy._parsed_uri = request._parsed_uri
    elif uri and uri.isprintable() and " " not in uri:
        copy._start = f"{copy._method} {uri} {copy._version}"
        copy._uri = uri
        copy._parsed_uri = None
    else:
        copy.uri = uri
    return copy
