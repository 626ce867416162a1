"""Calls to other domains, found by a real name server: NAPTR, SRV and addresses, failover, TTLs, its death.

The far side is SIPp, or a socket that counts. Who may call whom is tested here too.
"""

import json
import re
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from peers.ports import HOST, free_port
from peers.process import wait_until
from peers.trunkline import Server


class Far:
    """A far server on a port of its own: answers every request with one status, and counts what came."""

    def __init__(self, status=200, port=None, silent=False):
        self.port = port or free_port()
        self.status = status
        self.silent = silent
        self.requests = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, self.port))
        self._socket.settimeout(0.1)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._stopping:
            try:
                data, address = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            self.requests.append(data)
            if self.silent or data.startswith(b"ACK"):
                continue
            kept = re.findall(rb"(?im)^(?:Via|From|To|Call-ID|CSeq):.*\r\n", data)
            kept = [line[:-2] + b";tag=far\r\n" if line.startswith(b"To:") else line for line in kept]
            head = f"SIP/2.0 {self.status} Far\r\n".encode()
            self._socket.sendto(head + b"".join(kept) + b"Content-Length: 0\r\n\r\n", address)

    def methods(self):
        return [data.split()[0].decode() for data in self.requests]

    def close(self):
        self._stopping = True
        self._thread.join(2)
        self._socket.close()


@pytest.fixture
def far(closing):
    """Start a far server: `far(status=503)`."""

    def start(**more):
        server = Far(**more)
        closing.callback(server.close)
        return server

    return start


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """Give a running server of some configuration: one serves all the tests that ask for the same."""
    with ExitStack() as stack:
        servers = {}

        def find(settings):
            key = json.dumps(settings, sort_keys=True)
            if key not in servers:
                servers[key] = Server(tmp_path_factory.mktemp("server"), settings)
                stack.callback(servers[key].close)
                servers[key].start()
            return servers[key]

        yield find


@pytest.fixture
def located(name_server, standing):
    """Give our server, and a domain of this test's own with these records: `located("@ A 127.0.0.1")`."""
    used = []

    def start(records, **settings):
        sections = {"dns": {"servers": [name_server.address], "timeout": 2}, "media": {"mode": "never"}}
        for section, keys in settings.items():
            sections[section] = {**sections.get(section, {}), **keys}
        server = standing(sections)
        used.append(server)
        return server, name_server.add("far.test", records)

    yield start
    for server in used:
        assert not server.tracebacks()
        assert server.process.running, server.log()


@pytest.fixture
def call(sipp):
    """Start a caller scenario as alice: `call(server, "caller_hangs_up", "far.test")`."""

    def start(server, scenario, callee_domain, **values):
        transport = values.pop("transport", "udp")
        values = {
            "user": "alice",
            "password": server.password("alice"),
            "domain": server.domain,
            "callee": "bob",
            "callee_domain": callee_domain,
            "hold_ms": 100,
            **values,
        }
        return sipp(scenario, target=server.address, values=values, transport=transport)

    return start


def options(wire, domain, sender="sip:alice@example.test", seconds=8.0, method="OPTIONS"):
    """Ask for somebody there, and give the status of the answer."""
    uri = domain if domain.startswith("sip") else f"sip:bob@{domain}"
    reply = wire.ask(wire.request(method, uri, sender=sender), seconds)
    assert reply is not None, "no answer"
    return reply.status


def register(wire, user, contact, *headers):
    """Register a user at a contact; the server asks for no credentials."""
    who = f"sip:{user}@example.test"
    headers = (*headers, f"Contact: <{contact}>", "Expires: 60")
    reply = wire.ask(wire.request("REGISTER", "sip:example.test", sender=who, to=who, headers=headers))
    assert reply.status == 200


def record_of(server, domain):
    """Give the record of the only call to a domain."""
    return wait_until(
        "the record", lambda: next((cdr for cdr in server.cdrs() if cdr["callee"] == f"bob@{domain}"), None)
    )


OPEN = {"challenge": False}


# -- from a domain to its servers


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_call_goes_by_naptr_srv_and_address_and_the_bye_follows(located, call, sipp, transport):
    port = free_port()
    letter = {"udp": "U", "tcp": "T"}[transport]
    server, domain = located(
        f"""
        @ NAPTR 10 10 "s" "SIP+D2{letter}" "" _sip._{transport}
        @ NAPTR 20 10 "s" "SIPS+D2T" "" _sips._tcp
        _sip._{transport} SRV 0 1 {port} gateway
        gateway A 127.0.0.1
        """
    )
    remote = sipp("callee_answers", values={"ring_ms": 100}, port=port, transport=transport)
    call(server, "caller_hangs_up", domain).wait()
    remote.wait()
    assert record_of(server, domain)["code"] == 200


def test_call_goes_by_srv_alone_and_by_an_address_with_a_port(located, call, sipp):
    port = free_port()
    server, domain = located(f"_sip._udp SRV 0 1 {port} gw\ngw A 127.0.0.1\n@ A 127.0.0.1")
    for callee_domain in (domain, f"gw.{domain}:{port}"):
        remote = sipp("callee_answers", values={"ring_ms": 50}, port=port)
        call(server, "caller_hangs_up", callee_domain).wait()
        remote.wait()


def test_requests_within_a_call_follow_a_contact_that_is_a_name(located, call, sipp):
    port = free_port()
    server, domain = located(f"_sip._udp SRV 0 1 {port} gw\ngw A 127.0.0.1\nphone A 127.0.0.1")
    remote = sipp("callee_answers", values={"ring_ms": 50, "contact_host": f"phone.{domain}"}, port=port)
    call(server, "caller_hangs_up", domain).wait()
    remote.wait()
    for method in ("ACK", "BYE"):
        assert f"{method} sip:sipp@phone.{domain}:{port}" in remote.messages()


def test_phone_that_registered_a_name_is_found(located, wire, far):
    server, domain = located("phone A 127.0.0.1", auth=OPEN)
    phone = far()
    headers = ("Via: SIP/2.0/UDP phone.far.test;branch=z9hG4bKphone",)  # another proxy brought it here
    register(wire(server), "named", f"sip:bob@phone.{domain}:{phone.port}", *headers)
    assert options(wire(server), "sip:named@example.test") == 200
    assert phone.requests


def test_servers_share_the_calls_by_their_weights(located, far, wire):
    heavy, light = far(), far()
    server, domain = located(
        f"_sip._udp SRV 5 3 {heavy.port} gw\n_sip._udp SRV 5 1 {light.port} gw\ngw A 127.0.0.1", auth=OPEN
    )
    alice = wire(server)
    for _ in range(120):
        assert options(alice, domain) == 200
    assert len(heavy.requests) + len(light.requests) == 120
    assert 14 < len(light.requests) < 48  # 30 are expected; 4 standard deviations are 19


def test_name_that_does_not_exist_is_told(located, wire):
    server, domain = located("@ A 127.0.0.1", auth=OPEN)
    assert options(wire(server), f"nowhere.{domain}") == 478
    assert options(wire(server), "elsewhere.test") in (478, 500)  # the name server refuses foreign zones


# -- failover


def pair(first, second, transport="udp"):
    return f"""
    _sip._{transport} SRV 10 1 {first} gw
    _sip._{transport} SRV 20 1 {second} gw
    gw A 127.0.0.1
    """


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_dead_server_gives_way_to_the_next_at_once(located, call, sipp, transport):
    """By UDP it is an ICMP error that tells; by TCP the refused connection."""
    dead, live = free_port(), free_port()
    server, domain = located(pair(dead, live, transport))
    before = server.ask("stats")["dns"]["failovers"]
    for _ in range(2):  # the second time the dead one is not tried any more
        remote = sipp("callee_answers", values={"ring_ms": 50}, port=live, transport=transport)
        begin = time.monotonic()
        call(server, "caller_hangs_up", domain).wait()
        assert time.monotonic() - begin < 4
        remote.wait()
    assert server.ask("stats")["dns"]["failovers"] == before + 1


def test_server_that_answers_503_gives_way_to_the_next(located, call, sipp):
    busy, live = free_port(), free_port()
    server, domain = located(pair(busy, live))
    refusing = sipp("callee_rejects", values={"status": 503}, port=busy)
    remote = sipp("callee_answers", values={"ring_ms": 50}, port=live)
    call(server, "caller_hangs_up", domain).wait()
    refusing.wait()
    remote.wait()


def test_silent_server_gives_way_to_the_next_after_timer_b(located, wire, far):
    """Half a minute of nothing, and no less: a transaction is not given up earlier (RFC 3263 §4.3)."""
    silent, live = far(silent=True), far()
    server, domain = located(pair(silent.port, live.port), auth=OPEN)
    begin = time.monotonic()
    assert options(wire(server), domain, method="INVITE", seconds=40) == 200
    assert 31 < time.monotonic() - begin < 35
    assert len(silent.requests) == 7, "timer A: 0.5 s, 1 s, 2 s ... until 32 s"
    assert live.methods()[0] == "INVITE"
    assert options(wire(server), domain) == 200
    assert len(silent.requests) == 7, "it is on the blacklist"


def test_callee_who_is_busy_is_no_reason_to_try_another_server(located, call, sipp, far):
    first = free_port()
    other = far()
    server, domain = located(pair(first, other.port))
    refusing = sipp("callee_rejects", values={"status": 486}, port=first)
    call(server, "caller_rejected", domain, status=486).wait()
    refusing.wait()
    assert not other.requests


def test_failing_servers_are_left_alone_for_a_while_and_then_tried_again(located, wire, far):
    first, second = far(status=503), far(status=503)
    server, domain = located(pair(first.port, second.port), auth=OPEN, proxy={"blacklist_seconds": 2})
    alice = wire(server)
    assert options(alice, domain) == 500
    assert [len(first.requests), len(second.requests)] == [1, 1]
    assert options(alice, domain) == 473
    assert [len(first.requests), len(second.requests)] == [1, 1]
    first.status = 200
    wait_until("the end of the blacklist", lambda: options(alice, domain) == 200, every=0.3)
    assert len(first.requests) == 2


# -- time


def test_records_are_believed_for_their_ttl_and_no_longer(located, name_server, wire, far):
    old, new = far(), far()

    def zone(port):
        return f"""
        short 1 A 127.0.0.1
        _sip._udp.short 1 SRV 0 1 {port} gw
        _sip._udp.long 300 SRV 0 1 {port} gw
        gw A 127.0.0.1
        """

    server, domain = located(zone(old.port), auth=OPEN)
    alice = wire(server)
    assert options(alice, f"short.{domain}") == options(alice, f"long.{domain}") == 200
    assert len(old.requests) == 2
    name_server.replace(domain, zone(new.port))
    wait_until("the new record", lambda: options(alice, f"short.{domain}") == 200 and new.requests, every=0.3)
    before = len(new.requests)
    assert options(alice, f"long.{domain}") == 200
    assert len(new.requests) == before


def test_silent_name_server_costs_a_bounded_time_and_is_asked_again(located, name_server, wire, far):
    gateway = far()
    zone = f"_sip._udp SRV 0 1 {gateway.port} gw\ngw A 127.0.0.1"
    server, domain = located(zone, auth=OPEN)
    alice = wire(server)
    name_server.freeze()
    before = server.ask("stats")["dns"]["unanswered"]
    begin = time.monotonic()
    assert options(alice, domain) == 500
    assert 1.5 < time.monotonic() - begin < 4
    assert server.ask("stats")["dns"]["unanswered"] > before
    assert options(alice, "example.test:0;x") in (404, 480, 483, 400)  # others are served meanwhile
    name_server.thaw()
    wait_until("recovery", lambda: options(alice, domain) == 200, every=0.5)


def test_name_server_that_is_gone_costs_a_bounded_time_and_is_asked_again(located, name_server, wire, far):
    gateway = far()
    server, domain = located(f"_sip._udp SRV 0 1 {gateway.port} gw\ngw A 127.0.0.1", auth=OPEN)
    alice = wire(server)
    name_server.process.stop()
    begin = time.monotonic()
    assert options(alice, domain) == 500
    assert time.monotonic() - begin < 4
    name_server.start()
    wait_until("recovery", lambda: options(alice, domain) == 200, every=0.5)


def test_caller_who_gives_up_during_the_lookup_is_told_at_once(located, name_server, wire, far):
    gateway = far()
    zone = f"_sip._udp SRV 0 1 {gateway.port} gw\ngw A 127.0.0.1"
    server, domain = located(zone, auth=OPEN)
    alice = wire(server)
    name_server.freeze()
    invite = alice.request("INVITE", f"sip:bob@{domain}", sender="sip:alice@example.test",
                           headers=(f"Contact: <sip:alice@{HOST}:5060>",))  # fmt: skip
    alice.send(invite)
    assert alice.receive().status == 100
    begin = time.monotonic()
    alice.send(re.sub(rb"(?m)^Contact.*\r\n", b"", invite.replace(b"INVITE", b"CANCEL")))
    statuses = {alice.receive().status, alice.receive().status}
    assert statuses == {200, 487}
    assert time.monotonic() - begin < 1
    name_server.thaw()
    time.sleep(2.5)
    assert not gateway.requests
    assert record_of(server, domain)["code"] == 487


# -- who may call whom


def test_nobody_is_relayed_from_one_foreign_domain_to_another(located, wire, far):
    gateway = far()
    server, domain = located(f"_sip._udp SRV 0 1 {gateway.port} gw\ngw A 127.0.0.1")
    stranger = wire(server)
    for method in ("INVITE", "OPTIONS", "MESSAGE", "BYE", "PRACK", "SUBSCRIBE"):
        assert options(stranger, domain, sender="sip:eve@elsewhere.test", method=method) == 403, method
    assert not gateway.requests


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "MESSAGE"])
def test_who_claims_to_be_local_must_prove_it(located, wire, far, method):
    gateway = far()
    server, domain = located(f"_sip._udp SRV 0 1 {gateway.port} gw\ngw A 127.0.0.1")
    assert options(wire(server), domain, method=method) == 407
    for method in ("BYE", "PRACK"):  # they cannot be challenged, so they are not let through either
        assert options(wire(server), domain, method=method) == 403
    assert not gateway.requests


def test_outbound_calls_can_be_switched_off(located, call):
    server, domain = located("@ A 127.0.0.1", proxy={"outbound": False})
    call(server, "caller_rejected", domain, status=403).wait()


def test_strangers_reach_local_users_without_credentials(located, wire, far):
    phone = far()
    server, _ = located("@ A 127.0.0.1", auth={"challenge": True})
    server.password("bob")
    with_bob = wire(server)
    assert options(with_bob, "example.test", sender="sip:carol@far.test") == 480
    assert options(with_bob, f"sip:{HOST}:{server.port}") == 200
    assert not phone.requests


def test_contact_of_what_another_proxy_sent_on_is_left_alone(located, wire, far):
    phone = far()
    server, _ = located("@ A 127.0.0.1", auth=OPEN)
    register(wire(server), "plain", f"sip:bob@{HOST}:{phone.port}")
    proxy = wire(server)
    contact = "Contact: <sip:carol@10.1.2.3:5060>"
    for vias, kept in ((("Via: SIP/2.0/UDP 10.1.2.3;branch=z9hG4bKc",), True), ((), False)):
        request = proxy.request(
            "OPTIONS", "sip:plain@example.test", sender="sip:carol@far.test", headers=(*vias, contact)
        )
        assert proxy.ask(request).status == 200
        assert (contact.encode() in phone.requests[-1]) == kept


def test_phone_that_is_gone_is_unavailable_at_once(located, wire, call):
    server, _ = located("@ A 127.0.0.1", auth=OPEN)
    register(wire(server), "gone", f"sip:bob@{HOST}:{free_port()}")
    begin = time.monotonic()
    assert options(wire(server), "sip:gone@example.test") == 480
    assert time.monotonic() - begin < 1


def test_domain_that_leads_back_to_this_server_makes_no_loop(located, wire):
    server, domain = located("@ A 127.0.0.1", auth=OPEN)
    assert options(wire(server), f"{domain}:{server.port}") == 482
