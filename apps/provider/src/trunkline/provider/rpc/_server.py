"""The server's end of the control socket, on trio.

A plain function is run in the loop, where the server's state is; it must not block. A coroutine function is
awaited. One client that sends nonsense, or nothing, disturbs no other.
"""

from __future__ import annotations

import errno
import inspect
import json
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
import trio

from trunkline.provider.rpc._errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    ControlError,
    RpcError,
    RpcInUse,
)
from trunkline.provider.rpc._paths import check_path

MAX_LINE = 1 << 20
"Bytes of one request."

Methods = Mapping[str, Callable[..., Any]]

_log = structlog.get_logger("trunkline.rpc")


async def serve(
    path: str | Path, methods: Methods, *, task_status: trio.TaskStatus[Path] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer commands on a Unix socket until cancelled; then take the socket away.

    Args:
        path: where the socket stands; one that nobody answers on is replaced.
        methods: by name; parameters come by position or by name.
        task_status: told when the socket answers.

    Raises:
        RpcInUse: another server answers there.
        ControlError: the socket cannot be made there.
    """
    path = Path(path)
    listener, inode = _listen(path)
    try:
        async with trio.open_nursery() as nursery:
            task_status.started(path)
            while True:
                try:
                    connection, _ = await listener.accept()
                except OSError as error:
                    if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ECONNABORTED):
                        raise
                    await trio.sleep(0.1)
                else:
                    nursery.start_soon(_converse, trio.SocketStream(connection), methods)
    finally:
        listener.close()
        # Unless another server has put its own there.
        if _inode(path) == inode:
            path.unlink(missing_ok=True)


def _listen(path: Path) -> tuple[trio.socket.SocketType, int | None]:
    check_path(path)
    _refuse_the_living(path)
    # Bound beside and moved over: nobody ever sees the socket with other permissions, or not listening.
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    check_path(beside)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        beside.unlink(missing_ok=True)
        listener.bind(str(beside))
        beside.chmod(0o600)
        listener.listen(16)
        listener.setblocking(False)
        inode = _inode(beside)
        beside.rename(path)
    except OSError as error:
        listener.close()
        raise ControlError(
            f"the control socket {path.absolute()} cannot be made: {error.strerror}; "
            f"put another path in [server] control"
        ) from None
    return trio.socket.from_stdlib_socket(listener), inode


def _refuse_the_living(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(
            f"the control socket cannot be {path.absolute()}: something else is there; "
            f"move it away or put another path in [server] control"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError as error:
            raise ControlError(
                f"the control socket {path.absolute()} is not ours: {error.strerror}"
            ) from None
    raise RpcInUse(
        f"a server answers on {path.absolute()} already; stop it, or give this one another [server] control"
    )


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except OSError:
        return None


async def _converse(stream: trio.SocketStream, methods: Methods) -> None:
    buffer = bytearray()
    async with stream:
        try:
            async for data in stream:
                buffer += data
                while (end := buffer.find(b"\n")) >= 0:
                    line = bytes(buffer[:end])
                    del buffer[: end + 1]
                    if line.strip() and (answer := await _answer_line(line, methods)) is not None:
                        await stream.send_all(answer)
                if len(buffer) > MAX_LINE:
                    await stream.send_all(_line(_failure(None, INVALID_REQUEST, "the request is too long")))
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client has gone; nobody waits for the answer


async def _answer_line(line: bytes, methods: Methods) -> bytes | None:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return _line(_failure(None, PARSE_ERROR, "the request is not JSON"))
    if not isinstance(request, list):
        answer = await _answer(request, methods)
        return None if answer is None else _line(answer)
    if not request:
        return _line(_failure(None, INVALID_REQUEST, "the batch is empty"))
    answers = [answer for one in request if (answer := await _answer(one, methods)) is not None]
    return _line(answers) if answers else None


async def _answer(request: object, methods: Methods) -> dict[str, Any] | None:
    """Run one request; a notification, which has no id, gets no answer."""
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
        return _failure(None, INVALID_REQUEST, 'expected an object with "jsonrpc": "2.0"')
    identifier = request.get("id")
    name = request.get("method")
    parameters = request.get("params", [])
    if not isinstance(name, str) or not isinstance(parameters, list | dict):
        return _failure(
            identifier, INVALID_REQUEST, "expected a method name, and params as a list or an object"
        )
    try:
        result = await _run(name, parameters, methods)
        answer = {"jsonrpc": "2.0", "result": result, "id": identifier}
        json.dumps(answer)
    except RpcError as error:
        answer = _failure(identifier, error.code, error.message)
    except Exception as error:
        _log.exception("a command failed", method=name)
        answer = _failure(identifier, INTERNAL_ERROR, f"{name} failed: {type(error).__name__}: {error}")
    return answer if "id" in request else None


async def _run(name: str, parameters: list[Any] | dict[str, Any], methods: Methods) -> Any:
    method = methods.get(name)
    if method is None:
        raise RpcError(
            METHOD_NOT_FOUND, f"there is no command {name}; there are {', '.join(sorted(methods))}"
        )
    arguments, named = ((), parameters) if isinstance(parameters, dict) else (parameters, {})
    try:
        inspect.signature(method).bind(*arguments, **named)
    except TypeError as error:
        usage = " ".join([name, *(str(parameter) for parameter in inspect.signature(method).parameters)])
        raise RpcError(INVALID_PARAMS, f"{error}; usage: {usage}") from None
    result = method(*arguments, **named)
    return await result if inspect.isawaitable(result) else result


def _failure(identifier: object, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": identifier}


def _line(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"
