"""TLS as openssl speaks it: a client on a standing connection, and a server that shows what it is sent."""

import contextlib
import os
import select
import subprocess
import time
from pathlib import Path

from .ports import HOST, free_port
from .process import Process, find_program, wait_until


class TlsClient:
    """A connection of `openssl s_client` to HOST:PORT, which stays open.

    Args:
        address: where it connects to.
        arguments: more of openssl's arguments.
    """

    def __init__(self, address: str, *arguments: str | Path) -> None:
        program = find_program("openssl") or "openssl"
        command = [program, "s_client", "-quiet", "-connect", address, *map(str, arguments)]
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0)

    def send(self, data: bytes) -> None:
        assert self.child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.write(data)

    def read_until(self, end: bytes, *, seconds: float = 5.0) -> bytes:
        """Give what comes until it ends so, or until the connection or the time is over."""
        assert self.child.stdout is not None
        data, deadline = b"", time.monotonic() + seconds
        while not data.endswith(end) and (left := deadline - time.monotonic()) > 0:
            if select.select([self.child.stdout], [], [], left)[0]:
                part = os.read(self.child.stdout.fileno(), 65536)
                if not part:
                    break
                data += part
        return data

    def close(self) -> None:
        self.child.kill()
        self.child.communicate()


class TlsServer:
    """`openssl s_server` on a free port: it accepts, and writes down what it is sent.

    Args:
        folder: where its log goes.
        certificate: PEM file with certificate and key.
    """

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.port = free_port()
        program = find_program("openssl") or "openssl"
        arguments = ["s_server", "-accept", f"{HOST}:{self.port}", "-cert", certificate, "-key", certificate]
        name = f"s_server-{self.port}"
        self.process = Process([program, *arguments, "-quiet"], folder, name=name, driven=True)
        wait_until("openssl s_server", lambda: self.process.running, log=self.process.log)

    def received(self) -> str:
        return self.process.log(10**6)

    def close(self) -> None:
        self.process.stop(2)
