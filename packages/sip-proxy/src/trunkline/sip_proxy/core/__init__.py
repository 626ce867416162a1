"""The proxy core of RFC 3261 §16: validation, routes, forwarding, forking, the best response."""

from ._core import ProxyCore
from ._events import Effect, ResponseReady, StatelessResponse
from ._forwarding import heed_strict_router
from ._recursion import Redirection
from ._redirect import Alternative, RedirectServer
from ._response_context import Branch, BranchState, ResponseContext
from ._route_processing import Routed
from ._stateless_proxy import StatelessProxy
from ._statistics import CoreStatistics
from ._targets import NextServer, Rejection, Target

__all__ = [
    "Alternative",
    "Branch",
    "BranchState",
    "CoreStatistics",
    "Effect",
    "NextServer",
    "ProxyCore",
    "RedirectServer",
    "Redirection",
    "Rejection",
    "ResponseContext",
    "ResponseReady",
    "Routed",
    "StatelessProxy",
    "StatelessResponse",
    "Target",
    "heed_strict_router",
]
