"""The measuring tools themselves, against sounds, programs and traces that are known."""

import random
import re
import sys

import pytest
from peers.ladder import scenario
from peers.process import PeerError, Process
from peers.rules import check_rules
from peers.sipp import fill_in
from peers.tone import Recording, write_tone
from peers.trace import read_trace


@pytest.fixture
def tone(tmp_path):
    """Make a recording of a tone, read back from a file."""

    def make(frequency, **more):
        path = tmp_path / f"{frequency}.wav"
        write_tone(path, frequency, seconds=1, **more)
        return Recording.read(path)

    return make


@pytest.mark.parametrize("frequency", [440.0, 1000.0, 1234.5])
def test_pitch_level_and_share_of_a_tone(tone, frequency):
    heard = tone(frequency, level=0.3)
    assert heard.seconds == pytest.approx(1)
    assert heard.pitch() == pytest.approx(frequency, abs=0.5)
    assert heard.level() == pytest.approx(0.3 / 2**0.5, rel=0.01)
    assert heard.share(frequency) > 0.98
    assert heard.share(frequency * 1.5) < 0.05


def test_silence_and_noise_are_no_tone():
    silence = Recording([0.0] * 8000, 8000)
    assert (silence.level(), silence.pitch(), silence.share(440)) == (0, 0, 0)
    assert Recording([], 8000).level() == 0
    chance = random.Random(1)
    noise = Recording([chance.uniform(-0.5, 0.5) for _ in range(8000)], 8000)
    assert noise.share(440) < 0.05


def test_lost_packets_spoil_a_part_and_not_the_whole(tone):
    samples = tone(440.0).samples
    holed = Recording(samples[:1600] + [0.0] * 160 + samples[1760:4000] + samples[4160:], 8000)
    assert holed.share(440) > 0.9
    assert holed.pitch() == pytest.approx(440, abs=15)


def test_scenario_with_a_value_missing_is_refused():
    assert fill_in("sip:{user}@{domain}", {"user": "alice", "domain": "d"}) == "sip:alice@d"
    with pytest.raises(PeerError, match="domain"):
        fill_in("sip:{user}@{domain}", {"user": "alice"})


def test_program_that_will_not_end_is_made_to(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    process = Process([sys.executable, "-c", f"{deaf}; time.sleep(60)"], tmp_path, name="stubborn")
    while "1" not in process.log_path.read_text():
        assert process.running
    assert process.stop(0.2) == -9
    assert not process.running


# -- what the ends of a call saw

PROXY = "192.0.2.9:5060"


def trace(*messages):
    """Write messages down as SIPp does; each begins with `>` when it was sent, else with `<`."""
    entries = []
    for message in messages:
        sign, *lines = message.split("\n")
        said = "sent (1 bytes)" if sign == ">" else "received [1] bytes "
        lines.append("Call-ID: 1@a")
        entries.append(
            "-" * 47 + f" 2026-01-02T03:04:05\nUDP message {said}:\n\n" + "\r\n".join(lines) + "\r\n\r\n"
        )
    return "".join(entries)


def via(host, branch):
    return f"Via: SIP/2.0/UDP {host};branch=z9hG4bK{branch}"


A, B = "From: <sip:a@x>;tag=1\nTo: <sip:b@x>", "From: <sip:b@x>;tag=2\nTo: <sip:a@x>;tag=1"
ROUTE = f"<sip:{PROXY};lr>"
CALLER = trace(
    f">\nINVITE sip:b@x SIP/2.0\n{via('a', 'a1')}\nMax-Forwards: 70\n{A}\nCSeq: 1 INVITE\nContact: <sip:a@a>",
    f"<\nSIP/2.0 200 OK\n{via('a', 'a1')}\n{A};tag=2\nCSeq: 1 INVITE\nContact: <sip:b@b>"
    f"\nRecord-Route: {ROUTE}",
    f">\nACK sip:b@b SIP/2.0\n{via('a', 'a2')}\nMax-Forwards: 70\nRoute: {ROUTE}\n{A};tag=2\nCSeq: 1 ACK",
    f"<\nBYE sip:a@a SIP/2.0\n{via(PROXY, 'p3')}\n{via('b', 'b1')}\nMax-Forwards: 69\n{B}\nCSeq: 101 BYE",
    f">\nSIP/2.0 200 OK\n{via(PROXY, 'p3')}, {via('b', 'b1')[5:]}\n{B}\nCSeq: 101 BYE",
)
CALLEE = trace(
    f"<\nINVITE sip:b@b SIP/2.0\n{via(PROXY, 'p1')}\n{via('a', 'a1')}\nMax-Forwards: 69\n{A}\nCSeq: 1 INVITE"
    f"\nContact: <sip:a@a>\nRecord-Route: {ROUTE}",
    f">\nSIP/2.0 200 OK\n{via(PROXY, 'p1')}, {via('a', 'a1')[5:]}\n{A};tag=2\nCSeq: 1 INVITE"
    f"\nContact: <sip:b@b>\nRecord-Route: {ROUTE}",
    f"<\nACK sip:b@b SIP/2.0\n{via(PROXY, 'p2')}\n{via('a', 'a2')}\nMax-Forwards: 69\n{A};tag=2\nCSeq: 1 ACK",
    f">\nBYE sip:a@a SIP/2.0\n{via('b', 'b1')}\nMax-Forwards: 70\nRoute: {ROUTE}\n{B}\nCSeq: 101 BYE",
    f"<\nSIP/2.0 200 OK\n{via('b', 'b1')}\n{B}\nCSeq: 101 BYE",
)


def test_trace_of_a_call_that_keeps_to_the_rules_passes():
    assert [message.label for message in read_trace(CALLER)] == ["INVITE", "200", "ACK", "BYE", "200"]
    assert len(read_trace(CALLER + CALLER)) == 5  # what is sent again counts once
    check_rules(read_trace(CALLER), read_trace(CALLEE), [PROXY])


@pytest.mark.parametrize(
    ("end", "old", "new"),
    [
        ("callee", via(PROXY, "p1"), via("192.0.2.8:5060", "p1")),  # somebody else was there
        ("callee", via(PROXY, "p2"), via(PROXY, "a2")),  # a branch that is not its own
        ("callee", "z9hG4bKp1", "p1"),
        ("callee", f"{via(PROXY, 'p2')}\r\n", ""),  # the ACK went past
        ("caller", f"{via(PROXY, 'p3')}\r\n", ""),  # the BYE went past
        ("callee", "Max-Forwards: 69", "Max-Forwards: 70"),
        ("callee", f"Record-Route: {ROUTE}", "Supported: x"),
        ("callee", ";lr>", ">"),
        ("callee", "CSeq: 1 ACK", f"CSeq: 1 ACK\r\nRoute: {ROUTE}"),
        ("callee", "From: <sip:a@x>;tag=1", "From: <sip:a@x>;tag=3"),
        ("callee", "Contact: <sip:a@a>", "Contact: <sip:a@p>"),
        ("caller", "BYE sip:a@a", "BYE sip:a@p"),  # the target is not the Contact
        ("caller", f"\r\n{via('a', 'a1')}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2",
         f"\r\n{via(PROXY, 'p1')}\r\n{via('a', 'a1')}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2"),
        ("caller", "To: <sip:b@x>;tag=2", "To: <sip:b@x>;tag=4"),
        ("caller", "Contact: <sip:b@b>", "Contact: <sip:b@p>"),
        ("callee", "CSeq: 101 BYE", "CSeq: 100 BYE"),
    ],
)  # fmt: skip
def test_trace_of_a_call_that_breaks_a_rule_is_refused(end, old, new):
    texts = {"caller": CALLER, "callee": CALLEE}
    assert old in texts[end], "nothing to change"
    texts[end] = texts[end].replace(old, new, 1)
    with pytest.raises(AssertionError):
        check_rules(read_trace(texts["caller"]), read_trace(texts["callee"]), [PROXY])


def test_scenario_is_the_ladder():
    text = scenario("caller", "> INVITE  < 100?  < 407  > ACK  > INVITE+auth  < 200  > ACK  > BYE  < 200")
    assert text.count("[authentication") == 1
    assert re.findall(r"(?m)^    (INVITE|ACK|BYE) (\S+) ", text) == [
        ("INVITE", "sip:{callee}@{callee_domain}"),
        ("ACK", "sip:{callee}@{callee_domain}"),
        ("INVITE", "sip:{callee}@{callee_domain}"),
        ("ACK", "[$contact]"),
        ("BYE", "[$contact]"),
    ]
    assert re.findall(r"CSeq: (\d+) ", text) == ["1", "1", "2", "2", "3"]
    assert re.findall(r"\[branch[^]]*\]", text) == [
        "[branch]",
        "[branch-3]",
        "[branch]",
        "[branch]",
        "[branch]",
    ]
