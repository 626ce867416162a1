"""Every message of RFC 4475 and RFC 5118 that a user agent can meet, by UDP and TCP to one that runs.

It is the small user agent of sip_transaction's own tests; what it must answer is the same, here over sockets.
"""

import re
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from peers.agent import Agent, verdicts_met
from peers.ports import HOST

TORTURE = Path(__file__).parents[2] / "packages/sip-parser/tests/conformance/torture"
VERDICTS = tomllib.loads((TORTURE / "verdicts.toml").read_text())
UAS = [name for name, verdict in VERDICTS.items() if "uas" in verdict]
SILENCE = 0.4
"Seconds after which nothing more is expected."


def torture(name: str) -> bytes:
    return (TORTURE / f"{name}.dat").read_bytes()


@asynccontextmanager
async def running() -> AsyncIterator[Agent]:
    """Give a user agent that has met nothing yet."""
    agent = Agent()
    async with trio.open_nursery() as nursery:
        await nursery.start(agent.run)
        yield agent
        nursery.cancel_scope.cancel()


def statuses(data: bytes) -> list[int]:
    """Give those of the final responses."""
    found = [int(status) for status in re.findall(rb"(?m)^SIP/2\.0 (\d{3}) ", data)]
    return [status for status in found if status >= 200]


async def by_udp(agent: Agent, data: bytes) -> tuple[list[int], bool]:
    """Send it and give the statuses of the final responses."""
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as peer:
        await peer.bind((HOST, 0))
        await peer.sendto(data, (HOST, agent.udp_port))
        got = b""
        with trio.move_on_after(SILENCE):
            while not statuses(got):
                got += (await peer.recvfrom(65536))[0]
        return statuses(got), False


async def by_tcp(agent: Agent, data: bytes) -> tuple[list[int], bool]:
    """Send it and give the statuses of the final responses, and whether the connection was closed."""
    peer = await trio.open_tcp_stream(HOST, agent.tcp_port)
    got, closed = b"", False
    async with peer:
        await peer.send_all(data)
        with trio.move_on_after(SILENCE) as scope:
            while not closed:
                piece = await peer.receive_some(65536)
                closed = not piece
                got += piece
                if statuses(got):
                    scope.deadline = min(scope.deadline, trio.current_time() + 0.05)
    return statuses(got), closed


@pytest.mark.parametrize("transport", [by_udp, by_tcp], ids=["udp", "tcp"])
@pytest.mark.parametrize("name", UAS)
async def test_verdict(name: str, transport) -> None:
    verdict = VERDICTS[name]
    stream = verdict.get("stream") if transport is by_tcp else None
    expected = {"wait": "drop", "lost": 400}.get(stream, verdict["uas"][0])
    probe = torture("lwsdisp").replace(b"lwsdisp.", b"probe.").replace(b"z9hG4bKkdjuw", b"z9hG4bKprobe")
    async with running() as agent:
        found, closed = await transport(agent, torture(name))
        assert expected in verdicts_met(found, agent.core.handed), (found, agent.core.handed)
        assert closed == (stream == "lost")
        for way in (by_udp, by_tcp):
            assert (await way(agent, probe))[0] == [200]
            probe = probe.replace(b"z9hG4bKprobe", b"z9hG4bKagain").replace(b"probe.", b"again.")


@pytest.mark.parametrize(
    ("name", "expected"), [("unreason", "process"), ("noreason", "process"), ("bcast", "drop")]
)
async def test_a_response_to_a_request_of_its_own(name: str, expected: str) -> None:
    via = torture(name).partition(b"Via: ")[2].partition(b"\r\n")[0].decode()
    async with running() as agent:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as peer:
            await peer.bind((HOST, 0))
            flow = agent.udp_flow(peer.getsockname())
            await agent.carry_out(agent.core.ask("INVITE", via, 35, flow, now=trio.current_time()))
            with trio.fail_after(5):
                assert (await peer.recvfrom(65536))[0].startswith(b"INVITE ")
            await peer.sendto(torture(name), (HOST, agent.udp_port))
            await trio.sleep(SILENCE)
            assert verdicts_met([], agent.core.handed) == {expected}
