"""Startup: all that may be taken or broken is opened, and then a node serves until it is told to stop."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from functools import partial

import trio

from .config import Settings
from .greeting import announce
from .live import live_methods
from .logs import configure_logging
from .node import Node
from .relay import RelayError
from .rpc import ControlError
from .rpc._server import serve as serve_rpc
from .store import Store, StoreError, ensure_administrator
from .transports import (
    CertificateError,
    Certificates,
    ListenError,
    ListenPoint,
    TransportStatistics,
    bind_all,
    open_certificates,
)
from .web import WebError, serve_web
from .web import bind as bind_web


class StartError(Exception):
    """The server cannot start; `problems` has a line for each reason, with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def run(settings: Settings) -> int:
    """Run the server until SIGINT or SIGTERM; everything that keeps it from starting is said at once.

    Returns:
        an exit status.
    """
    configure_logging(settings.server.log_level, settings.server.log_format)
    raise_file_limit()
    statistics = TransportStatistics()
    try:
        store, points, web, certificates = _acquire(settings, statistics)
    except StartError as error:
        for problem in error.problems:
            sys.stderr.write(f"trunkline: {problem}\n")
        return 1
    with store:
        administrator = ensure_administrator(store, token=os.urandom)
        try:
            trio.run(partial(_main, settings, store, points, web, administrator, certificates, statistics))
        except BaseExceptionGroup as group:
            known, unknown = group.split((ControlError, RelayError))
            if known is None or unknown is not None:
                raise
            for reason in leaves(known):
                sys.stderr.write(f"trunkline: {reason}\n")
            return 1
    return 0


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: every connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass  # it stays as it is; what cannot be opened is refused


def _acquire(
    settings: Settings, statistics: TransportStatistics
) -> tuple[Store, list[ListenPoint], socket.socket | None, Certificates | None]:
    """Open all that may be taken or broken, before anything is served."""
    problems: list[str] = []
    store: Store | None = None
    points: list[ListenPoint] = []
    web: socket.socket | None = None
    certificates: Certificates | None = None
    try:
        certificates = open_certificates(settings.tls, settings.server.listen, statistics)
    except CertificateError as error:
        problems.append(str(error))
    try:
        store = Store.open(settings.database.url)
    except StoreError as error:
        problems.append(str(error))
    try:
        points = bind_all(settings.server.listen)
    except ListenError as error:
        problems += error.problems
    if settings.web.listen is not None:
        try:
            web = bind_web(settings.web.listen)
        except WebError as error:
            problems.append(str(error))
    if problems or store is None:
        for taken in [*(point.sock for point in points), web]:
            if taken is not None:
                taken.close()
        if store is not None:
            store.close()
        raise StartError(problems)
    return store, points, web, certificates


async def _main(
    settings: Settings,
    store: Store,
    points: list[ListenPoint],
    web: socket.socket | None,
    administrator: tuple[str, str] | None,
    certificates: Certificates | None,
    statistics: TransportStatistics,
) -> None:
    node = Node(settings, store, points, certificates, statistics)
    methods = live_methods(node)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_rpc, settings.control_path, methods)
            ready = trio.Event()
            nursery.start_soon(node.serve, ready.set)
            await ready.wait()
            announce(node, administrator)
            if web is not None:
                # last, because what it imports takes as long as all the rest
                await nursery.start(serve_web, web, methods["health"])
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the exceptions inside a group, however deep."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
