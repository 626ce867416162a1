"""What a policy may decide about a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from trunkline.sip_parser import Uri
from trunkline.sip_proxy import Target


@attrs.define
class Reply:
    """Answer the request ourselves, as a user agent server."""

    status: int
    "200 to 699."
    reason: str | None = None
    "Reason phrase; None = the RFC's."
    headers: tuple[tuple[str, str], ...] = ()
    "Further headers of the response."


@attrs.define
class Refuse(Reply):
    """Answer with a failure; counted as a refusal."""


@attrs.define
class Challenge:
    """Ask for credentials: 401 for REGISTER, 407 for anything else."""

    realm: str
    "The domain whose subscriber must prove to be one."
    stale: bool = False
    "True when the credentials were right but the nonce is used up: the phone tries again by itself."


@attrs.define
class Register:
    """Store the contacts of a REGISTER."""

    address_of_record: str
    "user@domain."


@attrs.define(eq=False)
class Unlocated:
    """A target whose server has yet to be found (RFC 3263); the rest is as with `Target`."""

    uri: str
    "The Request-URI to write."
    next_hop: Uri
    "What to look for: the first Route, or the Request-URI itself."
    route: tuple[str, ...] = ()
    q: float = 1.0
    ring_timeout: float | None = None
    user: Any = None
    foreign: bool = False
    "It is another provider's: servers that failed a moment ago are left alone, and none may be ourselves."


@attrs.define
class Forward:
    """Send the request on."""

    targets: Sequence[Target | Unlocated]
    "Equal q rings together, lower q afterwards."
    in_dialog: bool = False
    "True when the way was given by Route headers and no Record-Route is to be added."


@attrs.define
class Redirect:
    """Answer 302 with these contacts."""

    contacts: Sequence[str]
    "URIs, most wanted first."


@attrs.define
class Drop:
    """Neither answer nor forward."""

    reason: str
    "For the statistics."


Decision = Reply | Refuse | Challenge | Register | Forward | Redirect | Drop
