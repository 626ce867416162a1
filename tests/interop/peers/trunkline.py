"""Our own server as its users have it: the command, a configuration file, a folder, ports.

Everything goes through `.venv/bin/trunkline`; nothing of the server is imported here.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .ports import HOST, free_port, free_ports
from .process import PeerError, Process, wait_until

DOMAIN = "example.test"
MEDIA_PORTS = 200


def command() -> list[str]:
    """Give how the server's command is called from the environment of this test run."""
    script = Path(sys.executable).with_name("trunkline")
    return [str(script)] if script.exists() else [sys.executable, "-m", "trunkline.provider"]


class Server:
    """A server with its own folder: configuration, database, control socket, log.

    Args:
        folder: an empty folder.
        settings: sections and keys that differ from the ones for tests.
        domain: the domain it serves.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Mapping[str, Any]] | None = None, *, domain: str = DOMAIN
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.domain = domain
        self.port, self.web_port = free_port(), free_port()
        self.address = f"{HOST}:{self.port}"
        media = free_ports(MEDIA_PORTS)
        self.settings: dict[str, dict[str, Any]] = {
            "server": {
                "listen": [f"udp:{self.address}", f"tcp:{self.address}"],
                "domains": [domain],
                "control": str(folder / "control.sock"),
            },
            "database": {"url": f"sqlite:///{folder / 'trunkline.db'}"},
            "media": {"mode": "always", "address": HOST, "ports": [media, media + MEDIA_PORTS - 1]},
            "web": {"listen": f"{HOST}:{self.web_port}"},
        }
        for section, keys in (settings or {}).items():
            self.settings.setdefault(section, {}).update(keys)
        self.config = folder / "trunkline.toml"
        self.write_config()
        self.process: Process | None = None
        self._users: dict[str, str] = {}

    def write_config(self) -> None:
        """Write the settings down as TOML; they are read when the server is started next."""
        self.config.write_text(
            "\n".join(
                f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
                for section, keys in self.settings.items()
            )
        )

    # -- running -----------------------------------------------------------------------------------

    def start(self, *, seconds: float = 20.0) -> "Server":
        """Start it and wait until it says that it can take calls."""
        self.launch()
        wait_until(f"server on {self.address}", self._healthy, seconds=seconds, log=self.log)
        return self

    def launch(self) -> Process:
        """Start it and do not wait for anything."""
        self.process = Process(
            [*command(), "run", "--config", self.config], self.folder, name="trunkline", environment=_CLEAN
        )
        return self.process

    def stop(self) -> int:
        """Ask it to end, as an operator does, and give its exit code."""
        return 0 if self.process is None else self.process.stop(10)

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process is not None:
            self.process.kill()

    def log(self) -> str:
        return "" if self.process is None else self.process.log()

    def tracebacks(self) -> str:
        """Give its log from the first traceback on; empty when all is well."""
        path = self.folder / "trunkline.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        place = text.find("Traceback")
        return "" if place < 0 else text[max(0, place - 500) : place + 6000]

    def health(self) -> dict[str, Any]:
        """Ask the web port how it is."""
        with urllib.request.urlopen(f"http://{HOST}:{self.web_port}/health", timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def _healthy(self) -> bool:
        assert self.process is not None
        if not self.process.running:
            raise PeerError(f"the server ended with {self.process.child.returncode}\n{self.log()}")
        try:
            return bool(self.health())
        except OSError:
            return False

    # -- its command line --------------------------------------------------------------------------

    def run(self, *arguments: str, seconds: float = 30.0) -> "subprocess.CompletedProcess[str]":
        """Run a subcommand and give its exit code and what it printed, whatever they are."""
        return subprocess.run(
            [*command(), *arguments, "--config", str(self.config)],
            cwd=self.folder,
            env={key: value for key, value in {**os.environ, **_CLEAN}.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def tool(self, *arguments: str) -> str:
        """Run a subcommand that must succeed and give what it printed.

        Raises:
            PeerError: it did not.
        """
        run = self.run(*arguments)
        if run.returncode != 0:
            said = f"trunkline {' '.join(arguments)} gave {run.returncode}\n{run.stdout}{run.stderr}"
            raise PeerError(f"{said}\n{self.log()}")
        return run.stdout

    def ask(self, *arguments: str) -> Any:
        """Run a subcommand with --json and give what it printed, read."""
        printed = self.tool(*arguments, "--json")
        try:
            return json.loads(printed)
        except ValueError:
            raise PeerError(f"trunkline {' '.join(arguments)} --json printed no JSON: {printed!r}") from None

    def password(self, user: str) -> str:
        """Give a user's password; the user is added when not there yet."""
        if user not in self._users:
            self._users[user] = f"secret-of-{user}"
            self.tool("user", "add", f"{user}@{self.domain}", "--password", self._users[user])
        return self._users[user]

    def cdrs(self) -> list[dict[str, Any]]:
        """Give the call detail records, as `cdr list --json` prints them."""
        found: list[dict[str, Any]] = self.ask("cdr", "list")
        return found

    def close(self) -> None:
        """Stop it, whatever state it is in."""
        if self.process is not None:
            self.process.stop(10)


_CLEAN: dict[str, str | None] = {
    **{name: None for name in os.environ if name.startswith("TRUNKLINE_")},
    "NO_COLOR": "1",
    "PYTHONUNBUFFERED": "1",
}
