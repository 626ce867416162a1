"""RFC 3261 §13: the dialogs a forked INVITE makes, the ACK of each 2xx, and the 2xx sent until it comes.

Not here: the transactions that carry them (§17).
"""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, make_response
from trunkline.sip_transaction import (
    AcceptedInvite,
    AcceptedState,
    AckMissing,
    Dialog,
    DialogBegun,
    DialogConfirmed,
    DialogEnded,
    DialogSet,
    DialogState,
    Respond,
)

VIA = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-ack"
CONTACT = "Contact: <sip:alice@192.0.2.1>\r\n"


def answer(invite, status, tag="bob"):
    return make_response(invite, status, to_tag=tag, headers=[("Contact", f"<sip:{tag}@198.51.100.2>")])


@pytest.fixture
def invite(desk):
    return desk.request(more=CONTACT)


@pytest.fixture
def dialogs(invite):
    return DialogSet(invite)


# §13.2.2.1, §13.2.2.4: several early dialogs, one or more confirmed.


def test_each_phone_that_rings_begins_a_dialog_once(dialogs, invite):
    begun = [dialogs.receive(answer(invite, s, t), now=0) for s, t in ((180, "a"), (183, "b"), (180, "b"))]
    assert [[type(effect) for effect in effects] for effects in begun] == [[DialogBegun], [DialogBegun], []]
    assert [dialog.remote_tag for dialog in dialogs] == ["a", "b"]
    assert {dialog.state for dialog in dialogs} == {DialogState.EARLY}


@pytest.mark.parametrize(("status", "tag"), [(100, "a"), (180, None)])
def test_what_has_no_dialog_begins_none(dialogs, invite, status, tag):
    assert dialogs.receive(make_response(invite, status, to_tag=tag), now=0) == []
    assert len(dialogs) == 0


def test_one_answers_and_the_others_end_64_t1_later(dialogs, invite):
    for tag in ("a", "b", "c"):
        dialogs.receive(answer(invite, 180, tag), now=0)
    [confirmed] = dialogs.receive(answer(invite, 200, "b"), now=10)
    assert isinstance(confirmed, DialogConfirmed)
    assert (confirmed.dialog.remote_tag, confirmed.is_first) == ("b", True)
    assert dialogs.next_timeout() == 42
    assert dialogs.handle_timeout(now=41.9) == []
    ended = dialogs.handle_timeout(now=42)
    assert [(type(effect), effect.dialog.remote_tag) for effect in ended] == [
        (DialogEnded, "a"),
        (DialogEnded, "c"),
    ]
    assert [dialog.remote_tag for dialog in dialogs] == ["b"]
    assert dialogs.next_timeout() is None
    assert dialogs.receive(answer(invite, 200, "d"), now=43) == []


def test_second_phone_that_answers_is_told_to_be_one_too_many(dialogs, invite):
    firsts = []
    for tag in ("a", "b"):
        [confirmed] = dialogs.receive(answer(invite, 200, tag), now=0)
        firsts.append(confirmed.is_first)
    assert firsts == [True, False]
    assert {dialog.state for dialog in dialogs} == {DialogState.CONFIRMED}


def test_every_copy_of_a_2xx_gets_the_same_ack(dialogs, invite, desk):
    acks = {}
    for tag in ("a", "b"):
        [confirmed] = dialogs.receive(answer(invite, 200, tag), now=0)
        assert dialogs.receive(answer(invite, 200, tag), now=0) == [], "no ACK made yet"
        acks[tag] = dialogs.acknowledge(confirmed.dialog, confirmed.dialog.make_ack(via=VIA), desk.flow)
    for tag in ("b", "a", "a"):
        assert dialogs.receive(answer(invite, 200, tag), now=1) == [acks[tag]]
    assert b"tag=a" in acks["a"].data
    dialogs.handle_timeout(now=100)
    assert dialogs.receive(answer(invite, 200, "a"), now=100) == [acks["a"]]


def test_failure_ends_all_early_dialogs(dialogs, invite):
    for tag in ("a", "b"):
        dialogs.receive(answer(invite, 180, tag), now=0)
    ended = dialogs.receive(answer(invite, 486, "b"), now=1)
    assert [effect.dialog.remote_tag for effect in ended] == ["a", "b"]
    assert len(dialogs) == 0
    assert dialogs.receive(answer(invite, 180, "a"), now=2) == []


def test_failure_after_an_answer_ends_nothing(dialogs, invite):
    dialogs.receive(answer(invite, 180, "a"), now=0)
    dialogs.receive(answer(invite, 200, "b"), now=0)
    assert dialogs.receive(answer(invite, 487, "a"), now=1) == []
    assert len(dialogs) == 2


def test_199_ends_the_early_dialog_it_names(dialogs, invite):
    dialogs.receive(answer(invite, 180, "a"), now=0)
    dialogs.receive(answer(invite, 180, "b"), now=0)
    [ended] = dialogs.receive(answer(invite, 199, "a"), now=1)
    assert ended.dialog.remote_tag == "a"
    assert [dialog.remote_tag for dialog in dialogs] == ["b"]
    assert dialogs.receive(answer(invite, 199, "a"), now=2) == []
    dialogs.receive(answer(invite, 200, "b"), now=3)
    assert dialogs.receive(answer(invite, 199, "b"), now=4) == []


def test_only_a_first_invite_makes_a_set(desk):
    for request in (desk.request("OPTIONS"), desk.request(to="<sip:bob@example.test>;tag=x")):
        with pytest.raises(LocalProtocolError, match="INVITE"):
            DialogSet(request)


def test_only_a_confirmed_dialog_of_the_set_is_acknowledged(dialogs, invite, desk):
    [begun] = dialogs.receive(answer(invite, 180), now=0)
    stranger = Dialog.from_uac(invite, answer(invite, 200))
    for dialog in (begun.dialog, stranger):
        with pytest.raises(LocalProtocolError, match="DialogConfirmed"):
            dialogs.acknowledge(dialog, stranger.make_ack(via=VIA), desk.flow)


# §15: who may hang up, and when.


def test_callee_may_not_hang_up_before_the_answer_and_the_caller_may(invite):
    callee = Dialog.from_uas(invite, answer(invite, 180))
    with pytest.raises(LocalProtocolError, match="§15"):
        callee.make_request("BYE", via=VIA)
    callee.confirm()
    callee.make_request("BYE", via=VIA)
    Dialog.from_uac(invite, answer(invite, 180)).make_request("BYE", via=VIA)


# §13.3.1.4: the 2xx, again and again.


def wait(accepted, seconds):
    moments = []
    while (moment := accepted.next_timeout()) is not None and moment <= seconds:
        moments += [(moment, type(effect)) for effect in accepted.handle_timeout(now=moment)]
    return moments


def test_2xx_is_sent_again_at_t1_doubled_up_to_t2_and_then_given_up(invite):
    response = answer(invite, 200)
    accepted = AcceptedInvite(response, now=0)
    assert accepted.handle_timeout(now=0.4) == []
    moments = wait(accepted, 32)
    sent = [moment for moment, kind in moments if kind is Respond]
    assert sent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert moments[-1] == (32, AckMissing)
    assert accepted.next_timeout() is None
    assert accepted.state is AcceptedState.ABANDONED
    assert accepted.may_bye


def test_ack_stops_the_2xx_and_lets_the_callee_hang_up(invite):
    accepted = AcceptedInvite(answer(invite, 200), now=0)
    assert len(wait(accepted, 2)) == 2
    assert not accepted.may_bye
    accepted.acknowledge()
    assert accepted.may_bye
    assert accepted.next_timeout() is None
    accepted.acknowledge()
    assert accepted.state is AcceptedState.ACKNOWLEDGED


def test_caller_who_hung_up_still_gets_the_2xx_its_invite_waits_for(invite):
    accepted = AcceptedInvite(answer(invite, 200), now=0)
    assert len(wait(accepted, 1)) == 1
    accepted.hang_up()
    assert accepted.state is AcceptedState.LEFT
    assert accepted.may_bye
    assert {kind for _, kind in wait(accepted, 32)} == {Respond}, "no ACK is missed any more"
    assert (accepted.next_timeout(), accepted.state) == (None, AcceptedState.ABANDONED)


def test_ack_after_the_bye_stops_the_2xx(invite):
    accepted = AcceptedInvite(answer(invite, 200), now=0)
    accepted.hang_up()
    accepted.acknowledge()
    assert (accepted.next_timeout(), accepted.state) == (None, AcceptedState.ACKNOWLEDGED)


def test_late_wake_up_retransmits_once_and_goes_on(invite):
    accepted = AcceptedInvite(answer(invite, 200), now=0)
    assert [type(effect) for effect in accepted.handle_timeout(now=10)] == [Respond]
    assert accepted.next_timeout() == 11
