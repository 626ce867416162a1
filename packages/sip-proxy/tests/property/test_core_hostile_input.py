"""Whatever bytes come in, the core raises only for what its caller did wrong, and leaves nothing behind."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, Request, parse_datagram
from trunkline.sip_parser.testing import message_bytes, mutated_bytes
from trunkline.sip_proxy.core import Target
from trunkline.sip_proxy.watch import CallWatch
from trunkline.sip_transaction import AckReceived, RequestReceived, StrayResponse


def play(kit: Any, datas: list[bytes]) -> None:
    bench = kit.Bench(default_ring_timeout=10.0)
    watch = CallWatch()
    target = Target("sip:bob@198.51.100.2", kit.udp(2))
    for data in datas:
        try:
            message = parse_datagram(data)
        except RemoteProtocolError as error:
            bench.take(bench.layer.receive_error(error, kit.udp(1), now=bench.now))
            continue
        bench.take(bench.layer.receive(message, kit.udp(1), now=bench.now))
        while bench.others:
            effect = bench.others.pop()
            if isinstance(effect, RequestReceived | AckReceived):
                request = effect.request
                if bench.core.validate(request) is not None:
                    continue
                routed = bench.core.route(request)
                _ = routed.preloaded, routed.next_hop
                if request.to_tag is not None:
                    watch.in_dialog(request, at=kit.NEW_YEAR)
                elif request.method == "INVITE":
                    watch.invite(request, at=kit.NEW_YEAR)
                if isinstance(effect, AckReceived):
                    bench.act(bench.core.forward_ack(request, target))
                else:
                    bench.act(bench.core.forward(effect.transaction, [target], now=bench.now))
            elif isinstance(effect, StrayResponse):
                bench.core.forward_response(effect.response)
    bench.pass_time(1000)
    assert bench.core.next_timeout() is None
    assert bench.layer.len_client == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(mutated_bytes() | message_bytes(), min_size=1, max_size=3))
def test_broken_and_odd_requests(kit: Any, datas: list[bytes]) -> None:
    play(kit, datas)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([100, 180, 200, 302, 401, 486, 503, 603, 699]),
            st.sampled_from(["to", "via", "contact", "record-route", "cseq", "from", "www-authenticate"]),
            st.sampled_from(["", "\x01", "<", "<sip:a@>", "a, b", "\ud800", ";tag=", "7 INVITE", "x" * 300]),
        ),
        max_size=4,
    )
)
def test_broken_responses_to_what_was_forwarded(kit: Any, mistakes: list[tuple[int, str, str]]) -> None:
    bench = kit.Bench(default_ring_timeout=10.0)
    watch = CallWatch()
    context = bench.forward(kit.request(), Target("sip:bob@198.51.100.2", kit.udp(2)))
    watch.invite(context.transaction.request, at=kit.NEW_YEAR)
    [sent] = bench.requests()
    assert isinstance(sent, Request)
    for status, name, value in mistakes:
        head = sent.to_bytes().decode().split("\r\n")
        lines = [line for line in head[1:] if line.startswith(("Via", "From", "To", "Call-ID", "CSeq"))]
        lines.insert(1, f"{name}: {value}")
        data = "\r\n".join([f"SIP/2.0 {status} X", *lines, "Content-Length: 0", "", ""])
        try:
            message = parse_datagram(data.encode("utf-8", "surrogatepass"))
        except RemoteProtocolError:
            continue
        bench.take(bench.layer.receive(message, kit.udp(2), now=bench.now))
    for ready in bench.ready:
        watch.response(ready.context.transaction.request, ready.response, at=kit.NEW_YEAR, now=0.0)
    bench.pass_time(1000)
    assert bench.is_idle()
