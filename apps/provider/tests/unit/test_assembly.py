"""The parts are put together from what the configuration and the database say."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from simulated import DOMAIN, SERVER, Phone, World

from trunkline.provider.assembly import LocalAddresses, source_address
from trunkline.provider.transports import ListenPoint
from trunkline.sip_parser import DigestChallenge


def points(*listen: tuple[str, str, int]) -> list[ListenPoint]:
    return [ListenPoint(transport, (host, port), None) for transport, host, port in listen]  # type: ignore[arg-type]


def test_domains_of_the_table_are_served_beside_those_of_the_configuration(world: World) -> None:
    world.store.add_domain("second.test")
    world.store.add_domain(DOMAIN)
    again = world.restarted()
    assert list(again.stack.domains.names) == [DOMAIN, "second.test"]
    phone = Phone(again, "alice", ("198.51.100.1", 5060))
    phone.send(phone.request("REGISTER", "sip:second.test", to="sip:alice@second.test"))
    assert 'realm="second.test"' in (phone.response(401).headers.get("WWW-Authenticate") or "")


def test_limits_of_the_registrar_are_those_of_the_configuration(new_world: Callable[..., World]) -> None:
    registrar = {"min_expires": 100, "default_expires": 200, "max_expires": 300, "max_contacts": 1}
    world = new_world(registrar=registrar)
    [phone] = world.phones("alice")
    assert phone.register(expires=50).headers.get("Min-Expires") == "100"
    assert (phone.register(expires=900).headers.get("Contact") or "").endswith("expires=300")
    other = Phone(world, "alice", ("198.51.100.9", 5060))
    assert other.register().status == 503


def test_algorithms_and_lifetime_of_challenges_are_those_of_the_configuration(
    new_world: Callable[..., World],
) -> None:
    world = new_world(auth={"algorithms": ["SHA-256", "MD5"], "nonce_lifetime": 5})
    phone = Phone(world, "alice", ("198.51.100.1", 5060))
    assert phone.register().status == 200
    request = phone.request("REGISTER", f"sip:{DOMAIN}", to=phone.uri)
    phone.send(request)
    response = phone.response(401)
    challenges = response.headers.get_all("WWW-Authenticate")
    assert [DigestChallenge.parse(value).algorithm for value in challenges] == ["SHA-256", "MD5"]
    late = phone.authenticator.authorize(request, response, world.token)
    world.advance(7)
    phone.send(late)
    phone.response(401)


def test_short_secret_is_taken(new_world: Callable[..., World]) -> None:
    world = new_world(auth={"secret": "x"})
    assert len(list(world.phones("alice"))) == 1


def test_without_record_route_we_do_not_stay_on_the_path(new_world: Callable[..., World]) -> None:
    world = new_world(proxy={"record_route": False})
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob")
    assert "record-route" not in bob.received("INVITE").headers


@pytest.mark.parametrize(
    ("route", "ours"),
    [
        (f"sip:{SERVER[0]}", True),
        (f"sip:{SERVER[0]}:5060", True),
        (f"sip:{SERVER[0]}:5061", False),
        (f"sip:{DOMAIN}", True),
        (f"sip:{DOMAIN.upper()}:5060", True),
        (f"sip:{DOMAIN}:5090", False),
        ("sip:198.51.100.9", False),
        ("sip:elsewhere.test", False),
    ],
)
def test_route_is_ours_by_address_or_domain_and_port(world: World, route: str, ours: bool) -> None:
    alice, bob = world.phones("alice", "bob")
    alice.invite("bob", Route=f"<{route};lr>")
    assert bool(bob.inbox) is ours


def test_only_point_of_a_transport_and_family_reaches_everything() -> None:
    listen = (("UDP", "192.0.2.1", 5060), ("UDP", "::1", 5060), ("TCP", "192.0.2.1", 5070))
    addresses = LocalAddresses(points(*listen))
    assert addresses.find("UDP", "198.51.100.1") == ("192.0.2.1", 5060)
    assert addresses.find("UDP", "2001:db8::1") == ("::1", 5060)
    assert addresses.find("TCP", "198.51.100.1") == ("192.0.2.1", 5070)
    assert addresses.find("TCP", "2001:db8::1") is None
    assert addresses.find("TLS", "198.51.100.1") is None


def test_of_several_points_the_one_is_taken_that_the_kernel_would_send_from() -> None:
    addresses = LocalAddresses(points(("UDP", "192.0.2.1", 5060), ("UDP", "127.0.0.1", 5061)))
    assert addresses.find("UDP", "127.0.0.1") == ("127.0.0.1", 5061)
    assert addresses.find("UDP", "127.0.0.1") == ("127.0.0.1", 5061)


def test_where_the_kernel_knows_no_way_the_first_point_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreachable(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Unreachable)
    addresses = LocalAddresses(points(("UDP", "192.0.2.1", 5060), ("UDP", "192.0.2.2", 5060)))
    assert addresses.find("UDP", "203.0.113.1") == ("192.0.2.1", 5060)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_kernel_reaches_itself_from_itself(host: str) -> None:
    assert source_address(host) == host
