"""Calls over IPv6, and between IPv4 and IPv6: every mix of families and transports, by SIPp.

What is looked at: both sides are sent what they can reach in Via, Record-Route, Contact and SDP, and the BYE
comes back along it.
"""

import re

import pytest
from peers.ports import HAS_IPV6, HOST, HOST6
from peers.trunkline import Server

pytestmark = pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")

BRACKETS = {HOST: HOST, HOST6: f"[{HOST6}]"}


@pytest.fixture(scope="module")
def dual(tmp_path_factory):
    """A server on both loopback addresses, UDP and TCP, which relays media for both families."""
    server = Server(tmp_path_factory.mktemp("dual"), {"media": {"address": ""}})
    hosts = [f"{HOST}:{server.port}", f"[{HOST6}]:{server.port}"]
    server.settings["server"]["listen"] = [f"{proto}:{host}" for host in hosts for proto in ("udp", "tcp")]
    server.write_config()
    try:
        server.start()
        for user in ("alice", "bob"):
            server.password(user)
        yield server
        assert not server.tracebacks()
    finally:
        server.close()


@pytest.fixture
def register(dual, sipp):
    """Register bob where a callee waits; the binding is taken back after the test."""

    def do(port, host, transport, expires=60):
        values = {
            "user": "bob",
            "password": dual.password("bob"),
            "domain": dual.domain,
            "contact_port": port,
            "expires": expires,
            "status": 200,
        }
        target = f"{BRACKETS[host]}:{dual.port}"
        sipp("registers", target=target, host=host, transport=transport, values=values).wait()
        done.append((port, host, transport))

    done = []
    yield do
    for given in list(done):
        do(*given, expires=0)


def sdp_addresses(text):
    """The addresses in the SDP that a SIPp run received."""
    received = re.findall(r"(?s)message received .*?(?=-{20,}|\Z)", text)
    return {found for part in received for found in re.findall(r"c=IN (IP[46] \S+)", part)}


@pytest.mark.parametrize("callee_transport", ["udp", "tcp"])
@pytest.mark.parametrize("caller_transport", ["udp", "tcp"])
@pytest.mark.parametrize(("caller", "callee"), [(HOST6, HOST6), (HOST, HOST6), (HOST6, HOST)])
def test_call_between_families(dual, sipp, register, caller, callee, caller_transport, callee_transport):
    answering = sipp("callee_answers", values={"ring_ms": 50}, host=callee, transport=callee_transport)
    # over TCP, SIPp's connection ends with it: from then on its Contact says where it listens
    register(answering.port, callee, callee_transport)
    calling = sipp(
        "caller_hangs_up",
        target=f"{BRACKETS[caller]}:{dual.port}",
        host=caller,
        transport=caller_transport,
        values={
            "user": "alice",
            "password": dual.password("alice"),
            "callee": "bob",
            "hold_ms": 100,
            "domain": dual.domain,
        },
    )
    calling.wait()
    answering.wait()
    family = {HOST: "IP4", HOST6: "IP6"}
    assert sdp_addresses(calling.messages()) == {f"{family[caller]} {caller}"}
    assert sdp_addresses(answering.messages()) == {f"{family[callee]} {callee}"}
    route = re.findall(r"(?m)^Record-Route: (.*?)\r?$", answering.messages())
    doubled = (caller, caller_transport) != (callee, callee_transport)
    assert ("r2=on" in route[0]) is doubled, route
