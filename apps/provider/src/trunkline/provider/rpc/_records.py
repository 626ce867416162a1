"""What the server and the database say in the same words: a registration as JSON types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.sip_proxy import Binding


def binding_record(binding: Binding) -> dict[str, Any]:
    """Give a binding as JSON types; times are ISO 8601 in UTC, and `expires` is None when it is permanent."""
    return {
        "aor": binding.aor,
        "contact": binding.contact,
        "received": binding.received,
        "path": list(binding.path),
        "q": binding.q,
        "expires": _time(binding.expires) if binding.expires else None,
        "call_id": binding.call_id,
        "cseq": binding.cseq,
        "user_agent": binding.user_agent,
        "socket": binding.socket,
        "flags": binding.flags,
        "cflags": binding.cflags,
        "methods": binding.methods,
        "instance": binding.instance,
        "reg_id": binding.reg_id,
        "last_modified": _time(binding.last_modified),
    }


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
