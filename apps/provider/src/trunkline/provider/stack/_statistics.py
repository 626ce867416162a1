"""What the stack counts, and those of its settings that are plain values."""

from __future__ import annotations

import attrs


@attrs.define
class Statistics:
    """What the stack itself counts, in the names of the classic groups."""

    rcv_requests: int = 0
    rcv_replies: int = 0
    fwd_requests: int = 0
    fwd_replies: int = 0
    drop_requests: int = 0
    drop_replies: int = 0
    err_requests: int = 0
    err_replies: int = 0
    keepalives: int = 0
    accepted_regs: int = 0
    rejected_regs: int = 0
    challenges: int = 0
    refusals: int = 0
    denied_relays: int = 0
    too_large_messages: int = 0
    too_many_headers: int = 0
    failed_flows: int = 0
    "Bindings that ended with their connection."


@attrs.define(eq=False)
class StackOptions:
    """Settings of the stack that are values."""

    user_agent: str = "Trunkline"
    "Server header of our own responses; empty hides it."
    max_message: int = 65535
    "Bytes of a datagram that is taken."
    max_headers: int = 256
    "Header lines of a datagram that is taken."
    flow_timer: int = 120
    "Seconds between two keep-alives that a phone with flows of its own is told to send (RFC 5626 §5.4)."
