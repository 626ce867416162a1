"""Serving the pages: our own socket, Hypercorn's trio worker, no log of its own.

Starlette and Hypercorn are imported in a thread while SIP is served already.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import trio

from trunkline.provider.config import ListenAddress

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework


class WebError(Exception):
    """The web server cannot listen; the message is one line and names the remedy."""


def bind(listen: ListenAddress) -> socket.socket:
    """Take the web port.

    Args:
        listen: host and port; port 0 lets the system choose.

    Raises:
        WebError: when it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(address)
            listener.listen(100)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise WebError(_explain(listen, error)) from None
    return listener


async def serve_web(
    listen: ListenAddress | socket.socket,
    health: Callable[[], dict[str, Any]],
    *,
    shutdown_trigger: Callable[[], Awaitable[None]] | None = None,
    task_status: trio.TaskStatus[ListenAddress] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the pages until cancelled, or until the trigger returns.

    Args:
        listen: where, or a socket of `bind`; it belongs to the web server from now on.
        health: gives JSON types with `status`; it is called in the loop and must not block.
        shutdown_trigger: returns when requests in progress shall be finished and no new ones taken.
        task_status: told where it listens, as soon as the port is taken; requests wait until all is imported.

    Raises:
        WebError: when the port cannot be had.
    """
    listener = listen if isinstance(listen, socket.socket) else bind(listen)
    host, port = listener.getsockname()[:2]
    task_status.started(ListenAddress("http", host, port))
    try:
        run = await trio.to_thread.run_sync(_prepare, listener, health)
        await run(shutdown_trigger=shutdown_trigger or trio.sleep_forever)
    finally:
        listener.close()


def _prepare(listener: socket.socket, health: Callable[[], dict[str, Any]]) -> Callable[..., Awaitable[None]]:
    from hypercorn.config import Config, Sockets
    from hypercorn.trio import serve

    from trunkline.provider.web._pages import make_app

    class OurSocket(Config):
        def create_sockets(self) -> Sockets:
            return Sockets([], [listener], [])

    config = OurSocket()
    config.errorlog = None
    config.accesslog = None
    config.include_server_header = False
    config.graceful_timeout = 1.0
    return partial(serve, cast("ASGIFramework", make_app(health)), config)


def _explain(listen: ListenAddress, error: OSError) -> str:
    what = f"the web server cannot listen on {listen.authority}"
    if error.errno == errno.EADDRINUSE:
        return f'{what}: the port is taken by another program; put another one, or "", in [web] listen'
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{what}: ports below 1024 need a right this user does not have; put another one in [web] listen"
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{what}: this machine has no such address; put 0.0.0.0 or one of its own in [web] listen"
    return f"{what}: {error.strerror or error}"
