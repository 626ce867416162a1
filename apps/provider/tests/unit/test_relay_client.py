"""The node's side of the relay: commands repeated until answered, replies to the right question, notices."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import trio

from trunkline.media_relay import ng_reply, ng_request
from trunkline.provider.relay import RelayClient, _client


class FarEnd:
    """The socket of a relay that answers what the test says."""

    def __init__(self) -> None:
        self.socket = trio.socket.from_stdlib_socket(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.source: Any = None

    async def command(self) -> tuple[str, dict[str, Any]]:
        """Give the next command."""
        with trio.fail_after(5):
            data, self.source = await self.socket.recvfrom(65535)
        return ng_reply(data)

    async def reply(self, cookie: str, **fields: Any) -> None:
        await self.socket.sendto(ng_request(cookie, "", **fields).replace(b"7:command0:", b""), self.source)


@pytest.fixture
async def far_end() -> FarEnd:
    made = FarEnd()
    await made.socket.bind(("127.0.0.1", 0))
    return made


@pytest.fixture
def notices() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waits a tenth as long as in real life."""
    monkeypatch.setattr(_client, "REPEAT_AFTER", (0.02, 0.04, 0.08))
    return


@pytest.fixture
async def client(
    nursery: trio.Nursery, far_end: FarEnd, notices: list[dict[str, Any]], patience: None
) -> RelayClient:
    made = RelayClient(far_end.socket.getsockname(), Random(1).randbytes, notices.append)
    nursery.start_soon(made.run)
    return made


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has come true."""
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.001)


async def test_command_is_answered_with_the_reply(client: RelayClient, far_end: FarEnd) -> None:
    replies: list[dict[str, Any]] = []
    client.command("offer", {"call-id": "c", "sdp": b"v=0\r\n"}, replies.append)
    cookie, fields = await far_end.command()
    assert fields == {"command": "offer", "call-id": "c", "sdp": b"v=0\r\n"}
    await far_end.reply(cookie, result="ok", sdp=b"v=1\r\n")
    await until(lambda: replies)
    assert replies == [{"result": "ok", "sdp": b"v=1\r\n"}]


async def test_replies_find_their_commands_in_any_order(client: RelayClient, far_end: FarEnd) -> None:
    replies: list[tuple[str, str]] = []
    for name in ("a", "b", "c"):
        client.command("query", {"call-id": name}, lambda reply, n=name: replies.append((n, reply["result"])))
    asked = [await far_end.command() for _ in range(3)]
    for cookie, fields in reversed(asked):
        await far_end.reply(cookie, result=f"for {fields['call-id']}")
    await until(lambda: len(replies) == 3)
    assert replies == [("c", "for c"), ("b", "for b"), ("a", "for a")]


async def test_lost_command_is_repeated_with_the_same_cookie(client: RelayClient, far_end: FarEnd) -> None:
    replies: list[dict[str, Any]] = []
    client.command("ping", {}, replies.append)
    first, _ = await far_end.command()
    second, _ = await far_end.command()
    assert first == second
    for _ in range(2):
        await far_end.reply(second, result="pong")
    await until(lambda: replies)
    await trio.sleep(0.02)
    assert replies == [{"result": "pong"}]
    assert client.failures == 0


async def test_relay_that_never_answers_is_an_error(client: RelayClient, far_end: FarEnd) -> None:
    replies: list[dict[str, Any]] = []
    client.command("offer", {"call-id": "c"}, replies.append)
    await until(lambda: replies)
    assert replies[0]["result"] == "error"
    assert not client.healthy
    assert client.failures == 1
    for _ in range(3):
        await far_end.command()
    client.command("ping", {}, replies.append)
    cookie, _ = await far_end.command()
    await far_end.reply(cookie, result="pong")
    await until(lambda: client.healthy)


async def test_notices_are_told(client: RelayClient, far_end: FarEnd, notices: list[dict[str, Any]]) -> None:
    client.command("ping", {}, lambda reply: None)
    await far_end.command()
    notice = ng_request("notice_1", "timeout", call_id="c")
    await far_end.socket.sendto(notice, far_end.source)
    await until(lambda: notices)
    assert notices == [{"command": "timeout", "call-id": "c"}]


async def test_noise_is_passed_over(
    client: RelayClient, far_end: FarEnd, notices: list[dict[str, Any]]
) -> None:
    replies: list[dict[str, Any]] = []
    client.command("ping", {}, replies.append)
    cookie, _ = await far_end.command()
    for noise in (b"", b"x", b"cookie not bencode", b"other d6:result4:ponge"):
        await far_end.socket.sendto(noise, far_end.source)
    await far_end.reply(cookie, result="pong")
    await until(lambda: replies)
    assert notices == []


async def test_relay_that_is_started_late_is_found(
    nursery: trio.Nursery, far_end: FarEnd, notices: list[dict[str, Any]], patience: None
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    client = RelayClient(address, Random(1).randbytes, notices.append)
    nursery.start_soon(client.run)
    replies: list[dict[str, Any]] = []
    client.command("ping", {}, replies.append)  # refused: nobody is there
    late = FarEnd()
    await late.socket.bind(address)
    cookie, _ = await late.command()
    await late.reply(cookie, result="pong")
    await until(lambda: replies)
    assert replies == [{"result": "pong"}]
