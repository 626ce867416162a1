"""Sine tones as WAV files, and what a recording holds: how loud, and at which pitch.

16-bit mono or stereo PCM only. Pitch is found by zero crossings and confirmed by Goertzel's filter,
which gives the share of the power that lies at one frequency.
"""

import array
import math
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

FULL_SCALE = 32768.0


def write_tone(path: Path, frequency: float, *, seconds: float, rate: int = 8000, level: float = 0.3) -> None:
    """Write a sine tone as 16-bit mono; `level` is its amplitude, 1.0 being full scale."""
    count = int(seconds * rate)
    step = 2 * math.pi * frequency / rate
    samples = array.array("h", (int(level * 32767 * math.sin(step * n)) for n in range(count)))
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())


@dataclass(frozen=True)
class Recording:
    """Samples of one channel, -1.0 to 1.0."""

    samples: list[float]
    rate: int

    @classmethod
    def read(cls, path: Path) -> "Recording":
        """Read the first channel of a WAV file."""
        with wave.open(str(path), "rb") as source:
            if source.getsampwidth() != 2:
                raise ValueError(f"{path}: expected 16-bit samples, got {8 * source.getsampwidth()}")
            samples = array.array("h", source.readframes(source.getnframes()))
            channels, rate = source.getnchannels(), source.getframerate()
        if sys.byteorder == "big":
            samples.byteswap()
        return cls([sample / FULL_SCALE for sample in samples[::channels]], rate)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def cut(self, start: float, end: float | None = None) -> "Recording":
        """Give the part between two seconds; a negative `end` counts from the end."""
        last = None if end is None else int(end * self.rate)
        return Recording(self.samples[int(start * self.rate) : last], self.rate)

    def level(self) -> float:
        """Give the root mean square."""
        if not self.samples:
            return 0.0
        return math.sqrt(math.fsum(sample * sample for sample in self.samples) / len(self.samples))

    def pitch(self) -> float:
        """Give the frequency in Hz that the upward zero crossings tell of; 0.0 in silence."""
        crossings = [
            n - after / (after - before)
            for n, (before, after) in enumerate(zip(self.samples, self.samples[1:], strict=False), 1)
            if before < 0 <= after
        ]
        if len(crossings) < 2:
            return 0.0
        return self.rate * (len(crossings) - 1) / (crossings[-1] - crossings[0])

    def share(self, frequency: float, *, window: float = 0.1) -> float:
        """Give the share of the power at that frequency, 0.0 to 1.0.

        The filter runs over windows of that many seconds, so a jump in phase (a lost packet) spoils one
        window and not the whole.
        """
        size = int(window * self.rate)
        step = 2 * math.cos(2 * math.pi * frequency / self.rate)
        found = total = 0.0
        for start in range(0, len(self.samples) - size + 1, size):
            last = before = energy = 0.0
            for sample in self.samples[start : start + size]:
                last, before = sample + step * last - before, last
                energy += sample * sample
            found += 2 * (last * last + before * before - step * last * before) / size
            total += energy
        return found / total if total else 0.0


def assert_tone(heard: Recording, frequency: float, *, who: str, seconds: float) -> None:
    """Check that a recording holds that tone of `write_tone`, as loud as it was spoken, and little else.

    Raises:
        AssertionError: it does not, or is shorter than that many seconds.
    """
    assert heard.seconds > seconds, f"{who} heard {heard.seconds} s only"
    middle = heard.cut(0.8, -0.3)
    assert abs(middle.pitch() - frequency) < 5, f"{who} heard {middle.pitch()} Hz"
    assert 0.17 < middle.level() < 0.25, f"{who} heard a level of {middle.level()}"
    assert middle.share(frequency) > 0.9, f"{who} heard something else too"
