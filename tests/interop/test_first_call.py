"""The first call: two phones register, one calls the other by name, and each hears the other's tone.

Through Kamailio media goes from phone to phone, which proves phones and measurement; through
Trunkline it goes by the relay. What goes over the wire in odd cases is in `test_signalling`.
"""

import re
import time

import pytest
from peers.tone import assert_tone

ALICE_TONE = 440.0
BOB_TONE = 1000.0
TALK = 2.5


def assert_heard(phone, frequency):
    """The phone heard that tone for most of the talk."""
    assert_tone(phone.recording(), frequency, who=phone.user, seconds=TALK - 1)


def media_ports(phone):
    """The ports for audio in every SDP that the phone sent or received, but its own."""
    ports = {int(port) for port in re.findall(r"m=audio (\d+)", phone.process.log(10**6))}
    own = range(phone.rtp_port, phone.rtp_port + 20)
    return {port for port in ports if port and port not in own}


def up(caller, callee):
    """Call and wait until both say that the call is established."""
    caller.dial(callee.address)
    caller.wait_for("CALL_ESTABLISHED")
    callee.wait_for("CALL_ESTABLISHED")


@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_both_hear_the_other_until_one_hangs_up(exchange, new_phone, transport, who):
    alice = new_phone(exchange, "alice", transport=transport, tone=ALICE_TONE)
    bob = new_phone(exchange, "bob", transport=transport, tone=BOB_TONE, answer="auto")
    up(alice, bob)
    time.sleep(TALK)
    (alice if who == "caller" else bob).hang_up()
    alice.wait_for("CALL_CLOSED")
    bob.wait_for("CALL_CLOSED")
    assert_heard(alice, BOB_TONE)
    assert_heard(bob, ALICE_TONE)


def test_call_from_udp_to_tcp_goes_through_the_relay(server, new_phone):
    alice = new_phone(server, "alice", transport="udp", tone=ALICE_TONE)
    bob = new_phone(server, "bob", transport="tcp", tone=BOB_TONE, answer="auto")
    up(alice, bob)
    time.sleep(TALK)
    bob.hang_up()
    alice.wait_for("CALL_CLOSED")
    bob.wait_for("CALL_CLOSED")
    assert_heard(alice, BOB_TONE)
    assert_heard(bob, ALICE_TONE)
    first, last = server.settings["media"]["ports"]
    for phone in (alice, bob):
        ports = media_ports(phone)
        assert ports, f"{phone.user} was shown no media port"
        assert all(first <= port <= last for port in ports), f"{phone.user} was shown {ports}"


def test_media_go_from_phone_to_phone_when_the_relay_is_off(new_server, new_phone):
    server = new_server({"media": {"mode": "never"}}).start()
    alice = new_phone(server, "alice", tone=ALICE_TONE)
    bob = new_phone(server, "bob", tone=BOB_TONE, answer="auto")
    up(alice, bob)
    time.sleep(TALK)
    alice.hang_up()
    alice.wait_for("CALL_CLOSED")
    bob.wait_for("CALL_CLOSED")
    assert_heard(alice, BOB_TONE)
    assert_heard(bob, ALICE_TONE)


def test_wrong_password_does_not_register(exchange, new_phone):
    exchange.password("alice")
    phone = new_phone(exchange, "alice", password="wrong", registered=False)
    event = phone.wait_for("REGISTER_OK", "REGISTER_FAIL")
    assert event.kind == "REGISTER_FAIL", event.text


def test_unknown_callee_is_not_found(exchange, new_phone):
    alice = new_phone(exchange, "alice")
    alice.dial(f"sip:nobody@{exchange.domain}")
    assert alice.wait_for("CALL_CLOSED").text.startswith("404")


def test_callee_that_is_not_registered_cannot_be_called(server, new_phone):
    server.password("bob")
    alice = new_phone(server, "alice")
    alice.dial(f"sip:bob@{server.domain}")
    assert alice.wait_for("CALL_CLOSED").text[:3] in ("404", "480")


def test_silent_callee_is_cancelled_and_the_caller_told(exchange, new_phone):
    alice, bob = new_phone(exchange, "alice"), new_phone(exchange, "bob")
    alice.dial(bob.address)
    bob.wait_for("CALL_INCOMING")
    alice.wait_for("CALL_RINGING")
    assert alice.wait_for("CALL_CLOSED").text.startswith("408")
    bob.wait_for("CALL_CLOSED")
    assert "CANCEL sip:" in bob.process.log(10**6)


def test_busy_callee(exchange, new_phone):
    alice, bob = new_phone(exchange, "alice"), new_phone(exchange, "bob")
    alice.dial(bob.address)
    bob.wait_for("CALL_INCOMING")
    alice.wait_for("CALL_RINGING")
    bob.hang_up()
    assert alice.wait_for("CALL_CLOSED").text.startswith("486")


def test_caller_gives_up_while_it_rings(exchange, new_phone):
    alice, bob = new_phone(exchange, "alice"), new_phone(exchange, "bob")
    alice.dial(bob.address)
    bob.wait_for("CALL_INCOMING")
    alice.wait_for("CALL_RINGING")
    alice.hang_up()
    alice.wait_for("CALL_CLOSED")
    bob.wait_for("CALL_CLOSED")
    alice.collect(0.5)
    assert "SIP/2.0 487" in alice.process.log(10**6)


def test_two_calls_one_after_the_other_by_the_same_phones(server, new_phone):
    alice = new_phone(server, "alice")
    bob = new_phone(server, "bob", answer="auto")
    for _ in range(2):
        up(alice, bob)
        time.sleep(0.5)
        alice.hang_up()
        alice.wait_for("CALL_CLOSED")
        bob.wait_for("CALL_CLOSED")
