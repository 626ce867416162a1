"""Captures: UDP datagrams out of a pcap file, and into one.

Here: the classic format of tcpdump, either byte order, micro- or nanoseconds; Ethernet with VLANs, Linux
cooked (SLL, SLL2), raw IP and loopback; IPv4 and IPv6 without extension headers. Not here: pcapng (tcpdump
turns it into this), TCP, and fragments, which are counted and left out.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from ._network import Address

ETHERNET, RAW, LOOPBACK, SLL, SLL2 = 1, 101, 0, 113, 276
IPV4, IPV6 = 0x0800, 0x86DD
VLANS = (0x8100, 0x88A8)
UDP = 17


class CaptureError(Exception):
    """The file is no capture that can be read; the message says what was expected."""


@attrs.frozen
class Datagram:
    """One UDP datagram."""

    at: float
    "Unix seconds."
    source: Address
    destination: Address
    data: bytes


@attrs.define
class Capture:
    """The datagrams of a file, in its order."""

    datagrams: list[Datagram]
    left_out: int
    "Packets that are not whole UDP datagrams."


def read_capture(path: Path) -> Capture:
    """Read a capture.

    Raises:
        CaptureError: it is none of this format.
    """
    content = path.read_bytes()
    if len(content) < 24:
        raise CaptureError(f"{path}: expected a pcap header of 24 bytes, got {len(content)}")
    order, fraction = _byte_order(path, content[:4])
    link = struct.unpack_from(f"{order}I", content, 20)[0] & 0xFFFF
    if link not in _NETWORK:
        raise CaptureError(f"{path}: expected link type Ethernet, raw IP, loopback or SLL, got {link}")
    capture, offset = Capture([], 0), 24
    while offset + 16 <= len(content):
        seconds, part, size, whole = struct.unpack_from(f"{order}IIII", content, offset)
        packet = content[offset + 16 : offset + 16 + size]
        offset += 16 + size
        found = _udp(_NETWORK[link](packet)) if size == whole == len(packet) else None
        if found is None:
            capture.left_out += 1
        else:
            capture.datagrams.append(Datagram(seconds + part / fraction, *found))
    return capture


def write_capture(path: Path, datagrams: Iterable[Datagram]) -> None:
    """Write IPv4 datagrams as a capture of an Ethernet."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, ETHERNET)]
    for datagram in datagrams:
        udp = struct.pack(">HHHH", datagram.source[1], datagram.destination[1], 8 + len(datagram.data), 0)
        ends = [ipaddress.IPv4Address(host).packed for host, _ in (datagram.source, datagram.destination)]
        head = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 28 + len(datagram.data), 0, 0x4000, 64, UDP, 0, ends[0], ends[1]
        )
        checksum = _checksum(head)
        frame = bytes(12) + struct.pack(">H", IPV4) + head[:10] + struct.pack(">H", checksum) + head[12:]
        frame += udp + datagram.data
        seconds = int(datagram.at)
        microseconds = min(round((datagram.at - seconds) * 1e6), 999_999)
        parts.append(struct.pack("<IIII", seconds, microseconds, len(frame), len(frame)))
        parts.append(frame)
    path.write_bytes(b"".join(parts))


def _byte_order(path: Path, magic: bytes) -> tuple[str, float]:
    for order in "<>":
        for number, fraction in ((0xA1B2C3D4, 1e6), (0xA1B23C4D, 1e9)):
            if magic == struct.pack(f"{order}I", number):
                return order, fraction
    if magic == b"\x0a\x0d\x0d\x0a":
        raise CaptureError(f"{path} is pcapng; `tcpdump -r {path} -w other.pcap` makes a pcap of it")
    raise CaptureError(f"{path}: expected a pcap file, got one that begins {magic.hex()}")


def _ethernet(frame: bytes) -> bytes:
    at = 12
    while int.from_bytes(frame[at : at + 2], "big") in VLANS:
        at += 4
    return frame[at + 2 :] if int.from_bytes(frame[at : at + 2], "big") in (IPV4, IPV6) else b""


def _behind(size: int) -> Callable[[bytes], bytes]:
    return lambda packet: packet[size:]


_NETWORK: dict[int, Callable[[bytes], bytes]] = {
    ETHERNET: _ethernet,
    RAW: _behind(0),
    LOOPBACK: _behind(4),
    SLL: _behind(16),
    SLL2: _behind(20),
}


def _udp(packet: bytes) -> tuple[Address, Address, bytes] | None:
    if len(packet) < 28:
        return None
    if packet[0] >> 4 == 4:
        start = (packet[0] & 15) * 4
        fragmented = int.from_bytes(packet[6:8], "big") & 0x3FFF
        if packet[9] != UDP or fragmented:
            return None
        hosts = packet[12:16], packet[16:20]
    elif packet[0] >> 4 == 6 and packet[6] == UDP:
        start, hosts = 40, (packet[8:24], packet[24:40])
    else:
        return None
    if len(packet) < start + 8:
        return None
    source, destination, length, _ = struct.unpack_from(">HHHH", packet, start)
    if not 8 <= length <= len(packet) - start:
        return None
    names = [str(ipaddress.ip_address(host)) for host in hosts]
    return (names[0], source), (names[1], destination), packet[start + 8 : start + length]


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
