"""Routes of ours are known at a glance or read whole: both ways take out the same and say the same.

Not here: single cases, which are in conformance (§16.4).
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, parse_datagram
from trunkline.sip_proxy.core import ProxyCore, Rejection, Target
from trunkline.sip_transaction import TransactionLayer

params = st.sampled_from(
    ["", ";did=7a", ";r2=on", ";R2=x", ";lr=1", ";did", ";did=a-b", ";a=1;b=2", ";DID=7A", ";=1"]
)
hosts = st.sampled_from(["192.0.2.1:5060", "192.0.2.1", "198.51.100.7:5060"])
values = st.builds("<sip:{};transport=udp;lr{}>".format, hosts, params)
uris = st.sampled_from(
    ["sip:bob@198.51.100.2", "sip:bob@198.51.100.2;lr", "sip:192.0.2.1:5060;lr", "tel:+4930"]
)


def core_of(kit: Any, *, has_written: bool) -> ProxyCore:
    """Make a core that knows our address from what it wrote, or only by asking whose a host is."""
    layer = TransactionLayer(token=bytes)
    core = ProxyCore(layer, is_local=lambda host, _: host == "192.0.2.1", token=bytes)
    if has_written:
        core.forward_ack(kit.request("ACK"), Target("sip:bob@198.51.100.2", kit.udp(2)))
    return core


def outcome(core: ProxyCore, data: bytes, *, in_one: bool = False) -> Any:
    request = parse_datagram(data)
    try:
        routed = core.admit(request) if in_one else core.validate(request) or core.route(request)
        if isinstance(routed, Rejection):
            return routed.status, routed.reason, routed.headers, request.to_bytes()
        facts = routed.loose, routed.preloaded, routed.next_hop
        return *facts, routed.record_route_params, routed.outgoing_route, request.to_bytes()
    except RemoteProtocolError as error:
        return str(error)


@settings(max_examples=400, deadline=None)
@given(uri=uris, values=st.lists(values, max_size=3), joined=st.booleans(), within=st.booleans())
def test_a_route_of_ours_is_the_same_at_a_glance_and_read(
    kit: Any, uri: str, values: list[str], joined: bool, within: bool
) -> None:
    lines = [("Route", ", ".join(values))] if joined and values else [("Route", value) for value in values]
    request = kit.request("BYE", uri=uri, headers=lines, to_tag="b" if within else None)
    data = request.to_bytes()
    glance, read = core_of(kit, has_written=True), core_of(kit, has_written=False)
    first = outcome(glance, data)
    assert first == outcome(glance, data)  # and what was found last is found again
    assert first == outcome(read, data)
    assert first == outcome(core_of(kit, has_written=True), data, in_one=True)


faults = st.sampled_from(
    [
        (b"Max-Forwards: 70", b"Max-Forwards: 0"),
        (b"Max-Forwards: 70", b"Max-Forwards: x"),
        (b"From: ", b"From: <"),
        (b"CSeq: 1 BYE", b"CSeq: 1 INFO"),
        (b"CSeq: ", b"CSeq: x"),
        (b"SIP/2.0\r\n", b"SIP/3.0\r\n"),
        (b"To: ", b"Proxy-Require: x\r\nTo: "),
        (b"To: ", b"Route:\r\nTo: "),
        (b"To: ", b"To: <"),
        (b"Max-Forwards: ", b"X: "),
        (b"sip:", b"sip:%"),
        (b"Route: ", b"Route:"),
        (b"Route: ", b"Route: ,"),
        (b";lr", b";lr ,"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    uri=uris,
    values=st.lists(values, max_size=2),
    within=st.booleans(),
    faults=st.lists(faults, max_size=2),
)
def test_to_admit_is_to_validate_and_to_route(
    kit: Any, uri: str, values: list[str], within: bool, faults: list[tuple[bytes, bytes]]
) -> None:
    lines = [("Route", value) for value in values]
    data = kit.request("BYE", uri=uri, headers=lines, to_tag="b" if within else None).to_bytes()
    for text, fault in faults:
        data = data.replace(text, fault, 1)
    try:
        parse_datagram(data)
    except RemoteProtocolError:
        return
    one, two = core_of(kit, has_written=True), core_of(kit, has_written=True)
    assert outcome(one, data, in_one=True) == outcome(two, data)
