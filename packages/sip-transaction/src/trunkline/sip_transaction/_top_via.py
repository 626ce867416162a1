"""TopVia: what the layer reads of a request's top Via, and how it writes its marks into it.

Strategy: every request comes through here, and nearly all of them spell their Via the plain way, so that one
look at its text does. Whatever is spelled in another way (blanks, quotes, IPv6, upper-case names, an own
"received" or "maddr") is left to the parser of Via. Both ways give the same, which is tested.

Not here: what the marks are and where responses go (`_routing`).
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from trunkline.sip_parser import Request, Via

# The protocols as they are plainly spelled, and their default ports.
_PLAIN_PROTOCOLS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443, "SCTP": 5060}

_VALUE: Final = r"[A-Za-z0-9\-.!%*_+`'~=:/@&$?()|#]"
# The branch, with rport on either side of it where it is asked for, before whatever matters to nobody here.
_match_plain = re.compile(
    rf"SIP/2\.0/([A-Z]+) ([A-Za-z0-9.\-]+)(?::([0-9]{{1,5}}))?(;rport)?;branch=({_VALUE}+)(;rport)?"
    rf"(?:;(?!(?i:branch|rport|received|maddr)){_VALUE}*)*"
).fullmatch


@attrs.define(slots=True, eq=False, weakref_slot=False)
class TopVia:
    """Hold the parts of a request's top Via that matter to transactions."""

    host: str
    """The host of sent-by, as spelled."""
    port: int | None
    """The port of sent-by, None when it does not say."""
    default_port: int
    """The port that its transport has by default."""
    branch: str | None
    """The branch, None when there is none."""
    asks_rport: bool
    """Whether there is an rport, filled or not."""
    claims: bool
    """Whether it says by itself what only its receiver may say: received, or a filled rport."""
    maddr: str | None
    """The address responses must go to, None mostly."""
    _text: str
    _via: Via | None

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
    match = _match_plain(text)
    if match is None:
        return _parse(request)
    transport, host, port, rport, branch, rport_after = match.groups()
    default_port = _PLAIN_PROTOCOLS.get(transport)
    number = int(port) if port else None
    if default_port is None or (number is not None and number > 65535) or (rport and rport_after):
        return _parse(request)
    asks_rport = rport is not None or rport_after is not None
    return TopVia(host, number, default_port, branch, asks_rport, False, None, text, None)


def _parse(request: Request) -> TopVia:
    via = request.top_via
    params = via.params
    maddr = params.get("maddr")
    return TopVia(
        via.host,
        via.port,
        _PLAIN_PROTOCOLS.get(via.transport, 5060),
        via.branch,
        "rport" in params,
        "received" in params or bool(params.get("rport")),
        maddr.strip("[]") if maddr else None,
        "",
        via,
    )
