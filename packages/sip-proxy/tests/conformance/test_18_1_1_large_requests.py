"""RFC 3261 §18.1.1: a request too large for a datagram goes by a congestion-controlled transport.

And RFC 5626 §7, whose stand-ins take the same way. Calls through a whole stack are the provider's tests.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from trunkline.sip_parser import Request, make_response, parse_datagram
from trunkline.sip_proxy import ProxyCore, ResponseReady, Target
from trunkline.sip_transaction import Flow, RequestReceived, Send, TransactionLayer

LOCAL = ("192.0.2.1", 5060)
CALLER = Flow("UDP", LOCAL, ("198.51.100.1", 5060))
BOB = ("203.0.113.7", 5060)
BY_UDP, BY_TCP = Flow("UDP", LOCAL, BOB), Flow("TCP", LOCAL, BOB)


class Proxy:
    """A layer and a core; every target is forwarded to, every response relayed."""

    def __init__(self, **options: Any) -> None:
        token = Random(3).randbytes
        self.layer = TransactionLayer(token=token)
        self.core = ProxyCore(self.layer, is_local=lambda host, port: False, token=token, **options)
        self.sent: list[Send] = []
        self.final: list[int] = []

    def invite(self, *targets: Target, size: int) -> None:
        lines = [
            ("Via", "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKa"),
            ("From", "<sip:a@example.test>;tag=1"),
            ("To", "<sip:b@example.test>"),
            ("Call-ID", "1"),
            ("CSeq", "1 INVITE"),
            ("Contact", "<sip:a@198.51.100.1>"),
        ]
        request = Request("INVITE", "sip:b@example.test", lines, b"x" * size)
        [received] = self.layer.receive(parse_datagram(request.to_bytes()), CALLER, now=0.0)
        assert isinstance(received, RequestReceived)
        self.take(self.core.forward(received.transaction, targets, now=0.0))

    def take(self, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.append(effect)
            elif isinstance(effect, ResponseReady):
                self.final.append(effect.response.status)
                self.take(self.core.relay(effect.context, effect.response, now=0.0))
            else:
                rest = self.core.receive(effect, now=0.0)
                self.take([each for each in rest if each is not effect])

    def requests(self) -> list[tuple[str, Flow]]:
        """What was sent downstream, with the transport in its Via."""
        found = [(parse_datagram(send.data), send.flow) for send in self.sent if send.flow != CALLER]
        invites = [(message, flow) for message, flow in found if message.cseq.method == "INVITE"]
        return [(message.top_via.transport, flow) for message, flow in invites]


@pytest.mark.parametrize(("size", "flow"), [(100, BY_UDP), (1200, BY_TCP)])
def test_large_request_is_sent_by_the_stream_that_the_application_names(size: int, flow: Flow) -> None:
    proxy = Proxy(by_stream=lambda target, now: BY_TCP)
    proxy.invite(Target("sip:b@203.0.113.7", BY_UDP), size=size)
    assert proxy.requests() == [(flow.transport, flow)]
    assert proxy.core.statistics.moved_to_streams == (flow is BY_TCP)


def test_limit_is_that_of_the_request_as_it_is_sent() -> None:
    proxy = Proxy(by_stream=lambda target, now: BY_TCP, most_by_datagram=100_000)
    proxy.invite(Target("sip:b@203.0.113.7", BY_UDP), size=1200)
    assert proxy.requests() == [("UDP", BY_UDP)]
    exact = len(proxy.sent[0].data)
    for most, flow in ((exact, BY_UDP), (exact - 1, BY_TCP)):
        again = Proxy(by_stream=lambda target, now: BY_TCP, most_by_datagram=most)
        again.invite(Target("sip:b@203.0.113.7", BY_UDP), size=1200)
        assert again.requests() == [(flow.transport, flow)]


def test_refused_stream_lets_the_datagram_go_once() -> None:
    asked: list[Target] = []

    def by_stream(target: Target, now: float) -> Flow:
        asked.append(target)
        return BY_TCP

    proxy = Proxy(by_stream=by_stream)
    proxy.invite(Target("sip:b@203.0.113.7", BY_UDP), size=1200)
    proxy.take(proxy.layer.transport_failed(proxy.sent[-1].key, "refused", now=0.0))
    assert proxy.requests() == [("TCP", BY_TCP), ("UDP", BY_UDP)]
    assert len(asked) == 1
    proxy.take(proxy.layer.transport_failed(proxy.sent[-1].key, "unreachable", now=0.0))
    assert proxy.final == [500]


def test_where_there_is_no_stream_the_datagram_goes() -> None:
    for by_stream in (None, lambda target, now: None):
        proxy = Proxy(by_stream=by_stream)
        proxy.invite(Target("sip:b@203.0.113.7", BY_UDP), size=1200)
        assert proxy.requests() == [("UDP", BY_UDP)]


# -- RFC 5626 §7

SECOND = Flow("TCP", LOCAL, ("203.0.113.7", 40002), 2)
FIRST = Flow("TCP", LOCAL, ("203.0.113.7", 40001), 1)


def with_stand_in() -> Target:
    return Target("sip:b@10.0.0.9", SECOND, ring_timeout=30.0, otherwise=Target("sip:b@10.0.0.9", FIRST))


@pytest.mark.parametrize(("status", "flows"), [(430, 2), (486, 1), (603, 1), (500, 1)])
def test_only_a_failed_flow_is_stood_in_for(status: int, flows: int) -> None:
    proxy = Proxy()
    proxy.invite(with_stand_in(), size=10)
    request = parse_datagram(proxy.sent[-1].data)
    assert isinstance(request, Request)
    response = make_response(request, status, to_tag="t")
    proxy.take(proxy.layer.receive(parse_datagram(response.to_bytes()), SECOND, now=0.0))
    assert [flow for _, flow in proxy.requests() if flow == FIRST] == [FIRST] * (flows - 1)
    assert proxy.final == ([] if flows == 2 else [status])


def test_stand_in_has_the_time_that_is_left() -> None:
    proxy = Proxy()
    proxy.invite(with_stand_in(), size=10)
    due = proxy.core.next_timeout()
    proxy.take(proxy.layer.transport_failed(proxy.sent[-1].key, "gone", now=10.0))
    assert proxy.requests()[-1][1] == FIRST
    assert proxy.core.next_timeout() == due == 30.0


def test_cancelled_request_is_not_tried_elsewhere() -> None:
    proxy = Proxy()
    proxy.invite(with_stand_in(), size=10)
    [context] = {transaction.user for transaction in proxy.layer._servers.by_key.values()}
    proxy.take(proxy.core.cancel(context, now=0.0))
    proxy.take(proxy.layer.transport_failed(proxy.sent[-1].key, "gone", now=0.0))
    assert FIRST not in [flow for _, flow in proxy.requests()]
