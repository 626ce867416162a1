"""A whole provider without a network: the real stack on a real database, in virtual time.

`World` carries out what the stack asks for, at once and in order; `Phone` speaks to it by bytes; `_relays`
has the media relays it can be given. Nothing here sleeps, and nothing is random that a seed does not say.
"""

from ._phone import Phone, cancel_of, failure_ack, sdp
from ._relays import RealRelay, ScriptedRelay
from ._world import DOMAIN, PASSWORD, SERVER, Call, World, make_template

__all__ = [
    "DOMAIN",
    "PASSWORD",
    "SERVER",
    "Call",
    "Phone",
    "RealRelay",
    "ScriptedRelay",
    "World",
    "cancel_of",
    "failure_ack",
    "make_template",
    "sdp",
]
