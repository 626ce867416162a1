"""RFC 3261 §17.1.3 and §17.2.3: which transaction a message belongs to, for old peers too."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import make_response
from trunkline.sip_transaction import State

ANSWERED_TO = "<sip:bob@example.test>;tag=to"


def test_17_1_3_response_is_matched_by_branch_and_method(desk, names):
    transaction, _ = desk.send(branch="z9hG4bKmine")
    response = make_response(transaction.request, 200, to_tag="x")
    response.headers.set("CSeq", "1 OPTIONS")
    assert names(desk.receive(response)) == ["StrayResponse"]
    response = make_response(desk.request(branch="z9hG4bKother"), 200, to_tag="x")
    assert names(desk.receive(response)) == ["StrayResponse"]
    assert names(desk.answer(transaction, 200)) == ["ResponseReceived"]


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 192.0.2.1:5060 ; branch = z9hG4bKmine ;received=192.0.2.9",
        "SIP/2.0/UDP 192.0.2.1:5060;received=192.0.2.9;BRANCH=z9hG4bKmine",
        "SIP / 2.0 / UDP 192.0.2.1:5060;rport=5060;branch=z9hG4bKmine, SIP/2.0/UDP x;branch=z9hG4bKx",
    ],
)
def test_17_1_3_our_via_may_come_back_spelled_differently(desk, names, via):
    transaction, _ = desk.send(branch="z9hG4bKmine")
    response = make_response(transaction.request, 200, to_tag="x")
    response.headers.set("Via", via)
    response.headers.set("CSeq", "1\tINVITE")
    assert names(desk.receive(response)) == ["ResponseReceived"]


@pytest.mark.parametrize(
    "changes",
    [
        {"branch": "z9hG4bKa2"},
        {"via": "SIP/2.0/UDP 192.0.2.77:5060"},
        {"via": "SIP/2.0/UDP 192.0.2.1:5061"},
        {"method": "OPTIONS"},
    ],
)
def test_17_2_3_branch_sent_by_and_method_make_a_transaction(desk, names, changes):
    desk.serve()
    assert desk.receive(desk.request()) == []
    changes = dict(changes)
    method = changes.pop("method", "INVITE")
    assert names(desk.receive(desk.request(method, **changes))) == ["RequestReceived"]
    assert desk.layer.len_server == 2


def test_17_2_3_nothing_else_of_a_request_matters(desk):
    desk.serve()
    same = desk.request(uri="sip:else@example.test", to="<sip:x@example.test>;tag=1", cseq="9 INVITE")
    assert desk.receive(same) == []


def test_17_2_3_a_branch_that_comes_again_with_another_call_id_is_no_copy(desk, names):
    desk.serve()
    assert "RequestReceived" in names(desk.receive(desk.request(call_id="other")))


def test_17_2_3_a_branch_that_is_only_the_cookie_is_matched_by_the_old_rules(desk, names):
    desk.serve(branch="z9hG4bK")
    assert desk.receive(desk.request(branch="z9hG4bK")) == []
    assert "RequestReceived" in names(desk.receive(desk.request(branch="z9hG4bK", cseq="9 INVITE")))


def test_17_2_3_ack_to_a_failure_is_matched_by_the_branch_of_its_invite(desk):
    transaction = desk.serve()
    desk.respond(transaction, 486)
    assert desk.receive(desk.request("ACK", to=ANSWERED_TO)) == []
    assert transaction.state is State.CONFIRMED


def test_17_2_3_ack_that_belongs_to_nothing_goes_up(desk, names):
    assert names(desk.receive(desk.request("ACK", branch="z9hG4bKunknown"))) == ["AckReceived"]
    assert desk.layer.len_server == 0


OLD = [None, "1", "f00-not-a-cookie"]


@pytest.mark.parametrize("branch", OLD)
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "BYE"])
def test_17_2_3_copy_of_an_old_request_is_absorbed(desk, sent, branch, method):
    transaction = desk.serve(method, branch=branch)
    desk.respond(transaction, 404)
    assert sent(desk.receive(desk.request(method, branch=branch))) == ["404"]
    assert desk.layer.len_server == 1


@pytest.mark.parametrize("branch", OLD)
@pytest.mark.parametrize(
    "changes",
    [
        {"uri": "sip:carol@example.test"},
        {"to": "<sip:bob@example.test>;tag=other"},
        {"from": "<sip:alice@example.test>;tag=other"},
        {"call_id": "other"},
        {"cseq": "2 INVITE"},
        {"via": "SIP/2.0/UDP 192.0.2.1:5070"},
    ],
)
def test_17_2_3_old_request_that_differs_is_new(desk, names, branch, changes):
    desk.serve(branch=branch)
    assert names(desk.receive(desk.request(branch=branch, **changes))) == ["RequestReceived"]


@pytest.mark.parametrize("branch", OLD)
def test_17_2_3_old_ack_is_matched_by_the_to_tag_of_the_response(desk, names, branch):
    transaction = desk.serve(branch=branch)
    desk.respond(transaction, 486, "ours")
    other = desk.request("ACK", branch=branch, to="<sip:bob@example.test>;tag=theirs")
    assert names(desk.receive(other)) == ["AckReceived"]
    assert transaction.state is State.COMPLETED
    assert desk.receive(desk.request("ACK", branch=branch, to="<sip:bob@example.test>;tag=ours")) == []
    assert transaction.state is State.CONFIRMED
    assert names(desk.wait(6)) == ["Terminated"]
    assert desk.layer._servers._old_acks == {}


def test_17_2_3_old_cancel_finds_its_invite(desk, names):
    desk.serve(branch=None)
    assert names(desk.receive(desk.request("CANCEL", branch=None))) == ["Send", "CancelReceived"]


def test_17_2_3_two_old_invites_with_the_same_branch_are_two(desk):
    desk.serve(branch="1", call_id="one")
    desk.serve(branch="1", call_id="two")
    assert desk.layer.len_server == 2


def test_7_3_1_cookie_in_another_case_is_still_the_cookie(desk, sent):
    transaction = desk.serve(branch="Z9HG4BKabc")
    desk.respond(transaction, 486)
    assert sent(desk.receive(desk.request(branch="Z9HG4BKabc", cseq="7 INVITE"))) == ["486"]


def test_17_1_3_client_and_server_transactions_do_not_meet(desk, names):
    ours, _ = desk.send(branch="z9hG4bKsame")
    theirs = desk.serve(branch="z9hG4bKsame")
    desk.respond(theirs, 486)
    assert names(desk.answer(ours, 200)) == ["ResponseReceived"]
    assert theirs.state is State.COMPLETED
    assert ours.state is State.ACCEPTED


@pytest.mark.parametrize("method", ["INVITE", "CANCEL", "ACK"])
def test_17_2_3_host_of_sent_by_is_compared_without_case(desk, method):
    transaction = desk.serve(via="SIP/2.0/UDP phone.example.test:5060")
    if method == "ACK":
        desk.respond(transaction, 486)
    effects = desk.receive(desk.request(method, via="SIP/2.0/UDP Phone.Example.TEST:5060"))
    assert "RequestReceived" not in [type(effect).__name__ for effect in effects]
    assert "AckReceived" not in [type(effect).__name__ for effect in effects]
