"""Where a Unix socket may stand."""

from __future__ import annotations

import os
from pathlib import Path

from trunkline.provider.rpc._errors import ControlError

# sun_path of Linux is 108 bytes with the NUL.
MAX_PATH = 107


def check_path(path: Path) -> None:
    """See that a socket can have this path.

    Raises:
        ControlError: it is too long for a Unix socket.
    """
    if len(os.fsencode(path)) > MAX_PATH:
        raise ControlError(
            f"the path of the control socket is longer than {MAX_PATH} bytes, too long for a Unix socket: "
            f"{path}; put a shorter one in [server] control"
        )
