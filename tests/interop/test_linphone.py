"""A linphone and a baresip call each other through us, and each hears the other's tone through the relay.

Linphone's stacks for SIP and RTP are not baresip's; it sends a Route to us, offers what baresip does not
know, and puts calls on hold by a re-INVITE. Two baresips are in `test_first_call`.
"""

import re
import time

import pytest
from peers.process import wait_until
from peers.tone import assert_tone

CAROL_TONE = 440.0
BOB_TONE = 1000.0
TALK = 2.5


@pytest.fixture
def carol(server, new_linphone):
    """Make carol's linphone."""

    def make(**more):
        return new_linphone(server, "carol", tone=CAROL_TONE, **more)

    return make


@pytest.fixture
def bob(server, new_phone):
    """Make bob's baresip."""

    def make(**more):
        return new_phone(server, "bob", tone=BOB_TONE, **more)

    return make


def up(caller, callee):
    """Call from the one to the other, which answers by itself, until both have media."""
    caller.dial(callee.address)
    for phone in (caller, callee):
        established(phone)


def established(phone):
    phone.wait_for("Media streams established" if is_linphone(phone) else "CALL_ESTABLISHED")


def closed(phone):
    phone.wait_for(r"^(linphonec> )?Call \d+ with .* ended" if is_linphone(phone) else "CALL_CLOSED")


def is_linphone(phone):
    return hasattr(phone, "wire")


def last_invite(baresip):
    """Give the last INVITE that came to it, with its offer."""
    return re.findall(r"(?s)INVITE sip:.*?\r?\n\r?\n.*?\r?\n\r?\n", baresip.process.log(10**6))[-1]


def media_ports(sdp_text):
    return {int(port) for port in re.findall(r"m=audio (\d+)", sdp_text)} - {0}


def records(server, caller, callee):
    """Give the records of calls between the two."""
    pair = (f"{caller}@{server.domain}", f"{callee}@{server.domain}")
    return [cdr for cdr in server.cdrs() if (cdr["caller"], cdr["callee"]) == pair]


@pytest.mark.parametrize(
    ("calling", "transport", "who"),
    [
        ("linphone", "udp", "caller"),
        ("linphone", "tcp", "callee"),
        ("baresip", "udp", "callee"),
        ("baresip", "tcp", "caller"),
    ],
)
def test_both_hear_the_other_until_one_hangs_up(server, carol, bob, calling, transport, who):
    linphone = carol(transport=transport, answer="auto")
    baresip = bob(answer="auto")
    caller, callee = (linphone, baresip) if calling == "linphone" else (baresip, linphone)
    before = len(records(server, caller.user, callee.user))
    up(caller, callee)
    time.sleep(TALK)
    (caller if who == "caller" else callee).hang_up()
    closed(caller)
    closed(callee)
    assert_tone(linphone.recording(), BOB_TONE, who="linphone", seconds=TALK - 1)
    assert_tone(baresip.recording(), CAROL_TONE, who="baresip", seconds=TALK - 1)
    first, last = server.settings["media"]["ports"]
    shown = media_ports(linphone.wire()) - {linphone.rtp_port}
    assert shown, "linphone was shown no port for media"
    assert all(first <= port <= last for port in shown), shown
    found = wait_until("the record", lambda: records(server, caller.user, callee.user)[before:])
    assert [(cdr["code"], round(cdr["duration"])) for cdr in found] in ([(200, 2)], [(200, 3)])


def test_hold_and_resume_by_the_linphone(server, carol, bob):
    linphone, baresip = carol(), bob(answer="auto")
    up(linphone, baresip)
    time.sleep(1)  # baresip names a recording by the second, and begins a new one with each answer
    linphone.command("pause")
    linphone.wait_for("is now paused")
    assert "a=sendonly" in last_invite(baresip)
    time.sleep(1)
    linphone.command("resume")
    linphone.wait_for("Media streams established")
    assert "a=sendonly" not in last_invite(baresip)
    time.sleep(TALK)
    linphone.hang_up()
    closed(linphone)
    baresip.wait_for("CALL_CLOSED")
    assert baresip.recording().cut(-1.5).pitch() == pytest.approx(CAROL_TONE, abs=5)
    assert linphone.recording().cut(-1.5).pitch() == pytest.approx(BOB_TONE, abs=5)


def test_linphone_and_baresip_behind_a_kamailio_hear_each_other(proxies, new_linphone, new_phone):
    """Both register through it by Path, and both send it what they have for us."""
    edge = {"proxy": proxies.edge.address, "answer": "auto"}
    linphone = new_linphone(proxies.atlanta, "alice", tone=CAROL_TONE, **edge)
    baresip = new_phone(proxies.atlanta, "bob", tone=BOB_TONE, **edge)
    for caller, callee in ((linphone, baresip), (baresip, linphone)):
        up(caller, callee)
        time.sleep(TALK)
        callee.hang_up()
        closed(caller)
        closed(callee)
        assert_tone(linphone.recording().cut(-TALK), BOB_TONE, who="linphone", seconds=TALK - 1)
        assert_tone(baresip.recording(), CAROL_TONE, who="baresip", seconds=TALK - 1)


def test_linphone_gives_up_while_it_rings(carol, bob):
    linphone, baresip = carol(), bob()
    linphone.dial(baresip.address)
    linphone.wait_for("ringing")
    linphone.hang_up()
    closed(linphone)
    baresip.wait_for("CALL_CLOSED")
    wait_until("the 487", lambda: "SIP/2.0 487" in linphone.wire())


def test_linphone_declines(carol, bob):
    linphone, baresip = carol(), bob()
    baresip.dial(linphone.address)
    linphone.wait_for("incoming call")
    baresip.wait_for("CALL_RINGING")
    linphone.hang_up()
    assert baresip.wait_for("CALL_CLOSED").text.startswith("603")


def test_linphone_registers_with_its_password_only_and_takes_its_registration_back(server, new_linphone):
    new_linphone(server, "carol", password="wrong", registered=False)
    address = f"carol@{server.domain}"
    linphone = new_linphone(server, "carol")
    assert address in server.tool("location", "show")
    linphone.close()
    assert address not in server.tool("location", "show")
