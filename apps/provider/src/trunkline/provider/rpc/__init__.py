"""Commands to a running server: JSON-RPC 2.0, one object per line, over a Unix socket for its user only.

Here: both ends and the codec. Which methods there are is the server's business.
"""

from trunkline.provider.rpc._client import call
from trunkline.provider.rpc._errors import ControlError, RpcError, RpcInUse, ServerDown
from trunkline.provider.rpc._records import binding_record

__all__ = [
    "ControlError",
    "RpcError",
    "RpcInUse",
    "ServerDown",
    "binding_record",
    "call",
    "serve",
]


def __getattr__(name: str) -> object:
    # The command line only calls, and must not wait for trio.
    if name == "serve":
        from trunkline.provider.rpc._server import serve

        return serve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
