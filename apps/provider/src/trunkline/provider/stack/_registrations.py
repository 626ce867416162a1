"""Registrations: what a REGISTER changes is on disk before it is confirmed, or is undone.

What a REGISTER means is `trunkline.sip_proxy.registrar`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.provider.policy import Register, RequestContext
from trunkline.sip_parser import Request
from trunkline.sip_proxy import Binding, received_uri
from trunkline.sip_transaction import ServerTransaction

from ._effects import Barrier, Write

if TYPE_CHECKING:
    from ._stack import Stack

SUPPORTED = ("Supported", "path, outbound")
"What a 200 says where flows are kept (RFC 5626 §6)."


class Registrations:
    """Carry out REGISTERs.

    Args:
        stack: the stack that this object is a part of.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._outbound = stack.ways.flows.outbound
        self._headers = (*stack.server_header, SUPPORTED) if self._outbound else stack.server_header

    def register(
        self, transaction: ServerTransaction, context: RequestContext, decision: Register, now: float
    ) -> None:
        """Register, query or remove; a 200 that changes something waits until it is on disk."""
        stack = self._stack
        request, flow = context.request, context.flow
        if not stack.storing:
            stack.answer(transaction, 500, "Database Unavailable", (("Retry-After", "5"),), now)
            return
        nated, outbound = context.nated, self._outbound
        registration = stack.registrar.register(
            request,
            decision.address_of_record,
            flow,
            at=context.at,
            received=received_uri(flow) if nated or (outbound and self._binds_flow(request)) else None,
            nated=nated,
            headers=self._headers,
        )
        response = registration.response
        if outbound:
            if response.status != 200:
                response.headers.remove("Supported")
            elif "require" in response.headers and "outbound" in response.require:
                response.headers.set("Flow-Timer", str(stack.options.flow_timer))
        if not registration.changes:
            if response.status >= 300:
                stack.statistics.rejected_regs += 1
            stack.carry_on(stack.layer.respond(transaction, response, now=now), now)
            return
        for change in registration.changes:
            if change.kind in ("removed", "expired"):
                stack.emit(Write("remove_binding", (change.binding,)))
            else:
                if flow.connection:
                    stack.ways.flows.bind(change.binding)
                stack.emit(Write("save_binding", (change.binding, change.previous)))

        def written(on_disk: bool, later: float) -> None:
            if on_disk:
                stack.statistics.accepted_regs += 1
                stack.carry_on(stack.layer.respond(transaction, response, now=later), later)
                return
            changes = registration.changes
            registration.undo()
            for change in changes:
                for binding in (change.previous, change.binding):
                    if binding is not None:
                        self.write_as_held(binding)
            stack.statistics.rejected_regs += 1
            stack.answer(transaction, 500, "Database Unavailable", (("Retry-After", "5"),), later)

        stack.emit(Barrier(written))

    def _binds_flow(self, request: Request) -> bool:
        """Tell whether a REGISTER is about a flow: where it comes from is then the way back, NAT or not."""
        if "supported" not in request.headers or "outbound" not in request.supported:
            return False
        return any("reg-id" in contact.params for contact in request.contacts)

    def write_as_held(self, binding: Binding) -> None:
        """Write what the location has now under a contact; several flows of a phone may share one."""
        held = (other for other in self._stack.location.get(binding.aor) if other.contact == binding.contact)
        now_held = next(held, None)
        if now_held is None:
            self._stack.emit(Write("remove_binding", (binding,)))
        else:
            self._stack.emit(Write("save_binding", (now_held, None)))
