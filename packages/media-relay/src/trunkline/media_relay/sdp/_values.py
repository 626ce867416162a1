"""The values found in SDP lines: origin, connection, the RTCP attribute and the direction.

What belongs here is one line's grammar. The order of lines and who inherits from whom is `_description`.
"""

import re
from enum import Enum

import attrs

from trunkline.media_relay._errors import RemoteProtocolError

_RTCP = re.compile(r"(\d{1,5})(?: +IN +(IP[46]) +(\S+))?\s*\Z", re.IGNORECASE)


class Direction(Enum):
    """Which way media flows, seen from whoever wrote the description.

    Source: RFC 8866 §6.7
    """

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@attrs.frozen
class Connection:
    """The value of a `c=` line."""

    family: str
    """"IP4" or "IP6"."""
    address: str
    """An address literal or a host name, without the TTL."""
    suffix: str = ""
    """"/127" or "/127/3": time to live and count of a multicast address, with the slash."""

    @property
    def is_unspecified(self) -> bool:
        """Tell the old way of holding a call, `c=IN IP4 0.0.0.0` (RFC 3264 §8.4)."""
        return self.address in ("0.0.0.0", "::")

    @classmethod
    def parse(cls, text: str, offset: int | None = None) -> "Connection":
        """Read what follows `c=`.

        Raises: RemoteProtocolError
        Source: RFC 8866 §5.7
        """
        parts = text.split()
        if len(parts) < 3 or parts[0].upper() != "IN" or parts[1].upper() not in ("IP4", "IP6"):
            reason = f"expected 'c=IN IP4 address' or 'c=IN IP6 address', got {text!r}"
            raise RemoteProtocolError(reason, section="RFC 8866 §5.7", offset=offset)
        address, slash, suffix = parts[2].partition("/")
        return cls(parts[1].upper(), address, slash + suffix)

    def __str__(self) -> str:
        return f"IN {self.family} {self.address}{self.suffix}"


@attrs.frozen
class Origin:
    """The value of an `o=` line."""

    username: str
    session_id: str
    session_version: str
    family: str
    address: str

    @classmethod
    def parse(cls, text: str, offset: int | None = None) -> "Origin":
        """Read what follows `o=`.

        Raises: RemoteProtocolError
        Source: RFC 8866 §5.2
        """
        parts = text.split()
        if len(parts) != 6:
            reason = f"expected 'o=user id version IN IP4 address', got {text!r}"
            raise RemoteProtocolError(reason, section="RFC 8866 §5.2", offset=offset)
        return cls(parts[0], parts[1], parts[2], parts[4].upper(), parts[5])

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.session_version} IN {self.family} {self.address}"


@attrs.frozen
class RtcpAttribute:
    """The value of `a=rtcp:`, where the peer wants RTCP when that is not the RTP port plus one."""

    port: int
    connection: Connection | None = None
    """None when RTCP goes to the address of the media line."""

    @classmethod
    def parse(cls, text: str, offset: int | None = None) -> "RtcpAttribute":
        """Read what follows `a=rtcp:`.

        Raises: RemoteProtocolError
        Source: RFC 3605 §2.1
        """
        match = _RTCP.match(text.strip())
        if match is None or int(match[1]) > 65535:
            reason = f"expected 'a=rtcp:port' or 'a=rtcp:port IN IP4 address', got {text!r}"
            raise RemoteProtocolError(reason, section="RFC 3605 §2.1", offset=offset)
        connection = Connection(match[2].upper(), match[3]) if match[2] else None
        return cls(int(match[1]), connection)

    def __str__(self) -> str:
        return f"{self.port} {self.connection}" if self.connection else str(self.port)
