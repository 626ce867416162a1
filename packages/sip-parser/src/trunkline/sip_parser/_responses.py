"""A response to a request: what is copied out of it. When and where to send one is the transaction layer's.

Source: RFC 3261 §8.2.6
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ._errors import LocalProtocolError, RemoteProtocolError
from ._grammar import is_token
from ._headers import Headers
from ._messages import Request, Response
from ._status import reason_phrase

_COPIED: Final = frozenset(("via", "from", "to", "call-id", "cseq"))
_COPIED_INTO_100: Final = _COPIED | {"timestamp"}
_SHARED: Final[tuple[str, ...]] = ("via", "*via", "from", "call-id", "cseq", "to")


def make_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Begin the response to a request: Via, From, To, Call-ID and CSeq are copied line by line.

    Works on the partial message of a RemoteProtocolError too, as far as it goes. Record-Route is left to the
    caller. Timestamp is copied into a 100.

    Args:
        request: what is answered; not changed.
        status: 100 to 699.
        reason: the phrase; the registered one by default.
        to_tag: added to To when it has none, unless the status is 100.
        headers: further names and values, added at the end.

    Raises:
        LocalProtocolError: a status, reason or header that cannot be written.

    Source: RFC 3261 §8.2.6.1, §8.2.6.2
    """
    source = request.headers
    copied = _COPIED if status != 100 else _COPIED_INTO_100
    names: list[str] = []
    lines: list[str] = []
    for name, line in zip(source._names, source._lines, strict=True):
        if name in copied:
            names.append(name)
            lines.append(line)
    cache: dict[str, Any] = {key: source._cache[key] for key in _SHARED if key in source._cache}
    if to_tag is not None and status != 100 and "to" in names and not _has_tag(request):
        if not to_tag.isalnum():
            _check_tag(to_tag)
        index = names.index("to")
        lines[index] = f"{lines[index].rstrip()};tag={to_tag}"
        cache.pop("to", None)
    result = Headers.__new__(Headers)
    result._names = names
    result._lines = lines
    result._at = None
    result._cache = cache
    result._changed = True
    for name, value in headers:
        result.add(name, value)
    return Response(status, reason_phrase(status) if reason is None else reason, result)


def _has_tag(request: Request) -> bool:
    try:
        return request.to.tag is not None
    except RemoteProtocolError:
        return "tag" in (request.headers.get("to") or "").rpartition(">")[2].lower()


def _check_tag(tag: str) -> None:
    if is_token(tag) is None:
        raise LocalProtocolError(f"expected a tag of token characters, got {tag!r}")
