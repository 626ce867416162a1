"""Requests the layer makes by itself: the ACK for a failure response and the CANCEL.

Not here: the ACK for a 2xx, which is the transaction user's (`_dialog`).
"""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.sip_parser import Headers, Request, Response


def ack_bytes(request: Request, response: Response, user_agent: str | None) -> bytes:
    """Make the ACK for a response of 300 to 699 to an INVITE, ready to send.

    Source: RFC 3261 §17.1.1.3
    """
    headers = request.headers
    lines = [f"ACK {request.uri} SIP/2.0", f"Via: {headers.top_value('via')}", "Max-Forwards: 70"]
    if "route" in headers:
        lines += [f"Route: {value}" for value in headers.get_all("route")]
    lines += (
        f"From: {headers.get('from')}",
        f"To: {response.headers.get('to')}",
        f"Call-ID: {headers.get('call-id')}",
        f"CSeq: {_cseq_number(request)} ACK",
    )
    if user_agent is not None:
        lines.append(f"User-Agent: {user_agent}")
    lines.append("Content-Length: 0\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def make_cancel(request: Request, extra: Iterable[tuple[str, str]], user_agent: str | None) -> Request:
    """Make the CANCEL of a request.

    Args: `extra` headers go along, such as a Reason.
    Source: RFC 3261 §9.1
    """
    source = request.headers
    headers = Headers()
    headers.add("Via", source.top_value("via") or "")
    headers.add("Max-Forwards", "70")
    for route in source.get_all("route"):
        headers.add("Route", route)
    headers.add("From", source.get("from") or "")
    headers.add("To", source.get("to") or "")
    headers.add("Call-ID", source.get("call-id") or "")
    headers.add("CSeq", f"{_cseq_number(request)} CANCEL")
    if user_agent is not None:
        headers.add("User-Agent", user_agent)
    for name, value in extra:
        headers.add(name, value)
    headers.add("Content-Length", "0")
    return Request("CANCEL", request.uri, headers)


def _cseq_number(request: Request) -> str:
    return (request.headers.get("cseq") or "").partition(" ")[0]
