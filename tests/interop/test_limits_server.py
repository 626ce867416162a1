"""Floods and slow peers against the running server: it goes on serving, and its counters tell of them."""

import contextlib
import re
import socket
import time
from pathlib import Path

import pytest
from peers.ports import HOST
from peers.process import wait_until
from peers.trunkline import Server
from peers.wire import Wire, options_answered


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A server with limits that a test reaches."""
    limits = {
        "message_seconds": 2,
        "connections_per_address": 50,
        "message_size": 4096,
        "headers": 40,
        "idle_seconds": 10,
        "unwritten_bytes": 65536,
    }
    server = Server(tmp_path_factory.mktemp("narrow"), {"limits": limits})
    try:
        yield server.start()
        assert not server.tracebacks()
    finally:
        server.close()


def counted(server):
    return server.ask("stats")["transport"]


def connect(server):
    return socket.create_connection((HOST, server.port), timeout=5)


def is_closed(sock):
    try:
        return sock.recv(100) == b""
    except ConnectionError:
        return True


def test_slow_loris_is_cut_off_while_others_are_served(narrow):
    before = counted(narrow)["half_sent"]
    drips = [connect(narrow) for _ in range(40)]
    started = time.monotonic()
    still = set(drips)
    while still and time.monotonic() - started < 10:
        for sock in list(still):
            try:
                sock.sendall(b"O")
            except OSError:
                still.discard(sock)
        assert options_answered(narrow.port)
        time.sleep(0.1)
    assert not still, "each byte was new, and yet it was no message"
    assert time.monotonic() - started < 6
    assert counted(narrow)["half_sent"] - before == 40
    for sock in drips:
        sock.close()


def test_flood_of_connections_is_refused_while_others_are_served(narrow):
    socks = []
    for _ in range(500):
        with contextlib.suppress(OSError):
            socks.append(connect(narrow))
    assert options_answered(narrow.port), "datagrams come as ever"
    figures = counted(narrow)
    assert figures["refused_per_address"] >= 450
    assert figures["connections"] <= 50
    for sock in socks:
        sock.close()
    wait_until("room again", lambda: options_answered(narrow.port, transport="tcp"), seconds=5)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_too_large_a_message_is_answered_513(narrow, transport):
    long, many = ("X-Long: " + "x" * 5000,), ("X: y",) * 50
    for more, counter in ((long, "too_large_messages"), (many, "too_many_headers")):
        before = counted(narrow)[counter]
        with Wire(narrow.port, transport=transport) as wire:
            reply = wire.ask(wire.request("OPTIONS", f"sip:{narrow.domain}", headers=more))
            assert reply.status == 513
        assert counted(narrow)[counter] == before + 1


def test_idle_connection_is_closed_and_keep_alives_hold_another(narrow):
    before = counted(narrow)["idle"]
    with Wire(narrow.port, transport="tcp") as idle, Wire(narrow.port, transport="tcp") as kept:
        for wire in (idle, kept):
            assert wire.ask(wire.request("OPTIONS", f"sip:{narrow.domain}")).status == 200
        started = time.monotonic()
        idle.socket.setblocking(False)
        while counted(narrow)["idle"] == before and time.monotonic() - started < 15:
            kept.send(b"\r\n\r\n")
            assert kept.receive() is not None
            time.sleep(1)
        assert is_closed(idle.socket)
        assert 9 < time.monotonic() - started < 14
        assert kept.ask(kept.request("OPTIONS", f"sip:{narrow.domain}")).status == 200


def test_peer_that_asks_and_does_not_read_is_cut_off(narrow):
    before = counted(narrow)["not_reading"]
    with Wire(narrow.port, transport="tcp") as wire, contextlib.suppress(OSError):
        for _ in range(100_000):
            wire.send(wire.request("OPTIONS", f"sip:{narrow.domain}"))
    assert counted(narrow)["not_reading"] == before + 1
    assert options_answered(narrow.port)


def test_all_together_are_bounded(tmp_path):
    server = Server(tmp_path / "server", {"limits": {"connections": 5}})
    try:
        server.start()
        socks = [connect(server) for _ in range(8)]
        figures = wait_until("the refusals", lambda: (f := counted(server))["refused_connections"] == 3 and f)
        assert figures["connections"] == 5
        assert options_answered(server.port)
        for sock in socks:
            sock.close()
    finally:
        server.close()


def test_every_limit_has_a_counter_that_operators_see(narrow):
    """The keys are those of the reference, which names the counter beside each."""
    reference = (Path(__file__).parents[2] / "docs/reference/configuration.md").read_text()
    section = reference.partition("## [limits]")[2].partition("\n## ")[0]
    keys = re.findall(r"(?m)^\| `(\w+)` \| `[^`]+` \| .* counted as (\w+)\. \|$", section)
    assert len(keys) == section.count("\n| `") == 7
    shown = narrow.tool("stats")
    for _, counter in keys:
        assert re.search(rf"\b{counter}\b", shown), counter
