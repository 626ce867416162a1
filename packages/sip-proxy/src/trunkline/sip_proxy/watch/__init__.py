"""The proxy's own view of the calls that pass through it."""

from ._bye import make_bye
from ._call import Call, CallState, Leg, Record, Side
from ._facts import CallAnswered, CallEnded, CallFailed, CallRinging, CallStarted, Fact
from ._session_timers import SMALLEST_MIN_SE, SessionTimers, session_interval
from ._watch import CallWatch, Place

__all__ = [
    "SMALLEST_MIN_SE",
    "Call",
    "CallAnswered",
    "CallEnded",
    "CallFailed",
    "CallRinging",
    "CallStarted",
    "CallState",
    "CallWatch",
    "Fact",
    "Leg",
    "Place",
    "Record",
    "SessionTimers",
    "Side",
    "make_bye",
    "session_interval",
]
