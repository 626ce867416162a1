"""RFC 3261 §16.6 and RFC 5658: what the forwarded request looks like, and to whom it goes when."""

from typing import Any

import pytest

from trunkline.sip_parser import LocalProtocolError, Request, make_response
from trunkline.sip_proxy.core import Target
from trunkline.sip_transaction import Flow

BOB = "sip:bob@198.51.100.2:5060"


def forward(kit: Any, bench: Any, request: Request, target: Target | None = None, **options: Any) -> Request:
    bench.forward(request, target or Target(BOB, kit.udp(2)), **options)
    message, flow = bench.sent[-1]
    assert isinstance(message, Request)
    assert flow == (target.flow if target else kit.udp(2))
    return message


def test_step_1_headers_body_and_order_are_kept_and_the_original_is_not_changed(kit: Any, bench: Any) -> None:
    request = kit.request(headers=[("X-Unheard", "of;it"), ("Subject", "tea")], body=b"v=0\r\n")
    transaction = bench.receive(request)
    before = transaction.request.to_bytes()
    bench.act(bench.core.forward(transaction, [Target(BOB, kit.udp(2))], now=0.0))
    [sent] = bench.requests()
    assert sent.body == b"v=0\r\n"
    ours = {"via", "max-forwards", "record-route", "max-breadth", "content-length"}
    kept = [item for item in sent.headers.items() if item[0].lower() not in ours]
    assert kept == [item for item in transaction.request.headers.items() if item[0].lower() not in ours]
    assert transaction.request.to_bytes() == before


def test_step_2_the_request_uri_is_the_targets(kit: Any, bench: Any) -> None:
    assert forward(kit, bench, kit.request()).uri == BOB


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("sip:b@198.51.100.2:5060?Route=%3Csip:x%3E", "sip:b@198.51.100.2:5060"),
        ("sip:b@198.51.100.2;method=BYE;ob?Subject=x", "sip:b@198.51.100.2;ob"),
        ("sip:what?@198.51.100.2", "sip:what?@198.51.100.2"),
    ],
)
def test_step_2_what_no_request_uri_may_hold_is_left_out(
    kit: Any, bench: Any, contact: str, uri: str
) -> None:
    assert forward(kit, bench, kit.request(), Target(contact, kit.udp(2))).uri == uri


@pytest.mark.parametrize(("before", "after"), [(70, 69), (1, 0), (255, 254), (None, 70)])
def test_step_3_max_forwards_counts_down(kit: Any, bench: Any, before: int | None, after: int) -> None:
    assert forward(kit, bench, kit.request(max_forwards=before)).max_forwards == after


def test_step_3_a_request_that_was_not_validated_gets_483_and_is_not_sent(kit: Any, bench: Any) -> None:
    bench.forward(kit.request(max_forwards=0), Target(BOB, kit.udp(2)))
    assert bench.statuses() == [483]
    assert not bench.requests()


# Step 4: Record-Route.


def record_routes(request: Request) -> list[str]:
    return request.headers.values("record-route")


def test_step_4_a_request_that_begins_a_dialog_is_recorded_above_others(kit: Any, bench: Any) -> None:
    sent = forward(kit, bench, kit.request(headers=[("Record-Route", "<sip:203.0.113.1;lr>")]))
    assert record_routes(sent) == ["<sip:192.0.2.1:5060;transport=udp;lr>", "<sip:203.0.113.1;lr>"]


@pytest.mark.parametrize("method", ["MESSAGE", "REGISTER", "OPTIONS", "BYE"])
def test_step_4_a_request_that_begins_none_is_not(kit: Any, bench: Any, method: str) -> None:
    assert record_routes(forward(kit, bench, kit.request(method))) == []


@pytest.mark.parametrize(("method", "count"), [("INVITE", 0), ("SUBSCRIBE", 0), ("NOTIFY", 1)])
def test_step_4_within_a_dialog_only_notify_is(kit: Any, bench: Any, method: str, count: int) -> None:
    """A NOTIFY may be what establishes the route set of a subscription. Source: RFC 6665 §4.3"""
    assert len(record_routes(forward(kit, bench, kit.request(method, to_tag="bob")))) == count


def test_step_4_the_application_decides(kit: Any, bench: Any) -> None:
    assert record_routes(forward(kit, bench, kit.request(), record_route=False)) == []
    silent = kit.Bench(record_route=False)
    assert record_routes(forward(kit, silent, kit.request())) == []
    asked = forward(kit, silent, kit.request("MESSAGE", branch="z9hG4bK2"), record_route=True)
    assert len(record_routes(asked)) == 1


def test_step_4_parameters_can_be_given_to_be_read_later(kit: Any, bench: Any) -> None:
    sent = forward(kit, bench, kit.request(), record_route_params=";did=7a")
    assert record_routes(sent) == ["<sip:192.0.2.1:5060;transport=udp;lr;did=7a>"]


def test_step_4_a_sips_request_is_recorded_with_sips(kit: Any, bench: Any) -> None:
    tls = Flow("TLS", ("192.0.2.1", 5061), ("198.51.100.2", 5061), 3)
    sent = forward(kit, bench, kit.request(uri="sips:bob@example.test", flow=tls), Target(BOB, tls), flow=tls)
    assert record_routes(sent) == ["<sips:192.0.2.1:5061;lr>"]


def test_rfc_5658_between_two_transports_there_is_one_for_each_side(kit: Any, bench: Any) -> None:
    sent = forward(kit, bench, kit.request(), Target(BOB, kit.tcp(2)))
    assert record_routes(sent) == [
        "<sip:192.0.2.1:5060;transport=tcp;lr;r2=on>",
        "<sip:192.0.2.1:5060;transport=udp;lr;r2=on>",
    ]


def test_rfc_5658_between_two_addresses_too_and_ipv6_stands_in_brackets(kit: Any, bench: Any) -> None:
    inside = Flow("UDP", ("2001:db8::1", 5060), ("2001:db8::2", 5060))
    sent = forward(kit, bench, kit.request(), Target("sip:bob@[2001:db8::2]", inside))
    assert record_routes(sent) == [
        "<sip:[2001:db8::1]:5060;transport=udp;lr;r2=on>",
        "<sip:192.0.2.1:5060;transport=udp;lr;r2=on>",
    ]
    assert sent.top_via.host == "2001:db8::1"


def test_what_we_record_is_taken_out_again_in_either_direction(kit: Any, bench: Any) -> None:
    sent = forward(kit, bench, kit.request(), Target(BOB, kit.tcp(2)))
    for values in (record_routes(sent), record_routes(sent)[::-1]):
        request = kit.request("BYE", BOB, to_tag="bob", headers=[("Route", value) for value in values])
        routed = bench.core.route(request)
        assert routed.loose
        assert "route" not in request.headers


SIDES = {
    "UDP": Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.7", 5060)),
    "TCP": Flow("TCP", ("192.0.2.1", 5060), ("198.51.100.7", 40007), 7),
    "TLS": Flow("TLS", ("192.0.2.1", 5061), ("198.51.100.7", 40008), 8),
    "UDP6": Flow("UDP", ("2001:db8::1", 5060), ("2001:db8::7", 5060)),
    "TCP6": Flow("TCP", ("2001:db8::1", 5060), ("2001:db8::7", 40009), 9),
}
URIS = {
    "UDP": "sip:192.0.2.1:5060;transport=udp;lr",
    "TCP": "sip:192.0.2.1:5060;transport=tcp;lr",
    "TLS": "sip:192.0.2.1:5061;transport=tls;lr",
    "UDP6": "sip:[2001:db8::1]:5060;transport=udp;lr",
    "TCP6": "sip:[2001:db8::1]:5060;transport=tcp;lr",
}


@pytest.mark.parametrize("params", ["", ";did=7a"])
@pytest.mark.parametrize("callee", SIDES)
@pytest.mark.parametrize("caller", SIDES)
def test_rfc_5658_each_side_is_given_what_it_can_reach_and_either_takes_both_out(
    kit: Any, caller: str, callee: str, params: str
) -> None:
    bench = kit.Bench()
    target = Target(BOB, SIDES[callee])
    invite = kit.request(flow=SIDES[caller])
    sent = forward(kit, bench, invite, target, flow=SIDES[caller], record_route_params=params)
    recorded = record_routes(sent)
    mark = ";r2=on" if caller != callee else ""
    assert recorded[0] == f"<{URIS[callee]}{mark}{params}>", "the callee's side is nearest to the callee"
    assert recorded[-1] == f"<{URIS[caller]}{mark}{params}>"
    assert len(recorded) == (1 if caller == callee else 2)
    # the callee's route set is as recorded, the caller's the other way round (§12.1.1, §12.1.2)
    for route_set, side in ((recorded, callee), (recorded[::-1], caller)):
        for lines in (route_set, [", ".join(route_set)]):
            bye = kit.request("BYE", BOB, to_tag="bob", headers=[("Route", line) for line in lines])
            routed = bench.core.route(bye, SIDES[side])
            assert routed.loose
            assert "route" not in bye.headers
            assert str(routed.next_hop) == BOB
            assert str(routed.record_route_params) == f"{URIS[side]}{mark}{params}"


# Step 6: routes.


def test_step_6_the_targets_route_goes_above_what_is_left(kit: Any, bench: Any) -> None:
    target = Target(BOB, kit.udp(2), route=("<sip:edge1.test;lr>", "sip:edge2.test;lr"))
    request = kit.request(headers=[("Route", "<sip:203.0.113.5;lr>")])
    sent = forward(kit, bench, request, target)
    expected = ["<sip:edge1.test;lr>", "<sip:edge2.test;lr>", "<sip:203.0.113.5;lr>"]
    assert sent.headers.values("route") == expected
    assert sent.uri == BOB


def test_step_6_a_strict_router_gets_its_own_uri_and_the_target_as_last_route(kit: Any, bench: Any) -> None:
    target = Target(BOB, kit.udp(2), route=("<sip:strict.test>",))
    sent = forward(kit, bench, kit.request(headers=[("Route", "<sip:203.0.113.5;lr>")]), target)
    assert sent.uri == "sip:strict.test"
    assert sent.headers.values("route") == ["<sip:203.0.113.5;lr>", f"<{BOB}>"]


def test_step_6_a_strict_router_in_the_route_received_is_heeded_too(kit: Any, bench: Any) -> None:
    request = kit.request("BYE", BOB, to_tag="b", headers=[("Route", "<sip:strict.test;transport=tcp>")])
    sent = forward(kit, bench, request, Target(BOB, kit.udp(2)))
    assert sent.uri == "sip:strict.test;transport=tcp"
    assert sent.headers.values("route") == [f"<{BOB}>"]


# Step 8: Via.


def test_step_8_our_via_is_on_top_with_a_new_branch_for_each_target(kit: Any, bench: Any) -> None:
    request = kit.request()
    bench.forward(request, Target(BOB, kit.udp(2)), Target("sip:bob@198.51.100.3", kit.tcp(3)))
    udp, tcp = bench.requests()
    assert (udp.top_via.transport, udp.top_via.sent_by) == ("UDP", kit.LOCAL)
    assert (tcp.top_via.transport, tcp.top_via.sent_by) == ("TCP", kit.LOCAL)
    assert str(udp.top_via.branch).startswith("z9hG4bK")
    assert udp.top_via.branch != tcp.top_via.branch
    assert udp.vias[1].branch == "z9hG4bKfirst"


def test_step_8_the_address_others_see_can_be_given(kit: Any) -> None:
    bench = kit.Bench(via_address=lambda flow: ("proxy.example.test", 5080))
    sent = forward(kit, bench, kit.request())
    assert sent.top_via.sent_by == ("proxy.example.test", 5080)
    assert record_routes(sent) == ["<sip:proxy.example.test:5080;transport=udp;lr>"]


def test_step_8_branches_of_our_own_say_nothing_of_the_secret(kit: Any) -> None:
    one = forward(kit, kit.Bench(loop_secret=b"one"), kit.request())
    two = forward(kit, kit.Bench(loop_secret=b"two"), kit.request())
    assert str(one.top_via.branch).partition(".")[2] != str(two.top_via.branch).partition(".")[2]


# Step 10: to whom, when.


def targets(kit: Any, *qs: float, **options: Any) -> list[Target]:
    return [Target(f"sip:bob@198.51.100.{n}", kit.udp(n), q=q, **options) for n, q in enumerate(qs, 2)]


def asked(bench: Any) -> list[str]:
    return [request.uri[-1] for request in bench.requests("INVITE")]


def test_step_10_targets_of_equal_q_are_tried_at_once(kit: Any, bench: Any) -> None:
    context = bench.forward(kit.request(), *targets(kit, 1.0, 1.0, 1.0))
    assert asked(bench) == ["2", "3", "4"]
    assert context.pending == 3
    assert [branch.target.uri for branch in context.branches] == [t.uri for t in targets(kit, 1.0, 1.0, 1.0)]


def test_step_10_lower_q_waits_until_all_of_higher_q_have_failed(kit: Any, bench: Any) -> None:
    bench.forward(kit.request(), *targets(kit, 0.3, 0.7, 0.7, 0.5))
    assert asked(bench) == ["3", "4"]
    bench.answer(bench.requests()[0], 486)
    assert asked(bench) == ["3", "4"]
    bench.answer(bench.requests()[1], 480)
    assert asked(bench) == ["3", "4", "5"]
    bench.answer(bench.requests("INVITE")[2], 404)
    assert asked(bench) == ["3", "4", "5", "2"]
    assert bench.statuses() == []
    bench.answer(bench.requests("INVITE")[3], 404)
    assert bench.statuses() == [486]


def test_a_target_that_cannot_be_written_fails_alone(kit: Any, bench: Any) -> None:
    bad = Target("sip:bob@198.51.100.9 ", kit.udp(9))
    bench.forward(kit.request(), bad, Target(BOB, kit.udp(2)))
    assert asked(bench) == ["0"]
    bench.answer(bench.requests()[0], 404)
    assert bench.statuses() == [404]


def test_when_no_target_can_be_written_the_caller_gets_500(kit: Any, bench: Any) -> None:
    bench.forward(kit.request(), Target("not a uri", kit.udp(9)), Target("nor this", kit.udp(9), q=0.5))
    assert bench.statuses() == [500]


def test_without_a_target_forward_asks_for_one(kit: Any, bench: Any) -> None:
    transaction = bench.receive(kit.request())
    with pytest.raises(LocalProtocolError, match="at least one target"):
        bench.core.forward(transaction, [], now=0.0)


def test_a_request_is_forwarded_once(kit: Any, bench: Any) -> None:
    context = bench.forward(kit.request(), Target(BOB, kit.udp(2)))
    with pytest.raises(LocalProtocolError, match="fork"):
        bench.core.forward(context.transaction, [Target(BOB, kit.udp(2))], now=0.0)


def test_a_request_answered_while_the_application_was_thinking_is_not_forwarded(kit: Any, bench: Any) -> None:
    transaction = bench.receive(kit.request())
    bench.take(bench.layer.respond(transaction, make_response(transaction.request, 480, to_tag="x"), now=0.0))
    assert bench.core.forward(transaction, [Target(BOB, kit.udp(2))], now=0.0) == []


def test_a_changed_copy_can_be_forwarded_in_place_of_the_request(kit: Any, bench: Any) -> None:
    transaction = bench.receive(kit.request())
    changed = transaction.request.copy()
    changed.body = b"v=1\r\n"
    changed.headers.add("P-Asserted-Identity", "<sip:alice@example.test>")
    effects = bench.core.forward(transaction, [Target(BOB, kit.udp(2))], now=0.0, request=changed, user="app")
    bench.act(effects)
    [sent] = bench.requests()
    assert sent.body == b"v=1\r\n"
    assert "p-asserted-identity" in sent.headers
    assert transaction.user.user == "app"


def test_a_request_within_a_dialog_goes_to_one_target_and_is_not_recorded(kit: Any, bench: Any) -> None:
    transaction = bench.receive(kit.request("NOTIFY", BOB, to_tag="bob"))
    bench.act(bench.core.forward_in_dialog(transaction, Target(BOB, kit.udp(2)), now=0.0))
    [sent] = bench.requests()
    assert record_routes(sent) == []
