"""Counting one RTP stream: order, loss, source changes, jitter."""

import pytest

from trunkline.media_relay import RtpPacket, StreamStatistics


def packet(sequence, timestamp=None, ssrc=1, payload_type=0):
    timestamp = sequence * 160 if timestamp is None else timestamp
    header = RtpPacket(payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, b"")
    return header.to_bytes()


def receive(*sequences, **more):
    statistics = StreamStatistics()
    for place, sequence in enumerate(sequences):
        statistics.receive(packet(sequence, **more), place * 0.02)
    return statistics


def test_nothing_heard():
    statistics = StreamStatistics()
    assert (statistics.expected, statistics.lost, statistics.jitter) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("sequences", "expected", "lost"),
    [
        ((1, 2, 3), 3, 0),
        ((1, 2, 5), 5, 2),
        ((1, 3, 2, 4), 4, 0),
        ((1, 2, 2, 3), 3, 0),
        ((65534, 65535, 65536, 65537), 4, 0),
        ((65535, 65537), 3, 1),
        ((0, 10000, 10001, 10002), 3, 0),
        ((500, 490), 1, 0),
    ],
)
def test_loss(sequences, expected, lost):
    statistics = receive(*sequences)
    assert statistics.received == len(sequences)
    assert (statistics.expected, statistics.lost) == (expected, lost)


def test_one_stray_number_does_not_move_the_sequence():
    assert receive(1, 2, 30000, 3).highest_sequence == 3


def test_new_source_begins_anew_and_keeps_the_sums():
    statistics = receive(1, 2, 4)
    for sequence in (9000, 9001, 9003):
        statistics.receive(packet(sequence, ssrc=2), 1.0)
    assert (statistics.ssrc, statistics.sources, statistics.received, statistics.lost) == (2, 2, 6, 2)


def test_even_packets_have_no_jitter():
    assert receive(*range(100)).jitter < 1e-9


def test_uneven_packets_have_the_jitter_of_the_standard():
    statistics = StreamStatistics()
    jitter, transit = 0.0, None
    for sequence in range(50):
        late = 0.005 if sequence % 3 == 0 else 0.0
        now = sequence * 0.02 + late
        statistics.receive(packet(sequence), now)
        before, transit = transit, now * 8000 - sequence * 160
        if before is not None:
            jitter += (abs(transit - before) - jitter) / 16
    assert abs(statistics.jitter - jitter / 8000) < 1e-9


def test_packets_of_one_frame_and_long_events_do_not_count_as_jitter():
    statistics = StreamStatistics(clock_rates={99: 90000})
    for sequence in range(60):
        frame = sequence // 3
        data = packet(sequence, timestamp=frame * 3000, payload_type=99)
        statistics.receive(data, frame / 30 + sequence % 3 * 0.004)
    assert statistics.jitter < 1e-9
    assert statistics.clock_rate == 90000


def test_clock_of_static_payload_types():
    assert receive(1, 2, payload_type=31).clock_rate == 90000
    assert receive(1, 2, payload_type=18).clock_rate == 8000


def test_restarted_timestamps_are_no_jitter():
    statistics = receive(*range(10))
    statistics.receive(packet(10, timestamp=4_000_000_000), 0.2)
    assert statistics.jitter < 1e-9


def test_change_of_payload_type_in_order_is_seen():
    statistics = receive(1, 2)
    statistics.receive(packet(3, payload_type=101), 0.06)
    assert statistics.payload_type == 101


def test_continuation_is_known_by_source_and_sequence():
    statistics = receive(100)
    assert statistics.continues(packet(101))
    assert statistics.continues(packet(95))
    assert not statistics.continues(packet(101, ssrc=2))
    assert not statistics.continues(packet(20000))
