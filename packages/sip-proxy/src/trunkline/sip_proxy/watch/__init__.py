"""The proxy's own view of the calls that pass through it."""

from ._bye import make_bye
from ._call import Call, CallState, Leg, Record, Side
from ._facts import CallAnswered, CallEnded, CallFailed, CallRinging, CallStarted, Fact
from ._watch import CallWatch, Place

__all__ = [
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
    "Side",
    "make_bye",
]
