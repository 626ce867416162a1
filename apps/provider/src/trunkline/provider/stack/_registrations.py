"""Registrations: what a REGISTER changes is on disk before it is confirmed, or is undone.

What a REGISTER means is `trunkline.sip_proxy.registrar`'s.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from trunkline.provider.policy import Register, RequestContext
from trunkline.sip_parser import Request
from trunkline.sip_proxy import Binding, Registration, received_uri
from trunkline.sip_transaction import ServerTransaction

from ._effects import Barrier, Write

if TYPE_CHECKING:
    from ._stack import Stack

SUPPORTED = "Supported: path, outbound\r\n"
"What a 200 says where flows are kept (RFC 5626 §6)."


ENDED = frozenset(("removed", "expired"))


class Registrations:
    """Carry out REGISTERs.

    Args:
        stack: the stack that this object is a part of.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._outbound = stack.ways.flows.outbound
        self._server = "".join([f"{name}: {value}\r\n" for name, value in stack.server_header])
        self._confirms = self._server + (SUPPORTED if self._outbound else "")
        stack.layer.retell_by(self._confirmed)
        self._flow_timer = f"Flow-Timer: {stack.options.flow_timer}\r\n"

    def register(
        self, transaction: ServerTransaction, context: RequestContext, decision: Register, now: float
    ) -> None:
        """Register, query or remove; a 200 that changes something waits until it is on disk."""
        stack = self._stack
        request, flow = context.request, context.flow
        if not stack.storing:
            stack.answer(transaction, 500, "Database Unavailable", (("Retry-After", "5"),), now)
            return
        nated = context.nated
        registration = stack.registrar.register(
            request,
            decision.address_of_record,
            flow,
            at=context.at,
            received=received_uri(flow) if nated or (self._outbound and self._binds_flow(request)) else None,
            nated=nated,
        )
        if not registration.changes:
            if registration.status >= 300:
                stack.statistics.rejected_regs += 1
            self._answer(transaction, registration, now)
            return
        for change in registration.changes:
            binding = change.binding
            if change.kind in ENDED:
                stack.emit(Write("remove_binding", (binding,)))
            else:
                if flow.connection:
                    stack.ways.flows.bind(binding)
                stack.emit(Write("save_binding", (binding, change.previous)))
        stack.emit(Barrier(partial(self._written, transaction, registration)))

    def _written(
        self, transaction: ServerTransaction, registration: Registration, on_disk: bool, now: float
    ) -> None:
        """Confirm what is on disk, and take back what could not be written."""
        stack = self._stack
        if on_disk:
            stack.statistics.accepted_regs += 1
            self._answer(transaction, registration, now)
            return
        changes = registration.changes
        registration.undo()
        for change in changes:
            for binding in (change.previous, change.binding):
                if binding is not None:
                    self.write_as_held(binding)
        stack.statistics.rejected_regs += 1
        stack.answer(transaction, 500, "Database Unavailable", (("Retry-After", "5"),), now)

    def _answer(self, transaction: ServerTransaction, registration: Registration, now: float) -> None:
        status = registration.status
        lines = registration.lines + (self._confirms if status == 200 else self._server)
        if registration.bound_by_flow:
            lines += self._flow_timer
        stack, tag = self._stack, registration.to_tag
        # a binding stays anyway, and the words of its confirmation would take more than itself
        effects = stack.layer.answer(
            transaction,
            status,
            registration.reason,
            to_tag=tag,
            lines=lines,
            source=registration.source,
            now=now,
        )
        stack.carry_on(effects, now)

    def _confirmed(self, binding: Binding) -> tuple[int, str | None, str, str]:
        """Say again what confirmed a binding, as `_answer` said it."""
        tag, lines = self._stack.registrar.confirmation(binding)
        return 200, None, tag, lines + self._confirms

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
