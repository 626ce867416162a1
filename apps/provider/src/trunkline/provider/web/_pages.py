"""The pages. Here: what is answered to which path; where it listens is in `_serving`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

_FRONT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trunkline</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}</style>
<h1>Trunkline</h1>
<p>This is the web port of a VoIP server. Phones speak SIP to it on another port.</p>
<p>Whether it can take calls: <a href="/health">/health</a>.
What it does right now: <code>trunkline stats</code>, <code>trunkline location show</code>,
<code>trunkline calls</code> on its machine.</p>
</html>
"""


def make_app(health: Callable[[], dict[str, Any]]) -> Starlette:
    """Make the web application.

    Args:
        health: gives JSON types with `status`, which is "ok" when the server can take calls. It is called in
            the loop and must not block.
    """

    async def show_health(request: Request) -> Response:
        state = health()
        return JSONResponse(
            state, 200 if state.get("status") == "ok" else 503, headers={"Cache-Control": "no-store"}
        )

    async def show_front(request: Request) -> Response:
        return HTMLResponse(_FRONT)

    return Starlette(routes=[Route("/", show_front), Route("/health", show_health)])
