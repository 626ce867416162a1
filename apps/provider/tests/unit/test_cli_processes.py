"""The command as a process: its module, a pipe that closes, a terminal, and an error nobody foresaw."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from trunkline.provider.store import Store, ensure_administrator

COMMAND = [sys.executable, "-m", "trunkline.provider"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    return {**inherited, "TRUNKLINE_DATABASE__URL": f"sqlite:///{tmp_path}/trunkline.db", "COLUMNS": "100"}


@pytest.fixture
def users(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/trunkline.db") as store:
        for number in range(3):
            store.add_subscriber(f"user{number}", "example.test", "x")


def test_the_module_is_the_command(environ: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "version"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("trunkline-provider ")
    assert done.stderr == ""


def test_a_start_imports_nothing_that_it_does_not_need(environ: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import sys, trunkline.provider.cli\n"
        "heavy = {'trio', 'pydantic', 'sqlalchemy', 'sqlmodel', 'alembic', 'rich', 'starlette', 'hypercorn',"
        " 'argon2', 'trunkline.sip_parser'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "from trunkline.provider.config import load_settings\n"
        "from trunkline.provider.store import Store, ensure_administrator\n"
        "store = Store.open(load_settings().database.url)\n"
        "store.load_domains(), store.load_calls(), list(store.load_bindings(0)), store.subscriber('a', 'b')\n"
        "store.counts(), ensure_administrator(store, token=None)\n"
        "print(sorted({'sqlmodel', 'sqlalchemy.orm', 'alembic', 'argon2', 'rich'} & set(sys.modules)))\n"
    )
    with Store.open(environ["TRUNKLINE_DATABASE__URL"]) as store:
        ensure_administrator(store, token=os.urandom)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n[]\n"


@pytest.mark.usefixtures("users")
def test_a_reader_that_has_seen_enough_is_no_error(environ: dict[str, str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "user", "list"],
        env=environ,
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.usefixtures("users")
def test_a_terminal_gets_a_table(environ: dict[str, str], tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "user", "list"], env=environ, cwd=tmp_path, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = read_all(controller)
    assert process.wait() == 0
    assert "user2" in shown
    assert "─" in shown


@pytest.mark.usefixtures("users")
def test_a_person_is_asked_for_the_password_twice(environ: dict[str, str], tmp_path: Path) -> None:
    for second, code in (("sesame", 0), ("other", 1)):
        # A process of its own session takes the terminal for its controlling one, which is where it asks.
        pid, controller = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            os.execve(sys.executable, [*COMMAND, "user", "passwd", "user0@example.test"], environ)
        shown = read_until(controller, "make one): ")
        os.write(controller, b"sesame\n")
        shown += read_until(controller, "Again: ")
        os.write(controller, f"{second}\n".encode())
        shown += read_all(controller)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code, shown
        assert "sesame" not in shown
    with Store.open(f"sqlite:///{tmp_path}/trunkline.db") as store:
        user = store.subscriber("user0", "example.test")
        other = store.subscriber("user1", "example.test")
    assert user is not None
    assert other is not None
    assert user.ha1 != other.ha1


def test_an_unforeseen_error_is_one_line_until_debugging(environ: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import trunkline.provider.cli as cli, trunkline.provider.config as config\n"
        "config.load_settings = lambda path: 1 / 0\n"
        "cli.main(['user', 'list'])\n"
    )
    quiet = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert quiet.returncode == 1
    assert quiet.stderr == (
        "trunkline: internal error: ZeroDivisionError: division by zero (TRUNKLINE_DEBUG=1 shows where)\n"
    )
    loud = subprocess.run(
        [sys.executable, "-c", program],
        env={**environ, "TRUNKLINE_DEBUG": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loud.returncode == 1
    assert loud.stderr.startswith("Traceback")


def read_all(descriptor: int) -> str:
    """Read what a terminal shows until its process ends; Linux says so by an error."""
    parts = []
    try:
        while part := os.read(descriptor, 4096):
            parts.append(part)
    except OSError:
        pass
    os.close(descriptor)
    return b"".join(parts).decode()


def read_until(descriptor: int, words: str) -> str:
    shown = b""
    while words.encode() not in shown:
        shown += os.read(descriptor, 4096)
    return shown.decode()
