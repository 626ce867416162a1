"""What each row of the user agent's tables does: what is told, and the deadlines that are left.

Each machine is brought into a state by what its owner offers, gets one input, and is looked at. Not here:
which state follows and which pairs have no row (`test_machine_tables`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trunkline.sip_parser import make_response
from trunkline.sip_transaction import (
    AcceptedInvite,
    Notify,
    ReferNotifier,
    ReferSubscriber,
    ReliableResponses,
    SessionTimer,
)
from trunkline.sip_transaction._accepted import ACCEPTED
from trunkline.sip_transaction._refer import NOTIFIER
from trunkline.sip_transaction._refer_subscriber import SUBSCRIBER
from trunkline.sip_transaction._reliable import RELIABLE
from trunkline.sip_transaction._session_timer import SESSION

TABLES: dict[str, Any] = {
    "accepted": ACCEPTED,
    "reliable": RELIABLE,
    "session": SESSION,
    "notifier": NOTIFIER,
    "subscriber": SUBSCRIBER,
}

# State, input: what is told; deadlines in absolute seconds. Sessions last 100 s from 0, and 200 from 10 when
# agreed upon anew; subscriptions 60 s from 0, and 30 from 2.
ROWS = """
accepted
UNACKNOWLEDGED RETRANSMISSION_DUE  Respond; GIVE_UP_DUE=32 RETRANSMISSION_DUE=1.5
UNACKNOWLEDGED ACK                 ;
UNACKNOWLEDGED BYE                 ; GIVE_UP_DUE=32 RETRANSMISSION_DUE=0.5
UNACKNOWLEDGED GIVE_UP_DUE         Respond AckMissing;
LEFT           RETRANSMISSION_DUE  Respond; GIVE_UP_DUE=32 RETRANSMISSION_DUE=1.5
LEFT           ACK                 ;
LEFT           GIVE_UP_DUE         Respond;

reliable
ACKNOWLEDGED   TU_1XX              Respond; GIVE_UP_DUE=32 RETRANSMISSION_DUE=0.5
ACKNOWLEDGED   TU_FINAL            ;
UNACKNOWLEDGED PRACK               ;
UNACKNOWLEDGED RETRANSMISSION_DUE  Respond; GIVE_UP_DUE=32 RETRANSMISSION_DUE=1.5
UNACKNOWLEDGED GIVE_UP_DUE         Respond PrackMissing;
UNACKNOWLEDGED TU_FINAL            ;
ABANDONED      TU_FINAL            ;

session
OFF            AGREED_OURS         ; EXPIRY_DUE=178 REFRESH_DUE=110
OFF            AGREED_THEIRS       ; EXPIRY_DUE=178
OFF            AGREED_NONE         ;
OFF            BYE                 ;
OURS           AGREED_OURS         ; EXPIRY_DUE=178 REFRESH_DUE=110
OURS           AGREED_THEIRS       ; EXPIRY_DUE=178
OURS           AGREED_NONE         ;
OURS           REFRESH_DUE         RefreshDue; EXPIRY_DUE=68
OURS           BYE                 ;
REFRESHING     AGREED_OURS         ; EXPIRY_DUE=178 REFRESH_DUE=110
REFRESHING     AGREED_THEIRS       ; EXPIRY_DUE=178
REFRESHING     AGREED_NONE         ;
REFRESHING     REFRESH_LOST        SessionExpired;
REFRESHING     EXPIRY_DUE          SessionExpired;
REFRESHING     BYE                 ;
THEIRS         AGREED_OURS         ; EXPIRY_DUE=178 REFRESH_DUE=110
THEIRS         AGREED_THEIRS       ; EXPIRY_DUE=178
THEIRS         AGREED_NONE         ;
THEIRS         EXPIRY_DUE          SessionExpired;
THEIRS         BYE                 ;

notifier
PENDING        APPROVED            active; EXPIRED=60
PENDING        DECLINED            rejected;
PENDING        EXPIRED             timeout;
PENDING        NOTIFY_LOST         ;
ACTIVE         PROGRESS            active; EXPIRED=60
ACTIVE         FINISHED            noresource;
ACTIVE         EXPIRED             timeout;
ACTIVE         NOTIFY_LOST         ;

subscriber
NOTIFY_WAIT    REFUSED             ;
NOTIFY_WAIT    NOTIFY_PENDING      ; EXPIRED=32
NOTIFY_WAIT    NOTIFY_ACTIVE       ; EXPIRED=32
NOTIFY_WAIT    NOTIFY_TERMINATED   ;
NOTIFY_WAIT    TIMER_N             NotifierSilent;
PENDING        NOTIFY_PENDING      ; EXPIRED=32
PENDING        NOTIFY_ACTIVE       ; EXPIRED=32
PENDING        NOTIFY_TERMINATED   ;
PENDING        EXPIRED             NotifierSilent;
ACTIVE         NOTIFY_PENDING      ; EXPIRED=32
ACTIVE         NOTIFY_ACTIVE       ; EXPIRED=32
ACTIVE         NOTIFY_TERMINATED   ;
ACTIVE         EXPIRED             NotifierSilent;
"""


def rows() -> dict[tuple[str, str, str], tuple[str, str]]:
    found = {}
    for block in ROWS.strip().split("\n\n"):
        name, *lines = block.splitlines()
        for line in lines:
            what, _, deadlines = line.partition(";")
            state, input_, *told = what.split()
            found[name, state, input_] = " ".join(told), deadlines.strip()
    return found


def accepted(desk: Any, state: str, input_: str) -> tuple[Any, list[Any]]:
    machine = AcceptedInvite(make_response(desk.request(), 200, to_tag="bob"), now=0)
    if state == "LEFT":
        machine.hang_up()
    if input_ in ("ACK", "BYE"):
        {"ACK": machine.acknowledge, "BYE": machine.hang_up}[input_]()
        return machine, []
    # All that is due at once is told in its order: a retransmission, and that it was the last.
    return machine, machine.handle_timeout(now=0.5 if input_ == "RETRANSMISSION_DUE" else 32)


def reliable(desk: Any, state: str, input_: str) -> tuple[Any, list[Any]]:
    invite = desk.request(more="Supported: 100rel\r\n")
    machine = ReliableResponses(invite, token=bytes)
    if state != "ACKNOWLEDGED":
        machine.send(make_response(invite, 183, to_tag="bob"), now=0)
    if state == "ABANDONED":
        machine.handle_timeout(now=32)
    told: list[Any] = []
    if input_ == "TU_1XX":
        told += machine.send(make_response(invite, 183, to_tag="bob"), now=0)
    elif input_ == "TU_FINAL":
        machine.finish()
    elif input_ == "PRACK":
        assert machine.receive_prack(desk.request("PRACK", more="RAck: 1 1 INVITE\r\n")) == 200
    else:
        told += machine.handle_timeout(now=0.5 if input_ == "RETRANSMISSION_DUE" else 32)
    return machine, told


def session(desk: Any, state: str, input_: str) -> tuple[Any, list[Any]]:
    timer = SessionTimer()

    def agree(value: str | None, now: float) -> None:
        headers = [] if value is None else [("Session-Expires", value)]
        timer.receive_2xx(make_response(desk.request(), 200, to_tag="bob", headers=headers), now=now)

    if state != "OFF":
        agree("100;refresher=uas" if state == "THEIRS" else "100;refresher=uac", 0)
    if state == "REFRESHING":
        timer.handle_timeout(now=50)
    told: list[Any] = []
    if input_.startswith("AGREED"):
        agree({"OURS": "200;refresher=uac", "THEIRS": "200;refresher=uas", "NONE": None}[input_[7:]], 10)
    elif input_ == "BYE":
        timer.stop()
    elif input_ == "REFRESH_LOST":
        told += timer.refresh_failed(481)
    else:
        told += timer.handle_timeout(now=50 if input_ == "REFRESH_DUE" else 68)
    return timer, told


def notifier(desk: Any, state: str, input_: str) -> tuple[Any, list[Any]]:
    machine = ReferNotifier(desk.request("REFER", more="Refer-To: <sip:carol@example.test>\r\n"), now=0)
    if state == "ACTIVE":
        machine.approve(now=1)
    steps: dict[str, Callable[[], Any]] = {
        "APPROVED": lambda: machine.approve(now=2),
        "DECLINED": lambda: machine.decline(now=2),
        "PROGRESS": lambda: machine.progress(make_response(desk.request(), 180), now=2),
        "FINISHED": lambda: machine.progress(make_response(desk.request(), 200), now=2),
        "EXPIRED": lambda: machine.handle_timeout(now=60),
        "NOTIFY_LOST": lambda: machine.notify_failed(481),
    }
    return machine, steps[input_]() or []


def subscriber(desk: Any, state: str, input_: str) -> tuple[Any, list[Any]]:
    machine = ReferSubscriber(desk.request("REFER"), now=0)

    def notify(value: str, now: float) -> None:
        request = desk.request("NOTIFY", more=f"Event: refer\r\nSubscription-State: {value}\r\n")
        request.body = b"SIP/2.0 180 Ringing\r\n"
        assert machine.receive_notify(request, now=now) == 200

    if state != "NOTIFY_WAIT":
        notify(f"{state.lower()};expires=60", 0)
    if input_ == "REFUSED":
        machine.refused()
        return machine, []
    if input_.startswith("NOTIFY"):
        kind = input_[7:].lower()
        notify(kind if kind == "terminated" else f"{kind};expires=30", 2)
        return machine, []
    return machine, machine.handle_timeout(now=60 if input_ == "EXPIRED" else 32)


DRIVERS = {
    "accepted": accepted,
    "reliable": reliable,
    "session": session,
    "notifier": notifier,
    "subscriber": subscriber,
}


def apply(desk: Any, name: str, state: str, input_: str) -> tuple[str, str]:
    machine, told = DRIVERS[name](desk, state, input_)
    left = sorted(f"{key.name}={value:g}" for key, value in machine._machine.deadlines.items())
    return " ".join(word(effect) for effect in told), " ".join(left)


def word(effect: Any) -> str:
    if not isinstance(effect, Notify):
        return type(effect).__name__
    state = dict(effect.headers)["Subscription-State"]
    return state.partition("reason=")[2] or state.partition(";")[0]


@pytest.mark.parametrize(("name", "state", "input_"), rows())
def test_row_does_what_the_rfc_says(new_desk, name, state, input_):
    assert apply(new_desk(), name, state, input_) == rows()[name, state, input_]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_the_tables_is_listed(name):
    listed = {(state, input_) for machine, state, input_ in rows() if machine == name}
    assert listed == {(state.name, input_.name) for state, input_ in TABLES[name]}


def mutants() -> list[Any]:
    return [
        pytest.param(name, pair, place, id=f"{name}-{pair[0].name}-{pair[1].name}-{action.name}")
        for name, table in TABLES.items()
        for pair, (actions, _) in table.items()
        for place, action in enumerate(actions)
    ]


@pytest.mark.parametrize(("name", "pair", "place"), mutants())
def test_action_that_is_missing_would_be_seen(new_desk, monkeypatch, name, pair, place):
    table = TABLES[name]
    actions, to = table[pair]
    monkeypatch.setitem(table, pair, (actions[:place] + actions[place + 1 :], to))
    listed = [(key, expected) for key, expected in rows().items() if key[0] == name]
    assert any(apply(new_desk(), *key) != expected for key, expected in listed)
