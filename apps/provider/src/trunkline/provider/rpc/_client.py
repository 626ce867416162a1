"""The command line's end of the control socket, with nothing but the standard library."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from trunkline.provider.rpc._errors import INTERNAL_ERROR, ControlError, RpcError, ServerDown
from trunkline.provider.rpc._paths import check_path


def call(path: str | Path, method: str, *params: Any, timeout: float = 5.0) -> Any:
    """Give a running server a command and wait for the answer.

    Args:
        path: the control socket.
        method: the command's name.
        params: JSON types.
        timeout: seconds until the whole answer must be here.

    Returns:
        the result.

    Raises:
        ServerDown: nobody answers on the socket.
        RpcError: the server refused the command.
        ControlError: the socket may not be opened, or the server does not answer in time.
    """
    path = Path(path)
    check_path(path)
    request = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise ServerDown(
                f"no server answers on {path.absolute()}; start it (trunkline run) or give its --config"
            ) from None
        except TimeoutError:
            raise ControlError(
                f"the server on {path.absolute()} does not answer within {timeout:g} s"
            ) from None
        except PermissionError:
            raise ControlError(
                f"the control socket {path.absolute()} is for the server's user; run the command as that user"
            ) from None
        except OSError as error:
            raise ControlError(
                f"the control socket {path.absolute()} fails: {error.strerror or error}"
            ) from None
    if not line.endswith(b"\n"):
        raise ControlError(f"the server on {path.absolute()} went away before it answered {method}")
    return _result(json.loads(line))


def _result(answer: Any) -> Any:
    if "error" in answer:
        error = answer["error"]
        raise RpcError(error.get("code", INTERNAL_ERROR), error.get("message", ""))
    return answer["result"]
