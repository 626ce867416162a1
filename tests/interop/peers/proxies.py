"""Proxies of several providers side by side, ours and Kamailio's, and calls that pass some of them.

atlanta and biloxi are ours; chicago, dallas and edge are Kamailio's. chicago and dallas have domains of
their own, as other providers have; edge has none, and stands in front of atlanta's phones. All but edge are
found by DNS, dallas as the second server of its domain, whose first is dead. A way is the initials of the
proxies that a call passes, from the caller to the callee: `EAC` is a call by a user of atlanta's, whose
phone is behind edge, to one of chicago's.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .kamailio_proxy import KamailioProxy
from .ladder import scenario
from .nsd import Nsd
from .ports import HOST, free_port
from .rules import check_rules
from .sipp import Sipp
from .trace import Message, read_trace
from .trunkline import Server
from .wire import Wire

CALLS = "> INVITE  < 100?  < 407  > ACK  > INVITE+auth  < 100?"
"How a call to anybody begins for users of ours, who have to prove who they are."

_ZONE = """
_sip._udp SRV 10 1 {port} proxy
proxy A 127.0.0.1
"""


class Proxies:
    """All five, running; `close()` stops them."""

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        self._stack = ExitStack()
        with ExitStack() as started:
            ours = [Server(new_folder(name), domain=f"{name}.test") for name in ("atlanta", "biloxi")]
            for server in ours:
                started.callback(server.close)
            self.atlanta, self.biloxi = ours
            others = []
            for name in ("chicago", "dallas", "edge"):
                following = self.atlanta.address
                others.append(KamailioProxy(new_folder(name), domain=f"{name}.test", following=following))
                started.callback(others[-1].close)
            self.chicago, self.dallas, self.edge = others
            zones = {
                proxy.domain: _ZONE.format(port=proxy.port)
                for proxy in (self.atlanta, self.biloxi, self.chicago, self.dallas)
            }
            zones[self.dallas.domain] += f"_sip._udp SRV 0 1 {free_port()} proxy"
            nsd = Nsd(new_folder("nsd"), zones)
            started.callback(nsd.close)
            for server in ours:
                server.settings["dns"] = {"servers": [nsd.address]}
                server.settings["proxy"] = {"ring_timeout": 3.0}
                server.write_config()
                server.start()
            for server, user in ((self.atlanta, "alice"), (self.atlanta, "bob"), (self.biloxi, "bob")):
                server.password(user)
            self._stack = started.pop_all()

    def at(self, initial: str) -> Server | KamailioProxy:
        """Give the one with that initial."""
        found: Server | KamailioProxy = {
            "A": self.atlanta,
            "B": self.biloxi,
            "C": self.chicago,
            "D": self.dallas,
            "E": self.edge,
        }[initial]
        return found

    def close(self) -> None:
        self._stack.close()


class Call:
    """A call by alice to bob along a way, each of them SIPp; bob is registered by way of the last proxy.

    Args:
        proxies: all that are there.
        sipp: what starts a SIPp.
        way: initials.
        transport: what alice has to the first proxy, `udp` or `tcp`.
    """

    def __init__(
        self, proxies: Proxies, sipp: Callable[..., Sipp], way: str, *, transport: str = "udp"
    ) -> None:
        self._sipp, self._transport = sipp, transport
        self.proxies = [proxies.at(initial) for initial in way]
        "those on the way"
        self._caller_home = proxies.atlanta if way[0] in "AE" else self.proxies[0]
        self._callee_home = proxies.atlanta if way[-1] == "E" else self.proxies[-1]
        self._ports: list[int] = []

    def run(self, calls: str, answers: str) -> tuple[list[Message], list[Message]]:
        """Play the two ladders, check that every proxy kept to the rules, and give what both ends saw."""
        callee = self.start_callee(answers, moved_to="sip:bob@elsewhere.test")
        caller = self.start_caller(calls)
        caller.wait()
        callee.wait()
        seen = read_trace(caller.messages()), read_trace(callee.messages())
        check_rules(*seen, [proxy.address for proxy in self.proxies])
        return seen

    def start_caller(self, ladder: str) -> Sipp:
        """Start alice."""
        home = self._caller_home
        if isinstance(home, KamailioProxy):  # it asks nobody for credentials
            ladder = ladder.replace(CALLS, "> INVITE  < 100?")
        values = {
            "user": "alice",
            "domain": home.domain,
            "password": home.password("alice") if isinstance(home, Server) else "",
            "callee": "bob",
            "callee_domain": self._callee_home.domain,
        }
        xml = scenario("caller", ladder)
        target = self.proxies[0].address
        return self._sipp("caller", xml=xml, target=target, values=values, transport=self._transport)

    def start_callee(self, ladder: str, **values: Any) -> Sipp:
        """Start bob, and register him where he listens."""
        xml = scenario("callee", ladder, proxies=len(self.proxies))
        run = self._sipp("callee", xml=xml, values=values)
        self.register(run.port)
        return run

    def register(self, port: int) -> None:
        """Register bob at a port of this machine."""
        self._register(port, 60)
        self._ports.append(port)

    def close(self) -> None:
        """Take bob's registrations back."""
        while self._ports:
            self._register(self._ports.pop(), 0)

    def _register(self, port: int, expires: int) -> None:
        home, last = self._callee_home, self.proxies[-1]
        if isinstance(home, KamailioProxy):
            register_at(home, "bob", port, expires)
            return
        values = {
            "user": "bob",
            "domain": home.domain,
            "password": home.password("bob"),
            "contact_port": port,
            "expires": expires,
            "status": 200,
        }
        self._sipp("registers", target=last.address, values=values).wait()


def register_at(proxy: KamailioProxy, user: str, port: int, expires: int = 60) -> None:
    """Register a user of a proxy that asks nobody for credentials, at a port of this machine."""
    who = f"sip:{user}@{proxy.domain}"
    headers = (f"Contact: <sip:{user}@{HOST}:{port}>", f"Expires: {expires}")
    with Wire(proxy.port) as wire:
        reply = wire.ask(wire.request("REGISTER", f"sip:{proxy.domain}", sender=who, to=who, headers=headers))
        assert reply is not None
        assert reply.status == 200
