"""Fixtures of the interop tests: real phones, SIPp and servers, each stopped when its test is over.

The drivers are in `peers/`. A peer that is not installed skips the tests that need it, by name; where
CI=true it fails them.
"""

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from peers.baresip import Phone
from peers.kamailio import Kamailio
from peers.linphone import Linphone
from peers.nsd import Nsd
from peers.process import find_program
from peers.proxies import Proxies
from peers.sipp import Sipp
from peers.sipsak import sipsak as run_sipsak
from peers.trunkline import DOMAIN, Server
from peers.wire import Wire

HERE = Path(__file__).parent
RING_TIMEOUT = 3.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)


def need(program: str) -> None:
    """Skip the test by the name of the program that is missing, or fail it where CI=true."""
    if find_program(program) is None:
        message = f"{program} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[str], Path]:
    """Give a new folder of this test for each call."""
    numbers = itertools.count(1)

    def make(name: str) -> Path:
        path = tmp_path / f"{name}{next(numbers)}"
        path.mkdir()
        return path

    return make


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Whatever is pushed on this is closed after the test, last first, each even if another fails."""
    with ExitStack() as stack:
        yield stack


# -- servers ---------------------------------------------------------------------------------------


@pytest.fixture
def new_server(folders: Callable[[str], Path], closing: ExitStack) -> Callable[..., Server]:
    """Make servers of this test's own: `new_server({"proxy": {...}})` is not started yet."""

    def make(settings: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> Server:
        server = Server(folders("server"), settings, **more)
        closing.callback(_check_log, server)
        closing.callback(server.close)
        return server

    return make


@pytest.fixture(scope="session")
def _standing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder, {"proxy": {"ring_timeout": RING_TIMEOUT}})
    try:
        server.start()
        for user in ("alice", "bob"):
            server.password(user)
        yield server
    finally:
        server.close()


@pytest.fixture
def server(_standing_server: Server) -> Iterator[Server]:
    """Give the server that stands for the whole run, relaying media, with a short ring timeout."""
    assert _standing_server.process is not None
    if not _standing_server.process.running:
        _standing_server.start()
    yield _standing_server
    _check_log(_standing_server)
    assert _standing_server.process.running, _standing_server.log()


@pytest.fixture(scope="session")
def _standing_kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    need("kamailio")
    kamailio = Kamailio(tmp_path_factory.mktemp("kamailio"), domain=DOMAIN, ring_timeout=RING_TIMEOUT)
    try:
        yield kamailio
    finally:
        kamailio.close()


@pytest.fixture(params=["kamailio", "trunkline"])
def exchange(request: pytest.FixtureRequest) -> Server | Kamailio:
    """Give Kamailio, which proves the scenario, and then our server, which has to pass it."""
    name = "server" if request.param == "trunkline" else "_standing_kamailio"
    found: Server | Kamailio = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="session")
def _standing_proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    for program in ("nsd", "kamailio"):
        need(program)
    proxies = Proxies(tmp_path_factory.mktemp)
    try:
        yield proxies
    finally:
        proxies.close()


@pytest.fixture
def proxies(_standing_proxies: Proxies) -> Iterator[Proxies]:
    """Give our servers and Kamailio's that stand side by side for the whole run."""
    yield _standing_proxies
    for server in (_standing_proxies.atlanta, _standing_proxies.biloxi):
        _check_log(server)


def _check_log(server: Server) -> None:
    """A traceback in the server's log is a failure, whatever the test itself was about."""
    found = server.tracebacks()
    if found:
        path = server.folder / "trunkline.log"
        path.rename(server.folder / f"traceback-{path.stat().st_mtime_ns}.log")
        path.touch()
        pytest.fail(f"the server's log holds a traceback\n{found}")


# -- peers -----------------------------------------------------------------------------------------


@pytest.fixture
def new_phone(folders: Callable[[str], Path], closing: ExitStack) -> Callable[..., Phone]:
    """Make phones at a server: `new_phone(server, "alice", transport="tcp")`; it has registered."""
    need("baresip")

    def make(where: Server | Kamailio, user: str, *, registered: bool = True, **more: Any) -> Phone:
        arguments = {
            "domain": where.domain,
            "password": where.password(user) if "password" not in more else "",
            "proxy": where.address,
            **more,
        }
        phone = Phone(folders(user), user=user, **arguments)
        closing.callback(phone.close)
        if registered:
            event = phone.wait_for("REGISTER_OK", "REGISTER_FAIL")
            assert event.kind == "REGISTER_OK", f"{user}: {event.text}\n{phone.process.log()}"
        return phone

    return make


@pytest.fixture
def new_linphone(folders: Callable[[str], Path], closing: ExitStack) -> Callable[..., Linphone]:
    """Make linphones at our server: `new_linphone(server, "carol", transport="tcp")`; it has registered."""
    need("linphonec")

    def make(where: Server, user: str, *, registered: bool = True, **more: Any) -> Linphone:
        arguments = {"password": where.password(user), "proxy": where.address, **more}
        phone = Linphone(folders(user), user=user, domain=where.domain, **arguments)
        closing.callback(phone.close)
        assert phone.wait_registered() == registered, phone.process.log()
        return phone

    return make


@pytest.fixture
def sipp(folders: Callable[[str], Path], closing: ExitStack) -> Callable[..., Sipp]:
    """Start SIPp on a scenario: `sipp("callee_rings")`, `sipp("caller_cancels", target=..., values=...)`."""
    need("sipp")
    folder = folders("sipp")

    def start(scenario: str, **more: Any) -> Sipp:
        run = Sipp(folder, scenario, **more)
        closing.callback(run.close)
        return run

    return start


@pytest.fixture(scope="session")
def _standing_nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nsd]:
    need("nsd")
    nsd = Nsd(tmp_path_factory.mktemp("nsd"), {"far.test": ""})
    yield nsd
    nsd.close()


@pytest.fixture
def name_server(_standing_nsd: Nsd) -> Iterator[Nsd]:
    """Give the name server of zone far.test; it answers, whatever the test before did to it."""
    yield _standing_nsd
    _standing_nsd.thaw()
    if not _standing_nsd.process.running:
        _standing_nsd.start()


@pytest.fixture
def sipsak() -> Callable[..., str]:
    """Run sipsak."""
    need("sipsak")
    return run_sipsak


@pytest.fixture
def wire(closing: ExitStack) -> Callable[..., Wire]:
    """Open a socket towards a server: `wire(server, transport="tcp")`."""

    def connect(where: Server | Kamailio, **more: Any) -> Wire:
        return closing.enter_context(Wire(where.port, **more))

    return connect
