"""What can go wrong between a command and the server."""

from __future__ import annotations

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


class ControlError(Exception):
    """The control socket cannot be used; the message is one line and names the remedy."""


class ServerDown(ControlError):
    """No server answers on the socket."""


class RpcInUse(ControlError):
    """Another server answers on the socket that this one was to listen on."""


class RpcError(Exception):
    """The server refused a command. Methods raise it too, to answer with a code of their own.

    Args:
        code: below -32000 as JSON-RPC 2.0 has them; methods choose others.
        message: one line.
    """

    code: int
    message: str

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
