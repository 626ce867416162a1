"""RFC 3515 §2.4 and RFC 6665 §4: the subscription that a REFER makes, at both of its ends."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import LocalProtocolError, RemoteProtocolError, make_response
from trunkline.sip_transaction import (
    SIPFRAG,
    NotifierSilent,
    NotifierState,
    ReferNotifier,
    ReferSubscriber,
    SubscriberState,
)

REFER_TO = "Refer-To: <sip:carol@example.test>\r\n"


@pytest.fixture
def refer(desk):
    return desk.request("REFER", cseq="7 REFER", more=REFER_TO)


@pytest.fixture
def notifier(refer):
    return ReferNotifier(refer, now=0)


@pytest.fixture
def subscriber(refer):
    return ReferSubscriber(refer, now=0)


@pytest.fixture
def notify(desk):
    """Make a NOTIFY as it comes."""

    def notify(body=b"SIP/2.0 100 Trying\r\n", **changes):
        headers = {"Event": "refer;id=7", "Subscription-State": "active;expires=60", "Content-Type": SIPFRAG}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        request = desk.request("NOTIFY", more=lines)
        request.body = body
        return request

    return notify


def told(notifies):
    return [(dict(one.headers)["Subscription-State"], one.body.decode().strip()) for one in notifies]


# §2.4.4 to §2.4.7, the notifier.


def test_first_notify_says_that_nothing_is_decided(notifier):
    first = notifier.first(now=0)
    assert dict(first.headers) == {
        "Event": "refer;id=7",
        "Subscription-State": "pending;expires=60",
        "Content-Type": "message/sipfrag;version=2.0",
    }
    assert first.body == b"SIP/2.0 100 Trying\r\n"


def test_progress_and_outcome_are_told_and_the_outcome_ends_it(notifier, desk):
    invite = desk.request()
    assert notifier.progress(make_response(invite, 180), now=1) == [], "it is not even approved"
    assert told(notifier.approve(now=5)) == [("active;expires=55", "SIP/2.0 100 Trying")]
    assert told(notifier.progress(make_response(invite, 180), now=10)) == [
        ("active;expires=50", "SIP/2.0 180 Ringing")
    ]
    assert told(notifier.progress(make_response(invite, 200), now=11)) == [
        ("terminated;reason=noresource", "SIP/2.0 200 OK")
    ]
    assert notifier.state is NotifierState.TERMINATED
    assert notifier.progress(make_response(invite, 200), now=12) == []
    assert notifier.next_timeout() is None


def test_refusal_of_the_user_is_told_as_603(notifier):
    assert told(notifier.decline(now=3)) == [("terminated;reason=rejected", "SIP/2.0 603 Declined")]
    assert notifier.decline(now=4) == []


@pytest.mark.parametrize("approved", [True, False])
def test_subscription_that_lasts_too_long_ends_with_what_was_last_known(notifier, approved):
    if approved:
        notifier.approve(now=1)
    assert notifier.handle_timeout(now=59) == []
    assert told(notifier.handle_timeout(now=60)) == [("terminated;reason=timeout", "SIP/2.0 100 Trying")]


@pytest.mark.parametrize(
    ("status", "state"),
    [(481, NotifierState.TERMINATED), (None, NotifierState.TERMINATED), (500, NotifierState.ACTIVE)],
)
def test_subscriber_who_is_gone_ends_it(notifier, status, state):
    notifier.approve(now=1)
    notifier.notify_failed(status)
    assert notifier.state is state


@pytest.mark.parametrize("more", ["", REFER_TO * 2, "Refer-To: <carol>\r\n"])
def test_2_4_2_refer_needs_exactly_one_target(desk, more):
    with pytest.raises(RemoteProtocolError):
        ReferNotifier(desk.request("REFER", more=more), now=0)


# The subscriber.


def test_subscriber_follows_the_call_it_asked_for(subscriber, notify):
    assert subscriber.state is SubscriberState.NOTIFY_WAIT
    steps = [
        ("pending;expires=60", b"SIP/2.0 100 Trying\r\n", SubscriberState.PENDING, 100),
        ("active;expires=60", b"SIP/2.0 180 Ringing\r\n", SubscriberState.ACTIVE, 180),
        ("terminated;reason=noresource", b"SIP/2.0 486 Busy Here\r\n\r\n", SubscriberState.TERMINATED, 486),
    ]
    for value, body, state, status in steps:
        assert subscriber.receive_notify(notify(body, Subscription_State=value), now=1) == 200
        assert (subscriber.state, subscriber.status) == (state, status)
    assert subscriber.receive_notify(notify(), now=2) == 481


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Event": "presence"}, 489),
        ({"Event": None}, 489),
        ({"Event": "refer;id=8"}, 481),
        ({"Event": "refer"}, 200),
        ({"Subscription_State": None}, 400),
        ({"Subscription_State": "odd"}, 400),
        ({"Subscription_State": "active;expires=soon"}, 400),
        ({"body": b"hello"}, 400),
        ({"body": b"SIP/2.0 2x0 OK"}, 400),
        ({"body": b""}, 400),
    ],
)
def test_notify_is_judged(subscriber, notify, changes, status):
    assert subscriber.receive_notify(notify(**changes), now=1) == status
    assert (subscriber.state is SubscriberState.NOTIFY_WAIT) == (status != 200)


def test_2_4_6_second_refer_in_a_dialog_is_told_by_its_number(refer, notify):
    second = ReferSubscriber(refer, now=0, is_first=False)
    assert second.receive_notify(notify(Event="refer"), now=1) == 481
    assert second.receive_notify(notify(), now=1) == 200


def test_no_notify_within_timer_n_is_silence(subscriber):
    assert subscriber.handle_timeout(now=31) == []
    [silent] = subscriber.handle_timeout(now=32)
    assert isinstance(silent, NotifierSilent)
    assert subscriber.state is SubscriberState.TERMINATED


def test_subscription_that_expires_is_silence(subscriber, notify):
    subscriber.receive_notify(notify(Subscription_State="active;expires=10"), now=1)
    subscriber.receive_notify(notify(Subscription_State="active;expires=10"), now=5)
    assert subscriber.next_timeout() == 15
    assert [type(effect) for effect in subscriber.handle_timeout(now=15)] == [NotifierSilent]


def test_notifier_that_names_no_end_is_given_one(subscriber, notify):
    subscriber.receive_notify(notify(Subscription_State="active"), now=1)
    assert subscriber.next_timeout() == 3601
    subscriber.receive_notify(notify(Subscription_State="active;expires=10"), now=2)
    subscriber.receive_notify(notify(Subscription_State="active"), now=3)
    assert subscriber.next_timeout() == 12


def test_refused_refer_has_no_subscription(subscriber, notify):
    subscriber.refused()
    assert (subscriber.state, subscriber.next_timeout()) == (SubscriberState.TERMINATED, None)
    assert subscriber.receive_notify(notify(), now=1) == 481


def test_only_a_refer_makes_a_subscriber(desk):
    with pytest.raises(LocalProtocolError, match="REFER"):
        ReferSubscriber(desk.request("SUBSCRIBE"), now=0)


def test_what_the_notifier_says_the_subscriber_understands(notifier, subscriber, desk):
    invite = desk.request()
    said = [
        notifier.first(now=0),
        *notifier.approve(now=0),
        *notifier.progress(make_response(invite, 603), now=1),
    ]
    for one in said:
        request = desk.request("NOTIFY", more="".join(f"{name}: {value}\r\n" for name, value in one.headers))
        request.body = one.body
        assert subscriber.receive_notify(request, now=1) == 200
    assert (subscriber.state, subscriber.status) == (SubscriberState.TERMINATED, 603)
