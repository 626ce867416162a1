"""The facts the watch tells: what became of a call, once each.

Here: the classes only. Accounting and monitoring are made of them by the application.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from ._call import Call, Side


@attrs.define(slots=True, eq=False)
class CallStarted:
    """An INVITE that begins a call was forwarded."""

    call: Call
    at: datetime


@attrs.define(slots=True, eq=False)
class CallRinging:
    """A provisional response has come; each status is told once a call."""

    call: Call
    at: datetime
    code: int
    """101 to 199."""
    to_tag: str
    """The callee's tag; empty when it had none."""


@attrs.define(slots=True, eq=False)
class CallAnswered:
    """The first 2xx has come."""

    call: Call
    at: datetime
    to_tag: str
    code: int
    """200 to 299."""
    reason: str


@attrs.define(slots=True, eq=False)
class CallFailed:
    """The call came to nothing; it is no longer watched."""

    call: Call
    at: datetime
    to_tag: str
    """The tag of the final response; empty when it had none."""
    code: int
    """300 to 699."""
    reason: str


@attrs.define(slots=True, eq=False)
class CallEnded:
    """An answered call is over; it is no longer watched."""

    call: Call
    at: datetime
    by: Side
    """Who ended it; with `Side.PROXY` both sides still have to be told (`make_bye`)."""
    cause: str
    """`bye`, `maximum length`, `session timer`, or what was given to `CallWatch.end`."""


Fact = CallStarted | CallRinging | CallAnswered | CallFailed | CallEnded
