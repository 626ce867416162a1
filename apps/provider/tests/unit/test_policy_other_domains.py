"""Who may call whom across domains: the default policy, without a network (C11: never an open relay)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from trunkline.provider.directory import Directory
from trunkline.provider.policy import (
    Challenge,
    Decision,
    DefaultPolicy,
    Domains,
    Forward,
    Refuse,
    RequestContext,
    Unlocated,
)
from trunkline.sip_parser import Request
from trunkline.sip_proxy import Authenticator, Location, Nonces, Routed
from trunkline.sip_transaction import Flow

FLOW = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.7", 5060))
METHODS = ["INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "REFER", "BYE", "PRACK", "INFO", "FROBNICATE"]


def decide(method: str, sender: str, uri: str, to_tag: str = "", **options: Any) -> Decision:
    request = Request(
        method,
        uri,
        [
            ("Via", "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1"),
            ("From", f"<{sender}>;tag=a"),
            ("To", f"<{uri}>{to_tag}"),
            ("Call-ID", "c"),
            ("CSeq", f"1 {method}"),
        ],
    )
    context = RequestContext(
        request=request,
        flow=FLOW,
        routed=Routed(request, False),
        domains=Domains(["example.test"], ["192.0.2.1"], [5060]),
        directory=Directory(),
        location=Location(),
        authenticator=Authenticator(Nonces(b"k" * 16, bytes, 30)),
        locate=lambda uri: None,
        binding_targets=lambda aor: [],
        on_our_path=False,
        nated=False,
        at=datetime(2030, 1, 1, tzinfo=UTC),
    )
    return DefaultPolicy(**options).request(context)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sender", ["sip:eve@elsewhere.test", "sip:eve@far.test", "tel:+431234"])
@pytest.mark.parametrize("challenge", [True, False])
def test_stranger_is_never_sent_to_a_foreign_domain(method: str, sender: str, challenge: bool) -> None:
    for uri in ("sip:bob@far.test", "sip:bob@203.0.113.1", "sips:bob@far.test", "sip:far.test"):
        decision = decide(method, sender, uri, challenge=challenge)
        assert isinstance(decision, Refuse)
        assert decision.status == 403


@pytest.mark.parametrize("method", METHODS)
def test_local_name_is_not_believed_without_credentials(method: str) -> None:
    decision = decide(method, "sip:alice@Example.TEST", "sip:bob@far.test")
    if method in ("BYE", "PRACK"):
        assert isinstance(decision, Refuse)
        assert decision.status == 403
    else:
        assert decision == Challenge("example.test")


def test_subscriber_is_sent_to_a_foreign_domain() -> None:
    decision = decide("INVITE", "sip:alice@example.test", "sip:bob@far.test;transport=tcp", challenge=False)
    assert isinstance(decision, Forward)
    [target] = decision.targets
    assert isinstance(target, Unlocated)
    assert target.foreign
    assert str(target.next_hop) == target.uri == "sip:bob@far.test;transport=tcp"
    assert not decision.in_dialog


def test_outbound_can_be_switched_off() -> None:
    decision = decide("INVITE", "sip:alice@example.test", "sip:bob@far.test", challenge=False, outbound=False)
    assert isinstance(decision, Refuse)
    assert decision.status == 403


@pytest.mark.parametrize("method", METHODS)
def test_to_tag_made_up_by_a_stranger_opens_no_way(method: str) -> None:
    for challenge in (True, False):
        decision = decide(
            method, "sip:alice@example.test", "sip:bob@far.test", ";tag=made-up", challenge=challenge
        )
        assert isinstance(decision, Refuse)
        assert decision.status == 481


def test_other_server_of_this_machine_is_called_like_any_other() -> None:
    decision = decide("INVITE", "sip:alice@example.test", "sip:bob@192.0.2.1:5080", challenge=False)
    assert isinstance(decision, Forward)
    (target,) = decision.targets
    assert isinstance(target, Unlocated)
    assert (target.uri, target.foreign) == ("sip:bob@192.0.2.1:5080", True)
    assert isinstance(decide("INVITE", "sip:bob@192.0.2.1:5080", "sip:x@far.test"), Refuse)
