"""What a relay replaces in a description so that media comes to it: addresses, ports, RTCP, ICE.

What belongs here is the text that changes. Which ports and addresses go in is decided by `session/`.
"""

from collections.abc import Sequence

import attrs

from ._description import Sdp
from ._media import MediaDescription
from ._values import Connection, RtcpAttribute

ICE_ATTRIBUTES = (
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-lite",
    "ice-mismatch",
    "ice-pacing",
    "ice2",
)
"""RFC 8839 §5: they would lead the peers past a relay that is no ICE agent."""


@attrs.frozen
class MediaRewrite:
    """What goes into one media section."""

    port: int
    """Our RTP port, or 0 to reject the stream."""
    rtcp_port: int = 0
    """Our RTCP port, equal to `port` where both share it."""
    rtcp_mux: bool | None = None
    """Whether `a=rtcp-mux` is to be there; None leaves it as it is."""


@attrs.frozen
class RewriteRules:
    """What else is replaced, named as in the NG protocol's `replace` and `flags` lists."""

    origin: bool = False
    """Replace the address in `o=`."""
    session_connection: bool = False
    """Replace the session's `c=` even when no stream depends on it."""
    zero_address: bool = False
    """Replace the held address 0.0.0.0 too."""
    full_rtcp_attribute: bool = False
    """Write `a=rtcp` with the address, and write it always."""
    no_rtcp_attribute: bool = False
    """Take `a=rtcp` out."""


def rewrite(
    sdp: Sdp, medias: Sequence[MediaRewrite | None], *, family: str, address: str, rules: RewriteRules
) -> bytes:
    """Put a relay's address and ports into a description; the description is changed.

    Rejected streams keep port 0 (RFC 3264 §6) and a held `c=` keeps 0.0.0.0 unless the rules say otherwise.
    ICE attributes and bundle groups are taken out: each stream has its own ports at the relay.

    Args:
        sdp: the description as received.
        medias: one per media section; None leaves a section where it points to, which takes a `c=` of its
            own when the session's is replaced.
        family: "IP4" or "IP6".
        address: the address peers can send to.
    Returns: the new description.
    Source: RFC 3264 §5, RFC 3605 §2.1, RFC 5761 §5.1, RFC 8843 §7
    """
    ours = Connection(family, address)
    old = sdp.connection
    relayed = [media for media, new in zip(sdp.medias, medias, strict=True) if new is not None and new.port]
    depends = any(media.own_connection is None for media in relayed)
    replace_session = (
        old is not None and (depends or rules.session_connection) and _replaceable(old, rules.zero_address)
    )
    for media, new in zip(sdp.medias, medias, strict=True):
        if new is not None:
            _rewrite_media(media, new, ours, rules, no_connection=old is None)
        elif replace_session and media.own_connection is None and media.port and old is not None:
            media.set_connection(old)
    if replace_session:
        sdp.set_connection(ours)
    if rules.origin:
        sdp.set_origin_address(family, address)
    for name in ICE_ATTRIBUTES:
        sdp.remove_attributes(name)
    sdp.remove_attributes("group", "BUNDLE")
    return sdp.to_bytes()


def _replaceable(connection: Connection, zero_address: bool) -> bool:
    return zero_address or not connection.is_unspecified


def _rewrite_media(
    media: MediaDescription, new: MediaRewrite, ours: Connection, rules: RewriteRules, no_connection: bool
) -> None:
    if media.port != new.port:
        media.set_port(new.port)
    if new.port == 0:
        return
    if media.own_connection is not None:
        if _replaceable(media.own_connection, rules.zero_address):
            media.set_connection(ours)
    elif no_connection:
        media.set_connection(ours)
    media.remove_attributes(*ICE_ATTRIBUTES)
    if new.rtcp_mux is True and not media.rtcp_mux:
        media.set_attribute("rtcp-mux")
    elif new.rtcp_mux is False:
        media.remove_attributes("rtcp-mux")
    if rules.no_rtcp_attribute:
        media.remove_attributes("rtcp")
    elif rules.full_rtcp_attribute or media.has_attribute("rtcp"):
        value = media.attribute("rtcp")
        full = rules.full_rtcp_attribute or (value is not None and len(value.split()) > 1)
        media.set_attribute("rtcp", str(RtcpAttribute(new.rtcp_port, ours if full else None)))
