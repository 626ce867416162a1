"""Dialogs: the short way of a request within a call that is watched, straight to the other party.

What makes it short: the call is known, so that nobody has to be asked where the request may go; it names the
other's Contact, as it was told it; and only our own Route led it here. Then it passes all that is asked of
others, goes where the default policy would send it, and nothing of it is changed but what a hop changes.
Whatever is otherwise takes the long way, by `_decisions`, and so does every request where another policy than
the default one decides.

Source: RFC 3261 §12.2, §16
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.provider.policy import DefaultPolicy
from trunkline.sip_parser import Request
from trunkline.sip_proxy import Place, Side, Target
from trunkline.sip_transaction import Flow, ServerTransaction

from ._decisions import wants_flow

if TYPE_CHECKING:
    from ._stack import Stack

SETTLED = frozenset({"BYE", "INFO", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "REFER"})
"Requests that ask for no more than to be passed on; a BYE ends the call besides."

_default = DefaultPolicy.request
_CALLER = Side.CALLER  # a member of an enum is dear to read


class Dialogs:
    """Pass on what is settled.

    Args:
        stack: the stack that this object is a part of.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._settled = stack.core.settled
        self._place = stack.calls.watch.place
        self._plain = stack.ways.plain

    def forward(self, transaction: ServerTransaction, request: Request, flow: Flow, now: float) -> bool:
        """Send a request other than ACK on; False leaves it as it was, for the long way."""
        stack = self._stack
        if type(stack.policy).request is not _default:
            return False
        known = self._known(request)
        if known is None:
            return False
        place, number, way = known
        stack.statistics.fwd_requests += 1
        if "contact" in request.headers and len(request.vias) == 1:
            nated = flow.connection or stack._is_nated(request, flow)
            if nated or wants_flow(request.first_contact):
                stack.ways.mend_contact(request, flow)
        leg = stack.calls.within(request, flow, place, number)
        effects = stack.core.forward_settled(transaction, Target(request.uri, way), now=now, user=leg)
        stack._core(effects, now)
        return True

    def acknowledge(self, request: Request, flow: Flow) -> bool:
        """Send the ACK of a 2xx on; False leaves it as it was, for the long way."""
        known = self._known(request)
        if known is None:
            return False
        place, number, way = known
        stack = self._stack
        if place.call.call_id in stack.calls.relayed:
            return False
        stack.calls.watch.acknowledge(place, number, flow)
        stack.statistics.fwd_requests += 1
        stack.emit(stack.core.forward_settled_ack(request, way))
        return True

    def _known(self, request: Request) -> tuple[Place, int, Flow] | None:
        """Give the call that a request belongs to, the number of its CSeq and the way to the other party.

        None where anything is not as usual.
        """
        settled = self._settled(request)
        if settled is None or "proxy-authorization" in request.headers:
            return None
        call_id, sender, receiver, number = settled
        place = self._place(call_id, sender, receiver)
        if place is None:
            return None
        call, leg, side = place
        # to the other's Contact, where no other proxy stands between
        if side is _CALLER:
            if leg.route_set or request.uri != leg.contact:
                return None
        elif call.caller_route_set or request.uri != call.caller_contact:
            return None
        way = self._plain(request.uri)
        return None if way is None else (place, number, way)
