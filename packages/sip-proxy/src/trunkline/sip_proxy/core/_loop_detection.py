"""Loop detection: the mark our branch parameters end with, and finding it again in a request that comes back.

A request that comes back changed has spiralled and is welcome; one that comes back the same has looped. The
mark is a keyed digest of all that decides where a request goes: its Request-URI, its Routes once ours are
taken out, and the previous hop, because policies treat a trusted gateway otherwise than a phone. It does not
depend on the method (CANCEL and ACK carry the branch of their INVITE), nor on what is certain already: the
Via it stands in says which request it is.

Only requests that begin something are marked: within a dialog the route is settled, nothing is forked, and
Max-Forwards ends what goes in circles.

Source: RFC 5393 §4.2
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2s

from trunkline.sip_parser import Request

_TAG_LENGTH = 4
_DIGEST_BYTES = 6


class LoopMarks:
    """Make the marks of requests and recognise them."""

    __slots__ = ("_digest", "_tag")

    def __init__(self, secret: bytes) -> None:
        """Make a marker.

        Args:
            secret: keeps others from predicting marks; the same after a restart, so that a request under way
                is still recognised. Any length.
        """
        key = blake2s(secret).digest() if secret else b""
        self._digest = blake2s(digest_size=_DIGEST_BYTES, key=key)
        tag = self._digest.copy()
        tag.update(b"tag")
        # Begins every mark of ours, so that one look at the branches tells that no loop is possible.
        self._tag = "." + tag.hexdigest()[:_TAG_LENGTH]
        # What comes after the key is worked in only when more follows: once here, and not for every mark.
        self._digest.update(b"\n")

    def mark(self, request: Request) -> str:
        """Make the mark of a request whose own Routes have been taken out; it ends a branch parameter."""
        via = request.top_via
        text = f"{request.uri}\n{via.host}:{via.port}"
        if "route" in request.headers:
            text += "\n" + ",".join(request.headers.values("route"))
        digest = self._digest.copy()
        digest.update(text.encode("utf-8", "surrogateescape"))
        return self._tag + digest.hexdigest()

    def may_have_passed(self, request: Request) -> bool:
        """Tell cheaply whether a Via may be one of ours.

        Raises:
            RemoteProtocolError: a Via cannot be read.
        """
        tag = self._tag
        for via in request.vias:
            branch = via.params.get("branch")
            if branch is not None and tag in branch:
                return True
        return False

    def has_looped(self, request: Request, own_sent_by: Collection[tuple[str, int]]) -> bool:
        """Tell whether a Via of ours carries the mark the request would get again.

        Args:
            request: as after route processing.
            own_sent_by: what we have written as sent-by.

        Raises:
            RemoteProtocolError: a Via cannot be read.
        """
        mark = self.mark(request)
        return any((via.branch or "").endswith(mark) and via.sent_by in own_sent_by for via in request.vias)
