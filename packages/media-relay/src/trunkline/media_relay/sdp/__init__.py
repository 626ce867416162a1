"""Session descriptions (RFC 8866): read them, and change what a relay changes, line by line."""

from ._description import Sdp
from ._media import MediaDescription
from ._rewriting import ICE_ATTRIBUTES, MediaRewrite, RewriteRules, rewrite
from ._values import Connection, Direction, Origin, RtcpAttribute

__all__ = [
    "ICE_ATTRIBUTES",
    "Connection",
    "Direction",
    "MediaDescription",
    "MediaRewrite",
    "Origin",
    "RewriteRules",
    "RtcpAttribute",
    "Sdp",
    "rewrite",
]
