"""TopVia: what the layer reads of a request's top Via, and how it writes its marks into it.

Strategy: every request comes through here, and nearly all of them spell their Via the plain way, so that a
few searches in its text do. Whatever is spelled in another way (blanks, quotes, IPv6, upper-case names, an
own "received" or "maddr") is left to the parser of Via. Both ways give the same, which is tested.

Not here: what the marks are and where responses go (`_routing`).
"""

from __future__ import annotations

from typing import Final

import attrs

from trunkline.sip_parser import Request, Via

# The protocols as they are plainly spelled, and their default ports.
_PLAIN_PROTOCOLS: Final = {
    "SIP/2.0/UDP": 5060,
    "SIP/2.0/TCP": 5060,
    "SIP/2.0/TLS": 5061,
    "SIP/2.0/WS": 80,
    "SIP/2.0/WSS": 443,
    "SIP/2.0/SCTP": 5060,
}


@attrs.define(slots=True, eq=False)
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
    protocol, _, rest = text.partition(" ")
    default_port = _PLAIN_PROTOCOLS.get(protocol)
    lower = rest.lower()
    if (
        default_port is None
        or " " in rest
        or '"' in rest
        or "," in rest
        or "[" in rest
        or "received" in lower
        or "maddr" in lower
        or not (rest.isascii() and rest.isprintable())
    ):
        return _parse(request)
    sent_by, _, _ = rest.partition(";")
    params = rest[len(sent_by) :]
    host, colon, port = sent_by.partition(":")
    if not host or (colon and not (port.isdecimal() and len(port) <= 5 and int(port) <= 65535)):
        return _parse(request)
    if lower.count(";branch") > 1 or lower.count(";rport") > 1:
        return _parse(request)
    start = params.find(";branch=")
    if start >= 0:
        end = params.find(";", start + 8)
        branch = params[start + 8 : end] if end > 0 else params[start + 8 :]
    elif "branch" in lower:
        return _parse(request)
    else:
        branch = ""
    rport = params.find(";rport")
    if rport >= 0:
        if params[rport + 6 : rport + 7] not in ("", ";"):
            return _parse(request)
    elif "rport" in lower:
        return _parse(request)
    return TopVia(
        host,
        int(port) if colon else None,
        default_port,
        branch or None,
        rport >= 0,
        False,
        None,
        text,
        None,
    )


def _parse(request: Request) -> TopVia:
    via = request.top_via
    params = via.params
    maddr = params.get("maddr")
    return TopVia(
        via.host,
        via.port,
        _PLAIN_PROTOCOLS.get(f"SIP/2.0/{via.transport}", 5060),
        via.branch,
        "rport" in params,
        "received" in params or bool(params.get("rport")),
        maddr.strip("[]") if maddr else None,
        "",
        via,
    )
