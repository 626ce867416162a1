"""What the stack asks of the world and tells it, beside sending.

A question carries how to go on: the world answers by `stack.resume(ask, answer, now=…)`, once,
whenever it can. Nothing in the stack waits meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from trunkline.provider.directory import Name
from trunkline.sip_proxy import LookupNeeded
from trunkline.sip_transaction import Flow, Send

Resume = Callable[[Any, float], None]
"What goes on with the answer and the time."


@attrs.define(eq=False)
class AskSubscribers:
    """Load these subscribers. Answer: True, with the directory taught; False when that failed."""

    names: list[Name]
    resume: Resume


@attrs.define(eq=False)
class AskRelay:
    """Give the media relay a command. Answer: its reply, a dict with `result`."""

    command: str
    "offer, answer or delete (NG protocol)."
    fields: Mapping[str, Any]
    resume: Resume | None
    "None when nobody waits for the reply."


@attrs.define(eq=False)
class AskDns:
    """Look a name up. Answer: an `Answer`, in bounded time whatever the name servers do."""

    question: LookupNeeded
    resume: Resume


@attrs.define(eq=False)
class Barrier:
    """Answer when everything written so far is on disk: True, or False when the database refused."""

    resume: Resume


@attrs.define(eq=False)
class Write:
    """Put a row into the next group commit."""

    method: str
    "The name of a method of `store.Batch`."
    arguments: tuple[Any, ...]


@attrs.define(eq=False)
class BadMessage:
    """Tell the operator of a message that is no SIP; it was answered, or dropped, already."""

    reason: str
    "What is wrong with it: printable, of bounded length."
    flow: Flow
    "How it came."


Ask = AskSubscribers | AskRelay | AskDns | Barrier
Effect = Send | Ask | Write | BadMessage
