"""Ten thousand hostile datagrams, a thousand at a time: the server answers, stays lean, and its log short.

Noise, torture messages, and requests with wounds, from a fixed seed. The server trusts everybody: what is
sound enough is a request like any other, goes on to a phone whose answers are wounded too, and keeps its
transaction for the 32 s of RFC 3261.
"""

import os
import random
import time
from pathlib import Path

import pytest
from peers.callee import Callee
from peers.wire import Wire

TORTURE = Path(__file__).parents[2] / "packages/sip-parser/tests/conformance/torture"
BURSTS = 10
BURST = 1000
GROWTH = 32 << 10
"Kilobytes of resident memory that all bursts may cost: some 7 kB for each that is taken for a request."
LOG_LINES = 60
"Lines in the log of a test that is over within a few minutes, twenty of them a minute for bad messages."
WEDGES = (b"\r\n", b"\r\n\r\n", b"\0", b'"', b"<", b">", b";", b",", b":", b"%", b"@", b"\xff", b"9" * 30)
METHODS = ("OPTIONS", "REGISTER", "INVITE", "BYE", "ACK", "CANCEL", "MESSAGE", "PRACK", "NOSUCH")


def resident(pid: int) -> int:
    """Give the kilobytes of memory a process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError(f"no VmRSS of {pid}")


def wounded(chance: random.Random, data: bytes) -> bytes:
    """Overwrite, cut, double or wedge, up to three times."""
    wound = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(wound) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            wound[place : place + 1] = chance.randbytes(1)
        elif kind == 1:
            del wound[place : place + chance.randrange(1, 60)]
        elif kind == 2:
            wound[place:place] = wound[place : place + chance.randrange(1, 60)] * chance.randrange(1, 6)
        else:
            wound[place:place] = chance.choice(WEDGES)
    return bytes(wound[:8000])


def hostile(chance: random.Random, wire: Wire, seeds: list[bytes], domain: str) -> bytes:
    kind = chance.randrange(10)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 1400))
    if kind == 1:
        return chance.choice(seeds)
    if kind < 6:
        return wounded(chance, chance.choice(seeds))
    headers = ("Contact: <sip:me@127.0.0.1:9>", "Expires: 60")
    if chance.randrange(3) == 0:
        headers += ("Route: <sip:127.0.0.1;lr>",)
    request = wire.request(chance.choice(METHODS), f"sip:bob@{domain}", headers=headers, body=b"v=0\r\n")
    return wounded(chance, request)


def assert_answers(server, wire) -> None:
    for transport in ("udp", "tcp"):
        probe = wire(server, transport=transport)
        for _ in range(5):  # a burst may have filled the socket: an OPTIONS is sent again, as a phone does
            reply = probe.ask(probe.request("OPTIONS", f"sip:{server.domain}"), seconds=3)
            if reply is not None:
                break
        assert reply is not None, f"no answer over {transport}\n{server.log()}"
        assert reply.status == 200


def register(wire, aor: str, contact: str) -> None:
    headers = (f"Contact: {contact}", "Expires: 600")
    reply = wire.ask(
        wire.request("REGISTER", f"sip:{aor.partition('@')[2]}", to=f"sip:{aor}", headers=headers)
    )
    assert reply.status == 200


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_bursts_of_hostile_input(new_server, wire, closing, transport) -> None:
    server = new_server(
        {
            "server": {"domains": ["example.test", "example.com"]},
            "auth": {"challenge": False},
            "media": {"mode": "never"},
        }
    ).start()
    pid = server.process.pid
    seed = os.environ.get("INTEROP_SEED", "trunkline")
    chance, luck = random.Random(seed), random.Random(seed)
    callee = Callee(lambda answer: wounded(luck, answer) if luck.random() < 0.5 else answer)
    closing.callback(callee.close)
    seeds = [path.read_bytes() for path in sorted(TORTURE.glob("*.dat"))]
    writer = wire(server)
    for aor in (f"bob@{server.domain}", "user@example.com", "UserB@example.com"):
        register(writer, aor, callee.contact)
    assert_answers(server, wire)
    before = resident(pid)
    bursts = BURSTS if transport == "udp" else 3
    for _ in range(bursts):
        if transport == "udp":
            senders = [wire(server) for _ in range(4)]
            for number in range(BURST):
                senders[number % 4].send(hostile(chance, writer, seeds, server.domain))
        else:
            for _ in range(BURST // 4):  # a stream ends where its framing is lost
                with Wire(server.port, transport="tcp") as sender:
                    try:
                        for _ in range(4):
                            sender.send(hostile(chance, writer, seeds, server.domain))
                    except OSError:
                        pass  # the server had enough of it
        assert server.process.running, server.log()
        assert_answers(server, wire)
    grown = resident(pid) - before
    stats = server.ask("stats")
    assert stats["mishaps"] == 0, server.log()
    core = stats["core"]
    print(f"{transport}: {grown} kB more after {bursts * BURST} messages, {core}, {stats['tm']}")
    assert core["err_requests"] > bursts * 50
    assert core["fwd_requests"] > bursts * 10
    assert grown < GROWTH, stats
    log = (server.folder / "trunkline.log").read_text().splitlines()
    assert sum("a message was refused" in line for line in log) >= 5
    assert len(log) < LOG_LINES, log[:80]
    assert max(len(line) for line in log) < 2000
    assert all(line.isprintable() for line in log)


@pytest.mark.parametrize("more", [";branch=z9hG4bKx", ";rport;rport", ";ttl=1;ttl=2", ";received=x;maddr="])
def test_a_caller_who_says_strange_things_and_hangs_up(new_server, wire, more) -> None:
    """What is wrong with a Via may show only when its connection is lost, with nobody there to be told."""
    server = new_server({"media": {"mode": "never"}}).start()
    for method in ("OPTIONS", "INVITE", "REGISTER", "BYE"):
        with Wire(server.port, transport="tcp") as sender:
            request = sender.request(method, f"sip:bob@{server.domain}")
            sender.send(request.replace(b";rport", more.encode(), 1))
            sender.receive(0.2)
    assert_answers(server, wire)
    assert server.ask("stats")["mishaps"] == 0


def test_the_log_says_how_many_more(new_server, wire) -> None:
    """The lines of a minute are few; when it is over, one more says what they left out."""
    server = new_server({"media": {"mode": "never"}}).start()
    probe = wire(server)
    for _ in range(50):
        probe.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert_answers(server, wire)
    time.sleep(0.2)
    log = (server.folder / "trunkline.log").read_text()
    assert log.count("a message was refused") == 5
    assert "127.0.0.1" in log
    assert "HTTP/1.1" in log
