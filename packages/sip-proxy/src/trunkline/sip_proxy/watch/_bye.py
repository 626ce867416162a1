"""The BYE a proxy sends in the name of one side, to end a call that nobody else will end.

Not here: when (`_watch` says so), by which transaction, and our Via (the application).

Source: RFC 3261 §12.2.1.1, §15.1.1
"""

from __future__ import annotations

from trunkline.sip_parser import Headers, LocalProtocolError, Request
from trunkline.sip_proxy.core import heed_strict_router

from ._call import Call, Leg, Side


def make_bye(call: Call, to: Side, *, leg: Leg | None = None, reason: str | None = None) -> Request:
    """Make the BYE towards one side of an answered call, as if the other side had sent it.

    The route may begin with a strict router; the request is then written as RFC 3261 §12.2.1.1 says.

    Args:
        call: an answered call.
        to: CALLER or CALLEE.
        leg: the callee, where several answered: which of them the caller kept is not known here; None: the
            one who answered first.
        reason: value of a Reason header. Source: RFC 3326.

    Returns:
        The request without any Via; send it by `call.caller_flow` or `call.callee_flow` where there is no
        Route, else to the first Route; with `leg`, by its flow.

    Raises:
        LocalProtocolError: the call was never answered, or the side is neither.
    """
    if to is Side.PROXY:
        raise LocalProtocolError("expected CALLER or CALLEE to send the BYE to, got PROXY")
    leg = leg or call.leg
    if leg is None or not leg.is_confirmed:
        raise LocalProtocolError(f"expected an answered call to end by BYE, got {call!r}: cancel it instead")
    if to is Side.CALLEE:
        sender, sender_tag, receiver, receiver_tag = call.caller, call.from_tag, call.callee, leg.to_tag
        target, route_set, cseq = leg.contact or call.callee, leg.route_set, call.caller_cseq
    else:
        sender, sender_tag, receiver, receiver_tag = call.callee, leg.to_tag, call.caller, call.from_tag
        target, route_set, cseq = call.caller_contact or call.caller, call.caller_route_set, leg.cseq
    headers = Headers(
        (
            ("Max-Forwards", "70"),
            ("From", _address(sender, sender_tag)),
            ("To", _address(receiver, receiver_tag)),
            ("Call-ID", call.call_id),
            ("CSeq", f"{cseq + 1} BYE"),
        )
    )
    for route in route_set:
        headers.add("Route", route)
    if reason is not None:
        headers.add("Reason", reason)
    headers.add("Content-Length", "0")
    request = Request("BYE", target, headers)
    if route_set:
        heed_strict_router(request)
    return request


def _address(uri: str, tag: str) -> str:
    return f"<{uri}>;tag={tag}" if tag else f"<{uri}>"
