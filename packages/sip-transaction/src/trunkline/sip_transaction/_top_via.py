"""TopVia: what the layer reads of a request's top Via, and how it writes its marks into it.

Strategy: every request comes through here, and nearly all of them spell their Via the plain way, so that one
look at its parameters does. What stands before them is the same in all that a peer sends, and is remembered.
Whatever is spelled in another way (blanks, quotes, IPv6, upper-case names, an own "received" or "maddr") is
left to the parser of Via. Both ways give the same, which is tested.

Not here: what the marks are and where responses go (`_routing`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import attrs

from trunkline.sip_parser import Request, Via

# The protocols as they are plainly spelled, and their default ports.
_PLAIN_PROTOCOLS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443, "SCTP": 5060}
_match_sender = re.compile(r"SIP/2\.0/([A-Z]+) ([A-Za-z0-9.\-]+)(?::([0-9]{1,5}))?").fullmatch

# What is remembered is bounded by these: peers, and the characters of one.
_REMEMBERED: Final = 4096
_REMEMBERED_LENGTH: Final = 100

_VALUE: Final = r"[A-Za-z0-9\-.!%*_+`'~=:/@&$?()|#]"
# Of these nobody reads the Vias: the route of a dialog is settled when they come.
_WITHIN_DIALOGS: Final = frozenset(("ACK", "BYE", "PRACK", "INFO"))

# The branch, with rport on either side of it where it is asked for, before whatever matters to nobody here.
_match_params = re.compile(
    rf"(rport;)?branch=({_VALUE}+)(;rport)?((?:;(?!(?i:branch|rport|received|maddr)){_VALUE}*)*)"
).fullmatch


@attrs.frozen(slots=True)
class Sender:
    """Who wrote a Via: what stands in it before the parameters."""

    transport: str
    """The transport it was sent by, upper case."""
    host: str
    """The host of sent-by, as spelled."""
    name: str
    """The host of sent-by, in lower case."""
    port: int | None
    """The port of sent-by, None when it does not say."""
    default_port: int
    """The port that its transport has by default."""


@attrs.define(slots=True, eq=False, weakref_slot=False)
class TopVia:
    """Hold the parts of a request's top Via that matter to transactions."""

    sender: Sender
    """Its protocol and sent-by."""
    branch: str | None
    """The branch, None when there is none."""
    asks_rport: bool
    """Whether there is an rport, filled or not."""
    claims: bool
    """Whether it says by itself what only its receiver may say: received, or a filled rport."""
    maddr: str | None
    """The address responses must go to, None mostly."""
    _text: str
    _is_bare: bool
    """Whether the text is the plain one, of a branch and perhaps an rport only."""
    _via: Via | None

    @property
    def response_port(self) -> int:
        """The port that responses go to where nothing else is asked for."""
        return self.sender.port or self.sender.default_port

    def mark(self, request: Request, host: str, port: int | None) -> None:
        """Write received and, unless `port` is None, rport into the top Via of its request."""
        if self._via is not None or port is None or "%" in host:
            request.headers.replace_top("via", self.marked(host, port))
            return
        text, shown = self._text, str(port)
        mark = f";received={host};rport={shown}"
        leads = False  # the mark, before the branch
        if not self.asks_rport:
            text += mark
        elif text[-6:] == ";rport":
            text = text[:-6] + mark
        else:
            text = text.replace(";rport", mark, 1)
            leads = True
        if not self._is_bare or request.method in _WITHIN_DIALOGS:
            request.replace_top_via(text)
            return
        # Whoever checks the request reads its Vias next, and need not do so once more.
        sender = self.sender
        if leads:
            params = {"received": host, "rport": shown, "branch": self.branch}
        else:
            params = {"branch": self.branch, "received": host, "rport": shown}
        request.replace_top_via(text, sender.transport, sender.host, sender.port, params)

    def marked(self, host: str, port: int | None) -> str:
        """Write the Via anew with received and, unless `port` is None, rport."""
        if "%" in host:
            host = host.partition("%")[0]  # the zone of a link-local address means nothing to the peer
        via = self._via
        if via is None:
            if port is None:
                return f"{self._text};received={host}"
            mark = f";received={host};rport={port}"
            return self._text.replace(";rport", mark, 1) if self.asks_rport else self._text + mark
        params = dict(via.params)
        params["received"] = host
        if port is not None:
            params["rport"] = str(port)
        return str(Via(via.transport, via.host, via.port, params, via.protocol))


def read_top_via(request: Request) -> TopVia:
    """Read the top Via of a request.

    Raises: RemoteProtocolError when it cannot be read.
    Source: RFC 3261 §20.42, RFC 3581 §3
    """
    text = request.headers.top_value("via") or ""
    written, _, params = text.partition(";")
    match = _match_params(params)
    if match is None or len(written) > _REMEMBERED_LENGTH:
        return _parse(request)
    rport, branch, rport_after, others = match.groups()
    sender = _read_sender(written)
    if sender is None or (rport and rport_after):
        return _parse(request)
    return TopVia(sender, branch, bool(rport or rport_after), False, None, text, not others, None)


@lru_cache(_REMEMBERED)
def _read_sender(written: str) -> Sender | None:
    """Read what is plainly spelled; None where only the parser of Via knows."""
    match = _match_sender(written)
    if match is None:
        return None
    transport, host, digits = match.groups()
    default_port = _PLAIN_PROTOCOLS.get(transport)
    port = int(digits) if digits else None
    if default_port is None or (port is not None and port > 65535):
        return None
    return Sender(transport, host, host.lower(), port, default_port)


def _parse(request: Request) -> TopVia:
    via = request.top_via
    params = via.params
    maddr = params.get("maddr")
    default_port = _PLAIN_PROTOCOLS.get(via.transport, 5060)
    return TopVia(
        Sender(via.transport, via.host, via.host.lower(), via.port, default_port),
        via.branch,
        "rport" in params,
        "received" in params or bool(params.get("rport")),
        maddr.strip("[]") if maddr else None,
        "",
        False,
        via,
    )
