"""Redirections: requests are taken where a 3xx says, as far as the policy permits.

What it does not permit is left in the 3xx, which goes up when nothing else came of the others: the caller may
go there by himself. Which places are left to try is the core's to say.

Source: RFC 3261 §16.7 step 4
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trunkline.provider.policy import RedirectContext, Refuse, Unlocated
from trunkline.sip_proxy import Binding, Redirection, ResponseReady, Target

from ._calls import Leg

if TYPE_CHECKING:
    from ._stack import Stack


class Redirections:
    """Follows redirections."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def follow(self, ready: ResponseReady, now: float) -> bool:
        """Take a request where its 3xx says; False when it goes nowhere and the 3xx is to be relayed."""
        stack, context = self._stack, ready.context
        leg: Leg | None = context.user
        request = context.transaction.request
        if not stack.policy.recurse or leg is None or request.to_tag is not None:
            return False
        followed: list[Redirection] = []
        wanted: dict[str, Target | Unlocated] = {}
        ways = stack.ways
        secure = request.uri[:5].lower() == "sips:"
        for place in stack.core.redirections(context):
            shown = RedirectContext(
                uri=place.uri,
                q=place.q,
                method=request.method,
                identity=leg.identity,
                domains=stack.domains,
                binding_targets=ways.secure_binding_targets if secure else ways.binding_targets,
            )
            targets = stack.policy.redirected(shown)
            if targets:
                followed.append(place)
                for target in targets:
                    wanted.setdefault(target.uri, target)
        for branch in context.branches:
            wanted.pop(branch.target.uri, None)
        targets = list(wanted.values())
        if not targets or (not leg.relayed and self._needs_relay(targets)):
            return False

        def located(found: list[Target], _: Refuse, later: float) -> None:
            if found:
                stack.fork(context, found, followed, later)
            else:
                stack.calls.response_ready(context, ready.response, ready.branch, later)

        stack.locating.targets(targets, located, now)
        return True

    def _needs_relay(self, targets: Sequence[Target | Unlocated]) -> bool:
        """Tell whether media would need a relay that the caller, who was offered none, must ask for anew."""
        if self._stack.calls.media.mode != "auto":
            return False
        return any(isinstance(target.user, Binding) and target.user.nated for target in targets)
