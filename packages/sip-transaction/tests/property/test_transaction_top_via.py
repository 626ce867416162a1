"""The quick reading and marking of a top Via against the parser's: the same keys, the same marks."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, Request, _received, mark_received
from trunkline.sip_transaction import Flow
from trunkline.sip_transaction._keys import server_stem
from trunkline.sip_transaction._routing import mark_source

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
            ";branch=z9hG4bK",
            ";branch=z9hg4bKabc",
            ";branch=old",
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


requests = st.builds(
    lambda method, blank, written, beside, below: Request(
        method,
        "sip:x",
        [("Via", written[0] + blank + "".join(written[1:]) + beside), *below, *OTHERS],
    ),
    st.sampled_from(["INVITE", "BYE"]),
    st.sampled_from([" ", " ", "  ", "\t"]),
    st.tuples(protocols, hosts, ports, params),
    st.sampled_from(["", ", SIP/2.0/UDP below;branch=z9hG4bKbelow"]),
    st.sampled_from([[], [("Via", "SIP/2.0/TCP under;branch=z9hG4bKunder")]]),
)
remotes = st.tuples(
    st.sampled_from(["192.0.2.1", "198.51.100.9", "2001:db8::9", "fe80::9%eth0"]),
    st.sampled_from([5060, 5061, 80, 1, 4444]),
)
OTHERS = [
    ("From", "<sip:a@x>;tag=1"),
    ("To", "<sip:b@x>"),
    ("Call-ID", "1@x"),
    ("CSeq", "1 INVITE"),
]


def plainly(text: str, method: str = "INVITE") -> Request:
    return Request(method, "sip:x", [("Via", f"SIP/2.0/{text}"), *OTHERS])


@settings(deadline=None, max_examples=300)
@given(requests, remotes, st.booleans(), st.sampled_from(["UDP", "TLS"]))
@example(plainly("UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport"), ("192.0.2.1", 5060), True, "UDP")
@example(plainly("UDP 192.0.2.1;rport;branch=z9hG4bKabc"), ("192.0.2.1", 5060), False, "UDP")
@example(plainly("UDP 192.0.2.1;branch=z9hG4bKa=b"), ("192.0.2.1", 4444), True, "UDP")
@example(plainly("UDP 192.0.2.1;branch=z9hG4bKabc"), ("192.0.2.1", 5060), True, "UDP")
@example(plainly("UDP Phone.test:0;branch=z9hG4bKa;rport"), ("fe80::9%eth0", 5060), True, "UDP")
def test_quick_marking_is_the_same_as_parsing(request, remote, force_rport, transport):
    flow = Flow(transport, ("192.0.2.9", 5060), remote)
    plain, parsed = request.copy(), request.copy()
    stem = mark_received(plain, remote, force_rport=force_rport)
    if stem is None:
        assert list(plain.headers.items()) == list(request.headers.items())
        return
    try:
        assert stem == server_stem(parsed)
    except RemoteProtocolError:  # the quick way need not see every fault
        return
    assert mark_source(parsed, flow, force_rport=force_rport, heed_maddr=True) is flow
    assert plain.vias == parsed.vias
    assert plain.top_via == parsed.top_via


def test_the_usual_vias_are_plain():
    for text in (
        "UDP 192.0.2.1:5060;branch=z9hG4bK-1-2~.+;rport",
        "TLS phone.example.test;rport;branch=z9hG4bK1",
        "UDP 192.0.2.1:5070;branch=z9hG4bKPj1",
    ):
        assert mark_received(plainly(text), ("198.51.100.9", 1), force_rport=True) is not None


@settings(deadline=None, max_examples=300)
@given(requests, remotes, st.booleans(), st.booleans())
@example(plainly("UDP 192.0.2.1:5060;branch=z9hG4bKa=b;rport"), ("198.51.100.9", 4444), True, True)
@example(plainly("UDP 192.0.2.1:0;branch=z9hG4bKa"), ("198.51.100.9", 4444), True, True)
def test_marked_via_reads_as_if_it_had_just_come(request, remote, force_rport, quickly):
    request = request.copy()
    try:
        before = request.top_via
        if quickly:
            mark_received(request, remote, force_rport=force_rport)
        else:
            flow = Flow("UDP", ("192.0.2.9", 5060), remote)
            mark_source(request, flow, force_rport=force_rport, heed_maddr=True)
    except RemoteProtocolError:
        return
    fresh = Request(request.method, "sip:x", list(request.headers.items()))
    assert outcome(lambda: request.vias) == outcome(lambda: fresh.vias)
    assert outcome(lambda: [str(via) for via in request.vias]) == outcome(
        lambda: [str(via) for via in fresh.vias]
    )
    marked = fresh.top_via
    assert marked == request.top_via
    if marked != before:
        assert marked.received == remote[0].partition("%")[0]
        assert marked.rport == (remote[1] if force_rport or before.rport is not None else None)
    others = [name for name in before.params if name not in ("received", "rport")]
    assert [name for name in marked.params if name not in ("received", "rport")] == others
    assert (marked.host, marked.port, marked.branch) == (before.host, before.port, before.branch)


def test_what_is_remembered_has_a_bound(monkeypatch):
    monkeypatch.setattr(_received, "_REMEMBERED", 8)
    for number in range(50):
        request = plainly(f"UDP 192.0.2.{number};branch=z9hG4bKa;rport")
        assert mark_received(request, ("198.51.100.9", number), force_rport=True) is not None
        assert request.top_via.rport == number
    assert len(_received._senders) <= 8


def outcome(read):
    try:
        return read()
    except RemoteProtocolError as error:
        return error.reason
