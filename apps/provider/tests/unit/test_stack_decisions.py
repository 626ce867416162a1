"""Decisions that the default policy does not take, but another may."""

from __future__ import annotations

import pytest
from simulated import DOMAIN, Phone, World

from trunkline.provider.policy import (
    Challenge,
    Decision,
    DefaultPolicy,
    Drop,
    Redirect,
    Reply,
    RequestContext,
)
from trunkline.sip_parser import RemoteProtocolError


class Decided(DefaultPolicy):
    """Decides what the test says."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision

    def request(self, context: RequestContext) -> Decision:
        return self.decision


@pytest.fixture
def alice(world: World) -> Phone:
    return Phone(world, "alice", ("198.51.100.1", 5060))


def test_redirect_names_the_contacts(world: World, alice: Phone) -> None:
    world.stack.policy = Decided(Redirect(["sip:bob@one.test", "sip:bob@two.test"]))
    alice.send(alice.request("INVITE", f"sip:bob@{DOMAIN}"))
    response = alice.response(302)
    assert response.headers.get_all("Contact") == ["<sip:bob@one.test>", "<sip:bob@two.test>"]


def test_dropped_request_is_forgotten(world: World, alice: Phone) -> None:
    world.stack.policy = Decided(Drop("for a test"))
    invite = alice.request("INVITE", f"sip:bob@{DOMAIN}")
    alice.send(invite)
    world.advance(100)
    assert not alice.inbox
    assert world.stack.statistics.drop_requests == 1
    assert world.stack.layer.len_server == 0


def test_reply_has_the_headers_it_was_given(world: World, alice: Phone) -> None:
    world.stack.policy = Decided(Reply(299, "As You Like", (("X-Why", "because"),)))
    alice.send(alice.request("MESSAGE", f"sip:bob@{DOMAIN}"))
    response = alice.response(299)
    assert (response.reason, response.headers.get("X-Why")) == ("As You Like", "because")
    assert response.to_tag


@pytest.mark.parametrize(("method", "status"), [("REGISTER", 401), ("INVITE", 407), ("MESSAGE", 407)])
def test_challenge_is_of_the_kind_the_method_takes(
    world: World, alice: Phone, method: str, status: int
) -> None:
    world.stack.policy = Decided(Challenge(DOMAIN))
    alice.send(alice.request(method, f"sip:{DOMAIN}"))
    alice.response(status)
    assert world.stack.statistics.challenges == 1


def test_header_that_a_policy_cannot_read_is_the_senders_fault(world: World, alice: Phone) -> None:
    class Reads(DefaultPolicy):
        def request(self, context: RequestContext) -> Decision:
            raise RemoteProtocolError("expected something else", 400)

    world.stack.policy = Reads()
    alice.send(alice.request("INVITE", f"sip:bob@{DOMAIN}"))
    alice.response(400)
