"""The copy that a hop sends on is the one that single edits would make, whatever request it is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import (
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    forwarded_bytes,
    forwarded_copy,
    parse_datagram,
    read_within_dialog,
)
from trunkline.sip_parser.testing import message_bytes, requests, uris

values = st.sampled_from(["<sip:192.0.2.1;lr>", "<sip:a;r2=on;lr>", "a\tb"])


@given(
    message_bytes(),
    st.none() | uris(),
    st.lists(values, max_size=2),
    st.none() | st.just("30"),
    st.lists(st.sampled_from(["Max-Forwards", "Max-Breadth", "Record-Route"]), max_size=4),
)
def test_it_is_what_single_edits_make(data, uri, record_routes, breadth, more):
    request = parse_datagram(data)
    if not isinstance(request, Request):
        return
    for name in more:
        request.headers.add(name, "7")
    uri = request.uri if uri is None else str(uri)
    before = request.to_bytes()
    copy = forwarded_copy(
        request, uri=uri, via="SIP/2.0/UDP a;branch=b", max_forwards="69", record_routes=record_routes,
        max_breadth=breadth,
    )  # fmt: skip
    edited = request.copy()
    edited.uri = uri
    edited.headers.set("Max-Forwards", "69")
    if breadth is not None:
        edited.headers.set("Max-Breadth", breadth)
    for value in record_routes:
        edited.headers.prepend("Record-Route", value)
    edited.headers.prepend("Via", "SIP/2.0/UDP a;branch=b")
    assert copy.to_bytes() == edited.to_bytes()
    assert copy.headers._names == edited.headers._names
    assert (copy.uri, copy.parsed_uri, copy.method) == (uri, edited.parsed_uri, request.method)
    assert request.to_bytes() == before


@pytest.mark.parametrize("wrong", [{"uri": "sip:a b"}, {"via": "a\r\nb"}, {"record_routes": ["a\nb"]}])
def test_what_cannot_be_written_is_refused(wrong):
    request = Request("INVITE", "sip:a", [("Via", "x")])
    with pytest.raises(LocalProtocolError):
        forwarded_copy(request, **{"uri": "sip:a", "via": "v", "max_forwards": "1", **wrong})
    request = parse_datagram(
        b"INVITE sip:b SIP/2.0\r\nVia: x\r\nMax-Forwards: 2\r\nFrom: <sip:c>;tag=d\r\nTo: <sip:b>\r\n"
        b"Call-ID: e\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    with pytest.raises(LocalProtocolError):
        forwarded_bytes(request, **{"uri": "sip:a", "via": "v", "max_forwards": "1", **wrong})


@given(
    message_bytes(),
    st.none() | uris(),
    st.lists(values, max_size=2),
    st.none() | st.just("30"),
    st.lists(
        st.sampled_from(["Max-Forwards", "Via", "Route", "Content-Length", "Max-Breadth", "Record-Route"]),
        max_size=2,
    ),
    st.booleans(),
    st.binary(max_size=3),
)
def test_bytes_are_those_of_the_copy(data, uri, record_routes, breadth, more, drop_route, body):
    request = parse_datagram(data)
    if not isinstance(request, Request):
        return
    for name in more:
        request.headers.add(name, "<sip:7>")
    if body:
        request.body = body
    hop = {
        "via": "SIP/2.0/UDP a;branch=b",
        "max_forwards": "69",
        "record_routes": record_routes,
        "max_breadth": breadth,
    }
    before = request.to_bytes()
    copy = forwarded_copy(request, uri=request.uri if uri is None else str(uri), **hop)
    if drop_route:
        copy.headers.drop_top("route")
    written = forwarded_bytes(request, uri=None if uri is None else str(uri), drop_route=drop_route, **hop)
    assert written == copy.to_bytes()
    assert request.to_bytes() == before


@given(
    requests(), st.lists(st.sampled_from(["Route: <sip:a;lr>", "Route: <sip:a>, <sip:b>", "Max-Forwards: 7"]))
)
def test_what_is_read_within_a_dialog_is_what_single_looks_give(request, more):
    head = request.to_bytes().partition(b"\r\n\r\n")
    lines = "".join(f"\r\n{line}" for line in more).encode()
    try:
        request = parse_datagram(head[0] + lines + b"\r\n\r\n" + head[2])
    except RemoteProtocolError:
        return
    found = read_within_dialog(request)
    if found is not None:
        tags = request.from_tag or "", request.to_tag
        assert found == (request.call_id, *tags, request.cseq.number, *request.headers.values("route"))
        assert request.max_forwards
        assert request.cseq.method == request.method


def test_a_plain_request_within_a_dialog_is_read_in_one_go():
    text = (
        "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bKc\r\nMax-Forwards: 7\r\nRoute: <sip:d;lr>\r\n"
        "From: <sip:e>;tag=f\r\nTo: <sip:g>;tag=h\r\nCall-ID: i\r\nCSeq: 2 BYE\r\n\r\n"
    )
    assert read_within_dialog(parse_datagram(text.encode())) == ("i", "f", "h", 2, "<sip:d;lr>")
    for wrong in ("Proxy-Require: x", "Route: <sip:j>"):
        assert (
            read_within_dialog(parse_datagram(text.replace("\r\n\r\n", f"\r\n{wrong}\r\n\r\n").encode()))
            is None
        )
    for old, new in (
        (";tag=h", ""),
        ("2 BYE", "2 INFO"),
        ("2 BYE", "two BYE"),
        ("ds: 7", "ds: 0"),
        ("d;lr>", "d>,"),
    ):
        assert read_within_dialog(parse_datagram(text.replace(old, new).encode())) is None
