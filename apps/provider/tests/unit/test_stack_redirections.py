"""3xx followed by the server itself: whom it takes where, and whom it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import DOMAIN, Phone, World, cancel_of, sdp

FAR = ("203.0.113.9", 5060)


@pytest.fixture
def following(new_world: Callable[..., World]) -> World:
    world = new_world(proxy={"recurse": True})
    world.addresses["far.test"] = FAR[0]
    return world


def far_phone(world: World) -> Phone:
    return Phone(world, "dave", FAR)


def redirect(phone: Phone, *contacts: str, status: int = 302) -> None:
    phone.reply(phone.received("INVITE"), status, headers=[("Contact", contact) for contact in contacts])
    phone.received("ACK")


def test_by_default_the_caller_is_told(world: World) -> None:
    alice, bob, carol = world.phones("alice", "bob", "carol")
    alice.invite("bob")
    redirect(bob, carol.uri)
    assert [str(each.uri) for each in alice.response(302).contacts] == [carol.uri]
    assert not carol.inbox


def test_a_call_goes_on_to_another_user_and_is_one_call(following: World) -> None:
    alice, bob, carol = following.phones("alice", "bob", "carol")
    alice.invite("bob")
    redirect(bob, f"<{carol.uri}>")
    assert not alice.inbox
    arrived = carol.received("INVITE")
    assert arrived.uri == carol.contact[1:-1]
    assert arrived.max_forwards == 69
    carol.reply(arrived, 200, body=sdp(carol.own[0]))
    assert alice.response().status == 200
    assert len(following.stack.calls.listing()) == 1


def test_one_nobody_answers_is_one_record(following: World) -> None:
    alice, bob, carol = following.phones("alice", "bob", "carol")
    alice.invite("bob")
    redirect(bob, f"<{carol.uri}>")
    carol.reply(carol.received("INVITE"), 486)
    assert alice.response().status == 486
    assert following.cdrs("sip_code") == [("486",)]


def test_two_who_are_forwarded_to_each_other_end_the_search(following: World) -> None:
    alice, bob, carol = following.phones("alice", "bob", "carol")
    alice.invite("bob")
    redirect(bob, f"<{carol.uri}>")
    redirect(carol, f"<{bob.uri}>", f"<{carol.uri}>")
    assert alice.response().status == 302
    assert not bob.inbox
    assert not carol.inbox


def test_places_are_tried_by_their_q(following: World) -> None:
    alice, bob, carol = following.phones("alice", "bob", "carol")
    dave = far_phone(following)
    alice.invite("bob")
    redirect(bob, f"<{carol.uri}>;q=0.3", "<sip:dave@far.test>;q=0.8")
    dave.reply(dave.received("INVITE"), 486)
    dave.received("ACK")
    carol.reply(carol.received("INVITE"), 180)
    assert alice.response().status == 180


def test_a_subscriber_is_taken_to_another_domain(following: World) -> None:
    alice, bob = following.phones("alice", "bob")
    dave = far_phone(following)
    alice.invite("bob")
    redirect(bob, "<sip:dave@far.test>")
    arrived = dave.received("INVITE")
    assert arrived.uri == "sip:dave@far.test"
    assert "proxy-authorization" not in arrived.headers
    dave.reply(arrived, 180)
    assert alice.response().status == 180


def test_a_stranger_is_not_but_may_go_by_himself(following: World) -> None:
    [bob] = following.phones("bob")
    dave = far_phone(following)
    stranger = Phone(following, "eve", ("203.0.113.66", 5060))
    invite = stranger.request("INVITE", bob.uri, sender="sip:eve@elsewhere.test", body=sdp("203.0.113.66"))
    stranger.send(invite)
    redirect(bob, "<sip:dave@far.test>", f"<sip:dave@{FAR[0]}>", f"<sip:{FAR[0]};maddr=192.0.2.1>")
    assert len(stranger.response(302).contacts) == 3
    assert not dave.inbox


def test_a_stranger_is_taken_to_another_user_as_he_could_have_called_there(following: World) -> None:
    bob, carol = following.phones("bob", "carol")
    stranger = Phone(following, "eve", ("203.0.113.66", 5060))
    stranger.send(
        stranger.request("INVITE", bob.uri, sender="sip:eve@elsewhere.test", body=sdp("203.0.113.66"))
    )
    redirect(bob, f"<{carol.uri}>", "<sip:dave@far.test>")
    carol.reply(carol.received("INVITE"), 486)
    response = stranger.response(302)
    assert [str(each.uri) for each in response.contacts] == ["sip:dave@far.test"]


def test_where_other_domains_are_closed_nobody_is_taken_there(new_world: Callable[..., World]) -> None:
    world = new_world(proxy={"recurse": True, "outbound": False})
    alice, bob = world.phones("alice", "bob")
    dave = far_phone(world)
    alice.invite("bob")
    redirect(bob, f"<sip:dave@{FAR[0]}>")
    assert alice.response().status == 302
    assert not dave.inbox


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:nobody@example.test>",
        "<sip:example.test>",
        "<tel:+4930123>",
        "<mailto:bob@far.test>",
        "<sip:x@nowhere.test>",
    ],
)
def test_a_place_that_leads_nowhere_is_passed_on(following: World, contact: str) -> None:
    alice, bob = following.phones("alice", "bob")
    alice.invite("bob")
    redirect(bob, contact)
    assert alice.response(302).headers.get_all("contact") == [contact]


def test_a_place_that_is_this_server_is_not_gone_to(following: World) -> None:
    alice, bob = following.phones("alice", "bob")
    following.addresses["alias.test"] = "192.0.2.1"
    alice.invite("bob")
    redirect(bob, "<sip:x@alias.test>")
    assert alice.response().status == 302


def test_who_hung_up_while_the_place_was_looked_up_is_taken_nowhere(following: World) -> None:
    from trunkline.provider.stack import AskDns

    alice, bob = following.phones("alice", "bob")
    dave = far_phone(following)
    following.hold.add(AskDns)
    invite = alice.invite("bob")
    bob.reply(bob.received("INVITE"), 302, headers=[("Contact", "<sip:dave@far.test>")])
    alice.send(cancel_of(invite))
    while following.held:
        following.release()
    assert sorted(response.status for response in alice.inbox) == [200, 487]  # type: ignore[union-attr]
    assert not dave.inbox


def test_within_a_call_no_redirection_is_followed(following: World) -> None:
    alice, bob, carol = following.phones("alice", "bob", "carol")
    call = following.call(alice, bob)
    alice.send(alice.within(call.caller, "INFO"))
    bob.reply(bob.received("INFO"), 302, headers=[("Contact", f"<{carol.uri}>")])
    assert alice.response().status == 302
    assert not carol.inbox


def test_a_message_goes_on_too(following: World) -> None:
    alice, bob, carol = following.phones("alice", "bob", "carol")
    message = alice.request("MESSAGE", f"sip:bob@{DOMAIN}", body=b"hello")
    alice.send(message)
    challenge = alice.response(407)
    alice.send(alice.authenticator.authorize(message, challenge, following.token))
    bob.reply(bob.received("MESSAGE"), 302, headers=[("Contact", f"<{carol.uri}>")])
    carol.reply(carol.received("MESSAGE"), 200)
    assert alice.response().status == 200
