"""SIP transactions and dialogs as tables, without I/O: RFC 3261 §12 and §17, RFC 6026, RFC 4320."""

from __future__ import annotations

from ._authentication import ChallengeRefused, ClientAuthenticator
from ._client import ClientTransaction
from ._dialog import Dialog, DialogId, DialogState, dialog_id
from ._events import (
    AckReceived,
    CancelReceived,
    Dropped,
    Effect,
    RequestReceived,
    ResponseReceived,
    Send,
    StrayResponse,
    Terminated,
    TimedOut,
    TransportFailed,
)
from ._flow import Flow
from ._layer import TransactionLayer
from ._server import ServerTransaction
from ._statistics import Statistics
from ._tables import State
from ._timers import TimerValues

__all__ = [
    "AckReceived",
    "CancelReceived",
    "ChallengeRefused",
    "ClientAuthenticator",
    "ClientTransaction",
    "Dialog",
    "DialogId",
    "DialogState",
    "Dropped",
    "Effect",
    "Flow",
    "RequestReceived",
    "ResponseReceived",
    "Send",
    "ServerTransaction",
    "State",
    "Statistics",
    "StrayResponse",
    "Terminated",
    "TimedOut",
    "TimerValues",
    "TransactionLayer",
    "TransportFailed",
    "dialog_id",
]
