"""A response to a request: what is copied out of it. When and where to send one is the transaction layer's.

Source: RFC 3261 §8.2.6
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeAlias

from ._address import NameAddr
from ._errors import LocalProtocolError, RemoteProtocolError
from ._grammar import Params, encode_escaped, is_token
from ._headers import Headers, check_value
from ._messages import Request, Response
from ._names import CANONICAL, WRITTEN_NAMES, canonical_name
from ._status import reason_phrase

_COPIED: Final = frozenset(("via", "from", "to", "call-id", "cseq"))
_COPIED_INTO_100: Final = _COPIED | {"timestamp"}
_EMPTY_BODY: Final = "Content-Length: 0\r\n\r\n"
_SHARED: Final[tuple[str, ...]] = ("from", "to", "call-id", "cseq")
_take_shared = itemgetter(*_SHARED)


def make_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    further: str = "",
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
        further: header lines that come after these, each with its CR LF.

    Raises:
        LocalProtocolError: a status, reason or header that cannot be written.

    Source: RFC 3261 §8.2.6.1, §8.2.6.2
    """
    if further:
        headers = (*headers, *_fields_of(further))
    source = request.headers
    copied, take = (_copied if status != 100 else _copied_into_100)(tuple(source._names))
    names = list(copied)
    lines = list(take(source._lines))
    cache = _shared(source._cache)
    if to_tag is not None and status != 100 and "to" in names and not _has_tag(request):
        if not to_tag.isalnum():
            _check_tag(to_tag)
        index = names.index("to")
        lines[index] = _tagged(lines[index], to_tag)
        cache.pop("to", None)
    result = Headers.__new__(Headers)
    result._names = names
    result._lines = lines
    result._at = None
    result._cache = cache
    result._changed = True
    for name, value in headers:
        # as `Headers.add`, which costs more than writing the line
        canonical = CANONICAL.get(name) or canonical_name(name)
        if "\r" in value or "\n" in value or "\0" in value:
            check_value(name, value)
        names.append(canonical)
        lines.append(f"{WRITTEN_NAMES.get(canonical) or name}: {value}")
        if canonical in cache:
            result._forget(canonical)
    if reason is not None:
        return Response(status, reason, result)
    response = Response.__new__(Response)
    response._version = "SIP/2.0"
    response._start, response._reason = _start_of(status)
    response._status = status
    response._body = b""
    response._changed = True
    response.headers = result
    return response


def response_bytes(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    tag_of: Callable[[str], str] | None = None,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    further: str = "",
) -> bytes:
    """Write the response to a request at once, for whom its bytes are enough.

    They are those of `make_response(...).to_bytes()`.

    Args:
        request: what is answered; not changed.
        status: 200 to 699.
        reason: the phrase; the registered one by default.
        tag_of: makes the tag for a To that has none, out of the text of the lines that are copied: the same
            for every copy of the request.
        to_tag: the tag for such a To, where it is at hand: in place of `tag_of`.
        headers: further names and values, added at the end.
        further: header lines that come after these as they are, each with its CR LF; nobody looks at them.

    Raises:
        LocalProtocolError: a status, reason, tag or header that cannot be written.

    Source: RFC 3261 §8.2.6.1, §8.2.6.2, §8.2.7
    """
    fields = tuple(headers)
    source = request.headers
    names, take = _copied(tuple(source._names))
    lines = list(take(source._lines))
    if "to" not in names or _has_tag(request):
        to_tag = None
    elif tag_of is not None:
        to_tag = tag_of("\n".join(lines))
    if reason is not None or status < 200 or (to_tag is not None and not to_tag.isalnum()):
        made = make_response(request, status, reason, to_tag=to_tag, headers=fields, further=further)
        return made.to_bytes()
    if to_tag is not None:
        to = names.index("to")
        lines[to] = _tagged(lines[to], to_tag)
    for name, value in fields:
        canonical = CANONICAL.get(name) or canonical_name(name)
        if "\r" in value or "\n" in value or "\0" in value:
            check_value(name, value)
        if canonical == "content-length":
            return make_response(request, status, to_tag=to_tag, headers=fields, further=further).to_bytes()
        lines.append(f"{WRITTEN_NAMES.get(canonical) or name}: {value}")
    text = "\r\n".join([_start_of(status)[0], *lines, further + _EMPTY_BODY])
    try:
        return text.encode()
    except UnicodeEncodeError:
        return encode_escaped(text)


def _fields_of(lines: str) -> list[tuple[str, str]]:
    parted = [line.partition(": ") for line in lines.split("\r\n") if line]
    return [(name, value) for name, _, value in parted]


_Copied: TypeAlias = tuple[tuple[str, ...], Callable[[list[str]], Sequence[str]]]
"""Which names are copied of those a request has, and what takes their lines out of its lines."""


@lru_cache(512)
def _copied(names: tuple[str, ...]) -> _Copied:
    return _find_copied(names, _COPIED)


@lru_cache(512)
def _copied_into_100(names: tuple[str, ...]) -> _Copied:
    return _find_copied(names, _COPIED_INTO_100)


def _find_copied(names: tuple[str, ...], wanted: frozenset[str]) -> _Copied:
    places = [index for index, name in enumerate(names) if name in wanted]
    found = tuple([names[index] for index in places])
    if len(places) < 2:  # then `itemgetter` gives no tuple
        return found, lambda lines: [lines[index] for index in places]
    return found, itemgetter(*places)


def _shared(cache: dict[str, Any]) -> dict[str, Any]:
    """Give what was read of the lines that are copied."""
    try:
        from_, to, call_id, cseq = _take_shared(cache)
        shared = {"from": from_, "to": to, "call-id": call_id, "cseq": cseq}
    except KeyError:
        shared = {key: cache[key] for key in _SHARED if key in cache}
    for key in ("via", "*via"):
        if key in cache:
            shared[key] = cache[key]
    return shared


@lru_cache(512)
def _start_of(status: int) -> tuple[str, str]:
    """Give the status line of a status, and its phrase, once both are found to be sound."""
    response = Response(status, reason_phrase(status))
    return response.start_line(), response.reason


def _has_tag(request: Request) -> bool:
    headers = request.headers
    to = headers._cache.get("to")
    if to is not None:
        return bool(to.params.get("tag"))
    if headers._at is not None and headers._at.get("to", -1) >= 0:
        line = headers._lines[headers._at["to"]]
        if line[-1] == ">" and line.count("<") == 1 and '"' not in line:
            return False  # outside of a dialog there is nothing behind the brackets
    try:
        return request.to.tag is not None
    except RemoteProtocolError:
        return "tag" in (request.headers.get("to") or "").rpartition(">")[2].lower()


def _tagged(line: str, tag: str) -> str:
    """Put a tag into a To that has none; a tag parameter without value, which is none, gives way to it."""
    line = line.rstrip()
    if line[-1:] == ">":
        return f"{line};tag={tag}"
    if "tag" in line.rpartition(">")[2].lower():
        name, _, value = line.partition(":")
        with suppress(RemoteProtocolError):
            to = NameAddr.parse(value)
            if "tag" in to.params:
                params: Params = {key: value for key, value in to.params.items() if key != "tag"}
                return f"{name}: {to.replace(params=params)};tag={tag}"
    return f"{line};tag={tag}"


def _check_tag(tag: str) -> None:
    if is_token(tag) is None:
        raise LocalProtocolError(f"expected a tag of token characters, got {tag!r}")
