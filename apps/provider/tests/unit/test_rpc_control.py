"""The control socket, both ends, over real Unix sockets: commands, refusals, and who may have the path."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from trunkline.provider.rpc import ControlError, RpcError, RpcInUse, ServerDown, binding_record, call, serve


async def double(number: int, times: int = 2) -> int:
    await trio.lowlevel.checkpoint()
    return number * times


def refuse() -> None:
    raise RpcError(404, "no such contact")


METHODS: dict[str, Callable[..., Any]] = {
    "echo": lambda *values: list(values),
    "double": double,
    "refuse": refuse,
    "fail": lambda: 1 / 0,
    "unspeakable": object,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trunkline.sock"


@pytest.fixture
async def server(path: Path, nursery: trio.Nursery) -> Path:
    await nursery.start(serve, path, METHODS)
    return path


async def ask(path: Path, method: str, *params: Any, timeout: float = 5) -> Any:
    return await trio.to_thread.run_sync(lambda: call(path, method, *params, timeout=timeout))


async def talk(path: Path, *lines: bytes) -> list[Any]:
    """Send lines as they are and read as many answers as come within the connection."""
    stream = await trio.open_unix_socket(path)
    async with stream:
        for line in lines:
            await stream.send_all(line)
        await stream.send_eof()
        received = b"".join([part async for part in stream])
    return [json.loads(line) for line in received.splitlines()]


async def test_a_command_is_answered(server: Path) -> None:
    assert await ask(server, "echo", 1, "two", [3], None) == [1, "two", [3], None]
    assert await ask(server, "double", 21) == 42


async def test_only_its_user_may_open_the_socket(server: Path) -> None:
    assert stat.S_IMODE(server.stat().st_mode) == 0o600


async def test_the_socket_is_gone_when_the_server_is(path: Path) -> None:
    async with trio.open_nursery() as nursery:
        assert await nursery.start(serve, path, METHODS) == path
        assert path.exists()
        nursery.cancel_scope.cancel()
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ServerDown, match="trunkline run"):
        call(path, "echo")


async def test_a_command_that_fails_says_so_and_the_server_goes_on(server: Path) -> None:
    for method, code, message in (
        ("refuse", 404, "no such contact"),
        ("nonsense", -32601, "there is no command nonsense; there are double, echo"),
        ("fail", -32603, "fail failed: ZeroDivisionError"),
        ("unspeakable", -32603, "not JSON serializable"),
        ("double", -32602, "usage: double number times"),
    ):
        with pytest.raises(RpcError, match=message) as caught:
            await ask(server, method)
        assert caught.value.code == code
    assert await ask(server, "double", 1) == 2


async def test_parameters_may_be_named(server: Path) -> None:
    request = {"jsonrpc": "2.0", "method": "double", "params": {"number": 2, "times": 3}, "id": "a"}
    assert await talk(server, json.dumps(request).encode() + b"\n") == [
        {"jsonrpc": "2.0", "result": 6, "id": "a"}
    ]


async def test_several_requests_share_a_connection_and_a_packet(server: Path) -> None:
    one = b'{"jsonrpc":"2.0","method":"echo","params":[1],"id":1}\n'
    answers = await talk(server, one + one[:20], one[20:], b"\n\r\n")
    assert [answer["result"] for answer in answers] == [[1], [1]]


async def test_a_batch_is_answered_together_and_notifications_not_at_all(server: Path) -> None:
    request = [
        {"jsonrpc": "2.0", "method": "echo", "params": [1], "id": 1},
        {"jsonrpc": "2.0", "method": "echo", "params": [2]},
        {"jsonrpc": "2.0", "method": "nonsense"},
        7,
    ]
    [answers] = await talk(server, json.dumps(request).encode() + b"\n")
    assert [answer["id"] for answer in answers] == [1, None]
    assert await talk(server, b'{"jsonrpc":"2.0","method":"echo"}\n') == []
    assert await talk(server, b'[{"jsonrpc":"2.0","method":"echo"}]\n') == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"hello\n", -32700),
        (b"\xff\xfe\n", -32700),
        (b"[" * 100_000 + b"\n", -32700),
        (b"[]\n", -32600),
        (b"5\n", -32600),
        (b'{"method":"echo","id":1}\n', -32600),
        (b'{"jsonrpc":"2.0","method":5,"id":1}\n', -32600),
        (b'{"jsonrpc":"2.0","method":"echo","params":5,"id":1}\n', -32600),
    ],
)
async def test_nonsense_is_answered_and_the_server_goes_on(server: Path, line: bytes, code: int) -> None:
    [answer] = await talk(server, line)
    assert answer["error"]["code"] == code
    assert await ask(server, "echo") == []


async def test_a_line_without_end_is_cut_off(server: Path) -> None:
    with pytest.raises((trio.BrokenResourceError, OSError)):
        stream = await trio.open_unix_socket(server)
        async with stream:
            for _ in range(100):
                await stream.send_all(b"x" * 65536)
            raise trio.BrokenResourceError
    assert await ask(server, "echo") == []


async def test_a_client_that_leaves_or_says_nothing_disturbs_nobody(server: Path) -> None:
    silent = await trio.open_unix_socket(server)
    leaver = await trio.open_unix_socket(server)
    await leaver.send_all(b'{"jsonrpc":"2.0","method":"double","params":[1],"id":1}\n')
    leaver.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    leaver.socket.close()
    assert await ask(server, "double", 2) == 4
    await silent.aclose()


async def test_a_live_server_is_not_pushed_aside(server: Path) -> None:
    with pytest.raises(RpcInUse, match="answers on"):
        await serve(server, METHODS)
    assert await ask(server, "echo") == []
    assert [entry.name for entry in server.parent.iterdir()] == ["trunkline.sock"]


async def test_a_stale_socket_is_replaced(path: Path, nursery: trio.Nursery) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    with pytest.raises(ServerDown):
        call(path, "echo")
    await nursery.start(serve, path, METHODS)
    assert await ask(path, "echo", 1) == [1]


async def test_a_successors_socket_is_left_alone(path: Path) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, path, METHODS)
        path.unlink()
        path.write_text("another's")
        nursery.cancel_scope.cancel()
    assert path.read_text() == "another's"


async def test_what_is_no_socket_is_not_replaced(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ControlError, match="something else is there"):
        await serve(path, METHODS)
    assert path.read_text() == "precious"


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ControlError, match=r"No such file or directory; put another path in \[server\] control"
    ):
        await serve(tmp_path / "no" / "x.sock", METHODS)
    with pytest.raises(ServerDown):
        call(tmp_path / "no" / "x.sock", "echo")


async def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(ControlError, match="too long for a Unix socket"):
        await serve(path, METHODS)
    with pytest.raises(ControlError, match="too long for a Unix socket"):
        call(path, "echo")


async def test_another_user_is_told_so(
    open_folder: Path, nursery: trio.Nursery, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    path = open_folder / "trunkline.sock"
    await nursery.start(serve, path, METHODS)
    with unprivileged(), pytest.raises(ControlError, match="run the command as that user"):
        call(path, "echo")


def test_a_server_that_hangs_is_not_waited_for(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(path))
        hanging.listen()
        with pytest.raises(ControlError, match=r"does not answer within 0\.05 s"):
            call(path, "echo", timeout=0.05)


def test_a_binding_is_told_in_json_types(make_binding) -> None:
    record = binding_record(make_binding(path=("<sip:edge;lr>",)))
    assert json.loads(json.dumps(record)) == record
    assert record["aor"] == "alice@example.test"
    assert record["expires"] == "2030-01-02T04:04:05Z"
    assert record["path"] == ["<sip:edge;lr>"]
    assert binding_record(make_binding(expires=0))["expires"] is None
