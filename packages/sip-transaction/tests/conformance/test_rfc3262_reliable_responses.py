"""RFC 3262: reliable provisional responses on both sides, and PRACK between them."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, make_response
from trunkline.sip_transaction import (
    Arrival,
    Dialog,
    PrackMissing,
    ReliableOrder,
    ReliableResponses,
    ReliableState,
    Respond,
    make_prack,
)

VIA = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-prack"
MORE = "Contact: <sip:alice@192.0.2.1>\r\nSupported: 100rel\r\n"


@pytest.fixture
def invite(desk):
    return desk.request(more=MORE)


@pytest.fixture
def reliable(invite, token):
    return ReliableResponses(invite, token=token)


def provisional(invite, status=183, tag="bob", body=b""):
    response = make_response(invite, status, to_tag=tag, headers=[("Contact", "<sip:bob@198.51.100.2>")])
    response.body = body
    return response


def prack_of(invite, response):
    return make_prack(Dialog.from_uac(invite, response), response, via=VIA)


def wait(reliable, seconds):
    moments = []
    while (moment := reliable.next_timeout()) is not None and moment <= seconds:
        moments += [(moment, type(effect)) for effect in reliable.handle_timeout(now=moment)]
    return moments


# §3, the server.


def test_response_carries_require_and_a_number_that_rises_by_one(invite, reliable):
    numbers = []
    for _ in range(3):
        [respond] = reliable.send(provisional(invite), now=0)
        assert respond.response.require == ["100rel"]
        numbers.append(respond.response.rseq)
        assert reliable.receive_prack(prack_of(invite, respond.response)) == 200
    assert numbers == [2, 3, 4], "the token gives 1"


@pytest.mark.parametrize(
    "random", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x7f\xff\xff\xfe"]
)
def test_first_number_is_from_1_to_2_31_less_1(invite, random):
    [respond] = ReliableResponses(invite, token=lambda _: random).send(provisional(invite), now=0)
    assert 1 <= respond.response.rseq <= 2**31 - 1


def test_response_is_sent_again_with_doubled_pauses_until_64_t1(invite, reliable):
    reliable.send(provisional(invite), now=0)
    moments = wait(reliable, 32)
    assert [m for m, kind in moments if kind is Respond] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5], "no cap at T2"
    assert moments[-1] == (32, PrackMissing)
    assert reliable.state is ReliableState.ABANDONED
    assert reliable.next_timeout() is None


def test_prack_stops_the_retransmissions(invite, reliable):
    [respond] = reliable.send(provisional(invite), now=0)
    assert len(wait(reliable, 4)) == 3
    prack = prack_of(invite, respond.response)
    assert prack.headers.get("rack") == f"{respond.response.rseq} 1 INVITE"
    assert reliable.receive_prack(prack) == 200
    assert reliable.next_timeout() is None
    assert reliable.receive_prack(prack) == 481, "it acknowledges nothing any more"


@pytest.mark.parametrize("rack", ["3 1 INVITE", "2 2 INVITE", "2 1 UPDATE"])
def test_prack_that_matches_nothing_is_answered_481(invite, reliable, rack):
    [respond] = reliable.send(provisional(invite), now=0)
    assert respond.response.rseq == 2
    prack = prack_of(invite, respond.response)
    prack.headers.set("RAck", rack)
    assert reliable.receive_prack(prack) == 481
    assert reliable.state is ReliableState.UNACKNOWLEDGED


def test_prack_without_rack_is_answered_481_and_a_bad_one_is_an_error(invite, reliable):
    [respond] = reliable.send(provisional(invite), now=0)
    prack = prack_of(invite, respond.response)
    prack.headers.remove("RAck")
    assert reliable.receive_prack(prack) == 481
    prack.headers.add("RAck", "x")
    with pytest.raises(RemoteProtocolError, match="RAck"):
        reliable.receive_prack(prack)


def test_second_response_waits_for_the_prack_of_the_first(invite, reliable):
    reliable.send(provisional(invite), now=0)
    with pytest.raises(LocalProtocolError, match="Unacknowledged"):
        reliable.send(provisional(invite), now=1)


@pytest.mark.parametrize("status", [100, 200, 486])
def test_only_101_to_199_are_sent_reliably(invite, reliable, status):
    with pytest.raises(LocalProtocolError, match="101 to 199"):
        reliable.send(provisional(invite, status), now=0)


def test_caller_who_does_not_know_it_gets_nothing_reliable(desk, token):
    request = desk.request()
    with pytest.raises(LocalProtocolError, match="100rel"):
        ReliableResponses(request, token=token).send(provisional(request), now=0)


def test_2xx_waits_for_the_prack_of_an_offer(invite, reliable):
    assert reliable.may_accept
    [respond] = reliable.send(provisional(invite, body=b"v=0"), now=0)
    assert not reliable.may_accept
    reliable.receive_prack(prack_of(invite, respond.response))
    assert reliable.may_accept
    reliable.send(provisional(invite, 180), now=1)
    assert reliable.may_accept


def test_final_response_ends_the_retransmissions_and_a_late_prack_is_served(invite, reliable):
    [respond] = reliable.send(provisional(invite, 180), now=0)
    reliable.finish()
    assert (reliable.next_timeout(), reliable.state) == (None, ReliableState.ANSWERED)
    assert reliable.receive_prack(prack_of(invite, respond.response)) == 200
    with pytest.raises(LocalProtocolError, match="Answered"):
        reliable.send(provisional(invite), now=1)


# §4, the client.


def numbered(invite, rseq, tag="bob", status=183, require="100rel"):
    response = provisional(invite, status, tag)
    if rseq is not None:
        response.headers.add("RSeq", str(rseq))
    if require:
        response.headers.add("Require", require)
    return response


def test_first_number_is_whatever_it_is_and_the_next_must_follow(invite):
    order = ReliableOrder()
    arrivals = [order.receive(numbered(invite, rseq)) for rseq in (700, 702, 700, 701, 702, 701)]
    assert arrivals == [
        Arrival.IN_ORDER,
        Arrival.OUT_OF_ORDER,
        Arrival.COPY,
        Arrival.IN_ORDER,
        Arrival.IN_ORDER,
        Arrival.COPY,
    ]


def test_each_early_dialog_counts_by_itself(invite):
    order = ReliableOrder()
    assert order.receive(numbered(invite, 5, "a")) is Arrival.IN_ORDER
    assert order.receive(numbered(invite, 900, "b")) is Arrival.IN_ORDER
    assert order.receive(numbered(invite, 6, "a")) is Arrival.IN_ORDER


@pytest.mark.parametrize("changes", [{"rseq": None}, {"rseq": 1, "require": ""}, {"rseq": 1, "status": 100}])
def test_other_provisional_responses_are_not_acknowledged(invite, changes):
    assert ReliableOrder().receive(numbered(invite, **changes)) is Arrival.UNRELIABLE


def test_prack_is_a_request_of_the_early_dialog(invite):
    response = numbered(invite, 77)
    dialog = Dialog.from_uac(invite, response)
    prack = make_prack(dialog, response, via=VIA, headers=[("Content-Type", "application/sdp")], body=b"v=0")
    assert (prack.method, prack.uri, prack.to_tag) == ("PRACK", "sip:bob@198.51.100.2", "bob")
    assert (prack.cseq.number, prack.body) == (2, b"v=0")
    assert prack.rack == (77, invite.cseq)
    with pytest.raises(LocalProtocolError, match="RSeq"):
        make_prack(dialog, numbered(invite, None), via=VIA)
