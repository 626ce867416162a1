"""The web server over real HTTP: health, the front page, and a port that cannot be had."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
import trio

from trunkline.provider.config import ListenAddress
from trunkline.provider.web import WebError, bind, serve_web

ANYWHERE = ListenAddress("http", "127.0.0.1", 0)


async def fetch(address: ListenAddress, path: str) -> tuple[int, str, bytes]:
    def get() -> tuple[int, str, bytes]:
        try:
            with urllib.request.urlopen(f"http://{address.authority}{path}", timeout=10) as response:
                return response.status, response.headers["Content-Type"], response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read()

    return await trio.to_thread.run_sync(get)


@pytest.fixture
def state() -> dict[str, Any]:
    return {"status": "ok", "calls": 3}


@pytest.fixture
async def address(state: dict[str, Any], nursery: trio.Nursery) -> ListenAddress:
    return await nursery.start(serve_web, ANYWHERE, lambda: state)


async def test_health_is_200_while_calls_can_be_taken(address: ListenAddress) -> None:
    status, kind, body = await fetch(address, "/health")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {"status": "ok", "calls": 3}


async def test_health_is_503_while_not(address: ListenAddress, state: dict[str, Any]) -> None:
    state["status"] = "degraded"
    status, kind, body = await fetch(address, "/health")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body)["status"] == "degraded"


async def test_the_front_page_says_what_this_is(address: ListenAddress) -> None:
    status, kind, body = await fetch(address, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b"Trunkline" in body
    assert b'href="/health"' in body


async def test_what_is_not_there_is_404(address: ListenAddress) -> None:
    assert (await fetch(address, "/admin"))[0] == 404


async def test_nothing_is_logged_and_no_software_named(
    address: ListenAddress, capfd: pytest.CaptureFixture[str]
) -> None:
    def head() -> str:
        with urllib.request.urlopen(f"http://{address.authority}/health") as response:
            return str(response.headers)

    assert "hypercorn" not in (await trio.to_thread.run_sync(head)).lower()
    assert capfd.readouterr() == ("", "")


async def test_nonsense_does_not_stop_it(address: ListenAddress) -> None:
    stream = await trio.open_tcp_stream(address.host, address.port)
    async with stream:
        await stream.send_all(b"INVITE sip:bob@example.test SIP/2.0\r\n\r\n")
        with trio.move_on_after(2):
            await stream.receive_some()
    assert (await fetch(address, "/health"))[0] == 200


async def test_a_bound_socket_is_served(nursery: trio.Nursery) -> None:
    listener = bind(ANYWHERE)
    port = listener.getsockname()[1]
    address = await nursery.start(serve_web, listener, lambda: {"status": "ok"})
    assert address == ListenAddress("http", "127.0.0.1", port)
    assert (await fetch(address, "/health"))[0] == 200


async def test_ipv6_is_served(nursery: trio.Nursery) -> None:
    try:
        listener = bind(ListenAddress("http", "::1", 0))
    except WebError:
        pytest.skip("this machine has no IPv6")
    address = await nursery.start(serve_web, listener, lambda: {"status": "ok"})
    assert (await fetch(address, "/health"))[0] == 200


async def test_it_ends_when_told_and_gives_the_port_back() -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[ListenAddress]) -> None:
            health = {"status": "ok"}
            await serve_web(ANYWHERE, lambda: health, shutdown_trigger=stop.wait, task_status=task_status)

        address = await nursery.start(serve)
        assert (await fetch(address, "/health"))[0] == 200
        stop.set()
    bind(address).close()


async def test_cancelling_gives_the_port_back_at_once() -> None:
    async with trio.open_nursery() as nursery:
        address = await nursery.start(serve_web, ANYWHERE, dict)
        nursery.cancel_scope.cancel()
    bind(address).close()


def test_a_taken_port_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(WebError) as caught:
            bind(ListenAddress("http", "127.0.0.1", port))
    assert str(caught.value) == (
        f"the web server cannot listen on 127.0.0.1:{port}: the port is taken by another program; "
        'put another one, or "", in [web] listen'
    )


@pytest.mark.parametrize("host", ["192.0.2.254", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(WebError, match="no such address"):
        bind(ListenAddress("http", host, 0))
