"""Loss and jitter of one RTP stream as it arrives.

Strategy: `receive` runs for every relayed packet, so the next packet in order of the same source takes one
unpack, one comparison and the jitter's four operations; everything else goes to `_out_of_order`. The
extended sequence number is one growing integer instead of RFC 3550's cycles and sequence.
"""

import struct

import attrs

_HEAD = struct.Struct("!BBHII").unpack_from
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
STATIC_CLOCK_RATES = {6: 16000, 10: 44100, 11: 44100, 14: 90000, 16: 11025, 17: 22050}
STATIC_CLOCK_RATES.update(dict.fromkeys((25, 26, 28, 31, 32, 33, 34), 90000))
"""Clock rates in Hz that are not 8000 (RFC 3551 §6)."""


@attrs.define(eq=False)
class StreamStatistics:
    """Sequence numbers, loss and jitter of the RTP heard on one port.

    Source: RFC 3550 §6.4.1, §A.1, §A.3, §A.8
    """

    clock_rates: dict[int, int] = attrs.field(factory=dict)
    """Hz by payload type, from the description's `a=rtpmap`."""
    ssrc: int = -1
    """The source heard last; -1 before the first packet."""
    payload_type: int = -1
    received: int = 0
    """Packets of all sources so far."""
    sources: int = 0
    """How many times the source changed."""
    clock_rate: int = 8000
    _extended: int = -1
    _base: int = 0
    _expected_before: int = 0
    _jitter: float = 0.0
    _transit: float = 0.0
    _timestamp: int = -1
    _restart_at: int = -1

    @property
    def highest_sequence(self) -> int:
        """Tell the extended highest sequence number of the present source, -1 for none."""
        return self._extended

    @property
    def expected(self) -> int:
        """Tell how many packets should have come, of all sources so far."""
        if self.ssrc < 0:
            return 0
        return self._expected_before + self._extended - self._base + 1

    @property
    def lost(self) -> int:
        """Tell how many packets are missing; duplicates make up for losses, down to zero here."""
        return max(0, self.expected - self.received)

    @property
    def jitter(self) -> float:
        """Tell the interarrival jitter in seconds."""
        return self._jitter / self.clock_rate

    def receive(self, data: bytes, now: float) -> None:
        """Count one RTP packet of at least 12 bytes.

        Args:
            data: the packet.
            now: when it came, in seconds; jitter is as exact as this is.
        """
        _, second, sequence, timestamp, ssrc = _HEAD(data)
        if ssrc == self.ssrc and sequence == (self._extended + 1) & 0xFFFF:
            self._extended += 1
            self.received += 1
            if timestamp != self._timestamp:
                self._timestamp = timestamp
                transit = now * self.clock_rate - timestamp
                change = transit - self._transit
                self._transit = transit
                if change < 0.0:
                    change = -change
                if change < 90000.0:
                    self._jitter += (change - self._jitter) * 0.0625
            if second & 0x7F != self.payload_type:
                self._change_payload(second & 0x7F, timestamp, now)
            return
        self._out_of_order(second & 0x7F, sequence, timestamp, ssrc, now)

    def continues(self, data: bytes) -> bool:
        """Tell whether a packet, wherever it comes from, goes on with the present source.

        The SSRC is 32 random bits, and the sequence number must be near: who is not on the path cannot know.
        """
        _, _, sequence, _, ssrc = _HEAD(data)
        if ssrc != self.ssrc:
            return False
        ahead: int = (sequence - self._extended) & 0xFFFF
        return ahead < _MAX_DROPOUT or ahead > 0x10000 - _MAX_MISORDER

    def _out_of_order(self, payload_type: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        self.received += 1
        if ssrc != self.ssrc:
            self._restart(sequence, ssrc)
        else:
            ahead = (sequence - self._extended) & 0xFFFF
            if ahead < _MAX_DROPOUT:
                self._extended += ahead
            elif ahead <= 0x10000 - _MAX_MISORDER:
                if sequence != self._restart_at:
                    self._restart_at = (sequence + 1) & 0xFFFF
                    return
                self._restart(sequence, ssrc)
            else:
                return
        self._change_payload(payload_type, timestamp, now)

    def _restart(self, sequence: int, ssrc: int) -> None:
        if self.ssrc >= 0:
            self._expected_before += self._extended - self._base + 1
        if ssrc != self.ssrc:
            self.sources += 1
        self.ssrc = ssrc
        self._base = self._extended = sequence
        self._jitter = 0.0
        self._restart_at = -1

    def _change_payload(self, payload_type: int, timestamp: int, now: float) -> None:
        """Begin the jitter of this payload type's clock anew."""
        self.payload_type = payload_type
        rate = self.clock_rates.get(payload_type) or STATIC_CLOCK_RATES.get(payload_type, 8000)
        if rate != self.clock_rate:
            self.clock_rate = rate
            self._jitter = 0.0
        self._timestamp = timestamp
        self._transit = now * rate - timestamp
