"""From a session's ports to what is written into a description."""

from trunkline.media_relay.sdp import MediaRewrite, RewriteRules, Sdp, rewrite

from ._interfaces import family_of
from ._leg import Leg
from ._remote import RemoteDescription
from ._stream import Medium


def rewritten(
    sdp: Sdp, description: RemoteDescription, towards: Leg, rules: RewriteRules, *, is_answer: bool
) -> bytes:
    """Write the ports and the address a side shall send to into the description it will get.

    Args:
        sdp: the description as the other side sent it; it is changed.
        description: what was read in it.
        towards: the side it goes to.
        rules: what else is replaced.
        is_answer: whether sharing a port is agreed on (in an answer) or proposed (in an offer).
    """
    medias: list[MediaRewrite | None] = []
    for index, media in enumerate(description.medias):
        medium = towards.medium(index)
        if not media.active or (media.relayed and medium is None):
            medias.append(MediaRewrite(0))
        elif medium is None or not media.relayed:
            medias.append(None)
        else:
            medias.append(_ports(medium, is_answer))
    return rewrite(sdp, medias, family=family_of(towards.public), address=towards.public, rules=rules)


def _ports(medium: Medium, is_answer: bool) -> MediaRewrite:
    """RTCP's port is told apart from RTP's as long as the party may refuse to share (RFC 5761 §5.1.1)."""
    mux = medium.rtcp_mux if is_answer else medium.mux_wanted
    shared = mux and (is_answer or medium.mux_required)
    return MediaRewrite(medium.rtp.port, medium.rtp.port if shared else medium.rtcp.port, mux)
