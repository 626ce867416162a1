"""Path: the proxies between a phone and us, which requests to the phone must pass again.

Here: what may be in a Path, and who must support it. Not here: what the route set is used for
    (`Binding.path`).

Source: RFC 3327.
"""

from enum import Enum
from typing import Final

from trunkline.sip_parser import NameAddr, Request

from ._contacts import check_storable
from ._update import Refused

__all__ = ["PathMode", "read_path"]

_MAX_PATH: Final = 255


class PathMode(Enum):
    """What to do with Path in a REGISTER. Source: RFC 3327 §5.3."""

    OFF = "off"
    """Ignore it."""
    LAZY = "lazy"
    """Store it always; echo it when the phone supports it."""
    STRICT = "strict"
    """Refuse with 420 when the phone does not support it."""


def read_path(request: Request, mode: PathMode) -> tuple[str, ...]:
    """Read the Path values of a REGISTER, topmost first.

    Raises:
        Refused: 420 in mode `STRICT`, when the phone does not support Path.
        RemoteProtocolError: a value is no address, or all together are longer than we store.

    Source: RFC 3327 §5.3.
    """
    if mode is PathMode.OFF or "path" not in request.headers:
        return ()
    if mode is PathMode.STRICT and "path" not in request.supported:
        raise Refused(420, None, ("Unsupported", "path"))
    path = tuple(request.headers.values("path"))
    check_storable(",".join(path), _MAX_PATH, "Path")
    for value in path:
        NameAddr.parse(value, "Path")
    return path
