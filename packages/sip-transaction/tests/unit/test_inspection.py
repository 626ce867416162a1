"""Each refusal of RFC 3261 §8.2, alone and in its order."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, parse_datagram
from trunkline.sip_transaction import Capabilities

PHONE = Capabilities(
    methods=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "NOTIFY"),
    extensions=("100rel", "Timer"),
    content_types=("application/SDP", "multipart/mixed"),
    encodings=("gzip",),
    languages=("en", "de-CH"),
)
SDP = "Content-Type: application/sdp\r\n"


@pytest.fixture
def inspect(desk):
    """Judge a request of these parts; give status and the header asked for, or None."""

    def inspect(method="INVITE", header=None, *, body=b"", phone=PHONE, judged=None, **changes):
        request = desk.request(method, **changes)
        request.body = body
        refused = phone.inspect(request, to_tag="ours", **(judged or {}))
        if refused is None:
            return None
        for name in ("via", "from", "call-id", "cseq"):
            assert refused.headers.get_all(name) == request.headers.get_all(name)
        assert refused.to_tag == (request.to_tag or "ours")
        again = parse_datagram(refused.to_bytes())
        return again.status if header is None else (again.status, again.headers.get(header))

    return inspect


def test_a_request_in_order_is_served(inspect):
    assert inspect() is None
    assert inspect("OPTIONS") is None
    assert inspect(more=f"{SDP}Require: TIMER, 100rel\r\nAccept: application/sdp\r\n", body=b"v=0") is None


def test_an_ack_is_never_answered(inspect):
    for changes in ({"uri": "http://x"}, {"more": "Require: nothing\r\n"}, {"cseq": "1 BYE"}, {"to": "<"}):
        assert inspect("ACK", **changes) is None


def test_what_cannot_be_read_is_400_and_says_why(inspect, desk):
    assert inspect(cseq="1 BYE") == 400
    refused = PHONE.inspect(desk.request(more="Contact: <\r\n"), to_tag="t")
    assert refused.status == 400
    assert "Contact" in refused.reason


def test_another_version_is_505(desk):
    request = parse_datagram(desk.request().to_bytes().replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1))
    assert PHONE.inspect(request, to_tag="t").status == 505


def test_a_known_method_is_405_with_those_that_are_allowed(inspect):
    assert inspect("REFER", "Allow") == (405, "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY")


@pytest.mark.parametrize("method", ["DANCE", "invite", "re%47ister"])
def test_an_unknown_method_is_501(inspect, method):
    assert inspect(method, "Allow") == (501, None)


def test_a_method_of_its_own_is_served(inspect):
    assert inspect("DANCE", phone=Capabilities(methods=("DANCE",))) is None


@pytest.mark.parametrize("uri", ["http://example.test/", "nobody:knows", "tel:+4930123"])
def test_another_scheme_is_416(inspect, uri):
    assert inspect(uri=uri) == 416


def test_schemes_are_the_user_agents(inspect):
    assert inspect(uri="SIPS:bob@example.test") is None
    phone = Capabilities(methods=("INVITE",), schemes=("tel",))
    assert inspect(uri="tel:+4930123", phone=phone) is None
    assert inspect(phone=phone) == 416


@pytest.mark.parametrize("status", [302, 403, 404, 604])
def test_who_is_meant_is_the_callers_judgement(inspect, status):
    assert inspect(judged={"refusal": status}) == status


def test_a_refusal_that_is_none_is_the_callers_mistake(inspect):
    with pytest.raises(LocalProtocolError):
        inspect(judged={"refusal": 200})


def test_a_merged_request_is_482(inspect):
    assert inspect(judged={"is_merged": True}) == 482


def test_a_to_tag_that_names_no_dialog_is_481(inspect):
    to = "<sip:bob@example.test>;tag=gone"
    for method in ("INVITE", "OPTIONS", "NOTIFY", "BYE"):
        assert inspect(method, to=to) == 481
        assert inspect(method, to=to, judged={"within_dialog": True}) is None


@pytest.mark.parametrize("method", ["BYE", "INFO", "PRACK", "UPDATE"])
def test_what_is_part_of_a_dialog_is_481_without_one(inspect, method):
    phone = Capabilities(methods=(method,))
    assert inspect(method, phone=phone) == 481
    assert inspect(method, phone=phone, judged={"within_dialog": True}) is None


def test_a_cancel_that_fits_no_invite_is_481_whatever_it_requires(inspect):
    assert inspect("CANCEL", more="Require: nothing\r\n") == 481
    assert inspect("CANCEL", judged={"within_dialog": True}) == 481


def test_unknown_extensions_are_420_and_named_as_spelled(inspect):
    assert inspect("BYE", "Unsupported", more="Require: 100rel, Foo\r\nRequire: bar\r\n") == (481, None)
    answer = inspect("OPTIONS", "Unsupported", more="Require: 100rel, Foo\r\nRequire: bar\r\n")
    assert answer == (420, "Foo, bar")
    assert inspect(more="Require: a b\r\n") == 400


def test_what_proxies_are_to_know_is_not_asked_of_a_user_agent(inspect):
    assert inspect(more="Proxy-Require: nothing\r\n") is None


def test_a_user_agent_does_not_count_hops(desk):
    request = desk.request()
    request.headers.set("Max-Forwards", "0")
    assert PHONE.inspect(request, to_tag="t") is None


@pytest.mark.parametrize("more", ["", "Content-Type: text/html\r\n"])
def test_another_type_of_body_is_415_with_those_it_understands(inspect, more):
    assert inspect("INVITE", "Accept", more=more, body=b"<") == (415, "application/sdp, multipart/mixed")


def test_a_type_counts_without_its_case_and_parameters(inspect):
    assert inspect(more="Content-Type: Multipart/MIXED;boundary=x\r\n", body=b"-") is None
    assert inspect(more="Content-Type: none\r\n", body=b"-") == 400


def test_another_encoding_is_415_with_those_it_understands(inspect):
    more = f"{SDP}Content-Encoding: "
    assert inspect(more=f"{more}GZIP, identity\r\n", body=b"v") is None
    assert inspect("INVITE", "Accept-Encoding", more=f"{more}gzip, pack\r\n", body=b"v") == (415, "gzip")
    assert inspect("INVITE", "Accept", more=f"{more}pack\r\n", body=b"v") == (415, None)
    plain = Capabilities(methods=("INVITE",))
    answer = inspect("INVITE", "Accept-Encoding", more=f"{more}gzip\r\n", body=b"v", phone=plain)
    assert answer == (415, "identity")


def test_another_language_is_415_with_those_it_understands(inspect):
    more = f"{SDP}Content-Language: "
    assert inspect(more=f"{more}en-GB, DE-ch\r\n", body=b"v") is None
    for language in ("de", "english", "fr"):
        answer = inspect("INVITE", "Accept-Language", more=f"{more}{language}\r\n", body=b"v")
        assert answer == (415, "en, de-ch")
    assert inspect(more=f"{more}fr\r\n", body=b"v", phone=Capabilities(methods=("INVITE",))) is None


def test_an_optional_body_need_not_be_understood(inspect):
    more = "Content-Type: text/html\r\nContent-Disposition: render;handling="
    assert inspect(more=f"{more}optional\r\n", body=b"<") is None
    assert inspect(more=f'{more}"Optional"\r\n', body=b"<") is None
    assert inspect(more=f"{more}required\r\n", body=b"<") == 415
    assert inspect(more="Content-Type: text/html\r\nContent-Disposition: session\r\n", body=b"<") == 415


def test_headers_about_a_body_that_is_not_there_do_not_count(inspect):
    assert inspect(more="Content-Type: text/html\r\nContent-Encoding: pack\r\n") is None


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/sdp", None),
        ("text/plain, Application/SDP;level=1", None),
        ("application/*", None),
        ("*/*;q=0.1", None),
        ("text/plain", 406),
        ("application/sdp;q=0", 406),
        ("application/sdp;q=0, */*", 406),
        ("application/*;q=0.0, */*", 406),
        ("", 406),
        ("application/sdp;q=2", 400),
    ],
)
def test_a_caller_who_accepts_no_answer_is_told_so(inspect, accept, expected):
    assert inspect(more=f"Accept: {accept}\r\n") == expected
    assert inspect("OPTIONS", more=f"Accept: {accept}\r\n") is None


def test_each_rule_comes_before_those_behind_it(inspect):
    """All that can be wrong is; it is mended one by one."""
    wrong = {
        "uri": "http://example.test/",
        "more": "Require: nothing\r\nContent-Type: text/html\r\nAccept: text/html\r\n",
        "body": b"<",
        "judged": {"refusal": 404, "is_merged": True},
    }
    found = [inspect("DANCE", **wrong), inspect("REFER", **wrong), inspect(**wrong)]
    wrong["uri"] = "sip:bob@example.test"
    found.append(inspect(**wrong))
    wrong["judged"]["refusal"] = None
    found.append(inspect(**wrong))
    wrong["judged"]["is_merged"] = False
    found.append(inspect(**wrong, to="<sip:bob@example.test>;tag=gone"))
    found.append(inspect(**wrong))
    wrong["more"] = wrong["more"].partition("\r\n")[2]
    found.append(inspect(**wrong))
    wrong["body"] = b""
    found.append(inspect(**wrong))
    wrong["more"] = ""
    assert [*found, inspect(**wrong)] == [501, 405, 416, 404, 482, 481, 420, 415, 406, None]


def test_it_tells_what_it_supports():
    assert dict(PHONE.headers()) == {
        "Allow": "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY",
        "Accept": "application/sdp, multipart/mixed",
        "Accept-Encoding": "gzip",
        "Accept-Language": "en, de-ch",
        "Supported": "100rel, timer",
    }
    assert "Accept-Language" not in dict(Capabilities(methods=("INVITE",)).headers())
