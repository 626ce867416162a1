"""The relay as a child of the node: started, watched, started again, and never left behind.

The child holds the reading end of a pipe; when the node is gone, however it went, the pipe closes
and the child ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
import trio

from ._client import RelayClient, Reply

if TYPE_CHECKING:
    from trunkline.provider.config import MediaSection

log = structlog.get_logger("relay")

START_TIMEOUT = 15.0
"Seconds for the child to say where it listens."
RESTART_AFTER = 0.5


class RelayError(Exception):
    """The relay process cannot be started."""


class RelayProcess:
    """Keeps a relay at hand: our own child process, or one that runs elsewhere (`media.ng`).

    `client` is there once `run` has said that it started.
    """

    def __init__(
        self, media: MediaSection, token: Callable[[int], bytes], noticed: Callable[[Reply], None]
    ) -> None:
        self._media = media
        self._noticed = noticed
        self._token = token
        self.client: RelayClient | None = None
        self.restarts = 0
        self._port = 0  # the system's choice at first, the same ever after: the client stays connected to it

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the relay running until cancelled."""
        if self._media.ng is not None:
            self.client = RelayClient((self._media.ng.host, self._media.ng.port), self._token, self._noticed)
            task_status.started()
            await self.client.run()
            return
        while True:
            try:
                await self._run_child(task_status)
            except RelayError as error:
                if self.client is None:
                    raise
                log.error("the media relay could not be started again", reason=str(error))
            await trio.sleep(RESTART_AFTER)

    async def _run_child(self, task_status: trio.TaskStatus[None]) -> None:
        process = await self._start()
        try:
            assert process.stdout is not None
            self._port = await self._read_port(process.stdout)
            async with trio.open_nursery() as nursery:
                if self.client is None:
                    self.client = RelayClient(("127.0.0.1", self._port), self._token, self._noticed)
                    task_status.started()
                nursery.start_soon(self.client.run)
                status = await process.wait()
                log.error("the media relay ended; it is started again", status=status)
                self.restarts += 1
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 3):
                if process.stdin is not None:
                    await process.stdin.aclose()
                await process.wait()
            if process.returncode is None:
                process.kill()

    async def _start(self) -> trio.Process:
        media = self._media
        settings = {
            "ng": ["127.0.0.1", self._port],
            "address": media.address or "0.0.0.0",
            "other_address": "0.0.0.0" if ":" in media.address else "::",
            "ports": list(media.ports),
            "timeout": media.timeout,
            "until_stdin_closes": True,
        }
        command = [sys.executable, "-m", "trunkline.provider.relay", json.dumps(settings)]
        try:
            return await trio.lowlevel.open_process(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise RelayError(f"the media relay did not start: {error.strerror}") from error

    async def _read_port(self, stdout: trio.abc.ReceiveStream) -> int:
        line = b""
        with trio.move_on_after(START_TIMEOUT):
            while not line.endswith(b"\n"):
                part = await stdout.receive_some(200)
                if not part:
                    break
                line += part
        word = line.decode("ascii", "replace").strip().rpartition(":")[2]
        if not word.isdigit():
            raise RelayError(
                f"the media relay did not start; it said: {line.decode('utf-8', 'replace').strip()!r}"
            )
        return int(word)
