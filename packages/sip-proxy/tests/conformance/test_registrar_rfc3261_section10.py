"""RFC 3261 §10.3, step by step, and what RFC 3327 §5.3 and RFC 5626 §6 add to it."""

from datetime import UTC, datetime
from typing import Any

from trunkline.sip_parser import Request, Response
from trunkline.sip_proxy.registrar import Location, Registrar
from trunkline.sip_transaction import Flow

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AOR = "alice@example.test"
FLOW = Flow("TCP", ("192.0.2.1", 5060), ("203.0.113.7", 1029), 3)
OTHER = Flow("TCP", ("192.0.2.1", 5060), ("203.0.113.7", 1030), 4)
PHONE = '<sip:alice@10.0.0.5>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'


def register(
    registrar: Registrar,
    cseq: int,
    *lines: tuple[str, str],
    vias: int = 1,
    flow: Flow = FLOW,
    call_id: str = "c1",
) -> Response:
    head = [("Via", f"SIP/2.0/TCP host{number};branch=z9hG4bK{number}") for number in range(vias)]
    head += [("From", f"<sip:{AOR}>;tag=1"), ("To", f"<sip:{AOR}>"), ("Call-ID", call_id)]
    request = Request("REGISTER", "sip:example.test", [*head, ("CSeq", f"{cseq} REGISTER"), *lines])
    return registrar.register(request, AOR, flow, at=AT).response


def house(**options: Any) -> tuple[Location, Registrar]:
    location = Location()
    return location, Registrar(location, token=bytes, **options)


def test_10_3_step_2_require_of_the_unknown_is_420_with_unsupported() -> None:
    _, registrar = house()
    response = register(registrar, 1, ("Require", "100rel"))
    assert (response.status, response.headers.get("Unsupported")) == (420, "100rel")


def test_10_3_step_6_star_with_other_than_0_is_400() -> None:
    _, registrar = house()
    assert register(registrar, 1, ("Contact", "*"), ("Expires", "1")).status == 400
    assert register(registrar, 2, ("Contact", "*")).status == 400


def test_10_3_step_6_star_from_another_client_removes_all() -> None:
    location, registrar = house()
    register(registrar, 9, ("Contact", "<sip:alice@a>"))
    assert register(registrar, 1, ("Contact", "*"), ("Expires", "0"), call_id="c2").status == 200
    assert len(location) == 0


def test_10_3_step_7_all_or_nothing() -> None:
    location, registrar = house()
    register(registrar, 5, ("Contact", "<sip:alice@a>"))
    response = register(registrar, 4, ("Contact", "<sip:alice@new>, <sip:alice@a>"))
    assert response.status == 500
    assert [binding.contact for binding in location.lookup(AOR, at=AT)] == ["sip:alice@a"]


def test_10_3_step_7_expiry_below_the_minimum_is_423_with_min_expires() -> None:
    _, registrar = house(min_expires=90)
    response = register(registrar, 1, ("Contact", "<sip:alice@a>;expires=89"))
    assert (response.status, response.headers.get("Min-Expires")) == (423, "90")


def test_10_3_step_8_answer_lists_every_binding_with_expires_and_date() -> None:
    _, registrar = house()
    register(registrar, 1, ("Contact", "<sip:alice@a>;expires=600;q=0.5"))
    response = register(registrar, 2, ("Contact", "<sip:alice@b>"))
    assert [(c.params["expires"], c.params.get("q")) for c in response.contacts] == [
        ("600", "0.5"),
        ("3600", None),
    ]
    assert response.headers.get("Date") == "Sun, 01 Mar 2026 12:00:00 GMT"


def test_19_1_4_contacts_are_compared_as_uris() -> None:
    location, registrar = house()
    register(registrar, 1, ("Contact", "<sip:alice@ATLANTA.test;Transport=TCP>"))
    register(registrar, 2, ("Contact", "<sip:%61lice@atlanta.test;transport=tcp>"))
    assert location.contacts() == 1
    register(registrar, 3, ("Contact", "<sip:ALICE@atlanta.test;transport=tcp>"))
    register(registrar, 4, ("Contact", "<sip:alice@atlanta.test:5060;transport=tcp>"))
    assert location.contacts() == 3


def test_20_10_malformed_expires_counts_as_an_hour() -> None:
    _, registrar = house()
    response = register(registrar, 1, ("Contact", "<sip:alice@a>;expires=tomorrow"))
    assert response.contacts[0].params["expires"] == "3600"


def test_rfc3327_5_3_path_is_stored_in_order_and_returned() -> None:
    location, registrar = house()
    path = [("Path", "<sip:p3.example.test;lr>, <sip:p1.visited.test;lr>")]
    response = register(registrar, 1, ("Contact", "<sip:alice@a>"), ("Supported", "path"), *path, vias=3)
    assert response.headers.get_all("Path") == ["<sip:p3.example.test;lr>", "<sip:p1.visited.test;lr>"]
    assert location.lookup(AOR, at=AT)[0].path == ("<sip:p3.example.test;lr>", "<sip:p1.visited.test;lr>")


def test_rfc5626_6_same_instance_and_reg_id_replaces_whatever_the_contact() -> None:
    location, registrar = house(outbound=True)
    supported = ("Supported", "path, outbound")
    response = register(registrar, 1, ("Contact", PHONE + ";reg-id=1"), supported)
    assert response.headers.get("Require") == "outbound"
    moved = PHONE.replace("10.0.0.5", "10.0.0.77")
    register(registrar, 1, ("Contact", moved + ";reg-id=1"), supported, flow=OTHER, call_id="c2")
    [binding] = location.lookup(AOR, at=AT)
    assert (binding.contact, binding.flow, binding.reg_id) == ("sip:alice@10.0.0.77", OTHER, 1)


def test_rfc5626_6_another_reg_id_is_another_binding() -> None:
    location, registrar = house(outbound=True)
    for number, flow in ((1, FLOW), (2, OTHER)):
        lines = [("Contact", f"{PHONE};reg-id={number}"), ("Supported", "outbound")]
        assert register(registrar, number, *lines, flow=flow).status == 200
    assert {binding.flow for binding in location.lookup(AOR, at=AT)} == {FLOW, OTHER}


def test_rfc5626_6_reg_id_is_ignored_without_support_or_instance() -> None:
    location, registrar = house(outbound=True)
    assert "require" not in register(registrar, 1, ("Contact", PHONE + ";reg-id=1")).headers
    assert "require" not in register(registrar, 2, ("Contact", PHONE + ";reg-id=2")).headers
    register(registrar, 3, ("Contact", "<sip:alice@10.0.0.5>;reg-id=3"), ("Supported", "outbound"))
    assert location.contacts() == 1


def test_rfc5626_6_two_contacts_with_reg_id_are_400_unless_one_goes() -> None:
    _, registrar = house(outbound=True)
    both = ("Contact", f"{PHONE};reg-id=1, {PHONE.replace('10.0.0.5', '10.0.0.6')};reg-id=2")
    assert register(registrar, 1, both, ("Supported", "outbound")).status == 400
    one = ("Contact", f"{PHONE};reg-id=1;expires=0, {PHONE.replace('10.0.0.5', '10.0.0.6')};reg-id=2")
    assert register(registrar, 2, one, ("Supported", "outbound")).status == 200


def test_rfc5626_6_first_hop_without_support_is_439() -> None:
    _, registrar = house(outbound=True)
    lines = [("Contact", PHONE + ";reg-id=1"), ("Supported", "path, outbound")]
    assert register(registrar, 1, *lines, vias=2).status == 439
    without = ("Path", "<sip:edge.test;lr>")
    response = register(registrar, 2, *lines, without, vias=2)
    assert (response.status, response.reason) == (439, "First Hop Lacks Outbound Support")
    keeping = ("Path", "<sip:middle.test;lr>, <sip:token@edge.test;lr;ob>")
    assert register(registrar, 3, *lines, keeping, vias=3).status == 200
    other = ("Path", "<sip:token@edge.test;lr;ob>, <sip:nearest.test;lr>")
    assert register(registrar, 4, *lines, other, vias=3).status == 439
