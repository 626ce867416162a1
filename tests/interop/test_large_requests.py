"""Requests too large for a datagram, by SIPp: to a phone that takes TCP, and to one that does not.

Source: RFC 3261 §18.1.1
"""

import re

import pytest
from peers.sipp import SCENARIOS
from peers.trunkline import Server

PADDING = "X-Padding: " + "x" * 1200


@pytest.fixture
def server(new_server):
    """A server that relays no media."""
    return new_server({"media": {"mode": "never"}}).start()


def large(scenario):
    """Give a scenario of a caller whose INVITE is large."""
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    padded = text.replace("CSeq: 2 INVITE\n", f"CSeq: 2 INVITE\n    {PADDING}\n")
    assert padded != text
    return padded


@pytest.mark.parametrize("taken", ["tcp", "udp"])
def test_large_invite_goes_by_tcp_and_by_udp_where_tcp_is_refused(server: Server, sipp, taken):
    """Bob registered an address for UDP; he listens on that port by one transport only."""
    callee = sipp("callee_answers", values={"ring_ms": 50}, transport=taken)
    registered = {
        "user": "bob",
        "password": server.password("bob"),
        "domain": server.domain,
        "contact_port": callee.port,
        "expires": 60,
        "status": 200,
    }
    sipp("registers", target=server.address, values=registered).wait()
    caller = sipp(
        "caller_hangs_up",
        xml=large("caller_hangs_up"),
        target=server.address,
        values={
            "user": "alice",
            "password": server.password("alice"),
            "domain": server.domain,
            "callee": "bob",
            "hold_ms": 100,
        },
    )
    caller.wait()
    callee.wait()
    came = callee.messages()
    top = re.search(r"(?s)INVITE sip:\S+ SIP/2.0\r?\n.*?Via: SIP/2.0/(\w+) ", came)
    assert top[1] == taken.upper()
    assert PADDING in came
    assert server.ask("stats")["tm"]["moved_to_streams"] >= 1
    [record] = server.cdrs()
    assert record["code"] == 200
