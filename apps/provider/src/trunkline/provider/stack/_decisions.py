"""Decisions: what the policy said of a request is carried out.

Here: answers, challenges, and requests that go on to `_calls`. A REGISTER is `_registrations`'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trunkline.provider.policy import (
    Challenge,
    Decision,
    Drop,
    Forward,
    Redirect,
    Refuse,
    Register,
    Reply,
    RequestContext,
)
from trunkline.sip_parser import NameAddr, RemoteProtocolError, Uri
from trunkline.sip_transaction import ServerTransaction

if TYPE_CHECKING:
    from ._stack import Stack


class Decisions:
    """Carry out decisions.

    Args:
        stack: the stack that this object is a part of.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._server = "".join([f"{name}: {value}\r\n" for name, value in stack.server_header])
        self._handlers: dict[type, Callable[..., None]] = {
            Reply: self._reply,
            Refuse: self._refuse,
            Challenge: self._challenge,
            Register: stack.registrations.register,
            Forward: self._forward,
            Redirect: self._redirect,
            Drop: self._drop,
        }

    def take(self, transaction: ServerTransaction, context: RequestContext, now: float) -> None:
        """Ask the policy about a request, and do what it says."""
        try:
            decision: Decision = self._stack.policy.request(context)
            self._handlers[type(decision)](transaction, context, decision, now)
        except RemoteProtocolError as error:
            self._stack.answer(transaction, error.status_hint, None, (), now)

    def _reply(self, transaction: ServerTransaction, _: RequestContext, decision: Reply, now: float) -> None:
        self._stack.answer(transaction, decision.status, decision.reason, decision.headers, now)

    def _refuse(
        self, transaction: ServerTransaction, context: RequestContext, decision: Reply, now: float
    ) -> None:
        self._stack.statistics.refusals += 1
        if context.request.method == "REGISTER":
            self._stack.statistics.rejected_regs += 1
        elif context.request.method == "INVITE" and context.identity is not None:
            self._stack.calls.refused(context, decision.status, decision.reason, now)
        self._reply(transaction, context, decision, now)

    def _drop(
        self, transaction: ServerTransaction, context: RequestContext, decision: Drop, now: float
    ) -> None:
        self._stack.statistics.drop_requests += 1
        self._stack.layer.forget(transaction)

    def _challenge(
        self, transaction: ServerTransaction, context: RequestContext, decision: Challenge, now: float
    ) -> None:
        stack = self._stack
        stack.statistics.challenges += 1
        proxy = context.request.method != "REGISTER"
        lines = stack.authenticator.challenge_lines(
            decision.realm, proxy=proxy, stale=decision.stale, at=context.at
        )
        # nothing is kept of who has shown no credentials, as with the classic provider (RFC 3261 §26.3.2.4)
        effects = stack.layer.respond_statelessly(
            transaction, 407 if proxy else 401, lines=lines + self._server
        )
        stack.carry_on(effects, now)

    def _redirect(
        self, transaction: ServerTransaction, _: RequestContext, decision: Redirect, now: float
    ) -> None:
        contacts = tuple(("Contact", f"<{uri}>") for uri in decision.contacts)
        self._stack.answer(transaction, 302, None, contacts, now)

    def _forward(
        self, transaction: ServerTransaction, context: RequestContext, decision: Forward, now: float
    ) -> None:
        self._stack.statistics.fwd_requests += 1
        request, flow = context.request, context.flow
        if decision.in_dialog:
            self._stack.keep_credentials(request)
        is_straight = "contact" in request.headers and len(request.vias) == 1
        if is_straight and (flow.connection or context.nated or wants_flow(request.first_contact)):
            self._stack.ways.mend_contact(request, flow)
        self._stack.calls.forward(transaction, context, decision, now)


def wants_flow(contact: NameAddr | None) -> bool:
    """Tell whether a phone wants the requests of its dialog by the flow it speaks over (RFC 5626 §4.3)."""
    if contact is None:
        return False
    uri = contact.uri
    return isinstance(uri, Uri) and "ob" in uri.params
