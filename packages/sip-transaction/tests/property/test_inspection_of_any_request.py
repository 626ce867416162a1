"""Whatever can be parsed is served or refused by a response that can be sent, and nothing is raised."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, Request, check_message, parse_datagram
from trunkline.sip_parser.testing import methods, mutated_bytes, requests, tokens
from trunkline.sip_transaction import Capabilities

STATUSES = {400, 404, 405, 406, 415, 416, 420, 481, 482, 501, 505}
ECHOED = ("via", "from", "call-id", "cseq")
some = st.lists(tokens(), max_size=3)
capabilities = st.builds(
    Capabilities,
    methods=st.lists(methods(), max_size=14),
    extensions=some,
    content_types=st.just(["application/sdp"]) | some,
    encodings=some,
    languages=st.none() | some,
    schemes=st.lists(st.sampled_from(["sip", "sips", "tel"])),
)
judgements = st.fixed_dictionaries(
    {"within_dialog": st.booleans(), "is_merged": st.booleans(), "refusal": st.none() | st.just(404)}
)


@settings(deadline=None)
@given(requests(), capabilities, judgements)
def test_a_good_request_is_served_or_gets_a_good_response(request, phone, judged):
    request = parse_datagram(request.to_bytes())
    refused = phone.inspect(request, to_tag="ours", **judged)
    if refused is None:
        assert request.method == "ACK" or request.method in phone.methods
        return
    assert refused.status in STATUSES
    assert request.method != "ACK"
    response = parse_datagram(refused.to_bytes())
    check_message(response)
    for name in ECHOED:
        assert response.headers.get_all(name) == request.headers.get_all(name)
    assert response.to_tag == (request.to_tag or "ours")


@settings(deadline=None)
@given(mutated_bytes(), capabilities, judgements)
def test_a_spoiled_request_does_no_harm(data, phone, judged):
    try:
        request = parse_datagram(data)
    except RemoteProtocolError as error:
        request = error.message
    if not isinstance(request, Request):
        return
    lines = request.to_bytes()
    refused = phone.inspect(request, to_tag="ours", **judged)
    assert request.to_bytes() == lines
    if refused is None:
        return
    assert refused.status in STATUSES
    assert refused.to_bytes().startswith(b"SIP/2.0 %d " % refused.status)
    for name in ECHOED:
        assert refused.headers.get_all(name) == request.headers.get_all(name)
