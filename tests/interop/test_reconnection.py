"""A baresip whose connection breaks in the middle of a call, and which registers over a new one.

Nobody else may connect to what its Contact names: what is asked is by which way the BYE comes.
"""

import pytest
from peers.forwarder import Forwarder
from peers.process import wait_until


@pytest.fixture
def server(new_server):
    """A server that lets phones register every few seconds, so that baresip comes back soon."""
    return new_server({"registrar": {"min_expires": 5, "default_expires": 5}}).start()


@pytest.fixture
def path(server, closing):
    """Give the way of bob's phone to the server, which the test can cut."""
    forwarder = Forwarder(server.port)
    closing.callback(forwarder.close)
    return forwarder


def test_bye_reaches_a_phone_over_the_connection_that_it_made_since(server, new_phone, path):
    alice = new_phone(server, "alice")
    bob = new_phone(server, "bob", transport="tcp", proxy=path.address, answer="auto", register_seconds=6)
    alice.dial(bob.address)
    alice.wait_for("CALL_ESTABLISHED")
    bob.wait_for("CALL_ESTABLISHED")
    before = path.connections
    path.cut()
    wait_until("a new registration", lambda: b"SIP/2.0 200" in b"".join(path.to_phone[before:]), seconds=30)
    alice.hang_up()
    bob.wait_for("CALL_CLOSED", seconds=5)
    assert b"BYE sip:" in b"".join(path.to_phone[before:])
