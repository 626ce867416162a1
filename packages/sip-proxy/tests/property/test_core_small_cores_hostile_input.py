"""Whatever bytes come in, the small cores answer, forward or drop, and raise nothing."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, Request, parse_datagram
from trunkline.sip_parser.testing import message_bytes, mutated_bytes
from trunkline.sip_proxy.core import Alternative, RedirectServer, StatelessProxy, Target
from trunkline.sip_transaction import AckReceived, CancelReceived, RequestReceived, TransactionLayer

VIA_THAT_CANNOT_BE_READ = (
    b"INVITE sip:0@0.com SIP/2.0\r\nVia: SIP/2.0/U\r\n DP 0.com;branch=z9hG4bK0\r\n"
    b"From: <sip:a@example.com>;tag=0\r\nTo: <sip:a@example.com>;tag=0\r\nCall-ID: 0\r\n"
    b"CSeq: 0 INVITE\r\nMax-Forwards: 1\r\n\r\n"
)
HOME = Alternative("sip:bob@home.test", q=0.5)


@settings(max_examples=150, deadline=None)
@given(mutated_bytes() | message_bytes())
@example(VIA_THAT_CANNOT_BE_READ)
def test_a_stateless_proxy_forwards_what_it_does_not_refuse(kit: Any, data: bytes) -> None:
    proxy = StatelessProxy(is_local=lambda host, port: host == "example.test")
    try:
        message = parse_datagram(data)
    except RemoteProtocolError:
        return
    if not isinstance(message, Request):
        proxy.forward_response(message)
        return
    rejection = proxy.validate(message)
    if rejection is not None:
        assert len(proxy.reject(message, kit.udp(1), rejection)) == (message.method != "ACK")
        return
    routed = proxy.route(message, kit.udp(1))
    _ = routed.preloaded, routed.next_hop
    target = Target("sip:bob@198.51.100.2", kit.udp(2))
    first, again = proxy.forward(message, target), proxy.forward(message, target)
    assert [each.data for each in first] == [each.data for each in again]
    for sent in first:
        assert isinstance(parse_datagram(sent.data), Request)


@settings(max_examples=100, deadline=None)
@given(st.lists(mutated_bytes() | message_bytes(), min_size=1, max_size=3))
def test_a_redirect_server_answers_and_leaves_nothing_behind(kit: Any, datas: list[bytes]) -> None:
    layer = TransactionLayer(token=lambda count: b"\x07" * count)
    server = RedirectServer(layer, token=lambda count: b"\x08" * count)
    for data in datas:
        try:
            message = parse_datagram(data)
        except RemoteProtocolError as error:
            layer.receive_error(error, kit.udp(1), now=0.0)
            continue
        for effect in layer.receive(message, kit.udp(1), now=0.0):
            for asked in server.receive(effect, now=0.0):
                assert not isinstance(asked, AckReceived | CancelReceived)
                if isinstance(asked, RequestReceived):
                    server.redirect(asked.transaction, [HOME], now=0.0)
    now = 0.0
    while (due := layer.next_timeout()) is not None:
        now = max(now, due)
        layer.handle_timeout(now=now)
        assert now < 1000
    assert layer.len_server == 0
