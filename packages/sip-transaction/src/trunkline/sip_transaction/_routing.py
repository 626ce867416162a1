"""Routing of responses: the marks a received request gets, and the way its responses go back.

Source: RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4. Not here: finding a server by DNS (RFC 3263 §5), and the
quick way for plain Vias (`mark_received`).
"""

from __future__ import annotations

from typing import Final

from trunkline.sip_parser import RemoteProtocolError, Request, Via

from ._flow import Flow

_DEFAULT_PORTS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443, "SCTP": 5060}


def mark_source(request: Request, flow: Flow, *, force_rport: bool, heed_maddr: bool) -> Flow:
    """Write received and rport into the top Via of a request and say where its responses go.

    Args: `flow` is the way it came; with `force_rport` the source port is written, and answered to, though
    the peer did not ask for it; without `heed_maddr` an answer never goes to another host than the request
    came from.
    Returns: `flow` itself in most cases.
    Raises: RemoteProtocolError when the Via cannot be read.
    """
    via = request.top_via
    params = via.params
    host, port = flow.remote
    asks_rport = "rport" in params
    symmetric = force_rport or asks_rport
    sent_by_port = _response_port(via)
    # What the peer wrote about its own address is never believed, so its claims are overwritten.
    if asks_rport or "received" in params or via.host != host or (symmetric and sent_by_port != port):
        # the zone of a link-local address means nothing to the peer
        marked = {**params, "received": host.partition("%")[0]}
        if symmetric:
            marked["rport"] = str(port)
        new = Via(via.transport, via.host, via.port, marked, via.protocol)
        request.headers.replace_top("via", str(new))
    if flow.reliable:
        return flow
    maddr = params.get("maddr") if heed_maddr else None
    if maddr:
        return Flow(flow.transport, flow.local, (maddr.strip("[]"), sent_by_port))
    if symmetric or sent_by_port == port:
        return flow
    return Flow(flow.transport, flow.local, (host, sent_by_port))


def reconnection(request: Request, flow: Flow) -> Flow:
    """Say where the responses of a request go once the connection it came by is lost; never raises.

    Returns: a flow without a connection, to the source address and the port of sent-by.
    Source: RFC 3261 §18.2.2
    """
    try:
        port = _response_port(request.top_via)
    except RemoteProtocolError:  # with our marks in it, it is looked at more closely than when it came
        port = 5060
    return Flow(flow.transport, flow.local, (flow.remote[0], port))


def _response_port(via: Via) -> int:
    """Give the port that responses go to where nothing else is asked for."""
    return via.port or _DEFAULT_PORTS.get(via.transport, 5060)
