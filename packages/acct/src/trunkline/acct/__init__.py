"""Accounting of calls: facts in, rows and call detail records out.

This file is the package's face; everything else is private to it.
"""

from ._cdr import Cdr, OpenCall, elapsed_ms
from ._errors import AcctError, LocalProtocolError, RecordError
from ._events import (
    CallAnswered,
    CallEnded,
    CallEvent,
    CallFailed,
    CallRinging,
    CallStarted,
    Event,
)
from ._ledger import AccRowReady, CallClosed, CallOpened, Effect, Ledger, MissedCallReady
from ._rebuild import cdrs_from_acc_rows, rebuild
from ._records import milliseconds
from ._rows import AccRow
from ._rules import Entries, Rules

__all__ = [
    "AccRow",
    "AccRowReady",
    "AcctError",
    "CallAnswered",
    "CallClosed",
    "CallEnded",
    "CallEvent",
    "CallFailed",
    "CallOpened",
    "CallRinging",
    "CallStarted",
    "Cdr",
    "Effect",
    "Entries",
    "Event",
    "Ledger",
    "LocalProtocolError",
    "MissedCallReady",
    "OpenCall",
    "RecordError",
    "Rules",
    "cdrs_from_acc_rows",
    "elapsed_ms",
    "milliseconds",
    "rebuild",
]
