"""Listening points: wildcards, addresses that cannot be had, and how to mend that."""

from __future__ import annotations

import socket

import pytest

from trunkline.provider.config import ListenAddress
from trunkline.provider.transports import ListenError, ListenPoint, bind_all, expand


def close(points: list[ListenPoint]) -> None:
    for point in points:
        point.sock.close()


def test_port_zero_becomes_the_real_one() -> None:
    points = bind_all([ListenAddress("udp", "127.0.0.1", 0), ListenAddress("tcp", "127.0.0.1", 0)])
    assert [point.transport for point in points] == ["UDP", "TCP"]
    for point in points:
        assert point.address == point.sock.getsockname()
        assert point.address[1]
        assert not point.sock.getblocking()
        assert str(point) == f"{point.transport.lower()}:127.0.0.1:{point.address[1]}"
    close(points)


def test_ipv6_is_written_in_brackets() -> None:
    [point] = points = bind_all([ListenAddress("udp", "::1", 0)])
    assert str(point) == f"udp:[::1]:{point.address[1]}"
    close(points)


def test_wildcard_stands_for_each_address_of_its_family_once() -> None:
    listen = [ListenAddress("udp", "127.0.0.1", 5060), ListenAddress("udp", "0.0.0.0", 5060)]
    expanded = expand(listen)
    assert expanded[0] == listen[0]
    assert len(set(expanded)) == len(expanded)
    hosts = {item.host for item in expanded}
    assert "127.0.0.1" in hosts
    assert "0.0.0.0" not in hosts
    assert all(":" not in host for host in hosts)
    assert all(":" in item.host for item in expand([ListenAddress("tcp", "::", 5060)]))


def test_every_point_that_cannot_be_had_is_named_and_none_is_kept() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        listen = [
            ListenAddress("udp", "127.0.0.1", free),
            ListenAddress("udp", "127.0.0.1", port),
            ListenAddress("tcp", "192.0.2.77", 5060),
        ]
        with pytest.raises(ListenError) as caught:
            bind_all(listen)
    in_use, not_ours = caught.value.problems
    assert in_use.startswith(f"cannot listen on udp:127.0.0.1:{port}: another program has this port.")
    assert "tcp:192.0.2.77:5060: this machine does not have that address" in not_ours
    close(bind_all([ListenAddress("udp", "127.0.0.1", free)]))


def test_forbidden_port_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    class Socket(socket.socket):
        bind = forbidden  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", Socket)
    with pytest.raises(ListenError, match="not permitted"):
        bind_all([ListenAddress("tcp", "127.0.0.1", 80)])
