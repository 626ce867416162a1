"""The command when something is wrong: one clear line and an exit code, never a traceback."""

import os
import socket
import sqlite3
import subprocess
import sys

import pytest

HOST = "127.0.0.1"


def assert_refused(run, *words):
    """It ended with an error of a few lines that hold these words."""
    said = (run.stdout + run.stderr).strip()
    assert run.returncode not in (0, -9, -15), said
    assert "Traceback" not in said
    assert "internal error" not in said
    assert 1 <= len(said.splitlines()) <= 6, said
    for word in words:
        assert word.lower() in said.lower(), said


def test_second_server_on_the_same_ports_is_refused(server, new_server):
    second = new_server({"server": {"listen": server.settings["server"]["listen"]}})
    assert_refused(second.run("run"), str(server.port))
    server.ask("stats")


def test_second_server_on_the_same_folder_is_refused(server):
    assert_refused(server.run("run"))
    server.ask("stats")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_port_taken_by_another_program_is_named(new_server, kind):
    server = new_server()
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((HOST, server.port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        assert_refused(server.run("run"), str(server.port))


def test_web_port_taken_is_named(new_server):
    server = new_server()
    with socket.socket() as other:
        other.bind((HOST, server.web_port))
        other.listen()
        assert_refused(server.run("run"), str(server.web_port))


def test_unknown_key_is_named_with_what_was_meant(new_server):
    server = new_server({"server": {"lisen": ["udp:127.0.0.1:5060"]}})
    for command in ("run", "check"):
        assert_refused(server.run(command), "lisen", "listen")


def test_unknown_section_is_named(new_server):
    server = new_server({"sever": {"workers": 1}})
    assert_refused(server.run("check"), "sever", "server")


def test_every_mistake_is_reported_at_once(new_server):
    server = new_server({"server": {"workers": "many"}, "media": {"mode": "sometimes"}})
    assert_refused(server.run("check"), "workers", "mode")


def test_file_that_is_no_toml_is_refused_with_its_line(new_server):
    server = new_server()
    server.config.write_text("[server]\nlisten = [\n")
    assert_refused(server.run("run"), "line", "trunkline.toml")


def test_file_that_is_not_there_is_refused(new_server):
    server = new_server()
    server.config.unlink()
    assert_refused(server.run("run"), "trunkline.toml")


def test_database_that_is_none_is_refused(new_server):
    server = new_server()
    (server.folder / "trunkline.db").write_bytes(b"this is not a database, whatever its name says\n" * 50)
    assert_refused(server.run("run"), "database")
    assert_refused(server.run("user", "list"), "database")


def test_database_that_is_a_folder_is_refused(new_server):
    server = new_server()
    (server.folder / "trunkline.db").mkdir()
    assert_refused(server.run("run"), "trunkline.db")


def test_database_of_another_program_is_refused(new_server):
    server = new_server()
    with sqlite3.connect(server.folder / "trunkline.db") as database:
        database.execute("create table subscriber (shoe_size integer)")
    assert_refused(server.run("run"), "database")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_database_is_refused(new_server):
    server = new_server()
    path = server.folder / "trunkline.db"
    path.write_bytes(b"")
    path.chmod(0)
    assert_refused(server.run("run"), "trunkline.db")


def test_database_folder_that_is_not_there_is_refused(new_server):
    server = new_server({"database": {"url": "sqlite:////nonexistent/folder/trunkline.db"}})
    assert_refused(server.run("run"), "/nonexistent/folder")


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add", "alice@elsewhere.test", "--password", "x"),
        ("user", "rm", "nobody@example.test"),
        ("user", "passwd", "nobody@example.test", "--password", "x"),
        ("domain", "rm", "elsewhere.test"),
        ("rpc", "no_such_method"),
        ("no-such-command",),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(server, arguments):
    run = server.run(*arguments)
    said = run.stdout + run.stderr
    assert run.returncode != 0, said
    assert "Traceback" not in said
    assert "internal error" not in said


def test_same_user_twice_is_refused(server):
    server.password("alice")
    assert_refused(server.run("user", "add", "alice@example.test", "--password", "x"), "alice@example.test")


def test_user_added_while_the_server_runs_can_register_at_once_and_not_after_removal(server, sipp):
    server.tool("user", "add", "carol@example.test", "--password", "pw")
    values = {
        "user": "carol",
        "domain": server.domain,
        "password": "pw",
        "contact_port": 5998,
        "expires": 60,
        "status": 200,
    }
    sipp("registers", target=server.address, values=values).wait()
    assert "5998" in str(server.ask("location", "show", "carol@example.test"))
    server.tool("user", "rm", "carol@example.test")
    sipp("registers", target=server.address, values={**values, "status": 401}).wait()


def test_domain_added_while_the_server_runs_is_served_at_once(server, sipp):
    server.tool("domain", "add", "second.test")
    server.tool("user", "add", "dora@second.test", "--password", "pw")
    values = {
        "user": "dora",
        "domain": "second.test",
        "password": "pw",
        "contact_port": 5997,
        "expires": 60,
        "status": 200,
    }
    sipp("registers", target=server.address, values=values).wait()


def test_check_passes_what_runs(new_server):
    server = new_server()
    assert server.tool("check")


def test_health_is_told(server):
    assert server.health()["status"] == "ok"


LISTS = ["user list", "domain list", "location show", "cdr list"]


@pytest.mark.parametrize("command", [*LISTS, "check", "calls", "stats", "rpc stats", "version"])
def test_every_subcommand_takes_a_configuration(server, command):
    run = server.run(*command.split())
    assert "No such option" not in run.stderr
    assert "Traceback" not in run.stderr
    if command != "check":  # its ports are taken: by the server
        assert run.returncode == 0, run.stderr


def test_module_is_the_command(new_server):
    server = new_server()
    run = subprocess.run(
        [sys.executable, "-m", "trunkline.provider", "check", "--config", str(server.config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 0, run.stderr
