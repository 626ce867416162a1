"""Routing policy: plain Python that decides what happens to a request.

A policy sees one request, what is known of its sender, and the tables in memory; it returns a
decision. It never waits and never sends: that makes it a unit test's easiest subject.
"""

from ._decisions import Challenge, Decision, Drop, Forward, Redirect, Refuse, Register, Reply, Unlocated
from ._default import DefaultPolicy
from ._redirections import RedirectContext
from ._request import Domains, RequestContext

__all__ = [
    "Challenge",
    "Decision",
    "DefaultPolicy",
    "Domains",
    "Drop",
    "Forward",
    "Redirect",
    "RedirectContext",
    "Refuse",
    "Register",
    "Reply",
    "RequestContext",
    "Unlocated",
]
