"""A phone behind a NAT, from its REGISTER to the INVITE that must find it (RFC 3581 §4, RFC 3261 §18.2.1)."""

from datetime import UTC, datetime

from trunkline.sip_parser import Request
from trunkline.sip_proxy.nat import NatTest, fix_contact, nat_tests, received_uri
from trunkline.sip_proxy.registrar import Location, Registrar
from trunkline.sip_transaction import Flow

AT = datetime(2026, 3, 1, tzinfo=UTC)
FLOW = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.7", 61234))
VIA = ("Via", "SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK1;rport=61234;received=203.0.113.7")
COMMON = [
    VIA,
    ("From", "<sip:alice@example.test>;tag=1"),
    ("To", "<sip:alice@example.test>"),
    ("Call-ID", "1"),
]


def test_nated_register_is_found_by_the_source_and_answered_with_its_own_contact() -> None:
    contact = "<sip:alice@192.168.1.20:5060>"
    request = Request("REGISTER", "sip:example.test", [*COMMON, ("CSeq", "1 REGISTER"), ("Contact", contact)])
    found = nat_tests(request, FLOW, 19)
    assert found == NatTest.CONTACT_PRIVATE | NatTest.VIA_NOT_SOURCE | NatTest.PORT_NOT_SOURCE
    location = Location()
    registration = Registrar(location, token=bytes).register(
        request, "alice@example.test", FLOW, at=AT, received=received_uri(FLOW), nated=bool(found)
    )
    assert registration.response.headers.get("Contact") == (
        contact + ';expires=3600;received="sip:203.0.113.7:61234;transport=udp"'
    )
    [binding] = location.lookup("alice@example.test", at=AT)
    assert binding.nated
    assert binding.contact == "sip:alice@192.168.1.20:5060"
    assert binding.flow == FLOW


def test_nated_invite_gets_a_contact_the_callee_can_reach() -> None:
    lines = [*COMMON, ("CSeq", "2 INVITE"), ("Contact", "<sip:alice@192.168.1.20:5060;ob>")]
    invite = Request("INVITE", "sip:bob@example.test", lines)
    assert fix_contact(invite, FLOW)
    assert invite.headers.get("Contact") == "<sip:alice@203.0.113.7:61234;ob>"
