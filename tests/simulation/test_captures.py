"""Captures: what is read of a file, and that a run out of one gets the answers that the capture holds."""

from __future__ import annotations

import struct

import pytest

from trunkline.provider.simulation import (
    CaptureError,
    Datagram,
    datagrams_at,
    main,
    read_capture,
    replay,
    run,
    write_capture,
)

DATAGRAM = Datagram(
    1700000000.25, ("198.51.100.7", 5062), ("192.0.2.1", 5060), b"OPTIONS sip:x SIP/2.0\r\n\r\n"
)


def pcap(*frames, link=1, order="<", magic=0xA1B2C3D4, fraction=250000, cut=0):
    """Write a file of frames by hand."""
    content = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for frame in frames:
        content += struct.pack(f"{order}IIII", 1700000000, fraction, len(frame) - cut, len(frame))
        content += frame[: len(frame) - cut]
    return content


def packet(datagram=DATAGRAM, *, fragment=0, protocol=17):
    """Write an IPv4 packet by hand."""
    udp = struct.pack(">HHHH", datagram.source[1], datagram.destination[1], 8 + len(datagram.data), 0)
    hosts = b"".join(bytes(map(int, host.split("."))) for host, _ in (datagram.source, datagram.destination))
    size = 20 + len(udp) + len(datagram.data)
    return struct.pack(">BBHHHBBH", 0x45, 0, size, 1, fragment, 64, protocol, 0) + hosts + udp + datagram.data


@pytest.mark.parametrize(
    "content",
    [
        pcap(bytes(12) + b"\x08\x00" + packet()),
        pcap(bytes(12) + b"\x81\x00\x00\x05\x08\x00" + packet()),
        pcap(bytes(12) + b"\x08\x00" + packet() + bytes(9)),
        pcap(packet(), link=101),
        pcap(b"\2\0\0\0" + packet(), link=0),
        pcap(bytes(14) + b"\x08\x00" + packet(), link=113),
        pcap(bytes(20) + packet(), link=276),
        pcap(packet(), link=101, order=">"),
        pcap(packet(), link=101, magic=0xA1B23C4D, fraction=250000000),
    ],
    ids=["ethernet", "vlan", "padded", "raw", "loopback", "sll", "sll2", "big-endian", "nanoseconds"],
)
def test_datagram_is_read_of_every_kind_of_capture(tmp_path, content):
    (tmp_path / "it.pcap").write_bytes(content)
    capture = read_capture(tmp_path / "it.pcap")
    assert capture.datagrams == [DATAGRAM]
    assert capture.left_out == 0


def test_packets_that_are_no_whole_datagram_are_counted(tmp_path):
    frames = [packet(fragment=0x2000), packet(protocol=6), b"", packet()[:22]]
    (tmp_path / "it.pcap").write_bytes(pcap(*frames, link=101))
    capture = read_capture(tmp_path / "it.pcap")
    assert (capture.datagrams, capture.left_out) == ([], 4)
    (tmp_path / "cut.pcap").write_bytes(pcap(packet(), link=101, cut=3))
    assert read_capture(tmp_path / "cut.pcap").left_out == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x0a\x0d\x0d\x0a" + bytes(30), "pcapng"),
        (b"", "24 bytes"),
        (b"hello" * 10, "expected a pcap"),
        (pcap(link=105), "105"),
    ],
)
def test_what_is_no_capture_is_refused_with_a_reason(tmp_path, content, said):
    (tmp_path / "it.pcap").write_bytes(content)
    with pytest.raises(CaptureError, match=said):
        read_capture(tmp_path / "it.pcap")


def test_written_capture_is_read_back(tmp_path):
    others = [Datagram(1.5, ("10.0.0.1", 1), ("10.0.0.2", 65535), b""), DATAGRAM]
    write_capture(tmp_path / "it.pcap", others)
    assert read_capture(tmp_path / "it.pcap").datagrams == others


def test_capture_of_a_run_gets_the_same_answers_when_replayed(tmp_path):
    seed, (_, world) = next(
        (seed, found)
        for seed in range(30)
        if (found := run(seed, 30, keep=True))
        and not found[0].counts.get("kills")
        and not found[0].counts.get("registrations refused")
        and len(found[1].servers) == 1
    )
    file = tmp_path / "run.pcap"
    write_capture(file, datagrams_at(world, 0))

    replayed = replay(file, world.servers[0].address)

    assert replayed.violations == [], seed
    assert replayed.requests > 50
    answered = sum(bool(statuses) for statuses in replayed.captured.values())
    # calls to phones on TCP are not in the capture, so that those have another end
    assert len(replayed.differences()) < answered / 4
    assert replay(file, world.servers[0].address).digest == replayed.digest


def test_command_replays_a_capture(tmp_path, capsys):
    file = tmp_path / "run.pcap"
    assert main(["--seed", "9", "--calls", "8", "--write-capture", str(file)]) == 0
    assert main(["--capture", str(file), "--server", "192.0.2.10:5060"]) == 0
    assert "requests replayed" in capsys.readouterr().out
    assert main(["--capture", str(file)]) == 2
    assert main(["--capture", str(tmp_path / "none"), "--server", "192.0.2.10:5060"]) == 2
