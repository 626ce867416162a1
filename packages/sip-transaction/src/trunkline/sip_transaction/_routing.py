"""Routing of responses: the marks a received request gets, and the way its responses go back.

Source: RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4. Not here: finding a server by DNS (RFC 3263 §5).
"""

from __future__ import annotations

from trunkline.sip_parser import RemoteProtocolError, Request

from ._flow import Flow
from ._top_via import TopVia, read_top_via


def mark_source(
    request: Request, via: TopVia, flow: Flow, *, force_rport: bool, heed_maddr: bool
) -> Flow:
    """Write received and rport into the top Via of a request and say where its responses go.

    Args: `via` is the request's top Via as received, `flow` the way it came; with `force_rport` the source
    port is written, and answered to, though the peer did not ask for it; without `heed_maddr` an answer
    never goes to another host than the request came from.
    Returns: `flow` itself in most cases.
    """
    host, port = flow.remote
    symmetric = force_rport or via.asks_rport
    sent_by_port = via.port or via.default_port
    # What the peer wrote about its own address is never believed, so its claims are overwritten.
    if via.asks_rport or via.claims or via.host != host or (symmetric and sent_by_port != port):
        request.headers.replace_top("via", via.marked(host, port if symmetric else None))
    if flow.reliable:
        return flow
    if heed_maddr and via.maddr is not None:
        return Flow(flow.transport, flow.local, (via.maddr, sent_by_port))
    if symmetric or sent_by_port == port:
        return flow
    return Flow(flow.transport, flow.local, (host, sent_by_port))


def reconnection(request: Request, flow: Flow) -> Flow:
    """Say where the responses of a request go once the connection it came by is lost; never raises.

    Returns: a flow without a connection, to the source address and the port of sent-by.
    Source: RFC 3261 §18.2.2
    """
    try:
        via = read_top_via(request)
        port = via.port or via.default_port
    except RemoteProtocolError:  # with our marks in it, it is looked at more closely than when it came
        port = 5060
    return Flow(flow.transport, flow.local, (flow.remote[0], port))
