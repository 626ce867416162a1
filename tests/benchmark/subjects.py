"""The servers that are measured: ours and Kamailio with one worker, both set up for the same work.

The work: registrar with the location in memory, stateful relay with Record-Route, accounting; with
digest from an SQLite database or with none. Media is not relayed by either. Users are u0000, u0001, ...
in the domain 127.0.0.1, all with the password `pw`.
"""

import hashlib
import os
import sqlite3
import subprocess
from pathlib import Path

from peers.ports import HOST, free_port
from peers.process import PeerError, Process, find_program, wait_until
from peers.trunkline import Server
from peers.wire import options_answered

PASSWORD = "pw"
HERE = Path(__file__).parent


def user(number: int) -> str:
    return f"u{number:04d}"


class Trunkline:
    """Our server on a new database."""

    name = "trunkline"

    def __init__(self, folder: Path, *, users: int, challenge: bool) -> None:
        self.server = Server(
            folder,
            {
                "server": {"listen": [], "log_level": "warning"},
                "auth": {"challenge": challenge},
                "media": {"mode": "never"},
            },
            domain=HOST,
        )
        self.port = self.server.port
        self.server.settings["server"]["listen"] = [f"udp:{HOST}:{self.port}"]
        self.server.write_config()
        self.server.password("probe")  # makes the tables
        self._add_users(users)
        self.server.start()

    def _add_users(self, count: int) -> None:
        def row(name: str) -> tuple[str, ...]:
            def ha1(username: str) -> str:
                return hashlib.md5(f"{username}:{HOST}:{PASSWORD}".encode()).hexdigest()

            return name, HOST, ha1(name), ha1(f"{name}@{HOST}")

        with sqlite3.connect(self.server.folder / "trunkline.db") as database:
            database.executemany(
                "insert into subscriber (username, domain, ha1, ha1b) values (?, ?, ?, ?)",
                (row(user(number)) for number in range(count)),
            )
        database.close()

    def restart(self) -> None:
        """Stop it and start it again on the same database."""
        self.server.stop()
        self.server.start()

    def calls_up(self) -> int:
        """Give how many calls it knows of."""
        return int(self.server.health()["calls"])

    @property
    def pid(self) -> int:
        assert self.server.process is not None
        return self.server.process.pid

    def close(self) -> None:
        self.server.close()


class Kamailio:
    """Kamailio with one UDP worker."""

    name = "kamailio"

    def __init__(self, folder: Path, *, users: int, challenge: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        modules = next(Path("/usr/lib").glob("**/kamailio/modules/tm.so")).parent
        database = folder / "kamailio.sqlite"
        config = (HERE / "kamailio.cfg").read_text()
        for name, value in {"PORT": self.port, "MODULES": f"{modules}/", "DATABASE": database}.items():
            config = config.replace(f"@{name}@", str(value))
        (folder / "kamailio.cfg").write_text(config)
        if challenge:
            self._make_database(database, users)
        program = find_program("kamailio") or "kamailio"
        options = ["-A", "WITH_DIGEST"] if challenge else []
        self.process = Process(
            [
                *(program, "-DD", "-E", "-f", folder / "kamailio.cfg", *options),
                *("-m", "512", "-M", "32", "-w", folder, "-Y", folder),
            ],
            folder,
            name="kamailio",
        )
        try:
            wait_until("kamailio", lambda: options_answered(self.port), log=self.process.log)
        except BaseException:
            self.process.kill()
            raise

    @staticmethod
    def _make_database(path: Path, count: int) -> None:
        with sqlite3.connect(path) as database:
            for name in ("standard", "auth_db", "usrloc"):
                script = Path(f"/usr/share/kamailio/db_sqlite/{name}-create.sql")
                database.executescript(script.read_text())
            database.executemany(
                "insert into subscriber (username, domain, password) values (?, ?, ?)",
                ((user(number), HOST, PASSWORD) for number in range(count)),
            )
        database.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def close(self) -> None:
        self.process.stop(30)


def missing_for_kamailio() -> str:
    """Say what is missing to measure beside Kamailio; empty when nothing is."""
    if find_program("kamailio") is None:
        return "kamailio is not installed"
    if not list(Path("/usr/lib").glob("**/kamailio/modules/db_sqlite.so")):
        return "kamailio-sqlite-modules is not installed"
    return ""


def machine() -> str:
    """Describe the machine in a line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    return f"{os.cpu_count()} x {model}, Linux {os.uname().release}"


def version(program: str) -> str:
    """Give the first line that a program says of its version."""
    path = find_program(program)
    if path is None:
        return f"no {program}"
    run = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
    said = (run.stdout + run.stderr).strip().splitlines()
    if not said:
        raise PeerError(f"{program} -v says nothing")
    return said[0].strip()
