"""Phones that keep a flow (RFC 5626) by baresip: what a lost connection takes with it, and what not."""

import re

import pytest
from peers.process import wait_until


@pytest.fixture
def where(server):
    return lambda user: server.ask("location", "show", f"{user}@{server.domain}")


def test_phone_with_outbound_is_bound_by_its_flow(server, new_phone, where):
    alice = new_phone(server, "alice", transport="tcp")
    bob = new_phone(server, "bob", transport="tcp", answer="auto", account=";sipnat=outbound")
    assert re.search(r"(?m)^Require: outbound", bob.process.log(10**6))
    [binding] = where("bob")
    assert binding["reg_id"] == 1
    alice.dial(bob.address)
    alice.wait_for("CALL_ESTABLISHED")
    bob.wait_for("CALL_ESTABLISHED")
    alice.hang_up()
    bob.wait_for("CALL_CLOSED")
    bob.kill()
    wait_until("the binding is gone with its connection", lambda: not where("bob"), seconds=5)
    alice.wait_for("CALL_CLOSED")
    alice.dial(bob.address)
    assert alice.wait_for("CALL_CLOSED").text.startswith("480")


def test_phone_without_it_is_bound_until_its_time_is_over(server, new_phone, where):
    bob = new_phone(server, "bob", transport="tcp")
    bob.kill()
    assert len(where("bob")) == 1
    renewed = new_phone(server, "bob", transport="tcp")
    renewed.close()
