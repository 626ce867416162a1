"""RFC 4028 §7, §9, §10: session timers of a user agent, as caller and as callee.

Not here: the proxy's side (§8), which is in sip-proxy.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, make_response
from trunkline.sip_transaction import RefreshDue, SessionExpired, SessionState, SessionTimer


@pytest.fixture
def timer():
    return SessionTimer()


@pytest.fixture
def answer(desk):
    def answer(status=200, **headers):
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return make_response(desk.request(), status, to_tag="bob", headers=named)

    return answer


@pytest.fixture
def ask(desk):
    """Make an INVITE of the peer with these headers."""

    def ask(**headers):
        return desk.request(more="".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in headers.items()))

    return ask


def moments(timer, until=10_000):
    found = []
    while (moment := timer.next_timeout()) is not None and moment <= until:
        found += [(moment, type(effect)) for effect in timer.handle_timeout(now=moment)]
    return found


# §7, the caller.


def test_7_1_first_request_asks_for_our_interval_and_names_nobody(timer):
    assert timer.headers() == [("Supported", "timer"), ("Session-Expires", "1800")]
    assert SessionTimer(session_expires=600, min_se=120).headers()[1:] == [
        ("Session-Expires", "600"),
        ("Min-SE", "120"),
    ]


@pytest.mark.parametrize(
    ("refresher", "state", "again"),
    [(";refresher=uac", SessionState.OURS, "uac"), (";refresher=uas", SessionState.THEIRS, "uas"),
     (";refresher=UAS", SessionState.THEIRS, "uas"), ("", SessionState.OURS, "uac")],
)  # fmt: skip
def test_7_2_2xx_says_who_refreshes_and_7_4_it_stays_so(timer, answer, refresher, state, again):
    timer.receive_2xx(answer(Session_Expires=f"600{refresher}"), now=0)
    assert (timer.state, timer.interval) == (state, 600)
    assert timer.headers() == [("Supported", "timer"), ("Session-Expires", f"600;refresher={again}")]


def test_7_2_2xx_without_an_interval_means_that_the_session_does_not_expire(timer, answer):
    timer.receive_2xx(answer(Session_Expires="600;refresher=uac"), now=0)
    timer.receive_2xx(answer(), now=10)
    assert (timer.state, timer.interval, timer.next_timeout()) == (SessionState.OFF, None, None)


def test_7_2_interval_that_cannot_be_read_changes_nothing(timer, answer):
    with pytest.raises(RemoteProtocolError):
        timer.receive_2xx(answer(Session_Expires="soon"), now=0)
    assert timer.state is SessionState.OFF


def test_7_3_422_raises_the_interval_and_is_not_followed_for_ever(timer, answer):
    assert timer.raise_interval(answer(422, Min_SE="3600"))
    assert timer.headers()[1:] == [("Session-Expires", "3600"), ("Min-SE", "3600")]
    assert not timer.raise_interval(answer(422, Min_SE="3600"))
    assert not timer.raise_interval(answer(422))


def test_7_3_422_does_not_raise_what_we_accept_from_the_peer(timer, answer, ask):
    timer.raise_interval(answer(422, Min_SE="3600"))
    assert timer.accept(ask(Supported="timer", Session_Expires="100"), now=0)[0] == 200


# §9, the callee. Table 2 says who refreshes.


TIMER = {"Supported": "timer"}


@pytest.mark.parametrize(
    ("headers", "session_expires", "require", "state"),
    [
        ({**TIMER, "Session_Expires": "600"}, "600;refresher=uac", True, SessionState.THEIRS),
        ({**TIMER, "Session_Expires": "600;refresher=uac"}, "600;refresher=uac", True, SessionState.THEIRS),
        ({**TIMER, "Session_Expires": "600;refresher=uas"}, "600;refresher=uas", True, SessionState.OURS),
        ({"Session_Expires": "600"}, "600;refresher=uas", False, SessionState.OURS),
        ({"Session_Expires": "600;refresher=uac"}, "600;refresher=uas", False, SessionState.OURS),
        (TIMER, "1800;refresher=uac", True, SessionState.THEIRS),
        ({}, "1800;refresher=uas", False, SessionState.OURS),
        ({**TIMER, "Session_Expires": "7200"}, "1800;refresher=uac", True, SessionState.THEIRS),
        ({**TIMER, "x": "7200", "Min_SE": "3600"}, "3600;refresher=uac", True, SessionState.THEIRS),
        ({**TIMER, "Min_SE": "3600"}, "3600;refresher=uac", True, SessionState.THEIRS),
        ({"Session_Expires": "30"}, "90;refresher=uas", False, SessionState.OURS),
        ({"Require": "timer", "x": "600"}, "600;refresher=uac", True, SessionState.THEIRS),
    ],
)
def test_9_2xx_answers_what_was_asked(timer, ask, headers, session_expires, require, state):
    status, extra = timer.accept(ask(**headers), now=0)
    assert status == 200
    assert dict(extra).get("Session-Expires") == session_expires
    assert (("Require", "timer") in extra) == require
    assert timer.state is state


def test_9_too_short_an_interval_is_refused_and_changes_nothing(timer, ask):
    asked = ask(Supported="timer", Session_Expires="89")
    assert timer.accept(asked, now=0) == (422, [("Min-SE", "90")])
    assert timer.state is SessionState.OFF


# §10, time.


def test_10_who_refreshes_does_so_at_half_of_the_interval(timer, answer):
    for start in (0, 300, 600):
        timer.receive_2xx(answer(Session_Expires="600;refresher=uac"), now=start)
        assert timer.next_timeout() == start + 300
        assert timer.handle_timeout(now=start + 299.9) == []
        [due] = timer.handle_timeout(now=start + 300)
        assert isinstance(due, RefreshDue)
        assert timer.state is SessionState.REFRESHING


@pytest.mark.parametrize(("interval", "end"), [(600, 568), (90, 60), (96, 64), (97, 65)])
@pytest.mark.parametrize("refresher", ["uac", "uas"])
def test_10_session_is_ended_a_third_or_32_seconds_before_it_expires(timer, answer, interval, end, refresher):
    timer.receive_2xx(answer(Session_Expires=f"{interval};refresher={refresher}"), now=0)
    expected = [(end, SessionExpired)]
    if refresher == "uac":
        expected.insert(0, (interval / 2, RefreshDue))
    assert moments(timer) == expected
    assert timer.state is SessionState.OVER


@pytest.mark.parametrize("status", [408, 481, None])
def test_10_refresh_that_finds_nobody_ends_the_session(timer, answer, status):
    timer.receive_2xx(answer(Session_Expires="600;refresher=uac"), now=0)
    assert timer.refresh_failed(status) == [], "none is under way"
    timer.handle_timeout(now=300)
    [expired] = timer.refresh_failed(status)
    assert isinstance(expired, SessionExpired)
    assert (timer.state, timer.next_timeout()) == (SessionState.OVER, None)


def test_10_refused_refresh_may_be_tried_again_until_it_is_too_late(timer, answer):
    timer.receive_2xx(answer(Session_Expires="600;refresher=uac"), now=0)
    timer.handle_timeout(now=300)
    assert timer.refresh_failed(491) == []
    assert timer.headers()[1] == ("Session-Expires", "600;refresher=uac")
    assert moments(timer) == [(568, SessionExpired)]


def test_refresh_of_the_peer_puts_the_end_off(timer, answer, ask):
    timer.receive_2xx(answer(Session_Expires="600;refresher=uas"), now=0)
    timer.accept(ask(Supported="timer", Session_Expires="600;refresher=uac"), now=300)
    assert timer.state is SessionState.THEIRS
    assert moments(timer) == [(868, SessionExpired)]


def test_session_that_is_over_stays_so(timer, answer, ask):
    timer.receive_2xx(answer(Session_Expires="600;refresher=uac"), now=0)
    timer.stop()
    timer.receive_2xx(answer(Session_Expires="600;refresher=uac"), now=1)
    assert (timer.state, timer.next_timeout()) == (SessionState.OVER, None)
    assert timer.refresh_failed(None) == []


@pytest.mark.parametrize(("expires", "smallest"), [(0, 0), (89, 90)])
def test_limits_that_make_no_sense_are_refused(expires, smallest):
    with pytest.raises(ValueError, match="min_se"):
        SessionTimer(session_expires=expires, min_se=smallest)


@given(
    st.builds(lambda low, more: (low + more, low), st.integers(90, 4000), st.integers(0, 4000)),
    st.builds(lambda low, more: (low + more, low), st.integers(90, 4000), st.integers(0, 4000)),
    st.booleans(),
)
def test_two_timers_agree_whatever_they_want(new_desk, ours, theirs, refresher_named):
    """One refreshes, both mean the same interval, and neither gets less than it accepts."""
    desk = new_desk()
    caller = SessionTimer(session_expires=ours[0], min_se=ours[1])
    callee = SessionTimer(session_expires=theirs[0], min_se=theirs[1])
    for tries in range(3):
        headers = caller.headers()
        if refresher_named:
            headers[1] = (headers[1][0], f"{headers[1][1]};refresher=uas")
        request = desk.request(more="".join(f"{name}: {value}\r\n" for name, value in headers))
        status, extra = callee.accept(request, now=0)
        response = make_response(request, status, to_tag="bob", headers=extra)
        if status == 200:
            caller.receive_2xx(response, now=0)
            break
        assert caller.raise_interval(response), tries
    assert caller.interval == callee.interval
    assert caller.interval >= max(ours[1], theirs[1])
    assert {caller.state, callee.state} == {SessionState.OURS, SessionState.THEIRS}
