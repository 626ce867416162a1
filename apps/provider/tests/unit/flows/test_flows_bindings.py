"""Bindings and the connections they were made over (RFC 5626): what a lost connection takes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trunkline.sip_proxy import Binding

INSTANCE = '"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'
HOME = "10.0.0.9"


def flow_contact(reg_id: int, host: str = HOME, transport: str = "tcp") -> str:
    return f"<sip:bob@{host};transport={transport};ob>;reg-id={reg_id};+sip.instance={INSTANCE}"


def contacts(provider: Any) -> list[tuple[int | None, int]]:
    """Bob's bindings: reg-id and number of the connection."""
    held = provider.stack.location.get("bob@example.test")
    return [(binding.reg_id, binding.flow.connection if binding.flow else 0) for binding in held]


def test_request_goes_by_the_very_connection_of_the_registration(provider: Any) -> None:
    bob = provider.flow("TCP", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact="<sip:bob@10.0.0.9:5060;transport=tcp>")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    request, way = provider.request("INVITE")
    assert way == bob
    assert request.uri == "sip:bob@10.0.0.9:5060;transport=tcp"


def test_registrar_says_that_it_keeps_flows(provider: Any) -> None:
    bob = provider.flow("TCP", "203.0.113.7", 40001)
    response = provider.register("bob", bob, Contact=flow_contact(1), Supported="path, outbound")
    assert response.status == 200
    assert response.require == ["outbound"]
    assert "outbound" in response.supported
    assert response.headers.get("Flow-Timer") == "120"
    [contact] = response.contacts
    assert (contact.params["reg-id"], contact.params["+sip.instance"]) == ("1", INSTANCE)


def test_phone_that_does_not_ask_for_flows_gets_none(provider: Any) -> None:
    response = provider.register("bob", provider.flow("TCP", "203.0.113.7", 40001))
    assert "require" not in response.headers
    assert "flow-timer" not in response.headers


def test_two_flows_of_a_phone_are_two_bindings_and_one_target(provider: Any) -> None:
    first, second = (provider.flow("TCP", "203.0.113.7", port) for port in (40001, 40002))
    provider.register("bob", first, Contact=flow_contact(1), Supported="outbound")
    provider.wait(1)
    provider.register("bob", second, Contact=flow_contact(2), Supported="outbound")
    assert sorted(contacts(provider)) == [(1, first.connection), (2, second.connection)]
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    _, way = provider.request("INVITE")
    assert way == second, "the latest"
    assert not [send for send in provider.sent if send.data.startswith(b"INVITE")]


@pytest.mark.parametrize("failure", ["430", "lost", "gone before"])
def test_next_flow_of_the_phone_stands_in_for_one_that_failed(provider: Any, failure: str) -> None:
    first, second = (provider.flow("TCP", "203.0.113.7", port) for port in (40001, 40002))
    provider.register("bob", first, Contact=flow_contact(1), Supported="outbound")
    provider.wait(1)
    provider.register("bob", second, Contact=flow_contact(2), Supported="outbound")
    caller = provider.flow("UDP", "198.51.100.1", 5060)
    if failure == "gone before":
        provider.lose(second)
    provider.invite(caller)
    if failure != "gone before":
        request, way = provider.request("INVITE")
        assert way == second
        if failure == "430":
            provider.answer(request, way, 430)
            provider.request("ACK")
        else:
            provider.lose(second)
    request, way = provider.request("INVITE")
    assert way == first
    provider.answer(request, way, 200)
    assert provider.status() == 200


def test_busy_phone_is_not_tried_by_its_other_flow(provider: Any) -> None:
    for port, number in ((40001, 1), (40002, 2)):
        flow = provider.flow("TCP", "203.0.113.7", port)
        provider.register("bob", flow, Contact=flow_contact(number), Supported="outbound")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    request, way = provider.request("INVITE")
    provider.answer(request, way, 486)
    assert provider.status() == 486


def test_caller_never_hears_of_failed_flows(provider: Any) -> None:
    bob = provider.flow("TCP", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact=flow_contact(1), Supported="outbound")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    request, way = provider.request("INVITE")
    provider.answer(request, way, 430)
    assert provider.status() == 480


def test_binding_of_a_flow_ends_with_its_connection_and_in_the_table(provider: Any) -> None:
    bob = provider.flow("TCP", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact=flow_contact(1), Supported="outbound")
    provider.written.clear()
    provider.lose(bob)
    assert contacts(provider) == []
    assert [method for method, _ in provider.written] == ["remove_binding"]
    assert provider.stack.statistics.failed_flows == 1
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    assert provider.status() == 404  # nobody of that name is known to this provider without subscribers


def test_row_that_two_flows_share_stays_while_one_of_them_stands(provider: Any) -> None:
    first, second = (provider.flow("TCP", "203.0.113.7", port) for port in (40001, 40002))
    provider.register("bob", first, Contact=flow_contact(1), Supported="outbound")
    provider.register("bob", second, Contact=flow_contact(2), Supported="outbound")
    provider.written.clear()
    provider.lose(second)
    assert contacts(provider) == [(1, first.connection)]
    [(method, (saved, _))] = provider.written
    assert (method, saved.reg_id) == ("save_binding", 1)


def test_binding_renewed_over_a_new_connection_outlives_the_old_one(provider: Any) -> None:
    old, new = (provider.flow("TCP", "203.0.113.7", port) for port in (40001, 40002))
    provider.register("bob", old, Contact=flow_contact(1), Supported="outbound")
    provider.register("bob", new, Contact=flow_contact(1), Supported="outbound")
    provider.lose(old)
    assert contacts(provider) == [(1, new.connection)]


def test_binding_without_flow_stays_and_a_listening_phone_is_called_back(provider: Any) -> None:
    bob = provider.flow("TCP", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact="<sip:bob@203.0.113.7:5070;transport=tcp>")
    provider.lose(bob)
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    _, way = provider.request("INVITE")
    assert (way.transport, way.remote, way.connection) == ("TCP", ("203.0.113.7", 5070), 0)


def test_phone_behind_a_nat_is_unavailable_without_its_connection(provider: Any) -> None:
    bob = provider.flow("TCP", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact="<sip:bob@10.0.0.9:5060;transport=tcp>")
    provider.lose(bob)
    assert len(contacts(provider)) == 1, "until its time is over, or it registers again"
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    assert provider.status() == 480


def test_flow_over_udp_leads_to_where_it_was_heard_from(provider: Any) -> None:
    bob = provider.flow("UDP", "203.0.113.7", 40001)
    provider.register("bob", bob, Contact=flow_contact(1, "203.0.113.7:5060", "udp"), Supported="outbound")
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    _, way = provider.request("INVITE")
    assert way == bob


def test_without_outbound_a_binding_is_named_by_its_uri(new_provider: Callable[..., Any]) -> None:
    provider = new_provider(registrar={"outbound": False})
    bob = provider.flow("TCP", "203.0.113.7", 40001)
    response = provider.register("bob", bob, Contact=flow_contact(1), Supported="outbound")
    assert "require" not in response.headers
    provider.register("bob", bob, Contact=flow_contact(2), Supported="outbound")
    assert len(contacts(provider)) == 1
    provider.lose(bob)
    assert len(contacts(provider)) == 1


def test_forgotten_connections_leave_nothing_behind(provider: Any) -> None:
    provider.register("carol", provider.flow("UDP", "203.0.113.9", 5060))
    for port in range(40000, 40050):
        bob = provider.flow("TCP", "203.0.113.7", port)
        provider.register("bob", bob, Contact=flow_contact(1), Supported="outbound")
        provider.invite(bob, "sip:carol@example.test")
        provider.lose(bob)
        provider.sent.clear()
        stranger = provider.flow("TCP", "203.0.113.8", port)
        provider.invite(stranger, "sip:carol@example.test")
        provider.lose(stranger)
        provider.sent.clear()
    flows = provider.stack.ways.flows
    assert not flows._standing
    assert len(flows._by_token) == len(flows._ended) == 50, "tokens of a phone that may connect again"


def test_memory_of_ended_connections_is_bounded(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.register("carol", provider.flow("UDP", "203.0.113.9", 5060))
    monkeypatch.setattr("trunkline.provider.stack._flows.ENDED_REMEMBERED", 10)
    for port in range(40000, 40050):
        bob = provider.flow("TCP", "203.0.113.7", port)
        provider.register("bob", bob)
        provider.invite(bob, "sip:carol@example.test")
        provider.lose(bob)
        provider.sent.clear()
    flows = provider.stack.ways.flows
    assert len(flows._by_token) == len(flows._ended) == 10


def test_stun_request_on_the_sip_port_is_answered_with_the_source(provider: Any) -> None:
    for host, xored in (("203.0.113.7", "ea12d545"), ("2001:db8::7", None)):
        bob = provider.flow("UDP", host, 40001)
        transaction = bytes(range(12))
        request = b"\0\x01\0\0\x21\x12\xa4\x42" + transaction
        [send] = provider.stack.datagram(request, bob, now=provider.now)
        assert send.flow == bob
        assert send.data[:4] == b"\x01\x01" + (len(send.data) - 20).to_bytes(2, "big")
        assert send.data[4:20] == request[4:20]
        port = int.from_bytes(send.data[26:28], "big") ^ 0x2112
        assert port == 40001
        if xored:
            assert send.data[28:].hex() == xored
    for noise in (b"\0", b"\0\0\0\0", b"\r\n\r\n"):
        assert provider.stack.datagram(noise, bob, now=provider.now) == []


def test_flow_of_a_server_before_this_one_is_not_looked_for(provider: Any) -> None:
    held = Binding(
        "bob@example.test",
        "sip:bob@203.0.113.7:40001;transport=tcp",
        received="sip:203.0.113.7:40001;transport=tcp",
        socket="tcp:192.0.2.1:5060",
        instance=INSTANCE.strip('"'),
        reg_id=1,
    )
    provider.stack.location.put(held)
    provider.invite(provider.flow("UDP", "198.51.100.1", 5060))
    assert provider.status() == 480
