"""Routing of responses: the marks a received request gets, and the way its responses go back.

Source: RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4. Not here: finding a server by DNS (RFC 3263 §5).
"""

from __future__ import annotations

from trunkline.sip_parser import Request, Via

from ._flow import Flow

_DEFAULT_PORTS = {"TLS": 5061, "WS": 80, "WSS": 443}


def mark_source(request: Request, via: Via, flow: Flow, *, force_rport: bool) -> Flow:
    """Write received and rport into the top Via of a request and say where its responses go.

    Args: `via` is the request's top Via as received, `flow` the way it came; with `force_rport` the source
    port is written, and answered to, though the peer did not ask for it.
    Returns: `flow` itself in most cases.
    """
    params = via.params
    host, port = flow.remote
    symmetric = force_rport or "rport" in params
    # What the peer wrote about its own address is never believed, so an own "received" is overwritten.
    if (
        "rport" in params
        or "received" in params
        or via.host != host
        or (symmetric and (via.port or _default_port(via)) != port)
    ):
        request.headers.replace_top("via", _marked(request, via, host, port if symmetric else None))
    if flow.reliable:
        return flow
    maddr = params.get("maddr")
    if maddr:
        return Flow(flow.transport, flow.local, (maddr.strip("[]"), via.port or 5060))
    if symmetric:
        return flow
    port = via.port or 5060
    return flow if port == flow.remote[1] else Flow(flow.transport, flow.local, (host, port))


def _marked(request: Request, via: Via, host: str, port: int | None) -> str:
    if "%" in host:
        host = host.partition("%")[0]  # the zone of a link-local address means nothing to the peer
    mark = f";received={host}" if port is None else f";received={host};rport={port}"
    params = via.params
    if "received" not in params:
        # Nearly always the mark can be put into the text as it came, which is quicker than writing it anew.
        text = request.headers.top_value("via") or ""
        if "rport" not in params:
            return text + mark
        before, found, after = text.partition(";rport")
        if found and (not after or after[0] == ";"):
            return before + mark + after
    marked = dict(params)
    marked["received"] = host
    if port is not None:
        marked["rport"] = str(port)
    return str(Via(via.transport, via.host, via.port, marked, via.protocol))


def reconnection(request: Request, flow: Flow) -> Flow:
    """Say where the responses of a request go once the connection it came by is lost.

    Returns: a flow without a connection, to the source address and the port of sent-by.
    Source: RFC 3261 §18.2.2
    """
    via = request.top_via
    return Flow(flow.transport, flow.local, (flow.remote[0], via.port or _default_port(via)))


def _default_port(via: Via) -> int:
    return _DEFAULT_PORTS.get(via.transport, 5060)
