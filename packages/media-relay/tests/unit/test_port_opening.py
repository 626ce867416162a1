"""Ports that cannot be bound: an offer never answers with one of them."""

import pytest

from trunkline.media_relay import ClosePort, LocalProtocolError, OpenPort, Refused, SdpReady

ALICE, BOB = ("192.0.2.10", 4000), ("203.0.113.20", 5000)


def asked(app, sdp, call_id="c0"):
    """The ports an offer asks for, none of them opened yet."""
    effects = app.relay.offer(call_id, "alice", sdp(*ALICE), now=app.now)
    return [effect.port for effect in effects if isinstance(effect, OpenPort)]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_any_port_of_an_offer_may_be_taken(app, sdp, rtp, place):
    ports = [effect.port for effect in app.relay.offer("x", "a", sdp(*ALICE), now=0.0)[:4]]
    app.relay.delete("x", now=0.0)
    rounds = app.relay.free_pairs // 2 - 1
    for _ in range(rounds):
        app.relay.offer("x", "a", sdp(*ALICE), now=0.0)
        app.relay.delete("x", now=0.0)
    app.taken = {ports[place]}
    offered = app.offer(sdp(*ALICE))
    answered = app.answer(sdp(*BOB))
    assert app.relay.statistics.ports_failed == 1
    assert len(app.open) == 4
    assert not app.taken & set(app.open)
    for_bob, for_alice = offered.medias[0].port, answered.medias[0].port
    assert {for_bob, for_bob + 1, for_alice, for_alice + 1} == set(app.open)
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)
    app.perform(app.relay.delete("c1", now=app.now))
    assert not app.open
    assert app.relay.free_pairs == 50


def test_sibling_that_was_open_already_is_closed(app, sdp):
    ports = asked(app, sdp)
    effects = app.relay.port_failed(ports[1], now=app.now)
    assert effects[0] == ClosePort(ports[0])
    assert [effect.port for effect in effects[1:3]] == ports[2:]
    assert isinstance(effects[-1], SdpReady)


def test_ports_opened_before_are_not_asked_for_again(app, sdp):
    ports = asked(app, sdp)
    effects = app.relay.port_failed(ports[2], now=app.now)
    again = [effect.port for effect in effects if isinstance(effect, OpenPort)]
    assert len(again) == 2
    assert not set(again) & set(ports)


def test_many_taken_ports_are_passed_over(app, sdp):
    app.taken = set(range(30000, 30040))
    for number in range(5):
        app.offer(sdp(*ALICE), call_id=f"c{number}")
    assert len(app.open) == 20
    assert not app.taken & set(app.open)


def test_when_no_port_can_be_bound_the_offer_is_refused_and_nothing_is_left(app, sdp):
    app.taken = set(range(30000, 30100))
    told = app.perform(app.relay.offer("c1", "alice", sdp(*ALICE), now=app.now))
    assert isinstance(told[-1], Refused)
    assert told[-1].overloaded
    assert not app.open
    assert len(app.relay) == 0
    assert app.relay.free_pairs == 50
    assert app.relay.next_timeout() is None


def test_last_free_pair_that_fails_is_refused(make_app, sdp):
    app = make_app(ports=(30000, 30003))
    app.taken = {30001}
    told = app.perform(app.relay.offer("c1", "alice", sdp(*ALICE), now=app.now))
    assert isinstance(told[-1], Refused)
    assert not app.open
    assert app.relay.free_pairs == 2


def test_reoffer_without_ports_leaves_the_call_as_it_was(app, sdp):
    for_bob = app.offer(sdp(*ALICE)).medias[0].port
    for_alice = app.answer(sdp(*BOB)).medias[0].port
    deadline = app.relay.next_timeout()
    app.taken = set(range(30000, 30100)) - set(app.open)
    video = sdp("192.0.2.99", 4100, "m=video 4010 RTP/AVP 96", version=2)
    told = app.perform(app.relay.offer("c1", "alice", video, now=app.now, to_tag="bob"))
    assert isinstance(told[-1], Refused)
    assert len(app.open) == 4
    assert app.heard(for_bob, BOB) == (for_alice, ALICE)
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)
    assert app.relay.next_timeout() == deadline
    app.perform(app.relay.delete("c1", now=app.now))
    assert app.relay.free_pairs == 50


def test_new_branch_without_ports_leaves_the_other_branch(app, sdp):
    for_bob = app.offer(sdp(*ALICE), via_branch="z9hG4bK1").medias[0].port
    for_alice = app.answer(sdp(*BOB), via_branch="z9hG4bK1").medias[0].port
    app.taken = set(range(30000, 30100)) - set(app.open)
    told = app.perform(app.relay.offer("c1", "alice", sdp(*ALICE), now=app.now, via_branch="z9hG4bK2"))
    assert isinstance(told[-1], Refused)
    assert len(app.relay.query("c1").parties) == 2
    assert app.heard(for_alice, ALICE) == (for_bob, BOB)


def test_failure_nobody_asked_about_is_the_callers_mistake(app, sdp):
    with pytest.raises(LocalProtocolError):
        app.relay.port_failed(30000, now=app.now)
    app.offer(sdp(*ALICE))
    port = min(app.open)
    with pytest.raises(LocalProtocolError):
        app.relay.port_failed(31000, now=app.now)
    app.answer(sdp(*BOB))
    with pytest.raises(LocalProtocolError):
        app.relay.port_failed(port, now=app.now)
