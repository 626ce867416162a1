"""The measuring tools themselves, against sounds and programs that are known."""

import random
import sys

import pytest
from peers.process import PeerError, Process
from peers.sipp import fill_in
from peers.tone import Recording, write_tone


@pytest.fixture
def tone(tmp_path):
    """Make a recording of a tone, read back from a file."""

    def make(frequency, **more):
        path = tmp_path / f"{frequency}.wav"
        write_tone(path, frequency, seconds=1, **more)
        return Recording.read(path)

    return make


@pytest.mark.parametrize("frequency", [440.0, 1000.0, 1234.5])
def test_pitch_level_and_share_of_a_tone(tone, frequency):
    heard = tone(frequency, level=0.3)
    assert heard.seconds == pytest.approx(1)
    assert heard.pitch() == pytest.approx(frequency, abs=0.5)
    assert heard.level() == pytest.approx(0.3 / 2**0.5, rel=0.01)
    assert heard.share(frequency) > 0.98
    assert heard.share(frequency * 1.5) < 0.05


def test_silence_and_noise_are_no_tone():
    silence = Recording([0.0] * 8000, 8000)
    assert (silence.level(), silence.pitch(), silence.share(440)) == (0, 0, 0)
    assert Recording([], 8000).level() == 0
    chance = random.Random(1)
    noise = Recording([chance.uniform(-0.5, 0.5) for _ in range(8000)], 8000)
    assert noise.share(440) < 0.05


def test_lost_packets_spoil_a_part_and_not_the_whole(tone):
    samples = tone(440.0).samples
    holed = Recording(samples[:1600] + [0.0] * 160 + samples[1760:4000] + samples[4160:], 8000)
    assert holed.share(440) > 0.9
    assert holed.pitch() == pytest.approx(440, abs=15)


def test_scenario_with_a_value_missing_is_refused():
    assert fill_in("sip:{user}@{domain}", {"user": "alice", "domain": "d"}) == "sip:alice@d"
    with pytest.raises(PeerError, match="domain"):
        fill_in("sip:{user}@{domain}", {"user": "alice"})


def test_program_that_will_not_end_is_made_to(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    process = Process([sys.executable, "-c", f"{deaf}; time.sleep(60)"], tmp_path, name="stubborn")
    while "1" not in process.log_path.read_text():
        assert process.running
    assert process.stop(0.2) == -9
    assert not process.running
