"""Never an open relay: all that a stranger may try to get something sent to a place of his choice.

Eve has no account. Whatever she sends, this server sends to nobody but herself and the phones registered
here. Responses count too: a server that answers where its request says is a weapon. What subscribers may do
is not here (`test_policy_other_domains`, `test_stack_redirections`, `test_stack_preloaded_routes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest
from simulated import DOMAIN, SERVER, Phone, World, sdp

from trunkline.sip_parser import Message, Request, Response, make_response
from trunkline.sip_transaction import Dialog

EVE = ("203.0.113.66", 5060)
VICTIM = "198.18.0.9"
OURS = f"sip:{SERVER[0]}:{SERVER[1]};transport=udp;lr"
METHODS = (
    *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "PRACK"),
    *("UPDATE", "INFO", "PUBLISH", "REGISTER", "FROBNICATE"),
)
PLACES = (
    f"sip:x@{VICTIM}",
    f"sip:{VICTIM}",
    "sip:x@victim.test",
    "sip:x@victim.test;transport=tcp",
    f"sips:x@{VICTIM}",
    "sips:x@victim.test",
    f"sip:x@[::ffff:{VICTIM}]",
    "sip:x@[2001:db8::9]",
    "tel:+4930123",
    "tel:+4930123;phone-context=victim.test",
    f"sip:x@victim.test;maddr={SERVER[0]}",
    f"sip:bob@{DOMAIN};maddr={VICTIM}",
    f"sip:bob@{DOMAIN}:5099;maddr={VICTIM};transport=tcp",
    f"sip:{DOMAIN};maddr={VICTIM}",
    f"sip:bob@{SERVER[0]};maddr={VICTIM}",
    f"sip:bob%40{DOMAIN}@victim.test",
    f"sip:{DOMAIN}@victim.test",
    f"sip:x@{DOMAIN}.victim.test",
    f"sip:x@victim.test;flow={'0' * 16}",
    f"sip:x@{SERVER[0]}:5099",
    f"sip:{SERVER[0]};lr",
    OURS,
    f"{OURS};r2=on",
    f"{OURS};did=000000000000",
)
ROUTES = (
    (),
    (f"<sip:{VICTIM};lr>",),
    (f"<sip:{VICTIM}>",),
    ("<sip:victim.test;lr>",),
    (f"<{OURS}>",),
    (f"<{OURS}>", f"<sip:{VICTIM};lr>"),
    (f"<{OURS}>", f"<sip:{VICTIM}>"),
    (f"<{OURS};did=000000000000>",),
    (f"<{OURS};did=000000000000>", f"<sip:{VICTIM};lr>"),
    (f"<{OURS};r2=on>", f"<{OURS};r2=on>", f"<sip:{VICTIM};lr>"),
    (f"<sip:{DOMAIN};lr>", f"<sip:{VICTIM};lr>"),
    (f"<sip:{SERVER[0]};lr;maddr={VICTIM}>",),
    (f"<sips:{SERVER[0]}:5060;lr>", f"<sip:{VICTIM};lr>"),
    (f"<{OURS}>", f"<{OURS}>", "<sip:victim.test;transport=tcp>"),
    (f"<{OURS}>, <sip:{VICTIM};lr>",),
    ("<tel:+4930123>",),
)
SENDERS = (
    "sip:eve@elsewhere.test",
    f"sip:alice@{DOMAIN}",
    f"sip:nobody@{DOMAIN}",
    "tel:+431234",
    "sip:x@victim.test",
)


class Target:
    """A server with two phones, a stranger, and an account of where it sends."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.addresses.update({"victim.test": VICTIM, "elsewhere.test": EVE[0]})
        self.alice, self.bob = world.phones("alice", "bob")
        self.eve = Phone(world, "eve", EVE)
        self.known = {phone.flow.remote for phone in (self.alice, self.bob, self.eve)}

    def astray(self) -> list[tuple[tuple[str, int], bytes]]:
        """Give what was sent to anybody else."""
        return [
            (send.flow.remote, send.data[:60])
            for send in self.world.sent
            if send.flow.remote not in self.known
        ]

    def forget(self) -> None:
        """Empty the inboxes."""
        for phone in (self.alice, self.bob, self.eve):
            phone.inbox.clear()


CONFIGURATIONS = {
    "default": {},
    "recursing": {"recurse": True},
    "following Routes": {"preloaded_routes": True},
}


@pytest.fixture(params=CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def target(request: pytest.FixtureRequest, new_world: Callable[..., World]) -> Target:
    return Target(new_world(proxy=request.param))


@pytest.fixture
def plain(world: World) -> Target:
    return Target(world)


def requests(eve: Phone, method: str) -> Iterator[Request]:
    """Write a stranger's requests of a method to every place by every way, outside and inside of a dialog."""
    for place, routes, tag in product(PLACES, ROUTES, ("", ";tag=made-up")):
        headers = [("Route", route) for route in routes]
        headers.append(("To", f"<sip:bob@{DOMAIN}>{tag}"))
        yield eve.request(method, place, sender="sip:eve@elsewhere.test", headers=headers)


@pytest.mark.parametrize("method", METHODS)
def test_no_request_goes_to_a_place_or_by_a_way_of_her_choice(target: Target, method: str) -> None:
    for request in requests(target.eve, method):
        target.eve.send(request)
        assert target.astray() == [], request
    target.world.advance(200)
    assert target.astray() == []


@pytest.mark.parametrize("sender", SENDERS)
def test_whoever_she_claims_to_be(target: Target, sender: str) -> None:
    for method, place, routes in product(METHODS, PLACES[:8], ROUTES):
        headers = [("Route", route) for route in routes]
        target.eve.send(target.eve.request(method, place, sender=sender, headers=headers))
        assert target.astray() == [], (method, place, routes)


def test_by_a_connection_of_hers_too(plain: Target) -> None:
    eve = Phone(plain.world, "eve", (EVE[0], 40000), connection=9)
    plain.known.add(eve.flow.remote)
    for method, place, routes in product(METHODS, PLACES[:12], ROUTES[:10]):
        for tag in ("", ";tag=made-up"):
            headers = [("Route", route) for route in routes]
            headers.append(("To", f"<sip:bob@{DOMAIN}>{tag}"))
            eve.send(eve.request(method, place, sender="sip:eve@elsewhere.test", headers=headers))
            assert plain.astray() == [], (method, place, routes)


def test_foreign_scheme_gets_nothing_anywhere(plain: Target) -> None:
    for uri in ("mailto:x@victim.test", "http://victim.test/", f"sip:x@{DOMAIN}@victim.test"):
        data = plain.eve.request("INVITE", "sip:URI@x", sender="sip:eve@elsewhere.test").to_bytes()
        plain.world.deliver(data.replace(b"sip:URI@x", uri.encode(), 1), plain.eve.flow)
    assert plain.astray() == []


# Answers.


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "MESSAGE", "BYE"])
@pytest.mark.parametrize(
    "via",
    [
        f"SIP/2.0/UDP {VICTIM}:5060;branch=BRANCH",
        f"SIP/2.0/UDP {VICTIM}:7000;branch=BRANCH;rport",
        f"SIP/2.0/UDP {EVE[0]}:5060;branch=BRANCH;received={VICTIM}",
        f"SIP/2.0/UDP {EVE[0]}:5060;branch=BRANCH;received={VICTIM};rport=7000",
        f"SIP/2.0/UDP {EVE[0]}:5060;branch=BRANCH;maddr={VICTIM}",
        f"SIP/2.0/UDP {EVE[0]}:5060;branch=BRANCH;maddr={VICTIM};rport;ttl=1",
        "SIP/2.0/UDP victim.test;branch=BRANCH;maddr=victim.test",
        f"SIP/2.0/TCP {VICTIM}:5060;branch=BRANCH",
        f"SIP/2.0/UDP [::ffff:{VICTIM}]:5060;branch=BRANCH",
        f"SIP/2.0/UDP {VICTIM};branch=BRANCH, SIP/2.0/UDP {VICTIM};branch=z9hG4bKbehind",
    ],
)
def test_answers_go_back_to_where_the_request_came_from(plain: Target, method: str, via: str) -> None:
    for number, uri in enumerate((plain.bob.uri, f"sip:{DOMAIN}", "sip:x@victim.test", "nosuch:x")):
        headers = [("Via", via.replace("BRANCH", f"z9hG4bKeve{number}"))]
        request = plain.eve.request(method, "sip:URI@x", sender="sip:eve@elsewhere.test", headers=headers)
        plain.world.deliver(request.to_bytes().replace(b"sip:URI@x", uri.encode(), 1), plain.eve.flow)
        if plain.bob.inbox:
            plain.bob.reply(plain.bob.received(method), 404)
            plain.forget()
    plain.world.advance(200)  # and all that is retransmitted
    assert plain.astray() == []


def test_answers_to_what_cannot_be_read_do_too(plain: Target) -> None:
    whole = plain.eve.request("INVITE", plain.bob.uri, sender="sip:eve@elsewhere.test").to_bytes()
    for via in (
        f"SIP/2.0/UDP {VICTIM};branch=z9hG4bK1;maddr={VICTIM}",
        f"SIP/2.0/UDP {VICTIM};maddr={VICTIM}",
    ):
        for broken in (b"CSeq: x", b"Content-Length: -1", b"To: <<", b"Max-Forwards: many"):
            start = f"\r\nVia: {via}\r\n".encode()
            plain.world.deliver(whole.replace(b"\r\n", start + broken + b"\r\n", 1), plain.eve.flow)
    assert plain.astray() == []


def test_responses_out_of_the_blue_go_nowhere(plain: Target) -> None:
    ours = f"SIP/2.0/UDP {SERVER[0]}:{SERVER[1]};branch=z9hG4bKmadeup"
    for method, status in product(("INVITE", "BYE", "OPTIONS"), (100, 180, 200, 302, 404, 603)):
        request = plain.eve.request(method, "sip:x@victim.test")
        response = make_response(request, status, to_tag="x")
        for below in (f"SIP/2.0/UDP {VICTIM};branch=z9hG4bKx", f"SIP/2.0/UDP x;received={VICTIM};rport=5060"):
            response.headers.remove("via")
            response.headers.extend("Via", [ours, below])
            plain.eve.send(response)
    assert plain.astray() == []


def test_responses_of_a_call_go_to_its_caller_only(plain: Target) -> None:
    """Eve is called by alice, as a user of another domain, and answers with more Vias than she was sent."""
    plain.alice.invite(f"sip:eve@{EVE[0]}")
    arrived = plain.eve.received("INVITE")
    for status in (180, 200):
        response = make_response(arrived, status, to_tag="e")
        response.headers.add("Contact", f"<sip:eve@{EVE[0]}>")
        own = response.headers.pop_value("via") or ""
        caller = response.headers.values("via")
        response.headers.remove("via")
        response.headers.extend("Via", [own, f"SIP/2.0/UDP {VICTIM};branch=z9hG4bKx", *caller])
        plain.eve.send(response)
    assert plain.astray() == []


# What she can learn from a call that she may make.


def call_from_eve(target: Target) -> tuple[Dialog, Request]:
    """Let eve call bob, who answers: she knows our Record-Route and its mark now."""
    eve, bob = target.eve, target.bob
    invite = eve.request("INVITE", bob.uri, sender="sip:eve@elsewhere.test", body=sdp(EVE[0]))
    eve.send(invite)
    arrived = bob.received("INVITE")
    bob.reply(arrived, 200, body=sdp(bob.own[0]))
    dialog = Dialog.from_uac(invite, eve.response(200))
    eve.send(eve.within(dialog, "ACK"))
    bob.received("ACK")
    return dialog, invite


@pytest.mark.parametrize("method", METHODS)
def test_the_mark_of_her_own_call_opens_no_way_but_to_its_parties(target: Target, method: str) -> None:
    dialog, invite = call_from_eve(target)
    [ours] = dialog.route_set
    tags = (dialog.remote_tag, "made-up", dialog.local_tag)
    for place, more, tag in product(PLACES, ((), (f"<sip:{VICTIM};lr>",), ("<sip:victim.test>",)), tags):
        request = target.eve.request(
            method,
            place,
            call_id=invite.call_id,
            cseq=invite.cseq.number + 1,
            headers=[
                ("From", invite.headers.get("from") or ""),
                ("To", f"<{target.bob.uri}>;tag={tag}"),
                ("Route", str(ours)),
                *(("Route", route) for route in more),
            ],
        )
        target.eve.send(request)
        assert target.astray() == [], request


def test_nor_does_it_when_the_call_is_over(plain: Target) -> None:
    dialog, invite = call_from_eve(plain)
    plain.eve.send(plain.eve.within(dialog, "BYE"))
    plain.bob.reply(plain.bob.received("BYE"), 200)
    for method, tag in product(METHODS, (dialog.remote_tag, "made-up")):
        request = plain.eve.request(
            method,
            "sip:x@victim.test",
            call_id=invite.call_id,
            cseq=9,
            headers=[
                ("From", invite.headers.get("from") or ""),
                ("To", f"<{plain.bob.uri}>;tag={tag}"),
                ("Route", str(dialog.route_set[0])),
            ],
        )
        plain.eve.send(request)
    assert plain.astray() == []


def test_nor_in_another_call(plain: Target) -> None:
    dialog, _ = call_from_eve(plain)
    for method, place in product(METHODS, (f"sip:x@{VICTIM}", plain.alice.contact.strip("<>"))):
        headers = [("To", f"<{plain.alice.uri}>;tag=made-up"), ("Route", str(dialog.route_set[0]))]
        plain.eve.send(plain.eve.request(method, place, sender="sip:eve@elsewhere.test", headers=headers))
    assert plain.astray() == []
    assert not plain.alice.inbox


def test_nor_when_it_was_she_who_was_called(plain: Target) -> None:
    """Her answer names the place once, as it may; what she names later is another."""
    invite = plain.alice.invite(f"sip:eve@{EVE[0]}")
    arrived = plain.eve.received("INVITE")
    plain.eve.reply(arrived, 200, body=sdp(EVE[0]))
    dialog = Dialog.from_uas(arrived, plain.alice.response(200))
    for method, place in product(METHODS, PLACES):
        request = plain.eve.request(
            method,
            place,
            call_id=invite.call_id,
            cseq=2,
            headers=[
                ("From", f"<sip:eve@{EVE[0]}>;tag=eve-tag"),
                ("To", invite.headers.get("from") or ""),
                ("Route", str(dialog.route_set[0])),
            ],
        )
        plain.eve.send(request)
        assert plain.astray() == [], request


def test_nor_the_mark_of_a_subscription(plain: Target) -> None:
    eve, bob = plain.eve, plain.bob
    subscribe = eve.request(
        "SUBSCRIBE", bob.uri, sender="sip:eve@elsewhere.test", headers=[("Event", "dialog")]
    )
    eve.send(subscribe)
    arrived = bob.received("SUBSCRIBE")
    ours = arrived.headers.values("record-route")[0]
    bob.reply(arrived, 200)
    for method in METHODS:
        request = eve.request(
            method,
            "sip:x@victim.test",
            call_id=subscribe.call_id,
            cseq=9,
            headers=[
                ("From", subscribe.headers.get("from") or ""),
                ("To", f"<{bob.uri}>;tag=bob-tag"),
                ("Route", ours),
            ],
        )
        eve.send(request)
    assert plain.astray() == []


def test_a_subscription_itself_works_both_ways(plain: Target) -> None:
    """So that the test above does not pass because nothing does."""
    eve, bob = plain.eve, plain.bob
    subscribe = eve.request(
        "SUBSCRIBE", bob.uri, sender="sip:eve@elsewhere.test", headers=[("Event", "dialog")]
    )
    eve.send(subscribe)
    arrived = bob.received("SUBSCRIBE")
    answer = bob.reply(arrived, 200)
    here, there = Dialog.from_uac(subscribe, eve.response(200)), Dialog.from_uas(arrived, answer)
    bob.send(bob.within(there, "NOTIFY"))
    eve.reply(eve.received("NOTIFY"), 200)
    assert bob.response().status == 200
    eve.send(eve.within(here, "SUBSCRIBE"))
    assert bob.received("SUBSCRIBE").to_tag == "bob-tag"


# Registrations.


def test_she_registers_no_place_in_anybodys_name(plain: Target) -> None:
    for user, contact in product(
        ("alice", "bob", "carol", "eve"), (f"<sip:x@{VICTIM}>", "<sip:x@victim.test>")
    ):
        headers = [("Contact", contact), ("Path", f"<sip:{VICTIM};lr>"), ("Supported", "path")]
        register = plain.eve.request("REGISTER", f"sip:{DOMAIN}", to=f"sip:{user}@{DOMAIN}", headers=headers)
        assert plain.eve.ask(register).status in (401, 403)
        plain.eve.send(plain.eve.request("MESSAGE", f"sip:{user}@{DOMAIN}", sender="sip:eve@elsewhere.test"))
        plain.forget()
    assert plain.astray() == []


@pytest.mark.parametrize("uri", ["sip:victim.test", f"sip:{VICTIM}", f"sip:{DOMAIN};maddr={VICTIM}"])
@pytest.mark.parametrize("to", ["sip:x@victim.test", f"sip:bob@{DOMAIN}"])
def test_no_register_is_passed_on(plain: Target, uri: str, to: str) -> None:
    plain.eve.ask(plain.eve.request("REGISTER", uri, to=to))
    assert plain.astray() == []


def test_a_subscriber_registers_for_nobody_else(plain: Target) -> None:
    headers = [("Contact", f"<sip:x@{VICTIM}>")]
    register = plain.alice.request("REGISTER", f"sip:{DOMAIN}", to=plain.bob.uri, headers=headers)
    assert plain.alice.ask(register).status == 403
    plain.eve.send(plain.eve.request("MESSAGE", plain.bob.uri, sender="sip:eve@elsewhere.test"))
    assert plain.astray() == []
    assert plain.bob.received("MESSAGE")


# Redirections.


def test_a_phone_she_calls_sends_her_nowhere_through_us(target: Target) -> None:
    eve, bob = target.eve, target.bob
    contacts = [("Contact", f"<{place}>") for place in PLACES]
    for method in ("INVITE", "MESSAGE", "SUBSCRIBE", "BYE", "PRACK"):
        for status in (300, 301, 302, 305, 380):
            eve.send(eve.request(method, bob.uri, sender="sip:eve@elsewhere.test"))
            bob.reply(bob.received(method), status, headers=contacts)
            target.forget()
            assert target.astray() == []


# The measure itself.


def test_the_account_would_show_it(plain: Target) -> None:
    plain.alice.invite("sip:x@victim.test")
    assert [remote for remote, _ in plain.astray()] == [(VICTIM, 5060)]


def is_answer(message: Message, status: int) -> bool:
    return isinstance(message, Response) and message.status == status


def test_bob_is_still_reached_by_everybody(plain: Target) -> None:
    plain.eve.send(
        plain.eve.request("INVITE", plain.bob.uri, sender="sip:eve@elsewhere.test", body=sdp(EVE[0]))
    )
    plain.bob.reply(plain.bob.received("INVITE"), 486)
    assert is_answer(plain.eve.inbox[-1], 486)
