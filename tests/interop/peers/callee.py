"""A phone that takes whatever the server sends it, keeps it, and refuses it in a way nobody else does."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable

from .ports import HOST

STATUS = 606


class Callee:
    """A UDP socket with a thread that answers every request but ACK with 606.

    Args:
        spoil: what the bytes of each answer go through.
    """

    def __init__(self, spoil: Callable[[bytes], bytes] = bytes) -> None:
        self._spoil = spoil
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.port: int = self.socket.getsockname()[1]
        self.contact = f"<sip:callee@{HOST}:{self.port}>"
        self._requests: list[bytes] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def take(self) -> list[bytes]:
        """Give what has come since the last time."""
        with self._lock:
            taken, self._requests = self._requests, []
        return taken

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(2)
        self.socket.close()

    def _answer(self) -> None:
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except OSError:
                return
            if not data:
                return
            if data.startswith((b"SIP/", b"ACK ", b"CANCEL ")):
                continue
            with self._lock:
                self._requests.append(data)
            with contextlib.suppress(OSError):
                self.socket.sendto(self._spoil(refusal(data)), source)


def refusal(request: bytes) -> bytes:
    """Write the answer, with the lines copied that a response needs."""
    head = re.sub(rb"\r\n[ \t]+", b" ", request.partition(b"\r\n\r\n")[0])
    lines = [b"SIP/2.0 %d Not For A Callee" % STATUS]
    for line in head.split(b"\r\n")[1:]:
        name = line.partition(b":")[0].strip().lower()
        if name in (b"via", b"v", b"from", b"f", b"call-id", b"i", b"cseq"):
            lines.append(line)
        elif name in (b"to", b"t"):
            lines.append(line if re.search(rb";\s*tag\s*=", line) else line + b";tag=callee")
    return b"\r\n".join([*lines, b"Content-Length: 0", b"", b""])
