"""Where settings come from, and that every mistake in them is named at once with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.provider.config import ConfigError, ListenAddress, Settings, load_settings


def problems_of(path: Path | None = None, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ=environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


@pytest.fixture
def write(tmp_path: Path) -> object:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "trunkline.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    assert settings.path is None
    assert settings.server.listen == [
        ListenAddress("udp", "0.0.0.0", 5060),
        ListenAddress("tcp", "0.0.0.0", 5060),
    ]
    assert settings.server.workers == 1
    assert settings.server.domains == []
    assert settings.auth.challenge is True
    assert settings.auth.algorithms == ["MD5"]
    assert settings.database.url == "sqlite:///trunkline.db"
    assert settings.registrar.max_expires == 7200
    assert settings.proxy.ring_timeout == 120
    assert settings.media.ports == (30000, 40000)
    assert settings.media.ng is None
    assert settings.web.listen == ListenAddress("http", "127.0.0.1", 8080)
    assert settings.control_path == Path("trunkline.sock")


def test_a_file_sets_what_it_names(write) -> None:
    path = write(
        """
        [server]
        listen = ["udp:127.0.0.1:5070"]
        domains = ["Example.TEST"]
        [database]
        url = "sqlite:////var/lib/trunkline/main.db"
        [media]
        ports = [20000, 20100]
        ng = "127.0.0.1:2223"
        [web]
        listen = ""
        """
    )
    settings = load_settings(path, environ={})
    assert settings.path == path
    assert settings.server.listen == [ListenAddress("udp", "127.0.0.1", 5070)]
    assert settings.server.domains == ["example.test"]
    assert settings.server.user_agent == "Trunkline"
    assert settings.media.ports == (20000, 20100)
    assert settings.media.ng == ListenAddress("udp", "127.0.0.1", 2223)
    assert settings.web.listen is None
    assert settings.control_path == Path("/var/lib/trunkline/main.sock")


def test_the_file_is_the_named_one_then_the_variable_then_the_folder(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write('[server]\nuser_agent = "folder"')
    other = tmp_path / "other.toml"
    other.write_text('[server]\nuser_agent = "variable"')
    third = tmp_path / "third.toml"
    third.write_text('[server]\nuser_agent = "named"')
    monkeypatch.chdir(tmp_path)
    environ = {"TRUNKLINE_CONFIG": str(other)}
    assert load_settings(environ={}).server.user_agent == "folder"
    assert load_settings(environ=environ).server.user_agent == "variable"
    assert load_settings(third, environ=environ).server.user_agent == "named"


def test_the_environment_is_stronger_than_the_file(write) -> None:
    path = write('[server]\nuser_agent = "file"\nlog_level = "debug"\n[media]\nmode = "never"')
    environ = {
        "TRUNKLINE_SERVER__USER_AGENT": "environment",
        "TRUNKLINE_SERVER__LISTEN": "udp:127.0.0.1:5070, tcp:127.0.0.1:5070",
        "TRUNKLINE_SERVER__DOMAINS": '["a.test", "b.test"]',
        "TRUNKLINE_AUTH__CHALLENGE": "false",
        "TRUNKLINE_MEDIA__PORTS": "30000-30100",
        "TRUNKLINE_WEB__LISTEN": "",
        "TRUNKLINE_DEBUG": "1",
        "PATH": "/bin",
    }
    settings = load_settings(path, environ=environ)
    assert settings.server.user_agent == "environment"
    assert settings.server.log_level == "debug"
    assert settings.server.listen == [
        ListenAddress("udp", "127.0.0.1", 5070),
        ListenAddress("tcp", "127.0.0.1", 5070),
    ]
    assert settings.server.domains == ["a.test", "b.test"]
    assert settings.auth.challenge is False
    assert settings.media.ports == (30000, 30100)
    assert settings.media.mode == "never"
    assert settings.web.listen is None


@pytest.mark.parametrize("value", ["[30000, 30100]", "30000,30100", "30000-30100"])
def test_ports_are_written_in_three_ways(value: str) -> None:
    assert load_settings(environ={"TRUNKLINE_MEDIA__PORTS": value}).media.ports == (30000, 30100)


def test_every_mistake_is_named_at_once(write) -> None:
    path = write(
        """
        workers = 2
        [server]
        listen = ["udp:0.0.0.0:5060", "udp:5060"]
        workers = 4
        domians = ["example.test"]
        [auth]
        challenge = "perhaps"
        [servr]
        x = 1
        [registrar]
        min_expires = 5000
        """
    )
    assert problems_of(path, TRUNKLINE_MEDIA__TIMEOUT="long", TRUNKLINE_PROXY__RING_TIMOUT="1") == [
        f"file {path}, [server] listen[1]: expected a list of PROTO:HOST:PORT with PROTO udp, tcp or tls, "
        "got 'udp:5060' (host and port are both needed); "
        'write listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]',
        f"file {path}, [server] workers: expected 1 (this version runs one worker), got 4; write workers = 1",
        f"file {path}, [server] domians: expected a known key, got an unknown one; did you mean domains?",
        f"file {path}, [auth] challenge: expected true or false, got 'perhaps'; write challenge = true",
        f"file {path}, [registrar]: expected min_expires <= default_expires <= max_expires, "
        "got 5000, 3600, 7200",
        "environment TRUNKLINE_MEDIA__TIMEOUT: expected seconds from 1 to 86400, got 'long'; "
        "write TRUNKLINE_MEDIA__TIMEOUT=60",
        f"file {path}, workers: expected inside a section, got it outside of any; write it below [server]",
        f"file {path}, [servr]: expected a known section, got an unknown one; did you mean [server]?",
        "environment TRUNKLINE_PROXY__RING_TIMOUT: expected TRUNKLINE_<SECTION>__<KEY>, got an unknown name; "
        "did you mean TRUNKLINE_PROXY__RING_TIMEOUT?",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TRUNKLINE_SERVER__LISTN", "TRUNKLINE_SERVER__LISTEN"),
        ("TRUNKLINE_SERVER_LISTEN", "TRUNKLINE_SERVER__LISTEN"),
        ("TRUNKLINE_SEVER__DOMAINS", "TRUNKLINE_SERVER__DOMAINS"),
    ],
)
def test_an_unknown_variable_is_a_mistake(name: str, meant: str) -> None:
    [problem] = problems_of(**{name: "x"})
    assert problem.startswith(f"environment {name}: ")
    assert problem.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nlisten = [", "line 2, column"),
        ("[server\n", "line 1, column"),
        ("[server]\nworkers = 1\nworkers = 2\n", "line 3"),
        (b"[server]\n# gr\xfc\xdfe\n", "line 2: expected UTF-8"),
    ],
)
def test_broken_toml_is_located(write, text: str | bytes, expected: str) -> None:
    path = write(text)
    [problem] = problems_of(path)
    assert problem.startswith(f"file {path}")
    assert expected in problem


def test_a_missing_file_is_a_mistake_when_it_was_named(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path / "no.toml")
    assert "no such file" in problem
    [problem] = problems_of(None, TRUNKLINE_CONFIG=str(tmp_path / "no.toml"))
    assert "no such file" in problem


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path)
    assert "expected a readable file" in problem


@pytest.mark.parametrize(
    ("section", "line", "expected"),
    [
        ("server", "listen = []", "got an empty list"),
        ("server", 'listen = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5060"]', "names udp:127.0.0.1:5060 twice"),
        ("server", "listen = 5", "expected a list of PROTO:HOST:PORT"),
        ("server", 'domains = ["not a domain"]', "not a host name"),
        ("server", 'user_agent = "a\\nb"', "without line breaks"),
        ("server", 'log_level = "loud"', "expected debug, info, warning or error"),
        ("auth", 'algorithms = ["SHA1"]', "expected a list of MD5, SHA-256 and SHA-512-256, got 'SHA1'"),
        ("auth", "algorithms = []", "got an empty list"),
        ("auth", "nonce_lifetime = 0", "expected seconds from 1 to 86400, got 0"),
        ("database", 'url = "trunkline.db"', "it must begin with sqlite:///"),
        ("database", 'url = "sqlite://"', "needs a file"),
        ("database", 'url = "sqlite:///:memory:"', "needs a file"),
        ("database", "commit_interval_ms = -1", "expected milliseconds from 0 to 1000"),
        ("registrar", "max_contacts = 0", "expected a number from 1 to 1000"),
        ("media", "ports = [40000, 30000]", "the lower first"),
        ("media", "ports = [80, 90]", "from 1024 to 65535"),
        ("media", "ports = [30000]", "expected two port numbers"),
        ("media", 'ng = "localhost"', "host and port are both needed"),
        ("web", 'listen = "8080"', "host and port are both needed"),
        ("listen", "x = 1", "the sections are server, tls"),
    ],
)
def test_a_value_out_of_bounds_is_refused(write, section: str, line: str, expected: str) -> None:
    problems = problems_of(write(f"[{section}]\n{line}\n"))
    assert any(expected in problem for problem in problems), problems


def test_a_key_in_the_wrong_section_is_told_its_place(write) -> None:
    [problem] = problems_of(write("[database]\nchallenge = true\n"))
    assert problem.endswith("challenge belongs below [auth]")


def test_a_section_that_is_no_table_is_refused(write) -> None:
    [problem] = problems_of(write("server = 5\n"))
    assert "expected a table, got 5" in problem


def test_secrets_stay_out_of_messages(write) -> None:
    path = write('[auth]\nsecret = 12345\n[database]\nurl = "oracle://scott:tiger@host/db"\n')
    text = "\n".join(problems_of(path))
    assert "12345" not in text
    assert "tiger" not in text
    assert "scott" in text


def test_settings_do_not_change() -> None:
    settings = load_settings(environ={})
    with pytest.raises(ValueError, match="frozen"):
        settings.server.workers = 2  # type: ignore[misc]


def test_every_key_says_what_it_is_and_how_it_is_written() -> None:
    for section in Settings.model_fields.values():
        for name, field in section.annotation.model_fields.items():  # type: ignore[union-attr]
            assert field.description, name
            assert isinstance(field.json_schema_extra, dict)
            assert field.json_schema_extra["write"].startswith(f"{name} = ")
