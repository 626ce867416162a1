"""RFC 3261 §18.2.1 and §18.2.2 with RFC 3581: the marks in the top Via and where responses go."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import Request, make_response, parse_datagram
from trunkline.sip_transaction import Flow, TransactionLayer

LOCAL = ("192.0.2.2", 5060)


def serve(token, via, remote, *, transport="UDP", connection=0, force_rport=False, heed_maddr=True):
    """Give the top Via a request has after it came in, and the flow its response takes."""
    layer = TransactionLayer(token=token, force_rport=force_rport, heed_maddr=heed_maddr)
    request = parse_datagram(
        (
            "OPTIONS sip:bob@example.test SIP/2.0\r\n"
            f"Via: SIP/2.0/{transport} {via}\r\n"
            "From: <sip:a@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"
            "Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()
    )
    assert isinstance(request, Request)
    (effect,) = layer.receive(request, Flow(transport, LOCAL, remote, connection), now=0)
    return request.top_via, effect.transaction.response_flow


def test_18_2_1_received_is_added_where_sent_by_says_otherwise(token):
    via, flow = serve(token, "phone.example.test:5070;branch=z9hG4bK1", ("198.51.100.9", 4444))
    assert via.received == "198.51.100.9"
    assert via.rport is None
    assert via.branch == "z9hG4bK1"
    assert flow.remote == ("198.51.100.9", 5070)
    assert flow.local == LOCAL


def test_18_2_1_nothing_is_added_where_sent_by_is_right(token):
    via, flow = serve(token, "198.51.100.9:5070;branch=z9hG4bK1", ("198.51.100.9", 4444))
    assert str(via) == "SIP/2.0/UDP 198.51.100.9:5070;branch=z9hG4bK1"
    assert flow.remote == ("198.51.100.9", 5070)


def test_18_2_2_port_of_sent_by_is_5060_by_default(token):
    _, flow = serve(token, "198.51.100.9;branch=z9hG4bK1", ("198.51.100.9", 4444))
    assert flow.remote == ("198.51.100.9", 5060)


def test_rfc3581_4_rport_is_filled_and_used_with_received_always(token):
    via, flow = serve(token, "198.51.100.9:5070;rport;branch=z9hG4bK1", ("198.51.100.9", 4444))
    assert via.received == "198.51.100.9"
    assert via.rport == 4444
    assert via.branch == "z9hG4bK1"
    assert flow.remote == ("198.51.100.9", 4444)


@pytest.mark.parametrize(
    "params", [";branch=z9hG4bK1;RPORT", "; rport ;branch=z9hG4bK1", ";rportal;branch=z9hG4bK1;rport"]
)
def test_rfc3581_4_rport_is_found_however_it_is_spelled(token, params):
    via, _ = serve(token, f"10.0.0.1:5070{params}", ("198.51.100.9", 4444))
    assert via.received == "198.51.100.9"
    assert via.rport == 4444
    assert via.branch == "z9hG4bK1"


def test_forced_rport_answers_to_the_source_though_not_asked(token):
    via, flow = serve(token, "10.0.0.1:5070;branch=z9hG4bK1", ("198.51.100.9", 4444), force_rport=True)
    assert via.received == "198.51.100.9"
    assert via.rport == 4444
    assert flow.remote == ("198.51.100.9", 4444)


def test_forced_rport_writes_nothing_where_sent_by_is_the_source(token):
    via, flow = serve(token, "198.51.100.9;branch=z9hG4bK1", ("198.51.100.9", 5060), force_rport=True)
    assert str(via) == "SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1"
    assert flow.remote == ("198.51.100.9", 5060)


@pytest.mark.parametrize("force_rport", [False, True])
@pytest.mark.parametrize("lie", [";received=203.0.113.66", ";received=203.0.113.66;rport=99", ";received"])
def test_peer_cannot_say_itself_what_was_received(token, lie, force_rport):
    remote = ("198.51.100.9", 5060)
    via, flow = serve(token, f"198.51.100.9{lie};branch=z9hG4bK1", remote, force_rport=force_rport)
    assert via.received == "198.51.100.9"
    assert via.rport in (None, 5060)
    assert flow.remote == remote


def test_18_2_2_maddr_wins_over_udp(token):
    _, flow = serve(token, "10.0.0.1:5070;maddr=224.0.1.75;branch=z9hG4bK1", ("198.51.100.9", 4444))
    assert flow.remote == ("224.0.1.75", 5070)


def test_a_server_that_strangers_reach_can_be_told_not_to_heed_maddr(token):
    for maddr in ("224.0.1.75", "203.0.113.66", "elsewhere.test"):
        via = f"10.0.0.1:5070;maddr={maddr};branch=z9hG4bK1"
        _, flow = serve(token, via, ("198.51.100.9", 4444), force_rport=True, heed_maddr=False)
        assert flow.remote == ("198.51.100.9", 4444)


@pytest.mark.parametrize("transport", ["TCP", "TLS", "WS", "WSS", "SCTP"])
def test_18_2_2_response_takes_the_connection_of_its_request(token, transport):
    _, flow = serve(
        token,
        "10.0.0.1:5070;maddr=203.0.113.66;branch=z9hG4bK1",
        ("198.51.100.9", 40001),
        transport=transport,
        connection=12,
    )
    assert flow == Flow(transport, LOCAL, ("198.51.100.9", 40001), 12)


@pytest.mark.parametrize(
    ("host", "source", "marked"),
    [
        ("[2001:db8::9:1]", "2001:db8::9:1", None),
        ("[2001:db8::9:1]", "2001:db8::9:2", "2001:db8::9:2"),
        ("phone.example.test", "fe80::1%eth0", "fe80::1"),
    ],
)
def test_rfc5118_ipv6_addresses(token, host, source, marked):
    via, flow = serve(token, f"{host};branch=z9hG4bK1", (source, 5060))
    assert via.received == marked
    assert flow.remote == (source, 5060)


@pytest.mark.parametrize("more", ["Via: SIP/2.0/UDP upstream;branch=z9hG4bK0\r\n", ""])
def test_18_2_1_only_the_top_via_is_marked(desk, more):
    transaction = desk.serve(via="SIP/2.0/UDP 10.0.0.1:5060", more=more)
    vias = transaction.request.vias
    assert vias[0].received == "192.0.2.1"
    assert [via.received for via in vias[1:]] == [None] * more.count("Via")


def test_18_2_1_marks_come_back_in_the_response(desk):
    transaction = desk.serve("OPTIONS", via="SIP/2.0/UDP 10.0.0.1:5070", via_params=";rport")
    (send,) = desk.respond(transaction, 200)
    via = parse_datagram(send.data).top_via
    assert via.received == "192.0.2.1"
    assert via.rport == 5060


def test_18_2_1_ack_that_goes_up_is_marked_too(desk):
    (effect,) = desk.receive(desk.request("ACK", via="SIP/2.0/UDP 10.0.0.1:5070"))
    assert effect.request.top_via.received == "192.0.2.1"


def test_18_2_2_lost_connection_makes_responses_ask_for_one_to_sent_by(tcp_desk):
    transaction = tcp_desk.serve(via="SIP/2.0/TCP 10.0.0.1:5070")
    assert tcp_desk.layer.flow_failed(tcp_desk.flow, "reset", now=tcp_desk.now) == []
    (send,) = tcp_desk.respond(transaction, 486)
    assert send.flow == Flow("TCP", LOCAL, ("192.0.2.1", 5070), 0)


def test_18_2_2_response_a_lost_connection_did_not_take_is_sent_by_a_new_one(tcp_desk, names):
    transaction = tcp_desk.serve()
    (send,) = tcp_desk.respond(transaction, 200)
    assert send.flow.connection == 7
    (again,) = tcp_desk.layer.transport_failed(send.key, "reset", now=tcp_desk.now)
    assert again.data == send.data
    assert again.flow == Flow("TCP", LOCAL, ("192.0.2.1", 5060), 0)
    effects = tcp_desk.layer.transport_failed(again.key, "refused", now=tcp_desk.now)
    assert names(effects) == ["TransportFailed"]


def test_lost_connection_fails_the_requests_that_wait_for_it(tcp_desk, names):
    ringing, _ = tcp_desk.send()
    tcp_desk.answer(ringing, 180)
    calling, _ = tcp_desk.send()
    asking, _ = tcp_desk.send("OPTIONS")
    effects = tcp_desk.layer.flow_failed(tcp_desk.flow, "reset", now=tcp_desk.now)
    assert names(effects) == ["TransportFailed", "Terminated"] * 2
    assert {e.transaction for e in effects} == {calling, asking}
    assert names(tcp_desk.answer(ringing, 486)) == ["Send", "ResponseReceived", "Terminated"]


def test_lost_connection_fails_requests_that_asked_for_any_connection_to_that_peer(tcp_desk, names):
    tcp_desk.flow = Flow("TCP", tcp_desk.flow.local, tcp_desk.flow.remote)
    tcp_desk.send()
    elsewhere = Flow("TCP", tcp_desk.flow.local, ("192.0.2.99", 5060), 7)
    assert tcp_desk.layer.flow_failed(elsewhere, "reset", now=tcp_desk.now) == []
    used = Flow("TCP", tcp_desk.flow.local, tcp_desk.flow.remote, 7)
    effects = tcp_desk.layer.flow_failed(used, "reset", now=tcp_desk.now)
    assert names(effects) == ["TransportFailed", "Terminated"]


def test_lost_connection_leaves_those_of_other_connections(tcp_desk):
    tcp_desk.send()
    other = Flow("TCP", tcp_desk.flow.local, tcp_desk.flow.remote, 8)
    assert tcp_desk.layer.flow_failed(other, "reset", now=tcp_desk.now) == []


@pytest.mark.parametrize("params", [";branch=z9hG4bKx", ";rport;rport", ";ttl=1;ttl=2", ";x=(;y"])
def test_18_2_2_a_lost_connection_of_a_peer_with_a_strange_via_raises_nothing(token, params):
    """Read in haste the Via may pass, and fail when it is looked at again."""
    layer = TransactionLayer(token=token)
    flow = Flow("TCP", LOCAL, ("198.51.100.9", 4444), 3)
    request = parse_datagram(
        (
            "OPTIONS sip:bob@example.test SIP/2.0\r\n"
            f"Via: SIP/2.0/TCP phone.example.test;branch=z9hG4bK1{params}\r\n"
            "From: <sip:a@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"
            "Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()
    )
    for effect in layer.receive(request, flow, now=0):
        transaction = getattr(effect, "transaction", None)
        if transaction is not None:
            layer.respond(transaction, make_response(request, 400, to_tag="t"), now=0.1)
    assert layer.flow_failed(flow, "reset", now=0.2) == []
    for transaction in list(layer._servers.by_key.values()):
        layer.transport_failed(transaction.key, "refused", now=0.3)


def test_lost_connection_leaves_those_that_asked_for_a_peer_of_another_name(tcp_desk, names):
    local, remote = tcp_desk.flow.local, tcp_desk.flow.remote
    tcp_desk.flow = Flow("TLS", local, remote, server_name="b.test")
    tcp_desk.send()
    other = Flow("TLS", local, remote, 8, "a.test")
    assert tcp_desk.layer.flow_failed(other, "TLS: hostname mismatch", now=tcp_desk.now) == []
    same = Flow("TLS", local, remote, 9, "b.test")
    effects = tcp_desk.layer.flow_failed(same, "reset", now=tcp_desk.now)
    assert names(effects) == ["TransportFailed", "Terminated"]
