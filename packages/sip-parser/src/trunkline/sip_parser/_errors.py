"""The errors of this package: one root, and whose fault it was. No parsing, no formatting of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._messages import Message


class SipError(Exception):
    """The root of what this package raises."""


class LocalProtocolError(SipError):
    """Our own caller asked for something SIP does not allow, such as a line break inside a header value."""


class RemoteProtocolError(SipError):
    """The peer sent something that is not SIP.

    Attributes:
        reason: what was expected, what came and where.
        status_hint: the status a server would answer with (400 when nothing more precise is known).
        section: the RFC and section that was broken, empty when none is.
        offset: bytes from the beginning of the message (or of the value, when a value was parsed alone).
        message: what could be understood; never None when it is enough to answer with `make_response`.
    """

    def __init__(
        self,
        reason: str,
        status_hint: int = 400,
        section: str = "",
        offset: int | None = None,
        message: Message | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status_hint = status_hint
        self.section = section
        self.offset = offset
        self.message = message

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at byte {self.offset}"
        source = f" ({self.section})" if self.section else ""
        return f"{self.reason}{where}{source}"


def shown(text: str, limit: int = 60) -> str:
    """Quote a piece of hostile text for an error message: escaped, and cut to `limit` characters."""
    return ascii(text if len(text) <= limit else text[:limit] + "…")
