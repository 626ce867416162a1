"""Routes that a caller brings along, and numbers that are too short: as the configuration says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import DOMAIN, SERVER, Phone, World, sdp

FAR = ("203.0.113.9", 5060)
OURS = f"<sip:{SERVER[0]};lr>"
THERE = f"<sip:{FAR[0]};lr>"


@pytest.fixture
def permitting(new_world: Callable[..., World]) -> World:
    return new_world(proxy={"preloaded_routes": True})


def test_by_default_a_preloaded_route_is_refused(world: World) -> None:
    [alice] = world.phones("alice")
    far = Phone(world, "gate", FAR)
    for routes in (f"{OURS}, {THERE}", THERE):
        alice.invite("bob", Route=routes)
        assert alice.response(403).reason == "Preloaded Route Refused"
    assert not far.inbox


def test_one_that_names_only_us_is_an_outbound_proxy(world: World) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", Route=OURS)
    assert "route" not in bob.received("INVITE").headers


@pytest.mark.parametrize("routes", [f"{OURS}, {THERE}", THERE])
def test_where_it_is_permitted_a_subscriber_chooses_the_way(permitting: World, routes: str) -> None:
    [alice] = permitting.phones("alice")
    far = Phone(permitting, "gate", FAR)
    alice.invite("sip:+4930123@elsewhere.test", Route=routes)
    arrived = far.received("INVITE")
    assert arrived.uri == "sip:+4930123@elsewhere.test"
    assert arrived.headers.values("route") == [THERE]
    assert "record-route" in arrived.headers
    far.reply(arrived, 180)
    assert alice.response().status == 180


def test_a_strict_router_there_is_heeded(permitting: World) -> None:
    [alice] = permitting.phones("alice")
    far = Phone(permitting, "gate", FAR)
    alice.invite("sip:dave@elsewhere.test", Route=f"<sip:{FAR[0]}>")
    arrived = far.received("INVITE")
    assert (arrived.uri, arrived.headers.values("route")) == (f"sip:{FAR[0]}", ["<sip:dave@elsewhere.test>"])


@pytest.mark.parametrize("sender", ["sip:eve@elsewhere.test", "tel:+431234"])
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "BYE"])
def test_a_stranger_does_not(permitting: World, method: str, sender: str) -> None:
    far = Phone(permitting, "gate", FAR)
    eve = Phone(permitting, "eve", ("203.0.113.66", 5060))
    eve.send(eve.request(method, f"sip:bob@{DOMAIN}", sender=sender, headers=[("Route", THERE)]))
    assert eve.response().status == 403
    assert not far.inbox


@pytest.mark.parametrize(
    ("method", "status"), [("BYE", 403), ("PRACK", 403), ("MESSAGE", 407), ("REGISTER", 401)]
)
def test_who_only_claims_to_be_a_subscriber_does_not(permitting: World, method: str, status: int) -> None:
    far = Phone(permitting, "gate", FAR)
    eve = Phone(permitting, "eve", ("203.0.113.66", 5060))
    request = eve.request(
        method, f"sip:bob@{DOMAIN}", sender=f"sip:alice@{DOMAIN}", headers=[("Route", THERE)]
    )
    eve.send(request)
    assert eve.response().status == status
    assert not far.inbox


def test_a_secure_request_does_not_go_on_in_the_clear(new_world: Callable[..., World]) -> None:
    world = new_world(proxy={"preloaded_routes": True}, auth={"challenge": False})
    far = Phone(world, "gate", FAR)
    alice = Phone(world, "alice", ("198.51.100.5", 5061), connection=4)
    alice.flow.transport = "TLS"
    alice.send(
        alice.request("INVITE", "sips:dave@elsewhere.test", sender=alice.uri, headers=[("Route", THERE)])
    )
    assert alice.response(403).reason == "SIPS Needs TLS On Every Hop"
    assert not far.inbox


def test_a_route_to_ourselves_is_no_way_out(permitting: World) -> None:
    [alice] = permitting.phones("alice")
    permitting.addresses["alias.test"] = SERVER[0]
    alice.invite("sip:dave@elsewhere.test", Route="<sip:alias.test;lr>")
    assert alice.response().status == 482


# Numbers that are not complete: RFC 3261 §21.4.22, RFC 3578.


@pytest.mark.parametrize(
    ("user", "status"),
    [("1", 484), ("+4930", 484), ("4930123", 404), ("+4930123", 404), ("nobody", 404), ("12a", 404)],
)
def test_a_number_too_short_to_be_anybodys_is_incomplete(
    new_world: Callable[..., World], user: str, status: int
) -> None:
    world = new_world(proxy={"number_length": 7})
    [alice] = world.phones("alice")
    alice.invite(user, body=sdp("198.51.100.1"))
    assert alice.response().status == status


def test_a_short_number_that_somebody_has_is_complete(new_world: Callable[..., World]) -> None:
    world = new_world(proxy={"number_length": 7}, auth={"challenge": False})
    [alice] = world.phones("alice")
    short = Phone(world, "112", ("198.51.100.7", 5060))
    assert short.register().status == 200
    alice.invite("112")
    assert short.received("INVITE").uri == short.contact[1:-1]


def test_by_default_every_number_is_complete(world: World) -> None:
    [alice] = world.phones("alice")
    alice.invite("1")
    assert alice.response().status == 404
