"""What the server says when it is ready: where it listens, and how to get a phone onto it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .node import Node


def announce(node: Node, administrator: tuple[str, str] | None) -> None:
    """Print the lines a newcomer needs, on standard output."""
    sys.stdout.write("\n".join(greeting(node, administrator)) + "\n")
    sys.stdout.flush()


def greeting(node: Node, administrator: tuple[str, str] | None) -> list[str]:
    """Compose the lines."""
    settings = node.settings
    host = reachable_host(node)
    there = [point for point in node.points if point.address[0] == host]
    port = there[0].address[1]
    by = " or ".join(point.transport for point in there if point.address[1] == port)
    address = f"[{host}]" if ":" in host else host
    domain = node.stack.domains.default or address
    web = settings.web.listen
    command = command_name()
    lines = [f"Trunkline serves {domain} on " + ", ".join(dict.fromkeys(str(point) for point in node.points))]
    if administrator is not None:
        name, password = administrator
        lines.append(f"administrator {name} was made, password {password} (it is shown only now)")
    lines += [
        f"add a user:       {command} user add alice@{domain} --password SECRET",
        f"register a phone: user alice, password SECRET, domain {domain}, proxy {address}:{port}, {by}",
        f"call:             sip:bob@{domain}; then look: {command} calls, {command} cdr list",
    ]
    if web is not None:
        lines.append(f"health:           http://{web.authority}/health")
    lines.append("stop with Ctrl-C")
    return lines


def reachable_host(node: Node) -> str:
    """Return the address most useful to a phone: IPv4 before IPv6, other machines' view before loopback."""
    hosts = [point.address[0] for point in node.points]
    return min(hosts, key=lambda host: (":" in host, host.startswith("127.") or host == "::1"))


def command_name() -> str:
    """Return the command as the reader can type it: how this process was started, else `trunkline`."""
    name = os.path.relpath(sys.argv[0]) if os.path.basename(sys.argv[0]) == "trunkline" else "trunkline"
    return name if not name.startswith("..") else sys.argv[0]
