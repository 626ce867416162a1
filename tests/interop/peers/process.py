"""A child process with a log file, and waiting with a deadline.

Knows nothing of what the program does. Programs are stopped by pid: first asked, then made to.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")


class PeerError(AssertionError):
    """A peer did not do what it should; the message holds the tail of its log."""


def wait_until(
    what: str,
    ready: Callable[[], _T | None],
    *,
    seconds: float = 10.0,
    every: float = 0.05,
    log: Callable[[], str] = lambda: "",
) -> _T:
    """Call `ready` until it gives something true, and return that.

    Raises:
        PeerError: it gave nothing true within that many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = ready()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise PeerError(f"{what}: not within {seconds} s\n{log()}")
        time.sleep(every)


def find_program(name: str) -> str | None:
    """Give the path of a program, looking where Debian keeps servers too."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _dying_with_us() -> list[str]:
    """Give the prefix that has the kernel end a program when the test run itself is killed."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM", "--"] if program else []


class Process:
    """One running program.

    Args:
        arguments: the command.
        folder: where it runs and where its log goes, `<name>.log`.
        name: what to call it in messages.
        environment: more variables; None as a value takes a variable away.
        driven: whether its standard input is a pipe, `child.stdin`.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        folder: Path,
        *,
        name: str,
        environment: Mapping[str, str | None] | None = None,
        driven: bool = False,
    ) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        variables = {**os.environ, **(environment or {})}
        with self.log_path.open("ab") as log:
            self.child = subprocess.Popen(
                [*_dying_with_us(), *(str(argument) for argument in arguments)],
                cwd=folder,
                env={key: value for key, value in variables.items() if value is not None},
                stdin=subprocess.PIPE if driven else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child.poll() is None

    def log(self, characters: int = 6000) -> str:
        """Give the end of what it has printed."""
        text = self.log_path.read_text(errors="replace")
        return f"--- {self.log_path}\n{text[-characters:]}"

    def wait(self, seconds: float) -> int:
        """Wait for its end and give the exit code.

        Raises:
            PeerError: it was still running after that many seconds.
        """
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PeerError(f"{self.name} still runs after {seconds} s\n{self.log()}") from None

    def stop(self, seconds: float = 5.0) -> int:
        """Ask it to end, make it end when it does not, and give the exit code."""
        if self.running:
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.child.wait()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.running:
            self.child.send_signal(signal.SIGKILL)
        self.child.wait()
