"""Relay sessions: offers and answers in, ports and rewritten descriptions out, packets sent on."""

from ._effects import (
    Address,
    BranchDeleted,
    ClosePort,
    Dropped,
    Effect,
    Hop,
    OpenPort,
    Refused,
    Reply,
    SdpReady,
    SessionDeleted,
    SessionTimedOut,
    SourceLatched,
    TimeoutReason,
)
from ._interfaces import Interface
from ._options import MediaOptions
from ._relay import Relay
from ._report import MediaReport, PartyReport, RelayStatistics, SessionReport, StreamReport

__all__ = [
    "Address",
    "BranchDeleted",
    "ClosePort",
    "Dropped",
    "Effect",
    "Hop",
    "Interface",
    "MediaOptions",
    "MediaReport",
    "OpenPort",
    "PartyReport",
    "Refused",
    "Relay",
    "RelayStatistics",
    "Reply",
    "SdpReady",
    "SessionDeleted",
    "SessionReport",
    "SessionTimedOut",
    "SourceLatched",
    "StreamReport",
    "TimeoutReason",
]
