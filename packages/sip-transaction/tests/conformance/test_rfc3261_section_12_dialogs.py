"""RFC 3261 §12, §13.2.2.4, §15: dialogs of a user agent, on both sides."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, Request, Response, make_response
from trunkline.sip_transaction import Dialog, DialogState, dialog_id

CALLER_CONTACT = "Contact: <sip:alice@192.0.2.1:5062>\r\n"
RECORD_ROUTES = ["<sip:p2.example.test;lr>", "<sip:p1.example.test;lr>"]
VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnew"


def invite(desk, *, routes=(), contact=CALLER_CONTACT, **changes) -> Request:
    more = "".join(f"Record-Route: {route}\r\n" for route in routes) + contact
    return desk.request(more=more, **changes)


def answer(request, status, *, contact="<sip:bob@198.51.100.2:5070>", routes=(), tag="bob") -> Response:
    headers = [("Record-Route", route) for route in routes]
    if contact is not None:
        headers.append(("Contact", contact))
    return make_response(request, status, to_tag=tag, headers=headers)


@pytest.fixture
def uac(desk) -> Dialog:
    request = invite(desk, cseq="7 INVITE")
    return Dialog.from_uac(request, answer(request, 200, routes=RECORD_ROUTES))


def test_12_1_2_calling_side_reverses_the_record_routes(uac):
    assert uac.route_set == ("<sip:p1.example.test;lr>", "<sip:p2.example.test;lr>")
    assert uac.remote_target == "sip:bob@198.51.100.2:5070"
    assert uac.id == ("call@192.0.2.1", "from", "bob")
    assert uac.local == "<sip:alice@example.test>;tag=from"
    assert uac.remote == "<sip:bob@example.test>;tag=bob"
    assert uac.local_cseq == 7
    assert uac.remote_cseq is None
    assert uac.state is DialogState.CONFIRMED
    assert uac.next_hop == "sip:p1.example.test;lr"


def test_12_1_1_called_side_keeps_the_record_routes_in_order(desk):
    request = invite(desk, routes=RECORD_ROUTES, cseq="7 INVITE")
    dialog = Dialog.from_uas(request, answer(request, 180))
    assert dialog.route_set == tuple(RECORD_ROUTES)
    assert dialog.remote_target == "sip:alice@192.0.2.1:5062"
    assert dialog.id == ("call@192.0.2.1", "bob", "from")
    assert dialog.local == "<sip:bob@example.test>;tag=bob"
    assert dialog.remote == "<sip:alice@example.test>;tag=from"
    assert dialog.remote_cseq == 7
    assert dialog.state is DialogState.EARLY
    dialog.confirm()
    assert dialog.state is DialogState.CONFIRMED


@pytest.mark.parametrize("status", [100, 302, 486])
def test_12_1_other_responses_make_no_dialog(desk, status):
    request = invite(desk)
    with pytest.raises(LocalProtocolError, match="101-299"):
        Dialog.from_uac(request, answer(request, status))
    with pytest.raises(LocalProtocolError, match="101-299"):
        Dialog.from_uas(request, answer(request, status))


def test_12_1_provisional_without_a_tag_makes_no_dialog(desk):
    request = invite(desk)
    with pytest.raises(LocalProtocolError, match="To tag"):
        Dialog.from_uac(request, make_response(request, 180))


def test_12_1_1_request_without_contact_cannot_make_a_dialog(desk):
    request = invite(desk, contact="")
    with pytest.raises(RemoteProtocolError, match="Contact"):
        Dialog.from_uas(request, answer(request, 200))


def test_12_1_2_old_peer_may_answer_without_a_tag(desk):
    request = invite(desk)
    dialog = Dialog.from_uac(request, make_response(request, 200))
    assert dialog.remote_tag is None
    assert dialog.remote_target == request.uri
    assert dialog.next_hop == request.uri


def test_12_2_1_1_request_goes_to_the_target_through_the_routes(uac):
    request = uac.make_request("INFO", via=VIA, contact="<sip:alice@192.0.2.1>", body=b"x")
    assert request.uri == "sip:bob@198.51.100.2:5070"
    assert request.headers.values("route") == ["<sip:p1.example.test;lr>", "<sip:p2.example.test;lr>"]
    assert request.headers.get("from") == "<sip:alice@example.test>;tag=from"
    assert request.headers.get("to") == "<sip:bob@example.test>;tag=bob"
    assert request.call_id == "call@192.0.2.1"
    assert (request.cseq.number, request.cseq.method) == (8, "INFO")
    assert request.headers.values("via") == [VIA]
    assert request.max_forwards == 70
    assert str(request.contacts[0]) == "<sip:alice@192.0.2.1>"
    assert request.to_bytes().endswith(b"Content-Length: 1\r\n\r\nx")


def test_12_2_1_1_strict_router_is_put_into_the_request_uri(desk):
    request = invite(desk)
    routes = ["<sip:p2.example.test;lr>", "<sip:p1.example.test:5080;method=INVITE?x=y>"]
    dialog = Dialog.from_uac(request, answer(request, 200, routes=routes))
    bye = dialog.make_request("BYE", via=VIA)
    assert bye.uri == "sip:p1.example.test:5080"
    assert bye.headers.values("route") == ["<sip:p2.example.test;lr>", "<sip:bob@198.51.100.2:5070>"]


def test_12_2_1_1_numbers_rise_by_one_and_the_ack_repeats_its_invite(uac):
    numbers = [uac.make_request(method, via=VIA).cseq.number for method in ("INFO", "INVITE", "INFO")]
    assert numbers == [8, 9, 10]
    ack = uac.make_ack(via=VIA, headers=[("Proxy-Authorization", "x")])
    assert (ack.cseq.number, ack.cseq.method) == (9, "ACK")
    assert ack.uri == uac.remote_target
    assert ack.headers.get("proxy-authorization") == "x"


def test_12_2_1_1_called_side_numbers_its_own_requests(desk):
    request = invite(desk, cseq="700 INVITE")
    dialog = Dialog.from_uas(request, answer(request, 200))
    with pytest.raises(LocalProtocolError, match="no INVITE"):
        dialog.make_ack(via=VIA)
    assert dialog.make_request("BYE", via=VIA).cseq.number == 1


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_12_2_1_1_ack_and_cancel_are_no_requests_of_their_own(uac, method):
    with pytest.raises(LocalProtocolError, match=method):
        uac.make_request(method, via=VIA)


def test_13_2_2_4_2xx_confirms_and_recomputes_the_route_set(desk):
    request = invite(desk)
    dialog = Dialog.from_uac(request, answer(request, 180, routes=RECORD_ROUTES))
    assert dialog.state is DialogState.EARLY
    dialog.receive_response(answer(request, 200, contact="<sip:bob@198.51.100.99>", routes=RECORD_ROUTES[:1]))
    assert dialog.state is DialogState.CONFIRMED
    assert dialog.route_set == ("<sip:p2.example.test;lr>",)
    assert dialog.remote_target == "sip:bob@198.51.100.99"


def test_12_2_1_2_target_refresh_changes_the_target_and_not_the_routes(uac):
    routes = uac.route_set
    update = uac.make_request("UPDATE", via=VIA)
    uac.receive_response(answer(update, 200, contact="<sip:bob@203.0.113.5>", routes=["<sip:new;lr>"]))
    assert uac.remote_target == "sip:bob@203.0.113.5"
    info = uac.make_request("INFO", via=VIA)
    uac.receive_response(answer(info, 200, contact="<sip:else@203.0.113.6>"))
    assert uac.remote_target == "sip:bob@203.0.113.5"
    assert uac.route_set == routes


@pytest.mark.parametrize("status", [408, 481])
def test_12_2_1_2_peer_that_forgot_the_dialog_ends_it(uac, status):
    uac.receive_response(answer(uac.make_request("INFO", via=VIA), status))
    assert uac.state is DialogState.TERMINATED
    with pytest.raises(LocalProtocolError, match="over"):
        uac.make_request("INFO", via=VIA)


@pytest.mark.parametrize("status", [401, 486, 500, 603])
def test_12_2_1_2_refused_request_leaves_the_dialog(uac, status):
    uac.receive_response(answer(uac.make_request("INVITE", via=VIA), status))
    assert uac.state is DialogState.CONFIRMED


def test_12_3_failure_ends_an_early_dialog(desk):
    request = invite(desk)
    dialog = Dialog.from_uac(request, answer(request, 180))
    dialog.receive_response(answer(request, 180))
    assert dialog.state is DialogState.EARLY
    dialog.receive_response(answer(request, 486))
    assert dialog.state is DialogState.TERMINATED


def test_12_2_2_first_request_sets_the_number_and_older_ones_are_refused(uac, desk):
    assert uac.receive_request(desk.request("INFO", cseq="50 INFO")) is None
    assert uac.receive_request(desk.request("INFO", cseq="49 INFO")) == 500
    assert uac.receive_request(desk.request("INFO", cseq="60 INFO")) is None
    assert uac.remote_cseq == 60


def test_12_2_2_old_request_changes_nothing(uac, desk):
    uac.receive_request(desk.request("INFO", cseq="50 INFO"))
    late = desk.request(cseq="49 INVITE", more="Contact: <sip:gone@192.0.2.9>\r\n")
    assert uac.receive_request(late) == 500
    assert uac.remote_target == "sip:bob@198.51.100.2:5070"


def test_12_2_2_reinvite_moves_the_target(uac, desk):
    request = desk.request(cseq="50 INVITE", more="Contact: <sip:bob@192.0.2.9>\r\n")
    assert uac.receive_request(request) is None
    assert uac.remote_target == "sip:bob@192.0.2.9"


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_12_2_2_ack_and_cancel_do_not_count(uac, desk, method):
    uac.receive_request(desk.request(cseq="50 INVITE"))
    assert uac.receive_request(desk.request(method, cseq=f"50 {method}")) is None
    assert uac.receive_request(desk.request(method, cseq=f"3 {method}")) is None
    assert uac.remote_cseq == 50


def test_15_1_bye_of_either_side_ends_the_dialog(uac, desk):
    assert uac.receive_request(desk.request("BYE", cseq="1 BYE")) is None
    assert uac.state is DialogState.TERMINATED
    assert uac.receive_request(desk.request("INFO", cseq="2 INFO")) == 481


def test_15_1_1_our_bye_ends_the_dialog(uac):
    uac.make_request("BYE", via=VIA)
    assert uac.state is DialogState.TERMINATED
    with pytest.raises(LocalProtocolError, match="over"):
        uac.make_request("BYE", via=VIA)


def test_12_dialog_id_is_that_of_the_messages_received_in_it(desk):
    request = invite(desk)
    calling = Dialog.from_uac(request, answer(request, 200))
    called = Dialog.from_uas(request, answer(request, 200))
    assert dialog_id(answer(request, 200)) == calling.id
    assert dialog_id(calling.make_request("INFO", via=VIA)) == called.id
    assert dialog_id(called.make_request("BYE", via=VIA)) == calling.id


def test_forked_invite_gives_a_dialog_for_each_to_tag(desk):
    request = invite(desk)
    dialogs = [Dialog.from_uac(request, answer(request, 183, tag=tag)) for tag in ("a", "b")]
    assert [dialog.id[2] for dialog in dialogs] == ["a", "b"]
    dialogs[0].terminate()
    assert [dialog.state for dialog in dialogs] == [DialogState.TERMINATED, DialogState.EARLY]


def test_dialog_of_known_facts_can_end_a_call():
    dialog = Dialog(
        "c1",
        "<sip:a@x>;tag=1",
        "<sip:b@x>;tag=2",
        "1",
        "2",
        "sip:b@192.0.2.5",
        ("<sip:p;lr>",),
        local_cseq=11,
    )
    bye = dialog.make_request("BYE", via=VIA, headers=[("Reason", 'SIP;text="maximum length"')])
    assert bye.start_line() == "BYE sip:b@192.0.2.5 SIP/2.0"
    assert bye.cseq.number == 12
    assert bye.headers.get("reason") == 'SIP;text="maximum length"'
