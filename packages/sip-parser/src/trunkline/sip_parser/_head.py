"""From the text of a head, start line and header lines, to a message without its body.

Strategy: a head in a form that was met before is cut into its lines by one expression (`_outline`). Others
are split once at CRLF, which assumes what nearly every message is, lines that each begin with a name and a
colon; whatever does not fit (folds, mistakes) falls out of a dictionary and is gone through line by line.
Eagerly checked are the start line, the header lines, Content-Length and the five headers without which
nothing can be answered; everything else waits until it is asked for, or for `check_message`. What is asked of
nearly every message is read at once all the same for who says so, while it is known where it stands; should
it be wrong, that is still not told before it is asked for.

Source: RFC 3261 §7
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from ._errors import RemoteProtocolError, shown
from ._grammar import is_token
from ._headers import Headers
from ._memory import REMEMBERED_VALUES, Memory
from ._messages import Message, Request, Response
from ._names import CANONICAL, KNOWN_METHODS, WRITTEN_NAMES, learn_name
from ._outline import MANDATORY, Forms, outline_of
from ._typed import TYPED, content_length

MAX_HEAD: Final = 65535
"""Bytes of start line and headers: what a datagram can carry."""
MAX_HEADERS: Final = 256
"""Header lines."""

# ASCII, because without it a long s would be an S in any case.
_is_version = re.compile(r"SIP/[0-9]{1,4}\.[0-9]{1,4}", re.IGNORECASE | re.ASCII).fullmatch
_match_status_line = re.compile(
    r"(SIP/[0-9]{1,4}\.[0-9]{1,4}) ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE | re.ASCII | re.DOTALL
).fullmatch
_bad_uri = re.compile(r"[\s<>\"\x00-\x1f\x7f]").search
_stray = re.compile(r"\r(?!\n)|(?<!\r)\n|(?<!\\)\x00").search
_stray_end = re.compile(r"[\r\n\0]").search
_new_object = object.__new__
_any_line_end = re.compile(r"\r\n|\r|\n")


def parse_head(head: str, max_headers: int = MAX_HEADERS, read_ahead: bool = False) -> Message:
    """Read start line and headers.

    Args:
        head: everything before the empty line, decoded as UTF-8 with surrogateescape.
        max_headers: header lines, at most.
        read_ahead: whether to read what nearly every message is asked for; what is wrong with it is told as
            ever, to who asks for it.

    Raises:
        RemoteProtocolError: `message` is set when enough was understood to answer.

    Source: RFC 3261 §7
    """
    start_line, _, text = head.partition("\r\n")
    parts = _PARTS[start_line]
    cut = None if parts is None else parts[-1].cut(text)
    if cut is not None and len(cut[0]) <= max_headers:
        lines, (names, at, early) = cut
        names = names.copy()
    else:
        names, lines = _split(head, max_headers)
        _, at, early = outline = outline_of(names)
        if parts is not None and early is not None:
            parts[-1].learn(lines, outline)
    headers = _new_object(Headers)
    headers._names = names
    headers._lines = lines
    headers._at = at
    headers._cache = cache = {}
    headers._changed = False
    message = _begin(start_line, parts, headers)
    if early is None:
        _refuse_headers(names, message)
    length_at = at.get("content-length")
    if length_at is not None:
        try:
            cache["content-length"] = TYPED[lines[length_at]] if length_at >= 0 else content_length(headers)
        except RemoteProtocolError as error:
            error.message = message
            raise
    if read_ahead:
        to_at, from_at, cseq_at, call_id_at, others = early
        if message.is_request:
            name, _, call_id = lines[call_id_at].partition(": ")
            if call_id and not (":" in name or " " in call_id or "\t" in call_id or "\n" in call_id):
                cache["call-id"] = call_id
        try:
            cache["to"] = TYPED[lines[to_at]]
            cache["from"] = TYPED[lines[from_at]]
            cache["cseq"] = TYPED[lines[cseq_at]]
            for name, index in others:
                cache[name] = TYPED[lines[index]]
        except RemoteProtocolError:
            pass  # whoever asks for it is told
    return message


def _split(head: str, max_headers: int) -> tuple[list[str], list[str]]:
    """Give the names and the lines of a head of any form.

    Raises:
        RemoteProtocolError: there is a stray line end, there are too many lines, or one is no header.
    """
    lines = head.split("\r\n")
    together = "".join(lines)
    del lines[0]
    if len(lines) > max_headers or "\n" in together or "\r" in together or "\0" in together:
        _check_line_ends(head, len(lines), max_headers)
    try:
        names = [CANONICAL[name] for name, colon, _ in [line.partition(":") for line in lines] if colon]
    except KeyError:
        names = []
    return (names, lines) if len(names) == len(lines) else _read_lines(head, lines)


def salvage(head: str, max_headers: int = MAX_HEADERS) -> Message | None:
    """Understand what can be understood of a broken head, so that it can be answered.

    Returns:
        A message with the header lines that are sound; None when no Via says where an answer would go.
    """
    lines = _any_line_end.split(head, max_headers + 1)[: max_headers + 1]
    start_line = lines.pop(0)
    headers = Headers()
    sound = False
    for line in lines:
        if not line:
            break
        if "\0" in line:
            sound = False
        elif line[0] in " \t":
            if sound:
                headers._lines[-1] += "\r\n" + line
        else:
            try:
                name = learn_name(line[: line.index(":")])
            except (ValueError, RemoteProtocolError):
                sound = False
                continue
            headers._names.append(name)
            headers._lines.append(line)
            sound = True
    if "via" not in headers._names:
        return None
    try:
        return _begin(start_line, _PARTS[start_line], headers)
    except RemoteProtocolError as error:
        return error.message


def framed_length(head: str, error: RemoteProtocolError) -> int | None:
    """Say where the body of a refused message ends on a stream, so that the connection may live on.

    A start line that is no SIP at all is no reason to believe what follows it.

    Raises:
        RemoteProtocolError: `error` itself, where that cannot be known.
    """
    message = error.message
    try:
        if message is not None:
            return content_length(message.headers)
        if head[:4].upper() == "SIP/":
            lines = head.split("\r\n")[1:]
            headers = Headers()
            headers._names, headers._lines = _read_lines(head, lines)
            return content_length(headers)
    except RemoteProtocolError:
        pass
    raise error


def has_stray_line_end(head: str) -> bool:
    """Whether a CR, LF or NUL stands where none may, so that others may see other lines than we do."""
    return _stray(head) is not None


_Parts: TypeAlias = tuple[str, str, str, Forms] | tuple[str, tuple[int, str], Forms]
"""Method, URI and version of a request line, or version and (status, reason) of a status line; and in either
case the forms that the heads come in which begin so."""


def _begin(start_line: str, parts: _Parts | None, headers: Headers) -> Message:
    """Make a message without body.

    Raises:
        RemoteProtocolError: its start line has no parts.
    """
    if parts is None:
        _refuse_start_line(start_line, headers)
    # Each kind sets what both have: a line of code that meets one type only is quicker.
    if len(parts) == 4:
        request = _new_object(Request)
        request._method, request._uri, request._version, _ = parts
        request._parsed_uri = None
        request.headers = headers
        request._start = start_line
        request._body = b""
        request._changed = False
        return request
    response = _new_object(Response)
    response._version, (response._status, response._reason), _ = parts
    response.headers = headers
    response._start = start_line
    response._body = b""
    response._changed = False
    return response


def _parts(start_line: str) -> _Parts | None:
    parts = start_line.split(" ")
    if len(parts) == 3:
        method, uri, version = parts
        if (
            (method in KNOWN_METHODS or is_token(method) is not None)
            and (version == "SIP/2.0" or _is_version(version) is not None)
            and uri
            and _bad_uri(uri) is None
        ):
            return method, uri, version, _forms_of(method if method in KNOWN_METHODS else "")
    match = _match_status_line(start_line)
    if match is None:
        return None
    status, reason = int(match[2]), match[3] or ""
    # What stands in a phrase where it may not is found by whoever splits the head: each such line has forms
    # of its own, and as it is refused there, they are never learnt.
    return match[1], (status, reason), Forms() if _stray_end(reason) else _forms_of(status)


_PARTS: Final = Memory(_parts, REMEMBERED_VALUES)
_forms_of = lru_cache(None)(lambda kind: Forms())
"""The forms of each method that is known, and of the others together; and of each status."""


def _refuse_start_line(start_line: str, headers: Headers) -> NoReturn:
    if start_line[:4].upper() == "SIP/":
        raise RemoteProtocolError(
            f"expected a status line `SIP/2.0 status reason` with a status from 100 to 699, "
            f"got {shown(start_line)}",
            section="RFC 3261 §7.2",
            offset=0,
        )
    message = None
    parts = start_line.split()
    if len(parts) >= 3 and is_token(parts[0]) and _is_version(parts[-1]) and "via" in headers._names:
        message = Request.__new__(Request)
        message._method, message._uri, message._version = parts[0], " ".join(parts[1:-1]), parts[-1]
        message._parsed_uri = None
        message.headers = headers
        message._start = start_line
        message._body = b""
        message._changed = False
    raise RemoteProtocolError(
        f"expected a request line `METHOD URI SIP/2.0` with one space between its parts, "
        f"got {shown(start_line)}",
        section="RFC 3261 §7.1",
        offset=0,
        message=message,
    )


def _read_lines(head: str, lines: list[str]) -> tuple[list[str], list[str]]:
    """Go through the lines one by one: join the folded ones, and say which one is wrong."""
    names: list[str] = []
    joined: list[str] = []
    fold: list[str] = []
    offset = head.find("\r\n") + 2
    for line in lines:
        if line[:1] in (" ", "\t") and names:
            fold.append(line)
        else:
            if fold:
                joined[-1] = "\r\n".join([joined[-1], *fold])
                fold = []
            name, colon, _ = line.partition(":")
            try:
                if not colon:
                    raise RemoteProtocolError(
                        f"expected a header name and a colon, got {shown(line)}", section="RFC 3261 §7.3.1"
                    )
                names.append(learn_name(name))
            except RemoteProtocolError as error:
                raise RemoteProtocolError(
                    error.reason, error.status_hint, error.section, _byte_offset(head, offset), salvage(head)
                ) from None
            joined.append(line)
        offset += len(line) + 2
    if fold:
        joined[-1] = "\r\n".join([joined[-1], *fold])
    return names, joined


def _check_line_ends(head: str, count: int, max_headers: int) -> None:
    """Refuse stray line ends and NULs; a NUL escaped by a backslash may stand in a quoted string."""
    if count > max_headers:
        raise RemoteProtocolError(
            f"expected at most {max_headers} header lines, got {count}",
            status_hint=513,
            section="RFC 3261 §21.5.7",
            message=salvage(head, max_headers),
        )
    match = _stray(head)
    if match is None:
        return
    what = {"\r": "a CR without LF", "\n": "an LF without CR", "\0": "a NUL"}[match[0]]
    raise RemoteProtocolError(
        f"expected lines that end in CRLF and hold neither CR, LF nor NUL, got {what}",
        section="RFC 3261 §7" if match[0] != "\0" else "RFC 3261 §25.1",
        offset=_byte_offset(head, match.start()),
        message=salvage(head, max_headers),
    )


def _refuse_headers(names: list[str], message: Message) -> NoReturn:
    missing = [WRITTEN_NAMES[name] for name in MANDATORY if name not in names]
    doubled = _doubled(names)
    reason = f"expected the headers Via, From, To, Call-ID and CSeq, got no {' and no '.join(missing)}"
    if not missing:
        reason = f"expected one {WRITTEN_NAMES[doubled[0]]} header, got {names.count(doubled[0])}"
    raise RemoteProtocolError(
        reason,
        section="RFC 3261 §8.1.1" if missing else "RFC 3261 §7.3.1",
        message=message if "via" in names else None,
    )


def _doubled(names: list[str]) -> list[str]:
    return [name for name in MANDATORY[1:] if names.count(name) > 1]


def _byte_offset(head: str, index: int) -> int:
    return len(head[:index].encode("utf-8", "surrogateescape"))
