"""The copy that a hop sends on is the one that single edits would make, whatever request it is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import LocalProtocolError, Request, forwarded_copy, parse_datagram
from trunkline.sip_parser.testing import message_bytes, uris

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
