"""RFC 4028 §8: what the proxy writes into requests and 2xx, what it refuses, and when a session is over.

Not here: the user agents' side (sip-transaction), and the server that does it (apps/provider).
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from trunkline.sip_parser import RemoteProtocolError, Request, Response, make_response
from trunkline.sip_proxy.watch import (
    Call,
    CallEnded,
    CallWatch,
    Fact,
    SessionTimers,
    Side,
    session_interval,
)

TIMERS = SessionTimers(session_expires=1800, min_se=300)


@pytest.fixture
def ask(kit: Any) -> Any:
    """Give what becomes of a request: the Min-SE it is refused with, its Session-Expires, its Min-SE."""

    def ask(*headers: tuple[str, str], method: str = "INVITE") -> tuple[int | None, str | None, str | None]:
        request = kit.request(method, headers=list(headers))
        refused = TIMERS.ask(request)
        return refused, request.headers.get("session-expires"), request.headers.get("min-se")

    return ask


SUPPORTED = ("Supported", "timer")


# §8.1, requests.


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_request_that_asks_for_nothing_gets_our_interval_and_no_refresher(ask: Any, method: str) -> None:
    assert ask(method=method) == (None, "1800", None)
    assert ask(SUPPORTED, method=method) == (None, "1800", None)


def test_an_interval_is_never_below_the_min_se_of_the_request(ask: Any) -> None:
    assert ask(("Min-SE", "3600")) == (None, "3600", "3600")
    assert ask(("Min-SE", "3600"), ("Session-Expires", "7200")) == (None, "3600", "3600")
    assert ask(("Min-SE", "3600"), ("Session-Expires", "3600")) == (None, "3600", "3600")


def test_a_longer_interval_is_shortened_and_keeps_its_refresher(ask: Any) -> None:
    assert ask(SUPPORTED, ("Session-Expires", "7200;refresher=uas")) == (None, "1800;refresher=uas", None)


def test_an_interval_between_the_limits_is_left_as_it_was_written(ask: Any) -> None:
    assert ask(SUPPORTED, ("x", "300 ;refresher=uac")) == (None, "300 ;refresher=uac", None)
    assert ask(SUPPORTED, ("Session-Expires", "1800")) == (None, "1800", None)


def test_a_short_interval_is_refused_where_the_caller_knows_what_that_means(ask: Any) -> None:
    assert ask(SUPPORTED, ("Session-Expires", "299")) == (300, "299", None)
    assert ask(("k", "100rel, timer"), ("Session-Expires", "90"), ("Min-SE", "90")) == (300, "90", "90")


def test_a_short_interval_is_raised_where_a_refusal_would_lose_the_call(ask: Any) -> None:
    assert ask(("Session-Expires", "120")) == (None, "300", "300")
    assert ask(("Session-Expires", "120;refresher=uac"), ("Min-SE", "400")) == (
        None,
        "400;refresher=uac",
        "400",
    )


@pytest.mark.parametrize("headers", [[("Session-Expires", "soon")], [("Min-SE", "-1")]])
def test_what_cannot_be_read_is_the_senders_mistake(ask: Any, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(RemoteProtocolError):
        ask(*headers)


@pytest.mark.parametrize(("expires", "smallest"), [(10, 90), (0, 0), (90, 0)])
def test_limits_that_make_no_sense_are_refused(expires: int, smallest: int) -> None:
    with pytest.raises(ValueError, match="min_se"):
        SessionTimers(expires, smallest)


# §8.2, responses.


def answered(kit: Any, *headers: tuple[str, str], asked: tuple[str, ...] = ()) -> Response:
    request = kit.request(headers=[("Supported", tag) for tag in asked])
    TIMERS.ask(request)
    response = make_response(request, 200, to_tag="bob", headers=headers)
    TIMERS.answer(request, response)
    return response


def test_the_caller_refreshes_where_the_callee_does_not_know_how(kit: Any) -> None:
    response = answered(kit, asked=("timer",))
    assert response.headers.get("session-expires") == "1800;refresher=uac"
    assert response.require == ["timer"]


def test_where_neither_knows_the_session_does_not_expire(kit: Any) -> None:
    response = answered(kit)
    assert "session-expires" not in response.headers
    assert "require" not in response.headers
    assert session_interval(response) is None


def test_what_the_callee_chose_is_left_alone(kit: Any) -> None:
    response = answered(kit, ("Session-Expires", "600;refresher=uas"), asked=("timer",))
    assert response.headers.get_all("session-expires") == ["600;refresher=uas"]
    assert "require" not in response.headers
    assert session_interval(response) == 600


def test_a_copy_of_the_2xx_is_written_the_same(kit: Any) -> None:
    request = kit.request(headers=[SUPPORTED])
    TIMERS.ask(request)
    copies = [make_response(request, 200, to_tag="bob", headers=[("Require", "timer")]) for _ in "12"]
    for copy in copies:
        TIMERS.answer(request, copy)
    assert copies[0].to_bytes() == copies[1].to_bytes()
    assert copies[0].headers.get_all("require") == ["timer"]


@pytest.mark.parametrize(("value", "interval"), [("0", None), ("soon", None), ("4294967295", 4294967295)])
def test_an_interval_that_says_nothing_is_none(kit: Any, value: str, interval: int | None) -> None:
    assert session_interval(answered(kit, ("Session-Expires", value))) == interval


# §8.2 and §8.3, the watch.


class Session:
    """An answered call that expires, told by what its two sides do."""

    def __init__(self, kit: Any, **options: Any) -> None:
        self.kit, self.watch, self.seconds = kit, CallWatch(**options), 0.0
        self.invited: Request = kit.request()
        self.watch.invite(self.invited, at=self.at)

    @property
    def at(self) -> datetime:
        start: datetime = self.kit.NEW_YEAR
        return start + timedelta(seconds=self.seconds)

    def accept(self, request: Request, interval: int | None, tag: str = "bob") -> list[Fact]:
        headers = [] if interval is None else [("Session-Expires", f"{interval};refresher=uac")]
        response = make_response(request, 200, to_tag=None if request.to_tag else tag, headers=headers)
        return self.watch.response(request, response, at=self.at, now=self.seconds)

    def within(self, sender: str, receiver: str, cseq: int, method: str = "UPDATE") -> Request:
        request: Request = self.kit.request(method, from_tag=sender, to_tag=receiver, cseq=cseq)
        self.watch.in_dialog(request, at=self.at)
        return request

    def wait(self, until: float) -> list[Fact]:
        """Let the time come, and give what ended; the wall clock runs along."""
        facts: list[Fact] = []
        while (moment := self.watch.next_timeout()) is not None and moment <= until:
            self.seconds = moment
            facts += self.watch.handle_timeout(now=moment, at=self.at)
        self.seconds = until
        return facts

    def ends(self, facts: list[Fact]) -> list[tuple[Side, str, float]]:
        return [
            (fact.by, fact.cause, (fact.at - self.kit.NEW_YEAR).total_seconds())
            for fact in facts
            if isinstance(fact, CallEnded)
        ]


@pytest.fixture
def session(kit: Any) -> Session:
    return Session(kit)


def test_a_session_nobody_refreshes_is_over_at_its_very_second(session: Session) -> None:
    session.seconds = 5.25
    session.accept(session.invited, 100)
    assert session.wait(105.2) == []
    assert session.ends(session.wait(200)) == [(Side.PROXY, "session timer", 105.25)]
    assert (len(session.watch), session.watch.next_timeout()) == (0, None)


@pytest.mark.parametrize(("sender", "receiver"), [("alice", "bob"), ("bob", "alice")])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_each_accepted_refresh_begins_the_interval_anew(
    session: Session, sender: str, receiver: str, method: str
) -> None:
    session.accept(session.invited, 100)
    for number in range(2, 6):
        assert session.wait(50.0 * (number - 1)) == []
        session.accept(session.within(sender, receiver, number, method), 100)
    assert session.ends(session.wait(1000)) == [(Side.PROXY, "session timer", 300.0)]


def test_a_refresh_may_change_the_interval_or_take_it_away(session: Session) -> None:
    session.accept(session.invited, 100)
    session.accept(session.within("alice", "bob", 2), 200)
    assert session.wait(150) == []
    session.accept(session.within("bob", "alice", 1), None)
    assert session.wait(10_000) == []
    assert len(session.watch) == 1


def test_a_refused_refresh_refreshes_nothing(session: Session) -> None:
    session.accept(session.invited, 100)
    session.seconds = 50
    request = session.within("alice", "bob", 2)
    refused = make_response(request, 500, headers=[("Session-Expires", "100")])
    session.watch.response(request, refused, at=session.at, now=50)
    assert session.ends(session.wait(1000)) == [(Side.PROXY, "session timer", 100.0)]


def test_copies_of_a_2xx_refresh_nothing(session: Session) -> None:
    session.accept(session.invited, 100)
    session.seconds = 20
    update = session.within("alice", "bob", 2)
    session.accept(update, 100)
    for session.seconds in (30, 40):
        session.accept(session.invited, 100)
        session.accept(update, 100)
    assert session.ends(session.wait(1000)) == [(Side.PROXY, "session timer", 120.0)]


def test_a_bye_leaves_no_session_behind(session: Session) -> None:
    session.accept(session.invited, 100)
    session.within("bob", "alice", 1, "BYE")
    assert (len(session.watch), session.watch.next_timeout()) == (0, None)


def test_the_first_of_both_ends_counts(kit: Any) -> None:
    for longest, cause in ((60.0, "maximum length"), (200.0, "session timer")):
        session = Session(kit, max_duration=longest)
        session.accept(session.invited, 100)
        assert [end[1] for end in session.ends(session.wait(1000))] == [cause]


def test_of_several_who_answered_the_silent_one_goes_first(session: Session) -> None:
    session.accept(session.invited, 100, "a")
    session.accept(session.invited, 100, "b")
    session.seconds = 50
    session.accept(session.within("alice", "b", 2), 100)
    assert session.wait(140) == []
    [call] = session.watch.calls()
    assert list(call.legs) == ["b"]
    assert session.ends(session.wait(1000)) == [(Side.PROXY, "session timer", 150.0)]


def test_a_session_from_a_journal_has_one_more_interval(session: Session) -> None:
    session.accept(session.invited, 100)
    [call] = session.watch.calls()
    record = call.to_record()
    session.watch, session.seconds = CallWatch(), 500
    session.watch.restore(Call.from_record(record), at=session.at, now=500)
    assert session.ends(session.wait(1000)) == [(Side.PROXY, "session timer", 600.0)]


def test_a_journal_written_before_there_were_sessions_is_read(session: Session) -> None:
    session.accept(session.invited, None)
    [call] = session.watch.calls()
    record = call.to_record()
    for leg in record["legs"]:
        leg.pop("session_interval", None)
    assert Call.from_record(record).legs["bob"].session_interval is None
