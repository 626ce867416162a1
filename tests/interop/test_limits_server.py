"""Floods and slow peers against the running server: it goes on serving, and its counters tell of them."""

import contextlib
import socket
import time

import pytest
from peers.ports import HOST
from peers.process import wait_until
from peers.trunkline import Server
from peers.wire import Wire, options_answered


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A server with limits that a test reaches."""
    limits = {"message_seconds": 2, "connections_per_address": 50, "message_size": 4096, "headers": 40}
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
