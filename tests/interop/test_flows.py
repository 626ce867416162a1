"""The call flows of RFC 3665 by SIPp, through us alone and through us beside other proxies.

Proxies stand: atlanta and biloxi are ours, chicago, dallas and edge are Kamailio's. chicago and dallas have domains of
their own, as other providers; edge has none, and stands in front of atlanta's phones. A way is the initials of the proxies that
a call passes, from the caller to the callee: `EAC` is a phone behind edge that is a user of atlanta's and calls
one of chicago's. Every proxy records its route, and `check_rules` looks at all that the two ends saw.

Section 3.1 has no proxy and §3.5 is no proxy's affair. Of what others do with bytes that are odd, nothing is here.
"""

import re
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from conftest import need
from peers.kamailio_proxy import KamailioProxy
from peers.ladder import scenario
from peers.nsd import Nsd
from peers.ports import HOST, free_port
from peers.rules import check_rules
from peers.trace import read_trace
from peers.trunkline import Server
from peers.wire import Wire

CALLS = "> INVITE  < 100?  < 407  > ACK  > INVITE+auth  < 100?"
UP = "< 180  < 200  > ACK"
ANSWERS = "< INVITE  > 180  pause 50  > 200  < ACK"


@dataclass
class Proxies:
    """The proxies, by name and by initial."""

    atlanta: Server
    biloxi: Server
    chicago: KamailioProxy
    edge: KamailioProxy
    dallas: KamailioProxy

    def __getitem__(self, initial):
        return {"A": self.atlanta, "B": self.biloxi, "C": self.chicago, "D": self.dallas, "E": self.edge}[
            initial
        ]


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
        for name in ("chicago", "edge", "dallas"):
            folder = tmp_path_factory.mktemp(name)
            others.append(KamailioProxy(folder, domain=f"{name}.test", following=atlanta.address))
            stack.callback(others[-1].close)
        zones = {
            proxy.domain: f"_sip._udp SRV 0 1 {proxy.port} proxy\nproxy A 127.0.0.1\nphone A 127.0.0.1"
            for proxy in (atlanta, biloxi, others[0], others[2])
        }
        zones["dallas.test"] = zones["dallas.test"].replace("SRV 0 ", "SRV 10 ") + f"\n_sip._udp SRV 0 1 {free_port()} proxy"
        nsd = Nsd(tmp_path_factory.mktemp("nsd"), zones)
        stack.callback(nsd.close)
        for server in servers:
            server.settings["dns"] = {"servers": [nsd.address]}
            server.settings["proxy"] = {"ring_timeout": 3.0}
            server.write_config()
            server.start()
            for user in ("alice", "bob"):
                server.password(user)
        yield Proxies(*servers, *others)
        for server in servers:
            assert not server.tracebacks()
            assert not server.ask("calls")


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
        if isinstance(self.home, KamailioProxy):
            register_by_hand(self.home, port, expires)
            return
        values["password"] = self.home.password("bob")
        self.sipp("registers", target=self.last.address, values=values).wait()


def register_by_hand(proxy, port, expires=60):
    """Register bob at a proxy of Kamailio's, which asks for no credentials."""
    who = f"sip:bob@{proxy.domain}"
    headers = (f"Contact: <sip:bob@127.0.0.1:{port}>", f"Expires: {expires}")
    with Wire(proxy.port, host=proxy.address.split(":")[0]) as wire:
        request = wire.request("REGISTER", f"sip:{proxy.domain}", sender=who, to=who, headers=headers)
        assert wire.ask(request).status == 200


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


@pytest.mark.parametrize("flow", FLOWS)
def test_flow_passes_from_tcp_to_udp(call, flow):
    """Each of ours that stands between transports records its route twice."""
    call("AB", transport="tcp").run(*FLOWS[flow])


def test_3_3_both_proxies_ask_for_credentials(proxies, new_phone, sipp, folders, closing):
    """By baresip, because SIPp answers one challenge only. The callee's is a numeric host."""
    atlanta = proxies.atlanta
    denver = KamailioProxy(
        folders("denver"), domain="127.0.0.2", host="127.0.0.2", following=atlanta.address,
        password=atlanta.password("alice"),
    )  # fmt: skip
    closing.callback(denver.close)
    bob = sipp("callee", text=scenario("callee", f"{ANSWERS}  < BYE  > 200", proxies=2), values={})
    register_by_hand(denver, bob.port)
    alice = new_phone(atlanta, "alice")
    alice.dial(f"sip:bob@{denver.address}")
    alice.wait_for("CALL_ESTABLISHED")
    alice.hang_up()
    bob.wait()
    alice.wait_for("CALL_CLOSED")
    trace = alice.process.log(10**6)
    assert re.findall(r'Proxy-Authenticate: Digest realm="([^"]+)"', trace)[:2] == ["atlanta.test", "127.0.0.2"]
    credentials = r'(?s)INVITE sip:bob@[^ ]+ SIP/2.0(?:(?!\n\n|\r\n\r\n).)*'
    realms = [re.findall(r'Authorization: Digest .*?realm="([^"]+)"', head) for head in re.findall(credentials, trace)]
    assert sorted(realms[-1]) == ["127.0.0.2", "atlanta.test"]
    invite = read_trace(bob.messages())[0]
    assert not invite.all("proxy-authorization"), "credentials were shown to somebody whom they do not concern"


def test_3_4_dead_proxy_gives_way_to_the_next(call):
    """The domain's first server is gone; the call and all that follows go by the second."""
    call("AD").run(*FLOWS["3.2-callee-hangs-up"])


def test_3_6_callee_redirects_and_the_offer_comes_in_the_answer(proxies, call):
    """The 302 and its Contact reach the caller, who calls the other place with its own INVITE, without an offer."""
    home, away = call("A"), call("AC")
    refers = home.start_callee("< INVITE  > 302  < ACK", moved_to=f"sip:bob@{proxies.chicago.domain}")
    answers = away.start_callee("< INVITE  > 180  pause 50  > 200  < ACK  pause 100  > BYE  < 200")
    caller = home.start_caller(
        f"{CALLS}  < 302  > ACK  > INVITE+late  < 100?  < 407  > ACK  > INVITE+auth+late  < 100?"
        "  < 180  < 200  > ACK+sdp  < BYE  > 200"
    )
    for run in (caller, refers, answers):
        run.wait()
    seen, first, second = (read_trace(run.messages()) for run in (caller, refers, answers))
    moved = next(message for message in seen if message.label == "302")
    assert moved.one("contact") == f"<sip:bob@{proxies.chicago.domain}>"
    check_rules([m for m in seen if m.sequence[0] <= 2], first, [proxies.atlanta.address])
    check_rules([m for m in seen if m.sequence[0] > 2], second, [proxies.atlanta.address, proxies.chicago.address])
    offer = next(message for message in seen if message.label == "200")
    answer = next(message for message in second if message.label == "ACK")
    first_port, last_port = proxies.atlanta.settings["media"]["ports"]
    for message in (offer, answer):  # both of them go by atlanta's relay
        assert first_port <= int(re.search(r"m=audio (\d+)", message.body)[1]) <= last_port


def test_3_10_callee_that_never_answers(call):
    """§3.10 has 480; by RFC 3261 §16.7 it is 408."""
    one = call("A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        silent.settimeout(10)
        one.register(silent.getsockname()[1])
        caller = one.start_caller(f"{CALLS}  < 408  > ACK")
        first = silent.recv(65536)
        begin = time.monotonic()
        times = []
        while not times or times[-1] < 1.4:
            assert silent.recv(65536) == first
            times.append(time.monotonic() - begin)
        assert times == [pytest.approx(0.5, abs=0.3), pytest.approx(1.5, abs=0.3)]
        caller.wait()
        one.register(silent.getsockname()[1], expires=0)


# -- registration


class Phone:
    """Who registers with atlanta, by one ladder after the other."""

    def __init__(self, proxies, sipp):
        self.atlanta, self.sipp = proxies.atlanta, sipp

    def plays(self, ladder, contact, password=None):
        values = {
            "user": "carol",
            "domain": self.atlanta.domain,
            "password": password or self.atlanta.password("carol"),
            "contact": contact,
        }
        text = scenario("registers", ladder)
        auth_uri = self.atlanta.domain
        run = self.sipp("registers", text=text, target=self.atlanta.address, values=values, auth_uri=auth_uri)
        run.wait()
        return read_trace(run.messages())


REGISTERS = "> REGISTER  < 401  > REGISTER+auth  < 200"


def contacts(message):
    """Give the contacts of an answer, each with its seconds."""
    found = (re.search(r"<([^>]+)>.*?;expires=(\d+)", value) for value in message.all("contact"))
    return {match[1]: int(match[2]) for match in found}


def test_2_registrations(proxies, sipp):
    carol = Phone(proxies, sipp)
    desk, home = "sip:carol@127.0.0.1:5091", "sip:carol@127.0.0.1:5092"
    # 2.5 unsuccessful
    refused = carol.plays("> REGISTER  < 401  > REGISTER+auth  < 401", f"Contact: <{desk}>", password="wrong")
    challenges = [message.one("www-authenticate") for message in refused if message.label == "401"]
    assert len(set(challenges)) == 2
    # 2.3 request for the current list: nothing yet
    assert contacts(carol.plays(REGISTERS, "Supported: path")[-1]) == {}
    # 2.1 new
    assert contacts(carol.plays(REGISTERS, f"Contact: <{desk}>;expires=600")[-1]) == {desk: 600}
    # 2.2 update of the list
    both = contacts(carol.plays(REGISTERS, f"Contact: <{home}>;expires=300;q=0.5")[-1])
    assert list(both) == [desk, home]
    assert both[home] == 300
    assert 590 <= both[desk] <= 600
    # 2.3 again
    assert list(contacts(carol.plays(REGISTERS, "Supported: path")[-1])) == [desk, home]
    # 2.4 cancellation, of one and of all
    assert list(contacts(carol.plays(REGISTERS, f"Contact: <{desk}>;expires=0")[-1])) == [home]
    assert contacts(carol.plays(REGISTERS, "Contact: *\n    Expires: 0")[-1]) == {}
