"""A crash: registrations are still there, calls go on by themselves, and their records are closed."""

import time

import pytest


@pytest.fixture
def pair(new_server, new_phone):
    """A server of its own with alice and bob at it; bob answers by himself."""

    def make(transport="udp", **settings):
        server = new_server(settings).start()
        alice = new_phone(server, "alice", transport=transport)
        bob = new_phone(server, "bob", transport=transport, answer="auto")
        return server, alice, bob

    return make


def up(caller, callee):
    caller.dial(callee.address)
    caller.wait_for("CALL_ESTABLISHED")
    callee.wait_for("CALL_ESTABLISHED")


def registrations(server):
    """Where the phones are to be found, by the tool."""
    return str(server.ask("location", "show"))


def test_registered_phone_is_called_after_a_crash_without_registering_again(pair):
    server, alice, bob = pair()
    server.kill()
    server.start()
    up(alice, bob)
    alice.hang_up()
    alice.wait_for("CALL_CLOSED")
    bob.wait_for("CALL_CLOSED")
    assert [event.kind for event in bob.events].count("REGISTER_OK") == 1


def test_registrations_survive_an_orderly_stop_and_are_shown_while_it_is_down(pair):
    server, _, bob = pair()
    assert server.stop() == 0
    assert f"{bob.sip_port}" in registrations(server)
    server.start()
    assert f"{bob.sip_port}" in registrations(server)


def test_many_crashes_right_after_registrations_lose_none(new_server, sipp):
    server = new_server().start()
    for number in range(3):
        values = {
            "user": "alice",
            "domain": server.domain,
            "password": server.password("alice"),
            "contact_port": 5990 + number,
            "expires": 600,
            "status": 200,
        }
        sipp("registers", target=server.address, values=values).wait()
        server.kill()  # the 200 was given: the binding has to be on the disk
        server.start()
        assert str(5990 + number) in registrations(server)


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_call_that_was_up_at_the_crash_is_closed_by_its_bye(pair, who):
    server, alice, bob = pair()
    up(alice, bob)
    time.sleep(0.5)
    server.kill()
    server.start()
    assert len(server.ask("calls")) == 1
    (alice if who == "caller" else bob).hang_up()
    alice.wait_for("CALL_CLOSED")
    bob.wait_for("CALL_CLOSED")
    (cdr,) = server.cdrs()
    assert (cdr["released_by"], cdr["cause"]) == (who, "bye")
    assert cdr["duration_ms"] >= 500
    assert server.ask("calls") == []


def test_call_whose_phones_died_with_the_server_gets_its_record_closed(pair):
    server, alice, bob = pair(media={"timeout": 2}, proxy={"max_call_seconds": 8})
    begun = time.monotonic()
    up(alice, bob)
    time.sleep(0.5)
    server.kill()
    lived = time.monotonic() - begun
    alice.kill()
    bob.kill()
    server.start()
    deadline = time.monotonic() + 15
    while not (cdrs := server.cdrs()) and time.monotonic() < deadline:
        time.sleep(0.5)
    (cdr,) = cdrs
    assert (cdr["released_by"], cdr["code"]) == ("server", 200)
    assert cdr["cause"]
    # the second it died in is not known: not before the answer, and not after the crash
    assert 0 <= cdr["duration_ms"] <= lived * 1000
    assert server.ask("calls") == []


def test_orderly_stop_leaves_nothing_running(new_server):
    server = new_server().start()
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 8
    server.start()


def test_orderly_stop_writes_down_what_waits_for_the_disk_and_complains_of_nothing(new_server, wire):
    """The last commit frees answers that have no socket left; the phones ask again, and are known by then."""
    server = new_server({"auth": {"challenge": False}, "database": {"commit_interval_ms": 1000}}).start()
    server.password("bob")
    probe = wire(server)
    contact = (f"Contact: <sip:bob@127.0.0.1:{probe.local[1]}>", "Expires: 600")
    register = probe.request(
        "REGISTER", f"sip:{server.domain}", to=f"sip:bob@{server.domain}", headers=contact
    )
    assert probe.ask(register, seconds=0.3) is None
    assert server.stop() == 0
    assert not server.tracebacks()
    assert str(probe.local[1]) in registrations(server)
