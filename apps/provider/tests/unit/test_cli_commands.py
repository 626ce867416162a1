"""The command line as a person or a script uses it: words, JSON, exit codes, and a line for an error.

Commands run in this process; what needs a process of its own (pipes, a terminal) is in test_cli_processes.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trunkline.provider.cli import main
from trunkline.provider.rpc import RpcError, binding_record, serve
from trunkline.provider.store import Batch, Store


@attrs.frozen
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def trunkline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `trunkline` in a folder of its own, where 127.0.0.1 is served and any ports are taken."""
    for name in os.environ:
        if name.startswith("TRUNKLINE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TRUNKLINE_SERVER__LISTEN", "udp:127.0.0.1:0,tcp:127.0.0.1:0")
    monkeypatch.setenv("TRUNKLINE_WEB__LISTEN", "127.0.0.1:0")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(int(left.value.code or 0), captured.out, captured.err)

    return run


def refused(result: Result, code: int = 1) -> str:
    """Give the one line that an error is."""
    assert result.code == code
    assert result.out == ""
    assert result.err.startswith("trunkline: ")
    assert result.err.count("\n") == 1
    return result.err.removeprefix("trunkline: ").rstrip("\n")


# -- users


def test_a_user_is_added_listed_changed_and_removed(trunkline: Run, tmp_path: Path) -> None:
    added = trunkline("user", "add", "alice@127.0.0.1", "--password", "secret", "--email", "a@mail.test")
    assert added.code == 0
    assert added.out == "added alice@127.0.0.1\n"
    assert added.err == f"trunkline: created the database {tmp_path}/trunkline.db\n"
    with Store.open("sqlite:///trunkline.db", create=False) as store:
        before = store.subscriber("alice", "127.0.0.1")
    listed = trunkline("user", "list")
    assert listed.out == "USER   DOMAIN     E-MAIL\nalice  127.0.0.1  a@mail.test\n"
    assert trunkline("user", "passwd", "alice", "--password", "other").out == "changed alice@127.0.0.1\n"
    with Store.open("sqlite:///trunkline.db", create=False) as store:
        after = store.subscriber("alice", "127.0.0.1")
    assert before is not None
    assert after is not None
    assert before.ha1 != after.ha1
    assert trunkline("user", "rm", "alice").out == "removed alice@127.0.0.1\n"
    assert trunkline("user", "list", "--json").json == []


def test_a_password_is_made_when_none_is_given(
    trunkline: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        made = trunkline("user", "add", "alice", "--json").json
        assert made == {"username": "alice", "domain": "127.0.0.1", "email": "", "password": made["password"]}
        assert len(made["password"]) == 16
        shown = trunkline("user", "passwd", "alice")
    password = shown.out.splitlines()[1].removeprefix("password ")
    assert password not in ("", made["password"])


def test_a_password_is_read_from_stdin(
    trunkline: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("from a file\n\n")
    with open(tmp_path / "password") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert trunkline("user", "add", "alice", "--password", "-").out == "added alice@127.0.0.1\n"
        assert "no password came from stdin" in refused(
            trunkline("user", "passwd", "alice", "--password", "-")
        )


def test_a_user_needs_a_domain_that_is_served(trunkline: Run) -> None:
    Store.open("sqlite:///trunkline.db").close()
    message = refused(trunkline("user", "add", "alice@example.test", "--password", "x"))
    assert message == (
        "the domain example.test is not served here: no domain is configured, and this machine is 127.0.0.1; "
        "add it first: trunkline domain add example.test"
    )
    assert trunkline("domain", "add", "Example.TEST").out == "added example.test\n"
    assert (
        trunkline("user", "add", "alice@EXAMPLE.test", "--password", "x").out == "added alice@example.test\n"
    )
    assert trunkline("user", "add", "bob", "--password", "x").out == "added bob@example.test\n"
    message = refused(trunkline("user", "add", "carol@127.0.0.1", "--password", "x"))
    assert message.startswith("the domain 127.0.0.1 is not served here, only example.test; add it first")


def test_the_configured_domain_comes_before_those_of_the_table(
    trunkline: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunkline("domain", "add", "b.test")
    monkeypatch.setenv("TRUNKLINE_SERVER__DOMAINS", "a.test")
    assert trunkline("user", "add", "alice", "--password", "x").out == "added alice@a.test\n"
    assert trunkline("domain", "list").out == "DOMAIN  SOURCE\na.test  configuration\nb.test  database\n"
    assert trunkline("domain", "list", "--json").json == [
        {"domain": "a.test", "source": "configuration"},
        {"domain": "b.test", "source": "database"},
    ]
    assert "take it out there" in refused(trunkline("domain", "rm", "a.test"))
    assert trunkline("domain", "rm", "b.test", "--json").json == {"domain": "b.test"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("user", "add", "alice", "--password", "x"), "there is a user alice@127.0.0.1 already"),
        (("user", "add", "a b", "--password", "x"), "cannot be a user name"),
        (("user", "add", "@127.0.0.1", "--password", "x"), "is not a user; write USER@DOMAIN"),
        (("user", "add", "bob@a b", "--password", "x"), "is not a domain"),
        (("user", "add", "bob", "--password", ""), "an empty password"),
        (("user", "rm", "bob"), "there is no user bob@127.0.0.1"),
        (("user", "passwd", "bob", "--password", "x"), "there is no user bob@127.0.0.1"),
        (("user", "list", "--domain", "a b"), "is not a domain"),
        (("domain", "add", "not a domain"), "is not a domain"),
        (("domain", "add", "example.test:5060"), "is not a domain"),
        (("domain", "rm", "example.test"), "there is no domain example.test"),
        (("rpc", "stats"), "no server answers on"),
        (("cdr", "list", "--since", "yesterday"), "--since 'yesterday' is not a time"),
        (("relay", "--ng", "nowhere"), "--ng 'nowhere' is not HOST:PORT"),
        (("relay", "--ports", "5-4"), "--ports '5-4' is not a range"),
        (("relay", "--engine", "steam"), "--engine 'steam' is unknown"),
        (("--config", "no.toml", "user", "list"), "file no.toml: expected a configuration file"),
        (("user", "list", "--config", "no.toml"), "file no.toml: expected a configuration file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    trunkline: Run, arguments: tuple[str, ...], expected: str
) -> None:
    trunkline("user", "add", "alice", "--password", "x")
    assert expected in refused(trunkline(*arguments))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nonsense",), "No such command 'nonsense'; see trunkline --help"),
        (("user", "add"), "Missing argument 'USER'; see trunkline user add --help"),
        (("user", "list", "--nonsense"), "--nonsense"),
        (("cdr", "list", "--limit", "many"), "--limit"),
    ],
)
def test_a_wrong_command_line_is_said_in_one_line(
    trunkline: Run, arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in refused(trunkline(*arguments), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("check",),
        ("user", "add"),
        ("user", "rm"),
        ("user", "passwd"),
        ("user", "list"),
        ("domain", "add"),
        ("domain", "rm"),
        ("domain", "list"),
        ("location", "show"),
        ("calls",),
        ("cdr", "list"),
        ("stats",),
        ("rpc",),
        ("relay",),
        ("version",),
    ],
)
def test_every_command_helps_with_an_example(trunkline: Run, arguments: tuple[str, ...]) -> None:
    shown = trunkline(*arguments, "--help")
    assert shown.code == 0
    assert f"Example: trunkline {' '.join(arguments)}" in shown.out
    listed = trunkline(*arguments[:-1], "--help").out
    assert f"  {arguments[-1]} " in listed
    assert "..." not in listed.replace("[ARGS]...", "")


def test_without_a_command_the_help_is_shown(trunkline: Run) -> None:
    for arguments in ((), ("user",), ("location",)):
        shown = trunkline(*arguments)
        assert shown.code == 2
        assert shown.out.startswith("Usage: trunkline")
        assert shown.err == ""


def test_the_configuration_is_named_before_or_after_or_by_variable(
    trunkline: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.toml"
    path.write_text('[server]\ndomains = ["other.test"]\n')
    expected = [{"domain": "other.test", "source": "configuration"}]
    assert trunkline("--config", str(path), "domain", "list", "--json").json == expected
    assert trunkline("domain", "list", "--json", "--config", str(path)).json == expected
    assert trunkline("domain", "list", "--json").json == []
    monkeypatch.setenv("TRUNKLINE_CONFIG", str(path))
    assert trunkline("domain", "list", "--json").json == expected


def test_every_mistake_in_the_configuration_is_a_line(trunkline: Run, tmp_path: Path) -> None:
    (tmp_path / "trunkline.toml").write_text('[server]\nworkers = 9\n[auth]\nchallenge = "no way"\n')
    result = trunkline("user", "list")
    assert result.code == 1
    assert [line.partition(": expected")[0] for line in result.err.splitlines()] == [
        "trunkline: file trunkline.toml, [server] workers",
        "trunkline: file trunkline.toml, [auth] challenge",
    ]


# -- while the server is down


def test_registrations_are_read_from_the_database(trunkline: Run, make_binding) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    soon = soon.replace(second=30)  # so that no rounding turns the minute
    with Store.open("sqlite:///trunkline.db") as store:
        batch = Batch()
        batch.save_binding(make_binding(expires=soon.timestamp(), user_agent="\x1b[31mred\u202e"))
        batch.save_binding(make_binding(aor="bob@example.test", expires=0))
        batch.save_binding(make_binding(aor="carol@example.test", expires=1))
        store.write(batch)
    shown = trunkline("location", "show")
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        "USER",
        "alice@example.test",
        "bob@example.test",
    ]
    assert soon.astimezone().isoformat(" ", "seconds")[:16] in shown.out
    assert "never" in shown.out
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    [record] = trunkline("location", "show", "bob", "--json").json
    assert (record["aor"], record["expires"]) == ("bob@example.test", None)
    assert trunkline("location", "show", "alice@example.test", "--json").json[0]["expires"].endswith("Z")
    assert trunkline("location", "show", "nobody", "--json").json == []


def test_calls_are_read_from_the_journal(trunkline: Run) -> None:
    with Store.open("sqlite:///trunkline.db") as store:
        batch = Batch()
        call = {"call_id": "c1", "from_tag": "f", "caller": "alice@d.test", "callee": "bob@d.test"}
        batch.save_call(1, {"call": {**call, "start": "2030-01-02T03:04:05.678+00:00", "answer": None}})
        batch.save_call(2, {"something": "else"})
        store.write(batch)
    [shown] = trunkline("calls", "--json").json
    assert (shown["caller"], shown["state"]) == ("alice@d.test", "early")
    assert "alice@d.test  bob@d.test  early  " in trunkline("calls").out


def test_statistics_count_the_database(trunkline: Run) -> None:
    trunkline("user", "add", "alice", "--password", "x")
    stats = trunkline("stats", "--json").json
    assert stats["server"] == "down"
    assert stats["database"]["subscriber"] == 1
    assert "database:subscriber    1\n" in trunkline("stats").out


@pytest.mark.parametrize(
    "arguments", [("location", "show"), ("calls",), ("stats",), ("cdr", "list"), ("user", "list")]
)
def test_reading_makes_no_database(trunkline: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert "`trunkline run` creates it" in refused(trunkline(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_call_records_are_shown(trunkline: Run, make_cdr) -> None:
    now = datetime.now(UTC).replace(microsecond=123_000)
    with Store.open("sqlite:///trunkline.db") as store:
        batch = Batch()
        batch.cdr(make_cdr(start=now - timedelta(days=3), call_id="old"))
        batch.cdr(make_cdr(start=now, answer=None, duration_ms=0, code=486, cause="busy", call_id="new"))
        store.write(batch)
    records = trunkline("cdr", "list", "--json").json
    assert [record["call_id"] for record in records] == ["new", "old"]
    assert records[0]["start"] == now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (records[0]["answer"], records[0]["code"], records[0]["cause"]) == (None, 486, "busy")
    assert (records[1]["duration"], records[1]["duration_ms"]) == (61, 61_500)
    lines = trunkline("cdr", "list").out.splitlines()
    assert now.astimezone().isoformat(" ", "seconds") in lines[1]
    assert "486 busy" in lines[1]
    assert "0:01:02" in lines[2]
    for since, found in (
        ("2d", 1),
        ("1w", 2),
        ("2020-01-01", 2),
        ("2020-01-01T00:00:00Z", 2),
        ("2999-01-01", 0),
    ):
        assert len(trunkline("cdr", "list", "--json", "--since", since).json) == found, since
    assert len(trunkline("cdr", "list", "--json", "--limit", "1").json) == 1
    assert trunkline("cdr", "list", "--json", "--user", "dave").json == []


# -- while the server is up


class Server:
    """A control socket with the methods that the commands ask for."""

    def __init__(self, binding) -> None:
        self.told: list[tuple[object, ...]] = []
        self.methods: dict[str, Callable[..., Any]] = {
            "location_show": lambda aor=None: [binding_record(binding)] if aor in (None, binding.aor) else [],
            "calls": lambda: [{"caller": "alice@d.test", "callee": "bob@d.test", "state": "confirmed"}],
            "stats": lambda: {"tm": {"received_replies": 7}},
            "subscriber_changed": lambda user, domain: self.told.append((user, domain)),
            "domain_reload": lambda: self.told.append(("domains",)),
            "echo": lambda *values: list(values),
        }


@pytest.fixture
async def server(trunkline: Run, tmp_path: Path, nursery: trio.Nursery, make_binding) -> Server:
    running = Server(make_binding())
    await nursery.start(serve, tmp_path / "trunkline.sock", running.methods)
    return running


async def test_live_state_is_asked_of_the_server(trunkline: Run, server: Server) -> None:
    run = trio.to_thread.run_sync
    assert (
        await run(trunkline, "stats")
    ).out == "NAME                 VALUE\nserver               up\ntm:received_replies  7\n"
    assert "alice@d.test  bob@d.test  confirmed" in (await run(trunkline, "calls")).out
    for arguments in (("show",), ("show", "alice"), ("show", "alice@example.test"), ("show", "sip:alice")):
        [record] = (await run(trunkline, "location", *arguments, "--json")).json
        assert record["contact"] == "sip:alice@192.0.2.7:5060"
    assert (await run(trunkline, "location", "show", "bob", "--json")).json == []


async def test_the_server_is_told_of_changes(trunkline: Run, server: Server) -> None:
    for arguments in (
        ("domain", "add", "d.test"),
        ("user", "add", "alice", "--password", "x"),
        ("user", "passwd", "alice", "--password", "y"),
        ("user", "rm", "alice"),
        ("domain", "rm", "d.test"),
    ):
        assert (await trio.to_thread.run_sync(trunkline, *arguments)).code == 0
    assert server.told == [("domains",), *[("alice", "d.test")] * 3, ("domains",)]


async def test_a_server_that_would_not_hear_of_a_change_is_no_failure(trunkline: Run, server: Server) -> None:
    def refuse() -> None:
        raise RpcError(1, "busy")

    server.methods["domain_reload"] = refuse
    result = await trio.to_thread.run_sync(trunkline, "domain", "add", "d.test")
    assert result.code == 0
    assert "the change is stored, but the running server was not told: busy" in result.err


async def test_any_command_can_be_given(trunkline: Run, server: Server) -> None:
    arguments = ("echo", "text", "0049301234", "5", '{"a": 1}', "[1]", "true", "null", '"5"', "{broken")
    answer = await trio.to_thread.run_sync(trunkline, "rpc", *arguments)
    assert answer.json == ["text", "0049301234", "5", {"a": 1}, [1], True, None, "5", "{broken"]
    missing = await trio.to_thread.run_sync(trunkline, "rpc", "nonsense")
    assert refused(missing).startswith("there is no command nonsense; there are calls, domain_reload")


async def test_check_knows_that_a_server_runs(trunkline: Run, server: Server) -> None:
    report = (await trio.to_thread.run_sync(trunkline, "check", "--json")).json
    assert report["server"] == "running"


# -- check


def test_check_says_what_would_be_done_and_does_nothing(trunkline: Run, tmp_path: Path) -> None:
    result = trunkline("check")
    assert result.code == 0
    assert result.out.splitlines() == [
        "configuration  defaults",
        "listen         udp:127.0.0.1:0",
        "listen         tcp:127.0.0.1:0",
        "domains        those of the database, otherwise 127.0.0.1",
        "web            http://127.0.0.1:0",
        "media          auto, auto, ports 30000-40000",
        f"control        {tmp_path}/trunkline.sock",
        f"database       {tmp_path}/trunkline.db (will be created)",
        "OK",
    ]
    assert list(tmp_path.iterdir()) == []
    assert trunkline("check", "--json").json["ok"] is True


def test_check_lists_every_problem(trunkline: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sip, socket.create_server(("127.0.0.1", 0)) as web:
        (tmp_path / "notes.txt").write_text("not a database at all" * 100)
        taken = f"tcp:127.0.0.1:{sip.getsockname()[1]},udp:192.0.2.254:5060"
        monkeypatch.setenv("TRUNKLINE_SERVER__LISTEN", taken)
        monkeypatch.setenv("TRUNKLINE_WEB__LISTEN", f"127.0.0.1:{web.getsockname()[1]}")
        path = tmp_path / "trunkline.toml"
        path.write_text('[database]\nurl = "sqlite:///notes.txt"\n[server]\ncontrol = "no/where.sock"\n')
        result = trunkline("check")
        report = json.loads(trunkline("check", "--json").out)
    assert result.code == 1
    assert "OK" not in result.out
    assert len(result.err.splitlines()) == 5
    for expected in (
        "not an SQLite database",
        "another program has this port",
        "192.0.2.254",
        "[web] listen",
        "mkdir -p",
    ):
        assert expected in result.err
    assert report["ok"] is False
    assert len(report["problems"]) == 5


def test_check_lists_every_mistake_of_the_configuration(trunkline: Run, tmp_path: Path) -> None:
    (tmp_path / "trunkline.toml").write_text("[server]\nworkers = 9\nx = 1\n")
    result = trunkline("check")
    assert result.code == 1
    assert result.out == ""
    assert len(result.err.splitlines()) == 2


def test_versions_are_shown(trunkline: Run) -> None:
    versions = trunkline("version", "--json").json
    assert set(versions) >= {"trunkline-provider", "trunkline-sip-parser"}
    assert trunkline("version").out.startswith("trunkline-provider ")
