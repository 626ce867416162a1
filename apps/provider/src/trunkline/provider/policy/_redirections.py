"""What a policy is shown of a redirection: a place that somebody else says a request should go to instead."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from trunkline.provider.directory import Name
from trunkline.sip_parser import OtherUri, TelUri, Uri
from trunkline.sip_proxy import Target

from ._decisions import Unlocated
from ._request import Domains


@attrs.define(eq=False)
class RedirectContext:
    """One place named by a 3xx response."""

    uri: Uri | TelUri | OtherUri
    "The place; whoever was asked may write anything here."
    q: float
    "0.0 to 1.0, how much it is wanted."
    method: str
    "The request's."
    identity: Name | None
    "The subscriber in whose name the request was made; None for a stranger's."
    domains: Domains
    binding_targets: Callable[[str], list[Target | Unlocated]]
    "Targets of an address of record's live bindings, best first."
