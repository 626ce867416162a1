"""SIP transactions and dialogs as tables, without I/O.

RFC 3261 §12 to §17, RFC 6026, RFC 4320; for user agents RFC 3261 §8.2, RFC 3262, 3311, 3515, 3891 and 4028.
"""

from __future__ import annotations

from ._accepted import AcceptedInvite, AcceptedState, AckMissing, Respond
from ._authentication import ChallengeRefused, ClientAuthenticator
from ._client import ClientTransaction
from ._dialog import Dialog, DialogId, DialogState, dialog_id
from ._dialog_set import DialogBegun, DialogConfirmed, DialogEnded, DialogSet
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
from ._inspection import Capabilities
from ._layer import TransactionLayer
from ._merged import MergedRequests
from ._negotiation import Negotiation, Refusal, Turn, glare_delay
from ._refer import SIPFRAG, NotifierState, Notify, ReferNotifier
from ._refer_subscriber import NotifierSilent, ReferSubscriber, SubscriberState
from ._reliable import (
    Arrival,
    PrackMissing,
    ReliableOrder,
    ReliableResponses,
    ReliableState,
    make_prack,
)
from ._replaces import Replaces
from ._server import ServerTransaction
from ._session_timer import RefreshDue, SessionExpired, SessionState, SessionTimer
from ._statistics import Statistics
from ._tables import State
from ._timers import TimerValues

__all__ = [
    "SIPFRAG",
    "AcceptedInvite",
    "AcceptedState",
    "AckMissing",
    "AckReceived",
    "Arrival",
    "CancelReceived",
    "Capabilities",
    "ChallengeRefused",
    "ClientAuthenticator",
    "ClientTransaction",
    "Dialog",
    "DialogBegun",
    "DialogConfirmed",
    "DialogEnded",
    "DialogId",
    "DialogSet",
    "DialogState",
    "Dropped",
    "Effect",
    "Flow",
    "MergedRequests",
    "Negotiation",
    "NotifierSilent",
    "NotifierState",
    "Notify",
    "PrackMissing",
    "ReferNotifier",
    "ReferSubscriber",
    "RefreshDue",
    "Refusal",
    "ReliableOrder",
    "ReliableResponses",
    "ReliableState",
    "Replaces",
    "RequestReceived",
    "Respond",
    "ResponseReceived",
    "Send",
    "ServerTransaction",
    "SessionExpired",
    "SessionState",
    "SessionTimer",
    "State",
    "Statistics",
    "StrayResponse",
    "SubscriberState",
    "Terminated",
    "TimedOut",
    "TimerValues",
    "TransactionLayer",
    "TransportFailed",
    "Turn",
    "dialog_id",
    "glare_delay",
    "make_prack",
]
