"""RFC 3261 §16.11: a proxy that remembers nothing."""

from typing import Any

import pytest

from trunkline.sip_parser import Request, Response, make_response, parse_datagram
from trunkline.sip_proxy.core import Rejection, StatelessProxy, Target
from trunkline.sip_transaction import Flow

LOCAL = ("192.0.2.1", 5060)


def make_proxy(secret: bytes = b"farm", **options: Any) -> StatelessProxy:
    def is_local(host: str, port: int | None) -> bool:
        return host == "example.test" or (host == LOCAL[0] and port in (None, 5060))

    return StatelessProxy(is_local=is_local, secret=secret, **options)


def send(kit: Any, request: Request, proxy: StatelessProxy | None = None, **options: Any) -> Request:
    """Let a request pass."""
    proxy = proxy or make_proxy()
    received = parse_datagram(request.to_bytes())
    assert isinstance(received, Request)
    assert proxy.validate(received) is None
    proxy.route(received, kit.udp(1, 6000))
    [sent] = proxy.forward(received, Target("sip:bob@198.51.100.2", kit.udp(2)), **options)
    assert sent.flow == kit.udp(2)
    assert sent.key is None, "nobody is told whether it arrived"
    forwarded = parse_datagram(sent.data)
    assert isinstance(forwarded, Request)
    return forwarded


def branch_of(request: Request) -> str:
    assert request.top_via.sent_by == LOCAL
    return str(request.top_via.branch)


def test_a_request_is_forwarded_as_by_any_proxy(kit: Any) -> None:
    routes = ("Route", "<sip:192.0.2.1:5060;lr>"), ("Route", "<sip:203.0.113.5;lr>")
    sent = send(kit, kit.request(headers=routes), record_route_for=kit.udp(1))
    assert sent.uri == "sip:bob@198.51.100.2"
    assert sent.max_forwards == 69
    assert sent.headers.values("route") == ["<sip:203.0.113.5;lr>"]
    assert sent.headers.values("record-route") == ["<sip:192.0.2.1:5060;transport=udp;lr>"]
    assert sent.headers.get("max-breadth") == "60"
    assert (sent.vias[1].received, sent.vias[1].rport) == ("198.51.100.1", 6000)


def test_a_copy_goes_on_under_the_same_branch_on_every_node_of_the_farm(kit: Any) -> None:
    first = send(kit, kit.request())
    assert send(kit, kit.request(), make_proxy()).to_bytes() == first.to_bytes()
    assert branch_of(send(kit, kit.request(), make_proxy(b"other"))) != branch_of(first)


def test_cancel_and_the_ack_of_a_failure_carry_the_branch_of_their_invite(kit: Any) -> None:
    invite = send(kit, kit.request())
    assert branch_of(send(kit, kit.request("CANCEL"))) == branch_of(invite)
    assert branch_of(send(kit, kit.request("ACK", to_tag="bob"))) == branch_of(invite)
    assert "max-breadth" not in send(kit, kit.request("CANCEL")).headers


@pytest.mark.parametrize(
    "other",
    [
        {"branch": "z9hG4bKother"},
        {"branch": "z9hG4bKfirst", "flow": Flow("UDP", LOCAL, ("198.51.100.9", 5060))},
    ],
)
def test_another_transaction_gets_another_branch(kit: Any, other: dict[str, Any]) -> None:
    assert branch_of(send(kit, kit.request(**other))) != branch_of(send(kit, kit.request()))


@pytest.mark.parametrize(
    "change",
    [{"from_tag": "x"}, {"to_tag": "x"}, {"call_id": "x@y"}, {"cseq": 2}, {"uri": "sip:x@example.test"}],
)
def test_branches_of_rfc_2543_are_told_apart_by_all_that_tells_transactions_apart(
    kit: Any, change: dict[str, Any]
) -> None:
    old = send(kit, kit.request(branch="1"))
    assert branch_of(send(kit, kit.request(branch="1"))) == branch_of(old)
    assert branch_of(send(kit, kit.request("CANCEL", branch="1"))) == branch_of(old), (
        "the method is none of it"
    )
    assert branch_of(send(kit, kit.request(branch="1", **change))) != branch_of(old)


def test_a_request_that_spirals_gets_another_branch_each_time(kit: Any) -> None:
    first = send(kit, kit.request())
    assert branch_of(send(kit, first)) != branch_of(first)


def test_a_response_goes_where_the_next_via_says(kit: Any) -> None:
    proxy = make_proxy()
    response = make_response(send(kit, kit.request(), proxy), 200, to_tag="bob")
    passed = proxy.forward_response(response)
    assert passed is not None
    assert (passed.via.received, passed.via.rport) == ("198.51.100.1", 6000)
    up = parse_datagram(passed.data)
    assert isinstance(up, Response)
    assert [via.branch for via in up.vias] == ["z9hG4bKfirst"]


def test_a_response_to_somebody_else_is_dropped(kit: Any) -> None:
    assert make_proxy().forward_response(make_response(kit.request(), 200)) is None


@pytest.mark.parametrize(("options", "status"), [({"max_forwards": 0}, 483), ({"uri": "nosuch:x"}, 416)])
def test_what_is_not_forwarded_is_answered_the_same_each_time_and_an_ack_never(
    kit: Any, options: dict[str, Any], status: int
) -> None:
    answers = set()
    for _ in range(2):
        proxy, request = make_proxy(), kit.request(**options)
        rejection = proxy.validate(request)
        assert isinstance(rejection, Rejection)
        [sent] = proxy.reject(request, kit.udp(1), rejection)
        answers.add(sent.data)
        assert proxy.reject(kit.request("ACK", **options), kit.udp(1), rejection) == []
    [data] = answers
    response = parse_datagram(data)
    assert isinstance(response, Response)
    assert response.status == status
    assert response.to_tag


def test_an_extension_required_of_proxies_is_named(kit: Any) -> None:
    request = kit.request(headers=[("Proxy-Require", "known, unheard")])
    proxy = make_proxy(proxy_require=["known"])
    rejection = proxy.validate(request)
    assert rejection is not None
    [sent] = proxy.reject(request, kit.udp(1), rejection)
    assert b"420 Bad Extension" in sent.data
    assert b"Unsupported: unheard\r\n" in sent.data


def test_what_cannot_be_written_or_has_no_hops_left_goes_nowhere(kit: Any) -> None:
    proxy = make_proxy()
    assert proxy.forward(kit.request(), Target("not a uri", kit.udp(2))) == []
    assert proxy.forward(kit.request(max_forwards=0), Target("sip:b@h", kit.udp(2))) == []
