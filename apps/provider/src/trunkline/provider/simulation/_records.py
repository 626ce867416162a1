"""What the phones saw: each call, each dialog and each registration, from the one side and from the other.

Here: values that the invariants are checked on. Nobody but the phones writes them.
"""

from __future__ import annotations

import attrs

NEVER = float("inf")


@attrs.define(eq=False)
class DialogSeen:
    """A dialog as one of its two phones saw it."""

    call_id: str
    local_tag: str
    remote_tag: str
    is_caller: bool
    phone: str
    answered_at: float
    "When the 2xx was first sent, or first received."
    acked_at: float = NEVER
    "When the callee got the ACK, or the caller sent it."
    ended_at: float = NEVER
    "When this side no longer took the call for one that is up."
    end: str = ""
    "Why: bye, peer, no ack, power."
    bye_sent_at: float = NEVER
    bye_done_at: float = NEVER
    "When the BYE had a final response, or none came."
    bye_status: int = 0
    "408 when none came, 503 when the network could not take it."
    bye_lost: bool = False
    "It went without power before the BYE was answered."
    heard: int = 0
    "Audio packets of this call."
    held: bool = False
    transport: str = "UDP"
    relay_host: str = ""
    "Where the other side's audio comes from."


@attrs.define(eq=False)
class CallSeen:
    """A call as its caller saw it."""

    call_id: str
    from_tag: str
    caller: str
    callee: str
    nodes: tuple[int, ...]
    "The provider nodes on its way, the one it was sent to first."
    started_at: float
    is_stranger: bool
    "The caller belongs to another node, and called the callee's directly."
    authorized_at: float = NEVER
    "When the INVITE was sent that should pass."
    cancelled_at: float = NEVER
    final: int = 0
    "Final status; 408 when the transaction ended without any."
    final_at: float = NEVER
    local_final: bool = False
    "The final status is an assumption of the phone's."
    power_lost: bool = False
    dialogs: dict[str, DialogSeen] = attrs.Factory(dict)
    "The caller's, by the callee's tag."
    answers: list[DialogSeen] = attrs.Factory(list)
    "The callees'."

    @property
    def over_at(self) -> float:
        """Tell when the last of all sides had ended."""
        ends = [dialog.ended_at for dialog in (*self.dialogs.values(), *self.answers)]
        return max([self.final_at, *ends])


@attrs.define(eq=False)
class Confirmed:
    """A registration that a phone was told is in force."""

    aor: str
    contact: str
    node: int
    at: float
    "When the 200 came."
    until: float
    "When it ends by itself, virtual seconds."
    is_sure: bool = True
    "False while another REGISTER for the same contact is under way."
