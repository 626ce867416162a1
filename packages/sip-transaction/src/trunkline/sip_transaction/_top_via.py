"""The top Via of a request, read and marked in one go where it is spelled as nearly all are.

Strategy: every request comes through here, so a plain Via is cut at known places and never becomes an object:
a sender remembered from before, then a branch of RFC 3261, with rport on either side of it where it is asked
for. Whatever is spelled in another way (blanks, quotes, IPv6, upper-case names, other parameters) is left
to the parser of Via (`_keys.server_stem`, `_routing.mark_source`). Both ways give the same, which is tested.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from trunkline.sip_parser import MAGIC_COOKIE, RemoteProtocolError, Request

DEFAULT_PORTS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443, "SCTP": 5060}
"""The protocols as they are plainly spelled, and their default ports."""

_match_sender = re.compile(r"SIP/2\.0/([A-Z]+) ([A-Za-z0-9.\-]+)(?::([0-9]{1,5}))?").fullmatch
_find_unusual = re.compile(r"[^A-Za-z0-9\-.!%*_+`'~=:/@&$?()|#]").search

# What is remembered is bounded by these: peers, and the characters of one.
_REMEMBERED: Final = 4096
_REMEMBERED_LENGTH: Final = 100

_BRANCH: Final = f"branch={MAGIC_COOKIE}"
_RPORT_BRANCH: Final = f"rport;branch={MAGIC_COOKIE}"
_BRANCH_AT: Final = len("branch=")
_SHORTEST: Final = len(MAGIC_COOKIE) + 1  # a cookie alone tells no transactions apart, RFC 4475 §3.2.1

# Of these nobody reads the Vias: the route of a dialog is settled when they come.
_WITHIN_DIALOGS: Final = frozenset(("ACK", "BYE", "PRACK", "INFO"))


@attrs.frozen(slots=True)
class _Sender:
    """Who wrote a Via: what stands in it before the parameters."""

    transport: str
    """The transport it was sent by, upper case."""
    host: str
    """The host of sent-by, as spelled."""
    port: int | None
    """The port of sent-by, None when it does not say."""
    response_port: int
    """The port that responses go to where nothing else is asked for."""
    sent_by: str
    """Host and port as `sent_by` gives them."""


# Senders by what they write, marks and their values by where requests come from. When one of them is full,
# it begins anew: an order of use would cost every look, and hardly ever matter.
_senders: dict[str, _Sender] = {}
_marks: dict[tuple[str, int], tuple[str, str]] = {}


def mark_plain_via(request: Request, remote: tuple[str, int], *, force_rport: bool) -> str | None:
    """Read the top Via of a request and mark it with where it came from, which is where responses go then.

    Args: as `mark_source` has them.
    Returns: what `server_stem` would have given before; None where the Via is not plain or its sender is to
    be answered elsewhere, and then nothing has changed.
    Source: RFC 3261 §17.2.3, §18.2.1, RFC 3581 §4
    """
    text = request.headers.top_value("via") or ""
    written, _, params = text.partition(";")
    sender = _senders.get(written) or _remember_sender(written)
    if sender is None:
        return None
    asks = leads = False
    if params.startswith(_BRANCH):
        asks = params.endswith(";rport")
        branch = params[_BRANCH_AT:-6] if asks else params[_BRANCH_AT:]
    elif params.startswith(_RPORT_BRANCH):
        asks = leads = True
        branch = params[6 + _BRANCH_AT :]
    else:
        return None
    if not (asks or force_rport) or len(branch) < _SHORTEST or _find_unusual(branch) is not None:
        return None
    try:
        call_id = request.call_id
    except RemoteProtocolError:  # that is for others to find
        return None
    if asks or sender.response_port != remote[1] or sender.host != remote[0]:
        mark, port = _marks.get(remote) or _remember_mark(remote)
        if leads:
            text = f"{written}{mark};branch={branch}"
        else:
            text = f"{text[:-6]}{mark}" if asks else f"{text}{mark}"
        host = remote[0]
        if request.method in _WITHIN_DIALOGS or "%" in host:
            request.replace_top_via(text)
        else:
            # Whoever checks the request reads its Vias next, and need not do so once more.
            typed: dict[str, str | None]
            if leads:
                typed = {"received": host, "rport": port, "branch": branch}
            else:
                typed = {"branch": branch, "received": host, "rport": port}
            request.replace_top_via(text, sender.transport, sender.host, sender.port, typed)
    return f"{branch}\n{sender.sent_by}\n{call_id}\n"


def sent_by(host: str, port: int | None) -> str:
    """Write a sent-by as keys have it: in lower case; a default port is not the same as none."""
    return f"{host.lower()}:{'' if port is None else port}"


def without_zone(host: str) -> str:
    """Take off the zone of a link-local address, which means nothing to the peer."""
    return host.partition("%")[0]


def _remember_sender(written: str) -> _Sender | None:
    """Read what stands before the parameters; None where only the parser of Via can."""
    match = _match_sender(written) if len(written) <= _REMEMBERED_LENGTH else None
    if match is None:
        return None
    transport, host, digits = match.groups()
    default_port = DEFAULT_PORTS.get(transport)
    port = int(digits) if digits else None
    if default_port is None or (port is not None and port > 65535):
        return None
    if len(_senders) >= _REMEMBERED:
        _senders.clear()
    sender = _senders[written] = _Sender(transport, host, port, port or default_port, sent_by(host, port))
    return sender


def _remember_mark(remote: tuple[str, int]) -> tuple[str, str]:
    """Write the parameters that say where a request came from; gives them and the port."""
    if len(_marks) >= _REMEMBERED:
        _marks.clear()
    host, port = remote
    mark = _marks[remote] = (f";received={without_zone(host)};rport={port}", str(port))
    return mark
