"""The RTP header. What belongs here is one packet's fields; counting over many is `_statistics`."""

import struct

import attrs

from trunkline.media_relay._errors import RemoteProtocolError

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


@attrs.define(eq=False)
class RtpPacket:
    """An RTP packet, its payload not looked into."""

    payload_type: int
    """0–127."""
    sequence_number: int
    """0–65535."""
    timestamp: int
    """In units of the payload type's clock, modulo 2**32."""
    ssrc: int
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None
    """Profile and content of the header extension."""

    @classmethod
    def parse(cls, data: bytes) -> "RtpPacket":
        """Read a packet.

        Raises: RemoteProtocolError when it is not version 2 or shorter than its header says.
        Source: RFC 3550 §5.1
        """
        if len(data) < 12:
            raise _broken(f"expected at least 12 bytes of RTP, got {len(data)}", len(data))
        first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
        if first >> 6 != 2:
            raise _broken(f"expected RTP version 2, got {first >> 6}", 0)
        position = 12 + 4 * (first & 0x0F)
        end = len(data)
        if position > end:
            raise _broken(f"expected {first & 0x0F} CSRCs, got {end - 12} bytes", 12)
        csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, 12)
        extension = None
        if first & 0x10:
            if position + 4 > end:
                raise _broken("expected a header extension, got the end", position)
            profile, words = _EXTENSION.unpack_from(data, position)
            position += 4
            if position + 4 * words > end:
                raise _broken(f"expected {4 * words} bytes of extension, got {end - position}", position)
            extension = (profile, data[position : position + 4 * words])
            position += 4 * words
        if first & 0x20:
            padding = data[-1]
            if not 0 < padding <= end - position:
                raise _broken(f"expected 1 to {end - position} bytes of padding, got {padding}", end - 1)
            end -= padding
        payload = data[position:end]
        return cls(second & 0x7F, sequence, timestamp, ssrc, payload, second >= 0x80, csrcs, extension)

    def to_bytes(self) -> bytes:
        """Give the packet as bytes, without padding.

        Source: RFC 3550 §5.1
        """
        first = 0x80 | len(self.csrcs) | (0x10 if self.extension is not None else 0)
        second = self.payload_type | (0x80 if self.marker else 0)
        head = _FIXED.pack(first, second, self.sequence_number, self.timestamp, self.ssrc)
        head += struct.pack(f"!{len(self.csrcs)}I", *self.csrcs)
        if self.extension is not None:
            profile, content = self.extension
            head += _EXTENSION.pack(profile, len(content) // 4) + content
        return head + self.payload


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP on a shared port by the second byte.

    Source: RFC 5761 §4
    """
    return len(data) > 1 and 192 <= data[1] <= 223


def _broken(reason: str, offset: int) -> RemoteProtocolError:
    return RemoteProtocolError(reason, section="RFC 3550 §5.1", offset=offset)
