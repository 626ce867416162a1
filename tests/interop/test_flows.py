"""The call flows of RFC 3665 by SIPp, through us alone and through us beside other proxies.

Four proxies stand: atlanta and biloxi are ours, chicago and edge are Kamailio's. chicago has a domain of its own, as another
provider; edge has none, and stands in front of atlanta's phones. A way is the initials of the proxies that
a call passes, from the caller to the callee: `EAC` is a phone behind edge that is a user of atlanta's and calls
one of chicago's. Every proxy records its route, and `check_rules` looks at all that the two ends saw.

Section 3.1 has no proxy and §3.5 is no proxy's affair. Of what others do with bytes that are odd, nothing is here.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from conftest import need
from peers.kamailio_proxy import KamailioProxy
from peers.ladder import scenario
from peers.nsd import Nsd
from peers.process import wait_until
from peers.rules import check_rules
from peers.trace import read_trace
from peers.trunkline import Server
from peers.wire import Wire

CALLS = "> INVITE  < 100?  < 407  > ACK  > INVITE+auth  < 100?"
UP = "< 180  < 200  > ACK"
ANSWERS = "< INVITE  > 180  pause 50  > 200  < ACK"


@dataclass
class Proxies:
    """The four proxies; `close` each by the stack that they were started with."""

    atlanta: Server
    biloxi: Server
    chicago: KamailioProxy
    edge: KamailioProxy
    nsd: Nsd

    def __getitem__(self, initial):
        return {"A": self.atlanta, "B": self.biloxi, "C": self.chicago, "E": self.edge}[initial]


@pytest.fixture(scope="module")
def proxies(tmp_path_factory):
    for program in ("nsd", "kamailio", "sipp"):
        need(program)
    with ExitStack() as stack:
        servers = []
        for name in ("atlanta", "biloxi"):
            servers.append(Server(tmp_path_factory.mktemp(name), domain=f"{name}.test"))
            stack.callback(servers[-1].close)
        atlanta, biloxi = servers
        others = []
        for name in ("chicago", "edge"):
            folder = tmp_path_factory.mktemp(name)
            others.append(KamailioProxy(folder, domain=f"{name}.test", following=atlanta.address))
            stack.callback(others[-1].close)
        zones = {
            proxy.domain: f"_sip._udp SRV 0 1 {proxy.port} proxy\nproxy A 127.0.0.1\nphone A 127.0.0.1"
            for proxy in (atlanta, biloxi, others[0])
        }
        nsd = Nsd(tmp_path_factory.mktemp("nsd"), zones)
        stack.callback(nsd.close)
        for server in servers:
            server.settings["dns"] = {"servers": [nsd.address]}
            server.settings["proxy"] = {"ring_timeout": 3.0}
            server.write_config()
            server.start()
            for user in ("alice", "bob"):
                server.password(user)
        yield Proxies(*servers, *others, nsd)
        for server in servers:
            assert not server.tracebacks()


class Call:
    """One call along a way: who calls whom, and where the callee is registered."""

    def __init__(self, proxies, sipp, way, transport="udp"):
        self.proxies, self.sipp, self.way, self.transport = proxies, sipp, way, transport
        self.first, self.last = proxies[way[0]], proxies[way[-1]]
        self.home = proxies.atlanta if way[-1] == "E" else self.last
        self.caller_home = proxies.chicago if way[0] == "C" else proxies.atlanta
        self.caller = self.callee = None
        self.ports = []

    def run(self, calls, answers, hops=None, **values):
        """Play the two ladders; the proxies on the way are all there are, unless told otherwise."""
        if self.caller_home is self.proxies.chicago:  # which asks nobody for credentials
            calls = calls.replace(CALLS, "> INVITE  < 100?")
        callee = self.start_callee(answers, **values)
        caller = self.start_caller(calls, **values)
        caller.wait()
        callee.wait()
        self.caller, self.callee = read_trace(caller.messages()), read_trace(callee.messages())
        check_rules(self.caller, self.callee, [self.proxies[initial].address for initial in self.way])

    def start_callee(self, ladder, **values):
        text = scenario("callee", ladder, proxies=len(self.way))
        run = self.sipp("callee", text=text, values=values)
        self.ports.append(run.port)
        self.register(run.port)
        return run

    def start_caller(self, ladder, **values):
        home = self.caller_home
        values = {
            "user": "alice",
            "domain": home.domain,
            "password": home.password("alice") if home is self.proxies.atlanta else "",
            "callee": "bob",
            "callee_domain": self.home.domain,
            **values,
        }
        text = scenario("caller", ladder, proxies=len(self.way))
        return self.sipp("caller", text=text, target=self.first.address, values=values, transport=self.transport)

    def forget(self):
        for port in self.ports:
            self.register(port, expires=0)

    def register(self, port, expires=60):
        """Register bob, by way of the last proxy."""
        values = {"user": "bob", "domain": self.home.domain, "contact_port": port, "expires": expires, "status": 200}
        if self.home is self.proxies.chicago:
            who = f"sip:bob@{self.home.domain}"
            contact = f"Contact: <sip:bob@127.0.0.1:{port}>"
            headers = (contact, f"Expires: {expires}")
            with Wire(self.last.port) as wire:
                request = wire.request("REGISTER", f"sip:{self.home.domain}", sender=who, to=who, headers=headers)
                assert wire.ask(request).status == 200
            return
        values["password"] = self.home.password("bob")
        self.sipp("registers", target=self.last.address, values=values).wait()


@pytest.fixture
def call(proxies, sipp):
    """Make a call along a way; bob's binding is taken back after the test."""
    made = []

    def make(way, **more):
        made.append(Call(proxies, sipp, way, **more))
        return made[-1]

    yield make
    for one in made:
        one.forget()


FLOWS = {
    "3.2-callee-hangs-up": (f"{CALLS} {UP}  < BYE  > 200", f"{ANSWERS}  pause 100  > BYE  < 200"),
    "3.7-both-re-invite-and-caller-hangs-up": (
        f"{CALLS} {UP}  < INVITE  > 200  < ACK  pause 100  > INVITE+moved  < 100?  < 200  > ACK  pause 100  > BYE  < 200",
        f"{ANSWERS}  pause 100  > INVITE+moved  < 100?  < 200  > ACK  < INVITE  > 200  < ACK  < BYE  > 200",
    ),
    "3.8-caller-gives-up": (
        f"{CALLS}  < 180  pause 100  > CANCEL  < 200  < 487  > ACK",
        "< INVITE  > 180  < CANCEL  > 200  > 487  < ACK",
    ),
    "3.9-busy": (f"{CALLS}  < 486  > ACK", "< INVITE  > 486  < ACK"),
    "3.11-temporarily-unavailable": (f"{CALLS}  < 180  < 480  > ACK", "< INVITE  > 180  pause 50  > 480  < ACK"),
}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("way", ["A", "AB", "AC", "EA", "AE", "CA", "EAC", "EAE"])
def test_flow_passes_every_proxy(call, way, flow):
    call(way).run(*FLOWS[flow])
