"""RFC 3261 §16.4 and RFC 5658: what of Request-URI and Route is about us is taken out."""

from typing import Any

import pytest

from trunkline.sip_parser import Request, Uri, parse_datagram
from trunkline.sip_proxy.core import Routed

OURS = "<sip:192.0.2.1:5060;transport=udp;lr>"
OURS_TCP = "<sip:192.0.2.1:5060;transport=tcp;lr>"
NEXT = "<sip:203.0.113.5;lr>"
LAST = "<sip:203.0.113.6;lr>"


def route(kit: Any, bench: Any, uri: str, *routes: str, to_tag: str | None = "bob") -> Routed:
    request = kit.request("BYE", uri, to_tag=to_tag, headers=[("Route", value) for value in routes])
    routed: Routed = bench.core.route(request)
    assert routed.request is request
    return routed


def routes(routed: Routed) -> list[str]:
    return routed.request.headers.values("route")


def test_without_a_route_nothing_changes(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2")
    assert (routed.loose, routed.record_route_params, routed.outgoing_route) == (False, None, None)
    assert str(routed.next_hop) == "sip:bob@198.51.100.2"


def test_our_route_on_top_is_removed(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2", OURS, NEXT)
    assert routed.loose
    assert routes(routed) == [NEXT]
    assert str(routed.record_route_params) == "sip:192.0.2.1:5060;transport=udp;lr"
    assert str(routed.next_hop) == "sip:203.0.113.5;lr"


def test_our_last_route_leaves_no_route_header(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2", OURS)
    assert "route" not in routed.request.headers
    assert str(routed.next_hop) == "sip:bob@198.51.100.2"


def test_a_route_of_somebody_else_stays(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2", NEXT, OURS)
    assert not routed.loose
    assert routes(routed) == [NEXT, OURS]


@pytest.mark.parametrize("empty", ["", ","])
def test_an_empty_route_leads_where_the_request_uri_does(kit: Any, bench: Any, empty: str) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2", empty)
    assert not routed.loose
    assert str(routed.next_hop) == "sip:bob@198.51.100.2"
    assert route(kit, bench, "sip:bob@198.51.100.2", OURS, empty).next_hop == routed.next_hop


def test_several_routes_on_one_line_are_told_apart(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2", f"{OURS}, {NEXT},{LAST}")
    assert routes(routed) == [NEXT, LAST]


def test_what_was_written_into_our_record_route_comes_back(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2", "<sip:token@192.0.2.1:5060;lr;did=7a>")
    assert routed.record_route_params is not None
    assert routed.record_route_params.user == "token"
    assert routed.record_route_params.params["did"] == "7a"


def test_a_domain_of_ours_is_our_route_too(kit: Any, bench: Any) -> None:
    assert route(kit, bench, "sip:bob@198.51.100.2", "<sip:Example.TEST;lr>").loose


def test_both_of_a_double_record_route_are_removed_and_name_the_way_out(kit: Any, bench: Any) -> None:
    inner, outer = f"{OURS[:-1]};r2=on>", f"{OURS_TCP[:-1]};r2=on>"
    routed = route(kit, bench, "sip:bob@198.51.100.2", inner, outer, NEXT)
    assert routes(routed) == [NEXT]
    assert routed.outgoing_route is not None
    assert routed.outgoing_route.transport == "tcp"


def test_a_request_that_passes_twice_loses_one_route_each_time(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@198.51.100.2", OURS, OURS_TCP, NEXT)
    assert routes(routed) == [OURS_TCP, NEXT]
    assert routed.outgoing_route is None


def test_a_double_one_is_not_taken_for_the_companion_of_somebody_elses(kit: Any, bench: Any) -> None:
    inner = f"{OURS[:-1]};r2=on>"
    routed = route(kit, bench, "sip:bob@198.51.100.2", inner, "<sip:203.0.113.5;r2=on;lr>")
    assert routes(routed) == ["<sip:203.0.113.5;r2=on;lr>"]
    assert routed.outgoing_route is None


# Strict routers.


def test_what_a_strict_router_did_is_undone(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, OURS[1:-1], NEXT, "<sip:bob@198.51.100.2>")
    assert routed.loose
    assert routed.request.uri == "sip:bob@198.51.100.2"
    assert routes(routed) == [NEXT]
    assert str(routed.record_route_params) == OURS[1:-1]


def test_a_strict_router_next_to_the_callee_leaves_no_route(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, OURS[1:-1], "<sip:bob@198.51.100.2>")
    assert routed.request.uri == "sip:bob@198.51.100.2"
    assert "route" not in routed.request.headers


def test_the_companion_of_a_double_one_is_removed_after_a_strict_router_too(kit: Any, bench: Any) -> None:
    routed = route(
        kit, bench, f"{OURS[1:-1]};r2=on", f"{OURS_TCP[:-1]};r2=on>", NEXT, "<sip:bob@198.51.100.2>"
    )
    assert routed.request.uri == "sip:bob@198.51.100.2"
    assert routes(routed) == [NEXT]
    assert routed.outgoing_route is not None


def test_after_a_strict_router_our_route_of_another_lap_is_removed_as_ever(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, OURS[1:-1], OURS_TCP, NEXT, "<sip:bob@198.51.100.2>")
    assert routes(routed) == [NEXT]
    assert routed.record_route_params is not None
    assert routed.record_route_params.transport == "tcp"


@pytest.mark.parametrize(
    "uri", ["sip:bob@example.test;lr", "sip:203.0.113.9;lr", "sip:192.0.2.1:5060", "tel:+1;lr"]
)
def test_a_request_uri_that_we_never_wrote_is_left_alone(kit: Any, bench: Any, uri: str) -> None:
    routed = route(kit, bench, uri, NEXT, LAST)
    assert routed.request.uri == uri
    assert routes(routed) == [NEXT, LAST]
    assert not routed.loose


# Preloaded routes.


def test_a_route_on_a_request_that_begins_a_dialog_is_preloaded(kit: Any, bench: Any) -> None:
    assert route(kit, bench, "sip:bob@elsewhere.test", OURS, to_tag=None).preloaded
    assert not route(kit, bench, "sip:bob@elsewhere.test", OURS).preloaded
    assert not route(kit, bench, "sip:bob@elsewhere.test", NEXT, to_tag=None).preloaded


# maddr.


def test_maddr_that_is_us_is_stripped_with_port_and_transport(kit: Any, bench: Any) -> None:
    routed = route(kit, bench, "sip:bob@elsewhere.test:5061;maddr=192.0.2.1;transport=tls;user=phone")
    assert routed.request.uri == "sip:bob@elsewhere.test;user=phone"


@pytest.mark.parametrize(
    "uri", ["sip:bob@elsewhere.test;maddr=203.0.113.9", "sip:bob@elsewhere.test:7000;maddr=192.0.2.1"]
)
def test_maddr_that_is_not_us_or_not_this_port_stays(kit: Any, bench: Any, uri: str) -> None:
    assert route(kit, bench, uri).request.uri == uri


@pytest.mark.parametrize(
    ("uri", "stripped"),
    [
        ("sip:bob@elsewhere.test;maddr=192.0.2.1", True),
        ("sip:bob@elsewhere.test:5060;maddr=192.0.2.1;transport=udp", True),
        ("sip:bob@elsewhere.test;maddr=192.0.2.1;transport=tcp", False),
        ("sip:bob@elsewhere.test:5061;maddr=192.0.2.1;transport=tls", False),
        ("sip:bob@elsewhere.test:5061;maddr=192.0.2.1", False),
    ],
)
def test_maddr_stays_where_the_request_came_by_another_port_or_transport(
    kit: Any, bench: Any, uri: str, stripped: bool
) -> None:
    request = kit.request("INVITE", uri)
    bench.core.route(request, kit.udp(1))
    assert request.uri == ("sip:bob@elsewhere.test" if stripped else uri)


def test_the_next_hop_of_a_telephone_number_is_not_known_here(kit: Any, bench: Any) -> None:
    assert route(kit, bench, "tel:+4930123").next_hop is None
    assert isinstance(route(kit, bench, "tel:+4930123", OURS, NEXT).next_hop, Uri)


@pytest.mark.parametrize("empty", ["", " ", ",", "\r\n "])
def test_a_route_header_that_names_nobody_leads_nowhere_else(kit: Any, bench: Any, empty: str) -> None:
    data = kit.request("BYE", "sip:bob@198.51.100.2", to_tag="bob").to_bytes()
    request = parse_datagram(data.replace(b"\r\n", f"\r\nRoute:{empty}\r\n".encode(), 1))
    assert isinstance(request, Request)
    if bench.core.validate(request) is None:
        routed = bench.core.route(request)
        assert not routed.loose
        assert str(routed.next_hop) == "sip:bob@198.51.100.2"
