"""A phone registers: challenged, confirmed when its contact is on disk, undone when it cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated import DOMAIN, Phone, World

from trunkline.provider.stack import AskSubscribers
from trunkline.sip_parser import Request


@pytest.fixture
def alice(world: World) -> Phone:
    """Alice's phone, not registered yet."""
    return Phone(world, "alice", ("198.51.100.1", 5060))


def authorized(phone: Phone, **more: str) -> Request:
    """Give a REGISTER with credentials that are good once, not sent yet."""
    headers = {"Expires": "600", **more}.items()
    request = phone.request("REGISTER", f"sip:{DOMAIN}", to=phone.uri, headers=headers)
    phone.send(request)
    return phone.authenticator.authorize(request, phone.response(401), phone.world.token)


def test_first_register_is_challenged_with_the_domain_as_realm(world: World, alice: Phone) -> None:
    alice.send(alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri))
    challenge = alice.response(401).headers.get("WWW-Authenticate") or ""
    assert f'realm="{DOMAIN}"' in challenge
    assert 'qop="auth"' in challenge
    assert world.contacts() == []


def test_register_with_credentials_is_confirmed_with_its_contact(world: World, alice: Phone) -> None:
    response = alice.register()
    assert response.status == 200
    assert response.headers.get("Contact") == f"{alice.contact};expires=600"
    assert response.headers.get("Server") == "Trunkline"
    assert world.contacts() == [alice.contact.strip("<>")]


def test_confirmation_waits_until_the_contact_is_on_disk(world: World, alice: Phone) -> None:
    request = authorized(alice)
    world.committing = False
    alice.send(request)
    assert not alice.inbox
    assert world.contacts() == []
    world.commit()
    alice.response(200)
    assert world.contacts() == [alice.contact.strip("<>")]


def test_registration_the_database_refuses_is_answered_500_and_undone(world: World, alice: Phone) -> None:
    request = authorized(alice)
    world.database_is_away = True
    alice.send(request)
    response = alice.response(500)
    assert response.headers.get("Retry-After") == "5"
    assert world.stack.location.contacts() == 0
    world.database_is_away = False
    world.commit()
    assert world.contacts() == []


def test_refused_refresh_leaves_the_binding_that_was_confirmed(world: World, alice: Phone) -> None:
    alice.register(expires=600)
    before = world.rows("select contact, expires, cseq from location")
    request = authorized(alice, CSeq="9 REGISTER")
    world.advance(10)
    world.database_is_away = True
    alice.send(request)
    alice.response(500)
    world.database_is_away = False
    world.commit()
    assert world.rows("select contact, expires, cseq from location") == before
    [binding] = world.stack.location.get(f"alice@{DOMAIN}")
    assert binding.cseq == before[0][2]


def test_refused_removal_leaves_the_phone_registered(world: World, alice: Phone) -> None:
    alice.register()
    request = authorized(alice, Contact="*", Expires="0")
    world.database_is_away = True
    alice.send(request)
    alice.response(500)
    world.database_is_away = False
    world.commit()
    assert world.contacts() == [alice.contact.strip("<>")]
    assert world.stack.location.contacts() == 1


def test_two_refused_registers_of_one_phone_leave_nothing(world: World, alice: Phone) -> None:
    first = authorized(alice, **{"Call-ID": "one"})
    second = authorized(alice, **{"Call-ID": "two", "Contact": f"{alice.contact};q=0.5"})
    world.committing = False
    alice.send(first)
    alice.send(second)
    world.database_is_away = True
    world.commit()
    assert sorted(alice.start_lines) == ["500 Database Unavailable"] * 2
    assert world.stack.location.contacts() == 0
    world.database_is_away = False
    world.commit()
    assert world.contacts() == []


def test_register_confirmed_after_an_earlier_one_was_refused_stays_on_disk(
    world: World, alice: Phone
) -> None:
    first = authorized(alice, **{"Call-ID": "one"})
    second = authorized(alice, **{"Call-ID": "two"})
    world.committing = False
    alice.send(first)
    [refused] = world.barriers
    world.barriers.clear()
    world.kept.append(world.batch)
    world.batch = type(world.batch)()
    alice.send(second)  # while the first is on its way to a disk that is full
    world.perform(world.stack.resume(refused, False, now=world.now))
    alice.response(500)
    world.commit()
    alice.response(200)
    assert world.contacts() == [alice.contact.strip("<>")]
    assert world.stack.location.contacts() == 1


def test_while_the_database_refuses_registrations_are_refused_at_once(world: World, alice: Phone) -> None:
    request = authorized(alice)
    world.stack.storing = False
    world.committing = False
    alice.send(request)
    assert alice.response(500).headers.get("Retry-After") == "5"
    assert world.stack.location.contacts() == 0


def test_query_lists_the_contacts_without_waiting(world: World, alice: Phone) -> None:
    alice.register()
    world.committing = False
    query = alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri, headers=[("Contact", "<sip:a@b>")])
    query.headers.remove("Contact")
    assert alice.ask(query).headers.get("Contact") == f"{alice.contact};expires=600"


def test_credentials_are_good_once(world: World, alice: Phone) -> None:
    request = authorized(alice)
    alice.send(request)
    alice.response(200)
    again = request.copy()
    again.headers.replace_top("Via", alice.via())
    alice.send(again)
    challenge = alice.response(401).headers.get("WWW-Authenticate") or ""
    assert "stale=true" in challenge


def test_credentials_grow_old(world: World, alice: Phone) -> None:
    request = authorized(alice)
    world.advance(60)
    alice.send(request)
    assert "stale=true" in (alice.response(401).headers.get("WWW-Authenticate") or "")


def test_nonce_is_used_again_with_a_higher_count(world: World, alice: Phone) -> None:
    alice.register()
    request = alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri, cseq=5)
    alice.authenticator.preempt(request, world.token)
    alice.send(request)
    alice.response(200)


def test_wrong_password_is_challenged_again(world: World) -> None:
    mallory = Phone(world, "alice", ("198.51.100.9", 5060), password="guess")
    mallory.send(authorized(mallory))
    assert "stale" not in (mallory.response(401).headers.get("WWW-Authenticate") or "")


def test_unknown_user_is_told_no_more_than_a_wrong_password_is(world: World) -> None:
    nobody = Phone(world, "nobody", ("198.51.100.9", 5060))
    nobody.send(authorized(nobody))
    nobody.response(401)


def test_register_for_somebody_else_is_forbidden(world: World, alice: Phone) -> None:
    request = alice.request("REGISTER", f"sip:{DOMAIN}", to=f"sip:bob@{DOMAIN}")
    assert alice.ask(request).status == 403
    assert world.contacts() == []


def test_foreign_domain_is_forbidden(world: World, alice: Phone) -> None:
    request = alice.request("REGISTER", "sip:elsewhere.test", to="sip:alice@elsewhere.test")
    assert alice.ask(request).status == 403


def test_user_name_with_the_domain_is_understood(world: World) -> None:
    phone = Phone(world, "alice", ("198.51.100.1", 5060))
    phone.authenticator.username = f"alice@{DOMAIN}"
    assert phone.register().status == 200


def test_phone_that_knows_only_our_address_registers_in_the_first_domain(world: World, alice: Phone) -> None:
    request = alice.request("REGISTER", "sip:192.0.2.1", to="sip:alice@192.0.2.1")
    assert alice.ask(request).status == 200
    assert f"alice@{DOMAIN}" in world.stack.location


def test_database_that_does_not_answer_is_told_apart_from_a_wrong_password(
    world: World, alice: Phone
) -> None:
    request = authorized(alice)
    world.database_is_away = True
    alice.send(request)
    assert alice.response(500).reason == "Database Unavailable"


def test_subscriber_is_loaded_once(world: World, alice: Phone) -> None:
    alice.register()
    world.hold = {AskSubscribers}
    assert alice.register().status == 200
    assert not world.held


def test_without_challenges_everybody_is_believed(new_world: Callable[..., World]) -> None:
    world = new_world(auth={"challenge": False})
    phone = Phone(world, "alice", ("198.51.100.1", 5060), password="none")
    phone.send(phone.request("REGISTER", f"sip:{DOMAIN}", to=phone.uri))
    phone.response(200)


def test_binding_ends_on_disk_when_its_time_is_over(world: World, alice: Phone) -> None:
    alice.register(expires=60)
    world.advance(59)
    world.perform(world.stack.expire_bindings())
    assert len(world.contacts()) == 1
    world.advance(2)
    world.perform(world.stack.expire_bindings())
    assert world.contacts() == []


def test_binding_is_known_after_a_restart(world: World, alice: Phone) -> None:
    alice.register()
    again = world.restarted()
    assert [binding.contact for _, [binding] in again.stack.location.items()] == [alice.contact.strip("<>")]


def test_credentials_from_before_a_restart_only_need_a_new_nonce(world: World, alice: Phone) -> None:
    alice.register()
    request = alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri, cseq=5)
    alice.authenticator.preempt(request, world.token)
    world.restarted()
    alice.send(request)
    assert "stale=true" in (alice.response(401).headers.get("WWW-Authenticate") or "")


def test_registrations_are_counted(world: World, alice: Phone) -> None:
    alice.register()
    alice.ask(alice.request("REGISTER", f"sip:{DOMAIN}", to=f"sip:bob@{DOMAIN}"))
    statistics = world.stack.statistics
    assert (statistics.accepted_regs, statistics.rejected_regs) == (1, 1)


def test_challenge_is_said_again_to_a_copy_and_nothing_kept_of_it(world: World, alice: Phone) -> None:
    request = alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri)
    alice.send(request)
    first = alice.response(401)
    assert len(world.stack.layer._servers.by_key) == 0
    alice.send(request)
    again = alice.response(401)
    assert again.to_tag == first.to_tag is not None
    assert again.headers.get("WWW-Authenticate") != first.headers.get("WWW-Authenticate")
    other = alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri)
    alice.send(other)
    assert alice.response(401).to_tag != first.to_tag


def test_either_challenge_to_a_copy_may_be_answered(world: World, alice: Phone) -> None:
    request = alice.request("REGISTER", f"sip:{DOMAIN}", to=alice.uri, headers=[("Expires", "600")])
    alice.send(request)
    first = alice.response(401)
    alice.send(request)
    alice.response(401)
    alice.send(alice.authenticator.authorize(request, first, world.token))
    alice.response(200)
    assert world.contacts() == [alice.contact.strip("<>")]
