"""Whether two values of a header mean the same, whatever their case, blanks, escapes and order of parameters.

How one URI, address or Via is compared is in `_uri`, `_address` and `_via`; here is which header is which.

Source: RFC 3261 §7.3.1, §19.1.4, §20
"""

from __future__ import annotations

import re
from typing import Final

from ._address import NameAddr
from ._errors import LocalProtocolError, RemoteProtocolError
from ._fields import ParamValue
from ._grammar import same_values, split_list, unescape, unfold, unquote
from ._names import NOT_LISTS, canonical_name
from ._via import Via

_ADDRESSES_NAMES: Final = (
    "contact diversion from history-info p-asserted-identity p-associated-uri p-called-party-id "
    "p-preferred-identity path record-route refer-to referred-by reply-to route service-route to"
)
_ADDRESSES: Final = frozenset(_ADDRESSES_NAMES.split())
_WITH_PARAMS_NAMES: Final = (
    "accept accept-contact accept-encoding accept-language alert-info call-info content-disposition "
    "content-type error-info event min-se p-access-network-info reason reject-contact retry-after "
    "security-client security-server security-verify session-expires subscription-state"
)
_WITH_PARAMS: Final = frozenset(_WITH_PARAMS_NAMES.split())
_CASE_COUNTS_NAMES: Final = (
    "allow call-id cseq date in-reply-to join rack replaces sip-etag sip-if-match target-dialog"
)
_CASE_COUNTS: Final = frozenset(_CASE_COUNTS_NAMES.split())
"""Identifiers compared byte by byte, methods, dates. Source: RFC 3261 §7.1, §20.8, §20.16, §20.17"""

# A string without its end reaches to the end of the text, so that no quote in it is tried again.
_quoted = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))', re.DOTALL)
_blanks = re.compile(r"[ \t]+")
_around_separators = re.compile(r" ?([,;=/<>]) ?")


def equivalent_values(name: str, one: str, other: str) -> bool:
    """Compare two values of a header by the rules of that header.

    Tokens are equal in any case, quoted strings to the letter, parameters in any order; a list is compared
    value by value. What cannot be read as the header demands is compared as text.

    Args:
        name: in any case, or its compact form.

    Raises:
        LocalProtocolError: the name is none.

    Source: RFC 3261 §7.3.1, §20
    """
    if one == other:
        return True
    name = canonical_name(name)
    if name in NOT_LISTS:
        return _same(name, one, other)
    ours, theirs = split_list(unfold(one)), split_list(unfold(other))
    return len(ours) == len(theirs) and all(_same(name, *pair) for pair in zip(ours, theirs, strict=True))


def same_uri_headers(ours: str | None, theirs: str | None) -> bool:
    """Compare the header parts of two URIs: none is ignored, any order, each by its header's rules.

    An address whose own URI has headers is compared to the letter, so that nothing nests without end.

    Source: RFC 3261 §19.1.4
    """
    mine, others = _uri_headers(ours), _uri_headers(theirs)
    return len(mine) == len(others) and all(
        name == other_name and (value == other or _same_uri_header(name, value, other))
        for (name, value), (other_name, other) in zip(mine, others, strict=True)
    )


def _uri_headers(headers: str | None) -> list[tuple[str, str]]:
    if not headers:
        return []
    found = []
    for part in headers.split("&"):
        name, _, value = part.partition("=")
        name = unescape(name)
        try:
            name = canonical_name(name)
        except LocalProtocolError:
            pass
        found.append((name, unescape(value)))
    return sorted(found, key=lambda header: (header[0], header[1].lower()))


def _same_uri_header(name: str, one: str, other: str) -> bool:
    if name == "body" or "?" in one or "?" in other:
        return False
    try:
        return equivalent_values(name, one, other)
    except LocalProtocolError:
        return False


def _same(name: str, one: str, other: str) -> bool:
    try:
        if name in _ADDRESSES:
            return NameAddr.parse(one).equivalent(NameAddr.parse(other))
        if name == "via":
            return Via.parse(one).equivalent(Via.parse(other))
        if name in _WITH_PARAMS:
            ours, theirs = ParamValue.parse(one), ParamValue.parse(other)
            return (
                _text(ours.value) == _text(theirs.value)
                and ours.params.keys() == theirs.params.keys()
                and same_values(ours.params, theirs.params)
            )
    except RemoteProtocolError:
        pass
    return _text(one, lower=name not in _CASE_COUNTS) == _text(other, lower=name not in _CASE_COUNTS)


def _text(value: str, *, lower: bool = True) -> list[str]:
    """Give what is compared: quoted strings without their escapes, the rest without its case and blanks."""
    pieces = _quoted.split(unfold(value).strip(" \t\r\n"))
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = unquote(piece)
        else:
            plain = _around_separators.sub(r"\1", _blanks.sub(" ", piece))
            pieces[index] = plain.lower() if lower else plain
    return pieces
