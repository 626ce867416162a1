"""The quick reading of a top Via against the parser's: the same parts, and the same marks."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, Request, Via
from trunkline.sip_transaction._top_via import read_top_via

protocols = st.sampled_from(
    ["SIP/2.0/UDP", "SIP/2.0/TLS", "SIP/2.0/WS", "sip/2.0/udp", "SIP / 2.0 / TCP", "SIP/2.0/X"]
)
hosts = st.sampled_from(["192.0.2.1", "phone.example.test", "[2001:db8::1]", "a_b", ""])
ports = st.sampled_from(["", ":5060", ":1", ":65535", ":65536", ":", ":x", " : 5070"])
params = st.lists(
    st.sampled_from(
        [
            ";branch=z9hG4bKabc",
            ";BRANCH=z9hG4bKabc",
            ";branch=z9hG4bKreceived",
            ";branch",
            "; branch = old",
            ";rport",
            ";rport=5060",
            ";RPort",
            "; rport",
            ";rportal",
            ";xrport",
            ";alias",
            ";Maddr=224.0.1.75",
            ";received=203.0.113.6",
            ";Received",
            ";maddr=224.0.1.75",
            ";ttl=1",
            ';x="a;rport;branch=z9hG4bKno"',
            ", SIP/2.0/UDP other;branch=z9hG4bKother",
        ]
    ),
    max_size=4,
    unique=True,
).map("".join)


@settings(deadline=None)
@given(st.tuples(protocols, st.sampled_from([" ", "  ", "\t"]), hosts, ports, params).map("".join))
@example("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport")
@example("SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKabc")
@example("SIP/2.0/UDP 192.0.2.1")
def test_quick_reading_is_the_same_as_parsing(text):
    request = Request("OPTIONS", "sip:x", [("Via", text)])
    try:
        parsed = request.top_via
    except RemoteProtocolError:
        parsed = None
    try:
        read = read_top_via(request)
    except RemoteProtocolError:
        assert parsed is None
        return
    if parsed is None:
        assert read._via is None  # the quick way need not see every fault
        return
    assert read.sender.host == parsed.host
    assert read.sender.name == parsed.host.lower()
    assert read.sender.port == parsed.port
    assert read.branch == parsed.branch
    assert read.asks_rport == ("rport" in parsed.params)
    assert read.claims == ("received" in parsed.params or bool(parsed.params.get("rport")))
    assert read.maddr == parsed.params.get("maddr")
    assert read.response_port == parsed.sent_by[1]
    for port in (None, 4444):
        marked = Via.parse(read.marked("198.51.100.9", port))
        assert marked.received == "198.51.100.9"
        if port is not None:
            assert marked.rport == port
        others = [name for name in parsed.params if name not in ("received", "rport")]
        assert [name for name in marked.params if name not in ("received", "rport")] == others
        assert (marked.host, marked.port, marked.branch) == (parsed.host, parsed.port, parsed.branch)


@settings(deadline=None)
@given(
    st.tuples(protocols, st.sampled_from([" ", "  "]), hosts, ports, params).map("".join),
    st.sampled_from(["", ", SIP/2.0/UDP below;branch=z9hG4bKbelow"]),
    st.sampled_from([[], [("Via", "SIP/2.0/TCP under;branch=z9hG4bKunder")]]),
    st.sampled_from(["198.51.100.9", "2001:db8::9", "fe80::9%eth0"]),
    st.sampled_from([None, 4444]),
    st.sampled_from(["OPTIONS", "BYE"]),
)
@example("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa=b;rport", "", [], "198.51.100.9", 4444, "OPTIONS")
@example("SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKa", "", [], "198.51.100.9", 4444, "OPTIONS")
@example("SIP/2.0/UDP 192.0.2.1:0;branch=z9hG4bKa", "", [], "198.51.100.9", 4444, "OPTIONS")
def test_marked_via_reads_as_if_it_had_just_come(text, beside, below, host, port, method):
    request = Request(method, "sip:x", [("Via", text + beside), *below])
    try:
        via = read_top_via(request)
        port = 4444 if via.asks_rport else port
        via.mark(request, host, port)
    except RemoteProtocolError:
        return
    fresh = Request(method, "sip:x", list(request.headers.items()))
    assert outcome(lambda: [str(via) for via in request.vias]) == outcome(
        lambda: [str(via) for via in fresh.vias]
    )
    assert outcome(lambda: request.vias) == outcome(lambda: fresh.vias)
    assert outcome(lambda: request.top_via) == outcome(lambda: fresh.top_via)


def outcome(read):
    try:
        return read()
    except RemoteProtocolError as error:
        return error.reason
