"""The relay as a process of its own: it carries audio, ends with its parent, and is started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import trio
from simulated import sdp

from trunkline.media_relay import Interface, NgServer, Relay
from trunkline.provider.config import MediaSection
from trunkline.provider.relay import RelayClient, RelayError, RelayProcess, _process, _supervisor

HOST = "127.0.0.1"
PACKET = b"\x80\x00\x00\x01" + bytes(8) + b"audio" * 32


def media(**fields: Any) -> MediaSection:
    return MediaSection(**{"address": HOST, "ports": free_ports(20), **fields})


def free_ports(count: int) -> list[int]:
    """Find a range of ports that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        low = min(probe.getsockname()[1], 65535 - count) // 2 * 2
    return [low, low + count]


class Watched(RelayProcess):
    """Remembers its children, so that a test can end just these."""

    def __init__(self, section: MediaSection) -> None:
        self.notices: list[dict[str, Any]] = []
        self.children: list[trio.Process] = []
        super().__init__(section, os.urandom, self.notices.append)

    async def _start(self) -> trio.Process:
        self.children.append(await super()._start())
        return self.children[-1]


class Talker:
    """One end of a conversation."""

    def __init__(self) -> None:
        self.socket = trio.socket.from_stdlib_socket(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    async def open(self) -> bytes:
        """Give the SDP."""
        await self.socket.bind((HOST, 0))
        return sdp(HOST, self.socket.getsockname()[1])

    async def hears(self) -> bytes:
        with trio.fail_after(5):
            return (await self.socket.recvfrom(2048))[0]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A relay that died is started again without much ado."""
    monkeypatch.setattr(_supervisor, "RESTART_AFTER", 0.01)
    return


async def ask(client: RelayClient, command: str, **fields: Any) -> dict[str, Any]:
    """Give a command and wait for its reply."""
    replies: list[dict[str, Any]] = []
    done = trio.Event()

    def answered(reply: dict[str, Any]) -> None:
        replies.append(reply)
        done.set()

    named = {name.replace("_", "-"): value for name, value in fields.items()}
    client.command(command, named, answered)
    with trio.fail_after(10):
        await done.wait()
    return replies[0]


def port_of(reply: dict[str, Any]) -> int:
    assert reply["result"] == "ok", reply
    return int(reply["sdp"].decode().partition("m=audio ")[2].split()[0])


async def set_up(client: RelayClient) -> tuple[Talker, Talker, int, int]:
    """Let the relay connect two talkers; gives the ports they send to."""
    alice, bob = Talker(), Talker()
    terms = {"call_id": "c", "from_tag": "a", "supports": ["timeout notice"]}
    to_bob = port_of(await ask(client, "offer", sdp=await alice.open(), **terms))
    answer = await ask(client, "answer", sdp=await bob.open(), to_tag="b", **terms)
    return alice, bob, port_of(answer), to_bob


async def talk(alice: Talker, bob: Talker, for_alice: int, for_bob: int) -> None:
    """Send both ways, and hear."""
    await alice.socket.sendto(PACKET, (HOST, for_alice))
    assert await bob.hears() == PACKET
    await bob.socket.sendto(PACKET, (HOST, for_bob))
    assert await alice.hears() == PACKET


async def relay_node(nursery: trio.Nursery, **options: Any) -> tuple[Relay, RelayClient, list[Any]]:
    """Run a relay's sockets in this very process."""
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    control.setblocking(False)
    control.bind((HOST, 0))
    address = control.getsockname()
    ports = options.pop("ports", tuple(free_ports(20)))
    relay = Relay([Interface(HOST)], ports, token=os.urandom, **options)
    notices: list[Any] = []
    client = RelayClient(address, os.urandom, notices.append)
    nursery.start_soon(_process.RelayNode(relay, NgServer(relay), control).run)
    nursery.start_soon(client.run)
    return relay, client, notices


async def test_audio_goes_both_ways_until_the_call_is_deleted(nursery: trio.Nursery) -> None:
    relay, client, _ = await relay_node(nursery)
    free = relay.free_pairs
    ends = await set_up(client)
    for _ in range(20):
        await talk(*ends)
    assert (await ask(client, "delete", call_id="c", from_tag="a"))["result"] == "ok"
    assert relay.free_pairs == free
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind((HOST, ends[2]))  # the port is free again


async def test_port_that_somebody_else_has_is_passed_over(nursery: trio.Nursery) -> None:
    low, high = free_ports(15)
    taken = []
    for port in range(low, low + 8, 2):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind((HOST, port))
        taken.append(other)
    _, client, _ = await relay_node(nursery, ports=(low, high))
    ends = await set_up(client)
    assert ends[2] >= low + 8
    assert ends[3] >= low + 8
    await talk(*ends)
    for other in taken:
        other.close()


async def test_silence_is_noticed(nursery: trio.Nursery) -> None:
    relay, client, notices = await relay_node(nursery, timeout=0.1)
    await set_up(client)
    with trio.fail_after(5):
        while not notices:
            await trio.sleep(0.01)
    assert (notices[0]["command"], notices[0]["call-id"]) == ("timeout", "c")
    assert len(relay) == 0


async def test_child_relays_is_started_again_when_it_dies_and_ends_with_us(soon: None) -> None:
    process = Watched(media(timeout=1))
    async with trio.open_nursery() as nursery:
        await nursery.start(process.run)
        assert process.client is not None
        await talk(*await set_up(process.client))
        [child] = process.children
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        assert (await ask(process.client, "ping"))["result"] == "pong"
        assert process.restarts == 1
        await talk(*await set_up(process.client))
        with trio.fail_after(10):
            while not process.notices:  # it knows again whom to tell
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert [child.returncode for child in process.children] == [-signal.SIGKILL, 0]


async def test_relay_that_cannot_be_started_again_is_tried_until_it_can(
    soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Watched(media())
    async with trio.open_nursery() as nursery:
        await nursery.start(process.run)
        assert process.client is not None
        python = sys.executable
        monkeypatch.setattr(sys, "executable", "/bin/false")
        os.kill(process.children[0].pid, signal.SIGKILL)
        with trio.fail_after(10):
            while len(process.children) < 3:
                await trio.sleep(0.01)
        monkeypatch.setattr(sys, "executable", python)
        with trio.fail_after(10):
            while (await ask(process.client, "ping"))["result"] != "pong":
                pass
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
async def test_relay_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(Watched(media()).run)
    assert caught.group_contains(RelayError, match="the media relay did not start")


async def test_relay_elsewhere_is_used_as_it_is(nursery: trio.Nursery) -> None:
    _, client, _ = await relay_node(nursery)
    process = Watched(media(ng=f"{client.address[0]}:{client.address[1]}"))
    await nursery.start(process.run)
    assert process.client is not None
    assert process.children == []
    assert (await ask(process.client, "ping"))["result"] == "pong"


def test_child_ends_when_its_standard_input_closes() -> None:
    settings = {"ng": [HOST, 0], "address": HOST, "ports": free_ports(20), "until_stdin_closes": True}
    command = [sys.executable, "-m", "trunkline.provider.relay", json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert b"controlled at 127.0.0.1:" in child.stdout.readline()
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(5) == 0


def test_port_of_commands_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        run = partial(_process.run, address=HOST, ports=(30000, 30100))
        assert run(ng=taken.getsockname()) == 1
    assert "cannot listen for NG commands on 127.0.0.1:" in capsys.readouterr().err
