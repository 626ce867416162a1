"""Stateless answers: what is said to a request that has no transaction, as it could not be read or is not to
leave anything behind.

Not here: which requests those are (`_layer` and its user), and what is answered in a transaction (`_server`).

Source: RFC 3261 §8.2.7, §21.4.1
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from trunkline.sip_parser import RemoteProtocolError, Request, response_bytes

from ._events import Send
from ._flow import Flow
from ._routing import mark_source

# Longer reasons, or such with line breaks in them, are kept out of status lines.
_MAX_REASON = 200


class StatelessAnswers:
    """Answer the same to every copy of a request, and know the ACK to such an answer, keeping nothing."""

    __slots__ = ("_force_rport", "_headers", "_heed_maddr", "_tag")

    def __init__(
        self, tag: str, headers: Sequence[tuple[str, str]], *, force_rport: bool, heed_maddr: bool
    ) -> None:
        """Begin.

        Args: every To tag made here starts with `tag`, which nobody else can guess; `headers` are added to
        every answer.
        """
        self._tag = tag
        self._headers = headers
        self._force_rport = force_rport
        self._heed_maddr = heed_maddr

    def refuse(self, error: RemoteProtocolError, request: Request, flow: Flow) -> Send:
        """Answer a request other than ACK with what is wrong with it.

        Source: RFC 3261 §8.2.6, §18.2.2
        """
        try:
            response_flow = mark_source(
                request, flow, force_rport=self._force_rport, heed_maddr=self._heed_maddr
            )
        except RemoteProtocolError:
            response_flow = flow
        return self.answer(request, error.status_hint, reason_of(error), (), response_flow)

    def answer(
        self,
        request: Request,
        status: int,
        reason: str | None,
        headers: Iterable[tuple[str, str]],
        response_flow: Flow,
        lines: str = "",
    ) -> Send:
        """Answer a request whose top Via is marked already.

        Source: RFC 3261 §8.2.6, §8.2.7
        """
        if self._headers:
            headers = (*self._headers, *headers)
        data = response_bytes(request, status, reason, tag_of=self._tag_of, headers=headers, further=lines)
        return Send(data, response_flow, None)

    def is_acknowledged_by(self, ack: Request) -> bool:
        """Tell whether an ACK belongs to an answer made here."""
        return self._tag in (ack.headers.get("to") or "")

    def _tag_of(self, copied: str) -> str:
        """Make the To tag, out of what the answer repeats of the request."""
        data = copied.encode("utf-8", "surrogateescape")
        return self._tag + blake2b(data, digest_size=6).hexdigest()


def reason_of(error: RemoteProtocolError) -> str | None:
    """Give the phrase that tells a peer what is wrong with its request; None where it fits no status line."""
    reason = error.reason
    return reason if reason.isprintable() and len(reason) <= _MAX_REASON else None
