"""IPv6 in what we write and read: Via, Record-Route, Contact, routes that come back, media addresses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from trunkline.provider.stack._media import MediaRules
from trunkline.sip_parser import Uri

SIX, FOUR = "2001:db8::7", "203.0.113.7"


def test_request_from_ipv4_to_ipv6_records_both_sides(provider: Any) -> None:
    bob = provider.flow("UDP", SIX, 5060)
    provider.register("bob", bob)
    provider.invite(provider.flow("UDP", FOUR, 5060))
    request, way = provider.request("INVITE")
    assert way == bob
    assert str(request.headers.get("Via")).startswith("SIP/2.0/UDP [2001:db8::1]:5060;branch=")
    outer, inner = (str(route.uri) for route in request.record_routes)
    assert re.match(r"sip:\[2001:db8::1\]:5060;transport=udp;lr;r2=on;did=", outer)
    assert re.match(r"sip:192\.0\.2\.1:5060;transport=udp;lr;r2=on;did=", inner)


@pytest.mark.parametrize(("caller", "callee"), [(FOUR, SIX), (SIX, FOUR), (SIX, "2001:db8::8")])
def test_bye_comes_back_through_both_families(provider: Any, caller: str, callee: str) -> None:
    alice, bob = provider.flow("UDP", caller, 5060), provider.flow("TCP", callee, 40001)
    provider.register("bob", bob)
    sent = provider.invite(alice)
    invite, _ = provider.request("INVITE")
    provider.answer(invite, bob, 200)
    ok, _ = provider.take()
    while ok.status < 200:
        ok, _ = provider.take()
    for sender, receiver, remote in ((alice, bob, ok), (bob, alice, invite)):
        provider.deliver(provider.in_dialog("INFO", sender, remote, sent), sender)
        request, way = provider.request("INFO")
        assert way == receiver
        assert "route" not in request.headers


def test_route_that_spells_our_address_at_length_is_ours(provider: Any) -> None:
    alice = provider.flow("UDP", SIX, 5060)
    route = "<sip:[2001:0db8:0000:0:0:0:0:0001]:5060;lr>"
    provider.deliver(provider.compose("OPTIONS", "sip:example.test", alice, "alice", Route=route), alice)
    assert provider.status() == 200


@pytest.mark.parametrize(
    ("host", "remote"),
    [
        ("[2001:DB8:0:0::9]", "2001:db8::9"),
        ("[::ffff:198.51.100.9]", "198.51.100.9"),
    ],
)
def test_address_is_taken_for_what_it_means(provider: Any, host: str, remote: str) -> None:
    flow = provider.stack.ways.locate(Uri.parse(f"sip:bob@{host}"))
    assert flow.remote == (remote, 5060)
    assert (":" in flow.local[0]) is (":" in remote)


def test_received_says_where_a_phone_with_a_wrong_via_is(provider: Any) -> None:
    alice = provider.flow("UDP", SIX, 40000)
    via = "SIP/2.0/UDP [2001:db8::dead]:5060;branch=z9hG4bKx;rport"
    provider.deliver(provider.compose("OPTIONS", "sip:example.test", alice, "alice", Via=via), alice)
    response, way = provider.take()
    assert way == alice
    assert response.top_via.received == SIX
    assert response.top_via.rport == 40000


def test_phone_behind_a_nat66_is_reached_where_it_was_heard_from(provider: Any) -> None:
    bob = provider.flow("UDP", SIX, 40000)
    provider.register("bob", bob, Contact="<sip:bob@[fd00::9]:5060>")
    [binding] = provider.stack.location.get("bob@example.test")
    assert binding.received == f"sip:[{SIX}]:40000;transport=udp"
    provider.invite(provider.flow("UDP", FOUR, 5060))
    _, way = provider.request("INVITE")
    assert way == bob


@pytest.mark.parametrize(
    ("configured", "host", "family", "expected"),
    [
        ("", "192.0.2.1", "", ("192.0.2.1", "IP4")),
        ("", "2001:db8::1", "", ("2001:db8::1", "IP6")),
        ("", "2001:db8::1", "IP4", ("192.0.2.1", "IP4")),
        ("192.0.2.99", "192.0.2.1", "", ("192.0.2.99", "IP4")),
        ("192.0.2.99", "2001:db8::1", "", ("2001:db8::1", "IP6")),
        ("192.0.2.99", "2001:db8::1", "IP4", ("192.0.2.99", "IP4")),
    ],
)
def test_media_address_is_of_the_family_that_the_side_speaks(
    configured: str, host: str, family: str, expected: tuple[str, str]
) -> None:
    rules = MediaRules("always", configured, 60, {"IP4": "192.0.2.1", "IP6": "2001:db8::1"})
    assert rules.towards(host, family) == expected


def test_relay_is_asked_for_the_family_of_each_side(new_provider: Any) -> None:
    provider = new_provider(media={"mode": "always"})
    alice, bob = provider.flow("UDP", FOUR, 5060), provider.flow("UDP", SIX, 5060)
    provider.register("bob", bob)
    sdp = b"v=0\r\no=- 1 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n"
    provider.invite(alice, body=sdp, Content_Type="application/sdp")
    [(command, fields)] = provider.relayed
    assert command == "offer"
    assert (fields["media address"], fields["address family"]) == ("2001:db8::1", "IP6")
    assert fields["received from"] == ["IP4", FOUR]
