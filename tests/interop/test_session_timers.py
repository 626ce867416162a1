"""Session timers with SIPp on either side: a caller who refreshes once and is never heard again."""

import time

import pytest

INTERVAL = 4
REFRESH_MS = 2000


@pytest.fixture
def timed(new_server):
    server = new_server({"proxy": {"session_expires": INTERVAL, "min_se": 2}})
    server.start()
    for user in ("alice", "bob"):
        server.password(user)
    return server


def values_of(server, user):
    return {"user": user, "password": server.password(user), "domain": server.domain}


@pytest.mark.parametrize(
    "timer",
    [f"Session-Expires: {INTERVAL};refresher=uac", "X-Session-Timers: unknown"],
    ids=["callee knows timers", "callee does not"],
)
def test_call_of_a_caller_who_vanished_ends_with_its_session(timed, sipp, timer):
    callee = sipp("callee_with_session_timer", values={"interval": INTERVAL, "timer": timer})
    registration = {**values_of(timed, "bob"), "contact_port": callee.port, "expires": 60, "status": 200}
    sipp("registers", target=timed.address, values=registration).wait()
    caller = {**values_of(timed, "alice"), "callee": "bob", "refresh_ms": REFRESH_MS, "interval": INTERVAL}
    calling = sipp("caller_refreshes_and_dies", target=timed.address, values=caller)
    calling.wait()
    # Of the INVITE and of the UPDATE: the caller is to refresh, whether the callee said so or the server.
    assert calling.messages().count(f"Session-Expires: {INTERVAL};refresher=uac\n") >= 2 + 1
    [call] = timed.ask("calls")
    assert (call["caller"], call["state"]) == ("alice@example.test", "confirmed")

    callee.wait()  # it has had the server's BYE
    assert timed.ask("calls") == []
    deadline = time.monotonic() + 5
    while not (cdrs := timed.cdrs()) and time.monotonic() < deadline:
        time.sleep(0.1)
    [cdr] = cdrs
    assert (cdr["released_by"], cdr["cause"]) == ("server", "session timer")
    expected = REFRESH_MS + INTERVAL * 1000
    assert expected - 50 <= cdr["duration_ms"] <= expected + 400
