"""RFC 3261 §16.3 and RFC 5393: what a proxy refuses before it routes. Credentials are with `auth`."""

from typing import Any

import pytest

from trunkline.sip_parser import Request
from trunkline.sip_proxy.core import Target


def refused(bench: Any, request: Request) -> tuple[int, dict[str, str]] | None:
    rejection = bench.core.validate(request)
    return None if rejection is None else (rejection.status, dict(rejection.headers))


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "REGISTER", "OPTIONS", "UNHEARD"])
def test_a_good_request_of_any_method_passes(kit: Any, bench: Any, method: str) -> None:
    assert bench.core.validate(kit.request(method)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CSeq", "1 BYE"),
        ("CSeq", "one INVITE"),
        ("To", "<sip:bob@example.test"),
        ("From", "<sip:a b@example.test>;tag=1"),
        ("Max-Forwards", "many"),
        ("Contact", "<sip:alice@>"),
    ],
)
def test_step_1_a_request_that_cannot_be_read_gets_400(kit: Any, bench: Any, name: str, value: str) -> None:
    request = kit.request()
    request.headers.set(name, value)
    rejection = bench.core.validate(request)
    assert rejection is not None
    assert rejection.status == 400
    assert rejection.reason
    assert bench.core.statistics.rejected == {400: 1}


def test_step_1_another_version_gets_505(kit: Any, bench: Any) -> None:
    request = Request("INVITE", "sip:bob@example.test", kit.request().headers, version="SIP/3.0")
    assert refused(bench, request) == (505, {})
    within = Request("BYE", "sip:bob@example.test", kit.request("BYE", to_tag="b").headers, version="SIP/3.0")
    assert refused(bench, within) == (505, {})


def test_step_1_within_a_dialog_only_what_forwarding_needs_is_read(kit: Any, bench: Any) -> None:
    request = kit.request("BYE", to_tag="bob")
    request.headers.set("Contact", "<sip:alice@>")
    assert bench.core.validate(request) is None
    request.headers.set("CSeq", "2 INVITE")
    assert refused(bench, request) == (400, {})


def test_step_2_an_unknown_uri_scheme_gets_416(kit: Any, bench: Any) -> None:
    assert refused(bench, kit.request(uri="nobodyKnowsThisScheme:totallyopaquecontent")) == (416, {})


@pytest.mark.parametrize("uri", ["sip:bob@example.test", "sips:bob@example.test", "tel:+4930123"])
def test_step_2_known_uri_schemes_pass(kit: Any, bench: Any, uri: str) -> None:
    assert bench.core.validate(kit.request(uri=uri)) is None


@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS", "ACK"])
def test_step_3_no_hops_left_gets_483(kit: Any, bench: Any, method: str) -> None:
    assert refused(bench, kit.request(method, max_forwards=0)) == (483, {})
    assert refused(bench, kit.request(method, max_forwards=0, to_tag="b")) == (483, {})
    assert bench.core.validate(kit.request(method, max_forwards=1)) is None
    assert bench.core.validate(kit.request(method, max_forwards=None)) is None


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS"])
def test_step_3_a_request_to_the_server_itself_needs_no_hops(kit: Any, bench: Any, method: str) -> None:
    assert bench.core.validate(kit.request(method, "sip:example.test", max_forwards=0)) is None
    assert refused(bench, kit.request(method, "sip:elsewhere.test", max_forwards=0)) == (483, {})


def test_step_5_extensions_required_of_proxies_get_420_with_all_unknown_ones(kit: Any) -> None:
    bench = kit.Bench(proxy_require=["Path"])
    headers = [("Proxy-Require", "foo, path"), ("Proxy-Require", "Bar")]
    assert refused(bench, kit.request(headers=headers)) == (420, {"Unsupported": "foo, Bar"})
    assert bench.core.validate(kit.request(headers=[("Proxy-Require", "PATH")])) is None


def test_step_5_ack_is_never_refused_for_an_extension(kit: Any, bench: Any) -> None:
    assert bench.core.validate(kit.request("ACK", headers=[("Proxy-Require", "foo")])) is None


# Step 4: loops, RFC 5393 §4.2.


def forwarded(bench: Any, request: Request, target: Target) -> Request:
    bench.forward(request, target)
    sent = bench.requests()[-1]
    assert isinstance(sent, Request)
    return sent


def come_back(request: Request, hop: str = "203.0.113.9", uri: str | None = None) -> Request:
    """Let another proxy send a request on, to us."""
    back = request.copy()
    back.headers.prepend("Via", f"SIP/2.0/UDP {hop}:5060;branch=z9hG4bKx{len(request.headers)}{hop}")
    back.uri = uri or "sip:bob@example.test"
    return back


def test_step_4_a_request_that_comes_back_the_same_way_unchanged_gets_482(kit: Any, bench: Any) -> None:
    target = Target("sip:bob@203.0.113.9", kit.udp(9))
    first = forwarded(bench, kit.request(), target)
    lap = come_back(first)
    assert bench.core.validate(lap) is None, "it came from the caller before, and from another hop now"
    again = come_back(forwarded(bench, lap, target))
    assert refused(bench, again) == (482, {})


def test_step_4_a_spiral_passes(kit: Any, bench: Any) -> None:
    target = Target("sip:bob@203.0.113.9", kit.udp(9))
    first = forwarded(bench, come_back(kit.request()), target)
    assert bench.core.validate(come_back(first, uri="sip:carol@example.test")) is None
    assert bench.core.validate(come_back(first, hop="203.0.113.10")) is None
    other_route = come_back(first)
    other_route.headers.prepend("Route", "<sip:203.0.113.77;lr>")
    assert bench.core.validate(other_route) is None


def test_step_4_our_own_route_does_not_hide_a_loop(kit: Any, bench: Any) -> None:
    first = forwarded(bench, come_back(kit.request()), Target("sip:bob@203.0.113.9", kit.udp(9)))
    lap = come_back(first)
    lap.headers.prepend("Route", "<sip:192.0.2.1:5060;transport=udp;lr>")
    assert refused(bench, lap) == (482, {})
    assert "route" in lap.headers, "validation changes nothing"


def test_step_4_the_mark_of_another_node_is_no_loop(kit: Any, bench: Any) -> None:
    other = kit.Bench(loop_secret=b"another node")
    first = forwarded(other, come_back(kit.request()), Target("sip:bob@203.0.113.9", kit.udp(9)))
    assert refused(other, come_back(first)) == (482, {})
    assert bench.core.validate(come_back(first)) is None
    same_secret_elsewhere = come_back(first)
    values = same_secret_elsewhere.headers.values("via")
    same_secret_elsewhere.headers.remove("via")
    for value in values:
        same_secret_elsewhere.headers.add("Via", value.replace("192.0.2.1", "192.0.2.2"))
    assert other.core.validate(same_secret_elsewhere) is None


def test_step_4_a_request_within_a_dialog_is_left_to_max_forwards(kit: Any, bench: Any) -> None:
    request = kit.request("BYE", to_tag="bob")
    first = forwarded(bench, request, Target("sip:bob@203.0.113.9", kit.udp(9)))
    assert first.top_via.branch is not None
    assert "." not in first.top_via.branch
    assert bench.core.validate(come_back(first)) is None


def test_the_loop_mark_is_the_same_after_a_restart(kit: Any) -> None:
    marks = set()
    for _ in range(2):
        bench = kit.Bench(loop_secret=b"kept")
        sent = forwarded(bench, kit.request(), Target("sip:bob@203.0.113.9", kit.udp(9)))
        marks.add((sent.top_via.branch or "").partition(".")[2])
    assert len(marks) == 1
