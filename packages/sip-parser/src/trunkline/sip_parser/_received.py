"""What the receiver of a request reads of its top Via and writes into it, in one go.

Strategy: every request comes through here, and nearly all spell their Via in one of few ways: a sender that
is remembered from before, then a branch of RFC 3261, with rport on either side of it where it is asked for.
Such a line is cut at known places and the new one put together of the pieces, and it becomes an object only
where somebody reads that next. Whatever is spelled in another way (blanks, quotes, IPv6, compact names, other
parameters, several on a line) is left alone, for who reads it with the parser of Via.

Source: RFC 3261 §18.2.1, RFC 3581 §4
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import attrs

from ._errors import RemoteProtocolError
from ._grammar import FrozenParams
from ._messages import Request
from ._via import MAGIC_COOKIE, made_via

_match_sender = re.compile(r"Via: SIP/2\.0/([A-Z]+) ([A-Za-z0-9.\-]+)(?::([0-9]{1,5}))?").fullmatch
# A cookie alone tells no transactions apart. Source: RFC 4475 §3.2.1
_is_plain_branch = re.compile(rf"branch={MAGIC_COOKIE}[A-Za-z0-9\-.!%*_+`'~=:/@&$?()|#]+").fullmatch
_DEFAULT_PORTS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443, "SCTP": 5060}

# What is remembered is bounded by these: senders, and the characters of one.
_REMEMBERED: Final = 4096
_REMEMBERED_LENGTH: Final = 100

# Of these nobody reads the Vias: the route of a dialog is settled when they come.
_WITHIN_DIALOGS: Final = frozenset(("ACK", "BYE", "PRACK", "INFO"))


_Mark: TypeAlias = tuple[tuple[str, int] | None, str, str]
"""Where a request came from, what is written into its Via for that, and the port as it is written there."""
_UNMARKED: Final[_Mark] = (None, "", "")


@attrs.define(slots=True, eq=False)
class _Sender:
    """Who wrote a Via: what stands in it before the parameters, and where its requests come from."""

    transport: str
    host: str
    port: int | None
    response_port: int
    sent_by: str
    mark: _Mark = _UNMARKED
    """Of the last one that was marked: in one piece, because other threads have messages of their own."""

    def remember(self, remote: tuple[str, int]) -> _Mark:
        """Write the mark of those who come from there."""
        host, port = remote
        # the zone of a link-local address means nothing to the peer
        mark = self.mark = remote, f";received={host.partition('%')[0]};rport={port}", str(port)
        return mark


# By the line before the parameters. One that is full begins anew: an order of use would cost every look, and
# hardly ever matter.
_senders: dict[str, _Sender] = {}


def mark_received(request: Request, remote: tuple[str, int], *, force_rport: bool) -> str | None:
    """Mark a request with where it came from, where its Via is a plain one whose sender is answered there.

    Args:
        request: as it was parsed; received and rport are written into its top Via.
        remote: the address it came from, and the port.
        force_rport: whether to do so though its sender did not ask for rport. Where that one then has
            sent from where it says that it is, nothing needs to be written.

    Returns:
        What tells its transaction from all others, save for the method: the branch parameter, sent-by in
        lower case (with the colon, and without a port that is not told) and Call-ID, each with a line break
        after it. None for any other request, which is left as it was.

    Source: RFC 3261 §17.2.3, §18.2.1, RFC 3581 §4
    """
    headers = request.headers
    names, lines, cache = headers._names, headers._lines, headers._cache
    try:
        index = names.index("via")
        call_id = cache.get("call-id") or request.call_id
    except (ValueError, RemoteProtocolError):  # that is for others to find
        return None
    line = lines[index]
    pieces = line.split(";")
    leads = False
    if len(pieces) == 3:
        written, branch, last = pieces
        if branch == "rport":
            branch, leads = last, True
        elif last != "rport":
            return None
    elif force_rport and len(pieces) == 2:
        written, branch = pieces
    else:
        return None
    sender = _senders.get(written) or _remember_sender(written)
    if sender is None or _is_plain_branch(branch) is None:
        return None
    if len(pieces) == 3 or sender.response_port != remote[1] or sender.host != remote[0]:
        marked_for, mark, shown_port = sender.mark
        if marked_for != remote:
            _, mark, shown_port = sender.remember(remote)
        lines[index] = f"{written}{mark};{branch}" if leads else f"{written};{branch}{mark}"
        headers._changed = True
        if "via" in cache:
            del cache["via"]
        if "*via" in cache:
            del cache["*via"]
        if request._method not in _WITHIN_DIALOGS and names.count("via") == 1 and "%" not in remote[0]:
            # Whoever checks the request reads its Vias next, and need not do so once more.
            typed = {"branch": branch[7:], "received": remote[0], "rport": shown_port}
            cache["via"] = (made_via(sender.transport, sender.host, sender.port, FrozenParams(typed)),)
    return f"{branch}\n{sender.sent_by}\n{call_id}\n"


def _remember_sender(written: str) -> _Sender | None:
    """Read what stands before the parameters; None where only the parser of Via can."""
    match = _match_sender(written) if len(written) <= _REMEMBERED_LENGTH else None
    if match is None:
        return None
    transport, host, digits = match.groups()
    default_port = _DEFAULT_PORTS.get(transport)
    port = int(digits) if digits else None
    if default_port is None or (port is not None and port > 65535):
        return None
    if len(_senders) >= _REMEMBERED:
        _senders.clear()
    sent_by = f"{host.lower()}:{'' if port is None else port}"
    sender = _senders[written] = _Sender(transport, host, port, port or default_port, sent_by)
    return sender
