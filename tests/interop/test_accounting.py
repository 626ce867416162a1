"""What each call leaves behind, read with `trunkline cdr list --json`."""

import time
from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def new_cdr(server):
    """Run something and give the one record that it has left."""

    def run(what):
        before = {cdr["cdr_id"] for cdr in server.cdrs()}
        what()
        deadline = time.monotonic() + 5
        while True:
            found = [cdr for cdr in server.cdrs() if cdr["cdr_id"] not in before]
            if found or time.monotonic() > deadline:
                break
        assert len(found) == 1, found
        return found[0]

    return run


@pytest.fixture
def call(server, sipp):
    """Have alice call bob by SIPp: the scenario of either side, and what they need."""

    def run(caller, callee=None, *, callee_user="bob", callee_values=None, **values):
        base = {"user": "alice", "password": server.password("alice"), "domain": server.domain}
        answering = None
        if callee is not None:
            answering = sipp(callee, values=callee_values or {})
            register(answering.port, 60)
        sipp(caller, target=server.address, values={**base, "callee": callee_user, **values}).wait()
        if answering is not None:
            answering.wait()
            register(answering.port, 0)

    def register(port, expires):
        values = {
            "user": "bob",
            "domain": server.domain,
            "password": server.password("bob"),
            "contact_port": port,
            "expires": expires,
            "status": 200,
        }
        sipp("registers", target=server.address, values=values).wait()

    return run


def read(text):
    at = datetime.fromisoformat(text)
    assert at.tzinfo is not None, f"{text} has no zone"
    return at


def test_answered_call(new_cdr, call):
    before = datetime.now(UTC)
    cdr = new_cdr(
        lambda: call("caller_hangs_up", "callee_answers", callee_values={"ring_ms": 300}, hold_ms=1500)
    )
    start, answer, end = (read(cdr[name]) for name in ("start", "answer", "end"))
    assert before - timedelta(seconds=1) < start < answer < end < datetime.now(UTC) + timedelta(seconds=1)
    assert 250 <= cdr["setup_ms"] <= 900
    assert 1450 <= cdr["duration_ms"] <= 2200
    assert abs((end - answer) / timedelta(milliseconds=1) - cdr["duration_ms"]) <= 1
    assert cdr["duration"] == cdr["duration_ms"] // 1000
    assert "alice@example.test" in cdr["caller"]
    assert "bob@example.test" in cdr["callee"]
    assert "bob@example.test" in cdr["request_uri"]
    assert (cdr["released_by"], cdr["cause"]) == ("caller", "bye")
    assert (cdr["code"], cdr["reason"]) == (200, "OK")
    assert cdr["call_id"]
    assert cdr["from_tag"]
    assert cdr["to_tag"]


def test_call_hung_up_by_the_callee(new_cdr, server, new_phone):
    alice = new_phone(server, "alice")
    bob = new_phone(server, "bob", answer="auto")

    def talk():
        alice.dial(bob.address)
        alice.wait_for("CALL_ESTABLISHED")
        bob.wait_for("CALL_ESTABLISHED")
        time.sleep(1)
        bob.hang_up()
        alice.wait_for("CALL_CLOSED")

    cdr = new_cdr(talk)
    assert (cdr["released_by"], cdr["cause"]) == ("callee", "bye")
    assert 900 <= cdr["duration_ms"] <= 2000


@pytest.mark.parametrize(
    ("caller", "callee", "values", "code", "cause", "side"),
    [
        ("caller_rejected", "callee_rejects", {"status": 486}, 486, "busy", "callee"),
        ("caller_rejected", "callee_rejects", {"status": 603}, 603, "refused", "callee"),
        ("caller_cancels", "callee_rings", {"ring_ms": 300}, 487, "cancelled", "caller"),
        ("caller_rejected", "callee_rings", {"status": 408}, 408, "no answer", "server"),
        ("caller_rejected", None, {"status": 404, "callee_user": "nobody"}, 404, "not found", "server"),
    ],
)
def test_call_that_was_not_answered(new_cdr, call, caller, callee, values, code, cause, side):
    cdr = new_cdr(lambda: call(caller, callee, callee_values=values, **values))
    assert (cdr["code"], cdr["cause"], cdr["released_by"]) == (code, cause, side)
    assert cdr["answer"] is None
    assert (cdr["duration"], cdr["duration_ms"]) == (0, 0)
    assert "alice@example.test" in cdr["caller"]


def test_wrong_password_leaves_no_record(server, call):
    before = len(server.cdrs())
    call("caller_rejected", password="wrong", status=407)
    assert len(server.cdrs()) == before


def test_list_can_be_read_while_the_server_is_down(new_server, server, call):
    call("caller_rejected", callee_user="nobody", status=404)
    there = server.cdrs()
    other = new_server({"database": {"url": server.settings["database"]["url"]}})
    assert other.cdrs()[: len(there)] == there
