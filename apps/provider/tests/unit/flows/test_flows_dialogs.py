"""Requests within a dialog find the connection of a phone that nobody can connect to; `sips` finds only TLS;
large requests find TCP.
"""

from __future__ import annotations

from typing import Any

import pytest

PRIVATE = "<sip:bob@10.0.0.9:5060;transport={}>"
INSTANCE = '"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'


def call(
    provider: Any, caller: Any, callee: Any, binding: str | None = None, **headers: str
) -> tuple[Any, Any, Any]:
    """Set up a call; gives the INVITE as bob got it, the 200 as alice got it, and the INVITE as sent."""
    transport = callee.transport.lower()
    provider.register("bob", callee, Contact=binding or PRIVATE.format(transport), **headers)
    alice = f"<sip:alice@10.0.0.5:5060;transport={caller.transport.lower()}>"
    sent = provider.invite(caller, Contact=alice)
    invite, way = provider.request("INVITE")
    assert way == callee
    provider.answer(invite, callee, 200, PRIVATE.format(transport))
    while True:
        ok, way = provider.take()
        if not ok.is_request and ok.status == 200:
            break
    assert way == caller
    return invite, ok, sent


@pytest.mark.parametrize("callee", ["TCP", "TLS"])
@pytest.mark.parametrize("caller", ["TCP", "TLS"])
def test_both_sides_reach_the_other_over_its_connection(provider: Any, caller: str, callee: str) -> None:
    alice, bob = provider.flow(caller, "203.0.113.5", 40000), provider.flow(callee, "203.0.113.7", 40001)
    invite, ok, sent = call(provider, alice, bob)
    for sender, receiver, remote in ((alice, bob, ok), (bob, alice, invite)):
        provider.deliver(provider.in_dialog("INFO", sender, remote, sent), sender)
        request, way = provider.request("INFO")
        assert way == receiver
        own = "10.0.0.9:5060" if receiver is bob else "10.0.0.5:5060"
        assert own in request.uri
        assert "flow=" not in request.uri, "the phone finds the URI it wrote"
    provider.deliver(provider.in_dialog("ACK", alice, ok, sent), alice)
    ack, way = provider.request("ACK")
    assert way == bob
    assert "flow=" not in ack.uri


def test_phone_that_connected_anew_is_reached_there_after_its_re_invite(provider: Any) -> None:
    alice, bob = provider.flow("UDP", "203.0.113.5", 5060), provider.flow("TCP", "203.0.113.7", 40001)
    invite, ok, sent = call(provider, alice, bob)
    provider.lose(bob)
    again = provider.flow("TCP", "203.0.113.99", 40002)
    reinvite = provider.in_dialog("INVITE", again, invite, sent)
    reinvite.headers.set("Contact", PRIVATE.format("tcp"))
    provider.deliver(reinvite, again)
    moved, way = provider.request("INVITE")
    assert way == alice
    provider.deliver(provider.in_dialog("BYE", alice, _as_response(ok, moved), sent), alice)
    _, way = provider.request("BYE")
    assert way == again


def _as_response(ok: Any, moved: Any) -> Any:
    """The dialog as alice sees it after the re-INVITE: the old route, the new remote target."""
    ok.headers.set("Contact", moved.headers.get("Contact"))
    return ok


def test_connection_that_ended_fails_the_request_at_once(provider: Any) -> None:
    alice, bob = provider.flow("UDP", "203.0.113.5", 5060), provider.flow("TCP", "203.0.113.7", 40001)
    _, ok, sent = call(provider, alice, bob)
    provider.lose(bob)
    provider.deliver(provider.in_dialog("BYE", alice, ok, sent), alice)
    assert provider.status() == 430


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("named", ["contact", "instance"])
def test_phone_that_registered_over_a_new_connection_is_reached_there(
    provider: Any, named: str, noticed: bool
) -> None:
    """Whether the end of the old connection was seen or not: a phone that changed networks says nothing."""
    alice, bob = provider.flow("UDP", "203.0.113.5", 5060), provider.flow("TCP", "203.0.113.7", 40001)
    before, after = PRIVATE.format("tcp"), PRIVATE.format("tcp")
    if named == "instance":
        before += f";+sip.instance={INSTANCE}"
        after = f"<sip:bob@10.64.0.2:39000;transport=tcp>;+sip.instance={INSTANCE}"
    _, ok, sent = call(provider, alice, bob, before)
    if noticed:
        provider.lose(bob)
    again = provider.flow("TCP", "203.0.113.99", 40002)
    provider.wait(1)
    provider.register("bob", again, Contact=after)
    for method in ("INFO", "BYE"):
        provider.deliver(provider.in_dialog(method, alice, ok, sent), alice)
        request, way = provider.request(method)
        assert way == again
        assert request.uri == "sip:bob@10.0.0.9:5060;transport=tcp", "the phone finds the URI it wrote"
        provider.answer(request, again, 200)
        assert provider.status() == 200


def test_phone_that_registered_with_another_flow_is_reached_by_it(provider: Any) -> None:
    """RFC 5626 §4.3: of two flows the second takes over the requests of a dialog that began on the first."""
    alice = provider.flow("UDP", "203.0.113.5", 5060)
    first, second = (provider.flow("TCP", "203.0.113.7", port) for port in (40001, 40002))
    contact = f"{PRIVATE.format('tcp')};+sip.instance={INSTANCE}"
    provider.register("bob", second, Contact=f"{contact};reg-id=2", Supported="outbound")
    provider.wait(1)
    _, ok, sent = call(provider, alice, first, f"{contact};reg-id=1", Supported="outbound")
    provider.deliver(provider.in_dialog("INFO", alice, ok, sent), alice)
    _, way = provider.request("INFO")
    assert way == first, "as long as that stands"
    provider.lose(first)
    provider.deliver(provider.in_dialog("BYE", alice, ok, sent), alice)
    _, way = provider.request("BYE")
    assert way == second


@pytest.mark.parametrize(
    ("user", "contact"),
    [
        ("carol", PRIVATE.format("tcp")),
        ("bob", f"<sip:bob@10.0.0.77:5060;transport=tcp>;+sip.instance={INSTANCE}"),
        ("bob", "<sip:bob@10.0.0.77:5060;transport=tcp>"),
    ],
    ids=["another user", "another phone of the user", "another contact of the user"],
)
def test_dialog_of_a_phone_that_is_gone_goes_to_nobody_else(provider: Any, user: str, contact: str) -> None:
    alice, bob = provider.flow("UDP", "203.0.113.5", 5060), provider.flow("TCP", "203.0.113.7", 40001)
    _, ok, sent = call(provider, alice, bob)
    provider.lose(bob)
    provider.register(user, provider.flow("TCP", "203.0.113.99", 40002), Contact=contact)
    provider.deliver(provider.in_dialog("BYE", alice, ok, sent), alice)
    assert provider.status() == 430


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("registers", [True, False])
def test_users_who_shared_a_connection_and_parted_are_not_taken_for_each_other(
    provider: Any, ended: bool, registers: bool
) -> None:
    alice, shared = provider.flow("UDP", "203.0.113.5", 5060), provider.flow("TCP", "203.0.113.7", 40001)
    carols = "<sip:carol@10.0.0.10:5060;transport=tcp>"
    provider.register("carol", shared, Contact=carols)
    _, ok, sent = call(provider, alice, shared)
    provider.wait(1)
    other = provider.flow("TCP", "203.0.113.99", 40002)
    provider.register("carol", other, Contact=carols)
    if ended:
        provider.lose(shared)
    if registers:
        provider.register("bob", provider.flow("TCP", "203.0.113.98", 40003), Contact=PRIVATE.format("tcp"))
    provider.deliver(provider.in_dialog("BYE", alice, ok, sent), alice)
    if ended:
        assert provider.status() == 430
    else:
        assert provider.request("BYE")[1] == shared


def test_our_own_bye_goes_by_the_new_connection(provider: Any) -> None:
    alice, bob = provider.flow("TCP", "203.0.113.5", 40000), provider.flow("TCP", "203.0.113.7", 40001)
    call(provider, alice, bob)
    provider.lose(bob)
    again = provider.flow("TCP", "203.0.113.99", 40002)
    provider.register("bob", again, Contact=PRIVATE.format("tcp"))
    [watched] = provider.stack.calls.watch.calls()
    provider.stack.calls.end(watched, "administrator", provider.clock(), provider.now)
    provider.perform(provider.stack._take())
    assert [provider.request("BYE")[1] for _ in range(2)] == [alice, again]


def test_nobody_is_led_to_a_connection_by_a_token_made_up(provider: Any) -> None:
    alice, bob = provider.flow("UDP", "203.0.113.5", 5060), provider.flow("TCP", "203.0.113.7", 40001)
    _, ok, sent = call(provider, alice, bob)
    ok.headers.set("Contact", "<sip:bob@203.0.113.7:5060;transport=udp;flow=0123456789abcdef>")
    provider.deliver(provider.in_dialog("INFO", alice, ok, sent), alice)
    _, way = provider.request("INFO")
    assert (way.transport, way.remote, way.connection) == ("UDP", ("203.0.113.7", 5060), 0)


def test_our_own_bye_goes_by_the_connections_too(provider: Any) -> None:
    alice, bob = provider.flow("TCP", "203.0.113.5", 40000), provider.flow("TCP", "203.0.113.7", 40001)
    call(provider, alice, bob)
    [watched] = provider.stack.calls.watch.calls()
    provider.stack.calls.end(watched, "administrator", provider.clock(), provider.now)
    provider.perform(provider.stack._take())
    ways = []
    for _ in range(2):
        bye, way = provider.request("BYE")
        assert "flow=" not in bye.uri
        ways.append(way)
    assert ways == [alice, bob]


def test_contact_behind_another_proxy_is_not_marked(provider: Any) -> None:
    proxy, bob = provider.flow("TCP", "203.0.113.60", 40000), provider.flow("UDP", "203.0.113.7", 5060)
    provider.register("bob", bob)
    contact = "<sip:eve@198.51.100.77:5060>"
    invite = provider.compose("INVITE", "sip:bob@example.test", proxy, "alice", Contact=contact)
    invite.headers.add("Via", "SIP/2.0/UDP 198.51.100.77;branch=z9hG4bKeve")
    provider.deliver(invite, proxy)
    arrived, _ = provider.request("INVITE")
    assert arrived.headers.get("Contact") == contact


def test_phone_that_asks_for_its_flow_over_udp_gets_it(provider: Any) -> None:
    alice, bob = provider.flow("UDP", "203.0.113.5", 40000), provider.flow("UDP", "203.0.113.7", 5060)
    provider.register("bob", bob)
    via = "SIP/2.0/UDP 203.0.113.5:40000;branch=z9hG4bKob;rport"
    provider.invite(alice, Contact="<sip:alice@203.0.113.5:5060;ob>", Via=via)
    arrived, _ = provider.request("INVITE")
    assert "203.0.113.5:40000" in str(arrived.headers.get("Contact"))


# -- sips


def test_sips_request_goes_by_tls_and_records_sips(provider: Any) -> None:
    alice, bob = provider.flow("TLS", "203.0.113.5", 40000), provider.flow("TLS", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact="<sips:bob@10.0.0.9:5061>")
    provider.invite(alice, "sips:bob@example.test", Contact="<sips:alice@10.0.0.5:5061>")
    request, way = provider.request("INVITE")
    assert way == bob
    assert str(request.record_routes[0].uri).startswith("sips:192.0.2.1:5061")
    assert request.top_via.transport == "TLS"


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_sips_request_is_not_sent_on_by_anything_else(provider: Any, transport: str) -> None:
    alice, bob = provider.flow("TLS", "203.0.113.5", 40000), provider.flow(transport, "203.0.113.7", 40001)
    provider.register("bob", bob)
    provider.invite(alice, "sips:bob@example.test")
    assert provider.status() == 480


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_sips_request_that_came_by_anything_else_is_refused(provider: Any, transport: str) -> None:
    bob = provider.flow("TLS", "203.0.113.7", 40001)
    provider.register("bob", bob)
    provider.invite(provider.flow(transport, "203.0.113.5", 40000), "sips:bob@example.test")
    assert provider.status() == 403


@pytest.mark.parametrize(
    ("uri", "transport"),
    [
        ("sips:bob@198.51.100.9", "TLS"),
        ("sips:bob@198.51.100.9;transport=tcp", "TLS"),
        ("sips:bob@198.51.100.9;transport=udp", None),
        ("sip:bob@198.51.100.9;transport=tls", "TLS"),
        ("sip:bob@198.51.100.9;transport=tcp", "TCP"),
        ("sip:bob@198.51.100.9", "UDP"),
    ],
)
def test_transport_of_a_uri(provider: Any, uri: str, transport: str | None) -> None:
    from trunkline.sip_parser import Uri

    flow = provider.stack.ways.locate(Uri.parse(uri))
    assert (flow and flow.transport) == transport
    if transport == "TLS":
        assert flow.remote == ("198.51.100.9", 5061)


def test_name_to_be_proved_is_that_of_the_uri(provider: Any) -> None:
    ways = provider.stack.ways
    assert ways.flow_to("TLS", "198.51.100.9", None, name="Sip.Example.NET.").server_name == "sip.example.net"
    assert ways.flow_to("TLS", "198.51.100.9", None, name="198.51.100.9").server_name is None
    assert ways.flow_to("TCP", "198.51.100.9", None, name="sip.example.net").server_name is None


# -- large requests


def test_large_request_goes_by_tcp(provider: Any) -> None:
    bob = provider.flow("UDP", "203.0.113.7", 5060)
    provider.register("bob", bob, Contact="<sip:bob@203.0.113.7>")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060), body=b"x" * 1200)
    request, way = provider.request("INVITE")
    assert (way.transport, way.remote) == ("TCP", ("203.0.113.7", 5060))
    assert request.top_via.transport == "TCP"
    assert [route.uri.params["transport"] for route in request.record_routes] == ["tcp", "udp"]
    provider.answer(request, way, 486)
    _, way = provider.request("ACK")
    assert way.transport == "TCP"
    assert provider.status() == 486
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060), body=b"x" * 100)
    _, way = provider.request("INVITE")
    assert way == bob


def test_large_request_goes_by_udp_after_all_when_tcp_is_refused(provider: Any) -> None:
    bob = provider.flow("UDP", "203.0.113.7", 5060)
    provider.register("bob", bob, Contact="<sip:bob@203.0.113.7>")
    caller = provider.flow("UDP", "198.51.100.1", 5060)
    provider.invite(caller, body=b"x" * 1200)
    first, way = provider.request("INVITE")
    provider.lose(way, "Connection refused")
    second, way = provider.request("INVITE")
    assert way == bob
    assert second.top_via.transport == "UDP"
    assert second.top_via.branch != first.top_via.branch
    provider.answer(second, way, 200)
    assert provider.status() == 200
    provider.invite(caller, body=b"x" * 1200)
    _, way = provider.request("INVITE")
    assert way == bob, "who refused a moment ago is not asked again"
    provider.wait(400)
    provider.invite(caller, body=b"x" * 1200)
    provider.sent = type(provider.sent)(send for send in provider.sent if send.flow.transport == "TCP")
    _, way = provider.request("INVITE")
    assert way.transport == "TCP"


def test_large_request_that_both_refuse_fails_once(provider: Any) -> None:
    bob = provider.flow("UDP", "203.0.113.7", 5060)
    provider.register("bob", bob, Contact="<sip:bob@203.0.113.7>")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060), body=b"x" * 1200)
    _, way = provider.request("INVITE")
    provider.lose(way, "Connection refused")
    [send] = [send for send in provider.sent if send.data.startswith(b"INVITE")]
    provider.perform(provider.stack.send_failed(send.key, "Network is unreachable", now=provider.now))
    assert provider.status() == 480
    assert not provider.sent


def test_large_request_to_a_phone_behind_a_nat_stays_with_udp(provider: Any) -> None:
    bob = provider.flow("UDP", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact="<sip:bob@10.0.0.9>")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060), body=b"x" * 1200)
    _, way = provider.request("INVITE")
    assert way == bob


def test_large_requests_can_be_left_where_they_are(new_provider: Any) -> None:
    provider = new_provider(proxy={"udp_request_size": 0})
    bob = provider.flow("UDP", "203.0.113.7", 5060)
    provider.register("bob", bob, Contact="<sip:bob@203.0.113.7>")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060), body=b"x" * 1200)
    _, way = provider.request("INVITE")
    assert way == bob


# -- size of datagrams


def test_datagram_over_the_limit_is_answered_513_and_counted(new_provider: Any) -> None:
    provider = new_provider(limits={"message_size": 1024, "headers": 16})
    alice = provider.flow("UDP", "198.51.100.1", 5060)
    for more, body in (("x", b"y" * 900), ("x" * 1000, b"")):
        request = provider.compose("OPTIONS", "sip:example.test", alice, "alice", X_Long=more)
        request.body = body
        provider.perform(provider.stack.datagram(request.to_bytes(), alice, now=provider.now))
        assert provider.status() == 513
    request = provider.compose("OPTIONS", "sip:example.test", alice, "alice")
    for _ in range(12):
        request.headers.add("X", "y")
    provider.perform(provider.stack.datagram(request.to_bytes(), alice, now=provider.now))
    assert provider.status() == 513
    counted = provider.stack.statistics
    assert (counted.too_large_messages, counted.too_many_headers) == (2, 1)
