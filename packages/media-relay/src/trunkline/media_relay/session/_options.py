"""What a controller may ask with an offer or answer, named as in the NG protocol."""

import attrs

from trunkline.media_relay.sdp import RewriteRules

_DEFAULT_RULES = RewriteRules(origin=True, session_connection=True)


@attrs.frozen
class MediaOptions:
    """How one offer or answer is to be treated."""

    rules: RewriteRules = _DEFAULT_RULES
    """What else is replaced in the description."""
    signalling_host: str = ""
    """Where the description came from on the signalling's way; makes media from there plausible."""
    trust_address: bool = True
    """False: the party is at `signalling_host`, whatever address its description has."""
    media_address: str = ""
    """The address written into the description instead of the interface's."""
    address_family: str = ""
    """"IP4" or "IP6" for the side the description goes to; empty to keep what is known or offered."""
    interfaces: tuple[str, str] = ("", "")
    """Names of the interfaces towards the offerer and towards the other side; first offer only."""
    rtcp_mux: frozenset[str] = frozenset()
    """Of "offer", "require", "demux", "accept", "reject"; empty leaves it to the parties."""
    asymmetric: bool = False
    """The party receives elsewhere than it sends from: its description is followed, nothing learned."""
    media_handover: bool = False
    """The party may move to any address at any time; whoever guesses the port can take the stream."""
    warnings: tuple[str, ...] = ()
    """What the control protocol could not carry out; given back with the description."""
