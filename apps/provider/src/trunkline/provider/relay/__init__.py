"""The media relay as a process: sockets around `trunkline.media_relay`, and the node's way to it.

The child process is `python -m trunkline.provider.relay`; it imports nothing of the node, so that it is
there in a moment.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._client import RelayClient
    from ._process import run
    from ._supervisor import RelayError, RelayProcess

__all__ = ["RelayClient", "RelayError", "RelayProcess", "run"]

_HOMES = {
    "RelayClient": "_client",
    "RelayError": "_supervisor",
    "RelayProcess": "_supervisor",
    "run": "_process",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
