"""The layers composed into one provider, still without I/O.

Bytes and time go in, effects come out: what to send, what to write, what to find out. A simulator
can drive it in virtual time as well as the node does on sockets.
"""

from ._effects import Ask, AskDns, AskRelay, AskSubscribers, BadMessage, Barrier, Effect, Write
from ._stack import Stack
from ._statistics import StackOptions

__all__ = [
    "Ask",
    "AskDns",
    "AskRelay",
    "AskSubscribers",
    "BadMessage",
    "Barrier",
    "Effect",
    "Stack",
    "StackOptions",
    "Write",
]
