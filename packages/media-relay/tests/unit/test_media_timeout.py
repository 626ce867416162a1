"""When the relay gives a session up: nothing heard, held or not, answered or not."""

import pytest

from trunkline.media_relay import SessionTimedOut, TimeoutReason

ALICE, BOB = ("192.0.2.10", 4000), ("203.0.113.20", 5000)


@pytest.fixture
def call(app, sdp):
    """A call answered at second 100; gives our ports towards alice and towards bob."""
    for_bob = app.offer(sdp(*ALICE), controller="proxy").medias[0].port
    return app.answer(sdp(*BOB)).medias[0].port, for_bob


def run_until(app, end):
    """Do as a program does: sleep until the next deadline, handle it."""
    told = []
    while (due := app.relay.next_timeout()) is not None and due <= end:
        assert app.relay.handle_timeout(now=due - 0.001) == []
        app.now = due
        told += app.perform(app.relay.handle_timeout(now=due))
    app.now = end
    return told


def test_without_media_an_answered_call_ends_after_a_minute(app, call):
    (told,) = run_until(app, 1000)
    assert isinstance(told, SessionTimedOut)
    assert (told.reason, told.tags, told.controller) == (TimeoutReason.MEDIA, ("alice", "bob"), "proxy")
    assert told.last_heard == 100.0
    assert not app.open
    assert app.relay.free_pairs == 50
    assert app.relay.next_timeout() is None
    assert app.relay.statistics.timed_out == 1


def test_any_stream_keeps_the_call(app, call):
    for second in range(110, 400, 10):
        assert run_until(app, float(second)) == []
        app.heard(call[0], ALICE)
    (told,) = run_until(app, 1000)
    assert told.last_heard == 390.0
    assert app.relay.next_timeout() is None


def test_rtcp_keeps_the_call(app, call, sender_report):
    app.now = 150.0
    app.heard(call[0] + 1, ("192.0.2.10", 4001), sender_report())
    assert run_until(app, 209.0) == []
    assert len(run_until(app, 210.0)) == 1


def test_packets_of_strangers_keep_nothing(app, call, rtp):
    app.heard(call[0], ALICE)
    app.now = 150.0
    app.heard(call[0], ("198.18.0.66", 1), rtp(1, ssrc=66))
    assert len(run_until(app, 160.0)) == 1


@pytest.mark.parametrize(
    ("offered", "answered"), [("sendonly", "recvonly"), ("inactive", "inactive"), ("sendonly", "inactive")]
)
def test_held_call_may_be_silent_for_long(app, call, sdp, offered, answered):
    app.offer(sdp(*ALICE, f"a={offered}", version=2), to_tag="bob")
    app.answer(sdp(*BOB, f"a={answered}", version=2))
    assert run_until(app, 3699.0) == []
    (told,) = run_until(app, 3700.0)
    assert told.reason is TimeoutReason.SILENCE


def test_held_by_zero_address_may_be_silent_for_long(app, call, sdp):
    app.offer(sdp("0.0.0.0", 4000, version=2), to_tag="bob")
    app.answer(sdp(*BOB, version=2))
    assert run_until(app, 3699.0) == []


def test_resumed_call_must_be_heard_again(app, call, sdp):
    app.offer(sdp(*ALICE, "a=inactive", version=2), to_tag="bob")
    app.answer(sdp(*BOB, "a=inactive", version=2))
    run_until(app, 1000.0)
    app.offer(sdp(*ALICE, version=3), to_tag="bob")
    app.answer(sdp(*BOB, version=3))
    assert run_until(app, 1059.0) == []
    (told,) = run_until(app, 1060.0)
    assert told.reason is TimeoutReason.MEDIA


def test_ringing_may_last_longer_than_the_media_timeout(app, sdp):
    app.offer(sdp(*ALICE))
    assert run_until(app, 399.0) == []
    (told,) = run_until(app, 400.0)
    assert told.reason is TimeoutReason.OFFER


def test_deleted_call_leaves_no_deadline(app, call):
    app.perform(app.relay.delete("c1", now=app.now))
    assert app.relay.next_timeout() is None
    assert app.relay.handle_timeout(now=1e9) == []


def test_each_call_has_its_own_deadline(make_app, sdp):
    app = make_app(timeout=10.0)
    for number in range(3):
        app.now = 100.0 + number
        app.offer(sdp(*ALICE), call_id=f"c{number}")
        app.answer(sdp(*BOB), call_id=f"c{number}")
    assert [told.call_id for told in run_until(app, 111.5)] == ["c0", "c1"]
    assert app.relay.call_ids() == ["c2"]
