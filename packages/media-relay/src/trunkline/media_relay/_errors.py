"""The errors of the media relay: one root, one for our caller's mistakes, one for the peer's.

Only parsing raises `RemoteProtocolError`; what a peer does wrong later is an effect (`Refused`, `Dropped`)
or a counted error, never an exception out of the relay.
"""


class MediaError(Exception):
    """The root of every error of this package."""


class LocalProtocolError(MediaError):
    """Our caller broke a rule of this package's interface."""


class RemoteProtocolError(MediaError):
    """The peer sent something that is no SDP, RTP, RTCP or control message.

    Args:
        reason: what was expected and what came.
        status_hint: the SIP status a proxy may answer with, 488 for a session description.
        section: the rule that was broken, such as "RFC 8866 §5.14"; may be empty.
        offset: where in the input, in bytes, when that is known.
    """

    def __init__(
        self, reason: str, status_hint: int = 488, section: str = "", offset: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status_hint = status_hint
        self.section = section
        self.offset = offset
