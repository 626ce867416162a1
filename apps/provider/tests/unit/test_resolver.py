"""The resolver beside DNS itself, which `tests/interop/test_dns.py` has: the hosts table, its bounds."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio

from trunkline.provider.config import ListenAddress, load_settings
from trunkline.provider.resolver import Resolver, read_hosts
from trunkline.sip_proxy import Answer, LookupNeeded, Outcome

HOSTS = """
# the office
192.0.2.1 Gateway.test gw # the gateway
2001:db8::1 gateway.test.
nonsense here
192.0.2.2
192.0.2.3 gw
"""


def test_hosts_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(HOSTS)
    assert read_hosts(tmp_path / "hosts") == {
        "gateway.test": ("192.0.2.1", "2001:db8::1"),
        "gw": ("192.0.2.1", "192.0.2.3"),
    }
    assert read_hosts(tmp_path / "none") == {}


async def test_name_of_the_hosts_table_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(HOSTS)
    resolver = Resolver([ListenAddress("dns", "192.0.2.53", 53)], 5.0, tmp_path / "hosts")
    answers = [await resolver.lookup(LookupNeeded("gateway.test", kind)) for kind in ("A", "AAAA", "NAPTR")]
    assert [answer.records for answer in answers] == [("192.0.2.1",), ("2001:db8::1",), ()]
    assert answers[2].outcome is Outcome.NO_DATA


async def test_silent_name_server_is_given_up_after_the_timeout() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = Resolver([ListenAddress("dns", *silent.getsockname())], 0.2, None)
        begin = trio.current_time()
        answers: list[Answer] = []

        async def ask(number: int) -> None:
            answers.append(await resolver.lookup(LookupNeeded(f"h{number}.test", "A")))

        async with trio.open_nursery() as nursery:
            for number in range(300):  # more than are on the wire at one time: those who wait are bounded too
                nursery.start_soon(ask, number)
        assert trio.current_time() - begin < 2.0
    assert {answer.outcome for answer in answers} == {Outcome.UNANSWERED}
    assert resolver.failures == 300


@pytest.mark.parametrize("noise", [b"", b"\0" * 12, b"\xff" * 100])
async def test_noise_is_no_answer(noise: bytes) -> None:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        await server.bind(("127.0.0.1", 0))
        resolver = Resolver([ListenAddress("dns", *server.getsockname())], 0.3, None)

        async def answer() -> None:
            while True:
                _, address = await server.recvfrom(1000)
                await server.sendto(noise, address)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            found = await resolver.lookup(LookupNeeded("a.test", "A"))
            nursery.cancel_scope.cancel()
    assert found.outcome in (Outcome.UNANSWERED, Outcome.SERVFAIL)


def test_name_servers_are_addresses_with_or_without_a_port() -> None:
    environ = {"TRUNKLINE_DNS__SERVERS": "192.0.2.53, 127.0.0.1:5353, ::1, [::1]:5353"}
    assert [(each.host, each.port) for each in load_settings(environ=environ).dns.servers] == [
        ("192.0.2.53", 53),
        ("127.0.0.1", 5353),
        ("::1", 53),
        ("::1", 5353),
    ]
    for wrong in ("ns.example.test", "127.0.0.1:0", "127.0.0.1:99999"):
        with pytest.raises(Exception, match="SERVERS"):
            load_settings(environ={"TRUNKLINE_DNS__SERVERS": wrong})
