"""What a hop changes in a request that it passes on: the copy with its lines is made in one go.

Strategy: of some dozen lines two or three change, so the lists of names and lines are copied and changed as
lists; a header that is not there once, as it nearly always is, goes the way that `Headers` goes. Nobody
reads what is sent, so that what was parsed of the request does not come along.

Not here: what is to be written, which is the proxy's to say.

Source: RFC 3261 §16.6
"""

from __future__ import annotations

from collections.abc import Sequence

from ._headers import Headers
from ._messages import Request


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
    headers = Headers.__new__(Headers)
    names = headers._names = received._names.copy()
    lines = headers._lines = received._lines.copy()
    length = received._cache.get("content-length")
    headers._at = None
    headers._cache = {} if length is None else {"content-length": length}
    headers._changed = True
    if names.count("max-forwards") == 1 and max_forwards.isalnum():
        lines[names.index("max-forwards")] = "Max-Forwards: " + max_forwards
    else:
        headers.set("Max-Forwards", max_forwards)
    if max_breadth is not None:
        if "max-breadth" in names or not max_breadth.isalnum():
            headers.set("Max-Breadth", max_breadth)
        else:
            names.append("max-breadth")
            lines.append("Max-Breadth: " + max_breadth)
    for value in record_routes:
        if value.isprintable() and "record-route" not in names:
            names.insert(0, "record-route")
            lines.insert(0, "Record-Route: " + value)
        else:
            headers.prepend("Record-Route", value)
    if via.isprintable() and "via" in names:
        index = names.index("via")
        names.insert(index, "via")
        lines.insert(index, "Via: " + via)
    else:
        headers.prepend("Via", via)
    copy = Request.__new__(Request)
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
