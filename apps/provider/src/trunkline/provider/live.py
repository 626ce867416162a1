"""What operators ask of the running server: the methods of its control socket."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import trio

from .rpc import binding_record

if TYPE_CHECKING:
    from .node import Node


def live_methods(node: Node) -> dict[str, Callable[..., Any]]:
    """Return the methods by name; each is called in the loop and gives JSON types."""
    live = Live(node)
    return {
        "health": live.health,
        "uptime": live.uptime,
        "stats": live.stats,
        "calls": live.calls,
        "location_show": live.location_show,
        "subscriber_changed": live.subscriber_changed,
        "domain_reload": live.domain_reload,
        "blacklist_show": live.blacklist_show,
        "blacklist_clear": live.blacklist_clear,
    }


class Live:
    """Answers questions about one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def health(self) -> dict[str, Any]:
        """Tell whether calls can be taken; `status` is "ok" or "degraded" with what is wrong."""
        node = self._node
        problems = []
        if not node.commits.healthy:
            problems.append("the database does not take writes")
        if node.relay is not None and not node.relay.healthy:
            problems.append("the media relay does not answer")
        return {
            "status": "degraded" if problems else "ok",
            "problems": problems,
            "since": node.started_at.isoformat(timespec="seconds"),
            "listen": [str(point) for point in node.points],
            "calls": len(node.stack.calls),
            "contacts": node.stack.location.contacts(),
        }

    def uptime(self) -> dict[str, Any]:
        """Tell since when the server runs."""
        from .node import wall_clock

        seconds = (wall_clock() - self._node.started_at).total_seconds()
        return {"up_since": self._node.started_at.isoformat(timespec="seconds"), "seconds": int(seconds)}

    def stats(self) -> dict[str, Any]:
        """Give every counter in the classic groups."""
        node = self._node
        stack = node.stack
        layer, core = stack.layer.statistics, stack.core.statistics
        own = attrs.asdict(stack.statistics)
        core_names = [name for name in own if name.startswith(("rcv_", "fwd_", "drop_", "err_"))] + [
            "keepalives"
        ]
        return {
            "server": "up",
            **self.uptime(),
            "core": {name: own[name] for name in core_names},
            "tm": {
                "received_replies": layer.received_replies,
                "relayed_replies": sum(core.relayed),
                "local_replies": layer.layer_replies,
                "UAS_transactions": layer.uas_transactions,
                "UAC_transactions": layer.uac_transactions,
                **{f"{kind}xx_transactions": layer.finals[kind] for kind in range(2, 7)},
                "inuse_transactions": stack.layer.len_server + stack.layer.len_client,
                "retransmissions": layer.retransmissions,
                "timeouts": layer.timeouts,
                "moved_to_streams": core.moved_to_streams,
                "stand_ins": core.stand_ins,
            },
            "transport": {
                **attrs.asdict(node.transport_statistics),
                "too_large_messages": own["too_large_messages"],
                "too_many_headers": own["too_many_headers"],
                "failed_flows": own["failed_flows"],
            },
            "usrloc": {
                "registered_users": len(stack.location),
                "location-contacts": stack.location.contacts(),
            },
            "registrar": {
                "accepted_regs": own["accepted_regs"],
                "rejected_regs": own["rejected_regs"],
            },
            "auth": {"challenges": own["challenges"], "refusals": own["refusals"]},
            "dialog": stack.calls.counts(),
            "dns": {
                **attrs.asdict(stack.locating.locator.statistics),
                "unanswered": node.resolver.failures,
                "cached": len(stack.locating.locator.cache),
                "failovers": core.failovers,
                "blacklisted": len(stack.locating.blacklist.listing(now=trio.current_time())),
                "filtered": stack.locating.filtered,
            },
            "store": {
                "commits": node.commits.commits,
                "failures": node.commits.failures,
                "healthy": node.commits.healthy,
            },
            "relay": {
                "healthy": node.relay is None or node.relay.healthy,
                "failures": 0 if node.relay is None else node.relay.failures,
                "relayed_calls": len(stack.calls.relayed),
            },
            "mishaps": node.mishaps,
            "memory": {
                "max_rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "subscribers_cached": len(stack.directory),
                "objects": len(gc.get_objects()),
                # what is in use of the memory that the system has given: a leak shows here, a mark does not
                "blocks": sys.getallocatedblocks(),
            },
        }

    def calls(self) -> list[dict[str, Any]]:
        """List the calls that are being set up or are up, oldest first."""
        return self._node.stack.calls.listing()

    def blacklist_show(self) -> list[dict[str, Any]]:
        """List the servers of other domains that are left alone, with the seconds that are left of it."""
        listing = self._node.stack.locating.blacklist.listing(now=trio.current_time())
        return [
            {"transport": place.transport, "host": place.host, "port": place.port, "seconds": round(left)}
            for place, left in listing
        ]

    def blacklist_clear(self) -> bool:
        """Let every server be tried again."""
        self._node.stack.locating.blacklist.clear()
        return True

    def location_show(self, aor: str | None = None) -> list[dict[str, Any]]:
        """List the bindings of one address of record, or all."""
        from .node import wall_clock

        location = self._node.stack.location
        names = [name for name, _ in location.items()] if aor is None else [aor]
        at = wall_clock()
        return [binding_record(binding) for name in sorted(names) for binding in location.lookup(name, at=at)]

    async def subscriber_changed(self, user: str, domain: str) -> bool:
        """Read a subscriber anew who was added, changed or removed; one who is gone is no longer reached."""
        node = self._node
        found = await trio.to_thread.run_sync(node.store.subscriber, user, domain)
        node.stack.directory.learn((user, domain), found, now=trio.current_time())
        if found is None:
            node.stack.location.remove(f"{user}@{domain}")
        return True

    async def domain_reload(self) -> list[str]:
        """Read the table `domain` again and serve what it names."""
        node = self._node
        names = await trio.to_thread.run_sync(node.store.load_domains)
        node.stack.domains.replace([*node.settings.server.domains, *names])
        return list(node.stack.domains.names)
