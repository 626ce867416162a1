"""The session flows of RFC 3665 by SIPp, through us alone and through us beside other proxies.

Which proxies there are, and what a way is, `peers/proxies.py` tells; each records its route, and
`check_rules` looks at everything that the two ends saw. Two flows are not here: §3.1 has no proxy, and the
one of §3.5 is none. Registrations are in `test_registration_flows`.
"""

import re
import socket
import time

import pytest
from peers.kamailio_proxy import KamailioProxy
from peers.ladder import scenario
from peers.ports import HOST
from peers.proxies import CALLS, Call, register_at
from peers.rules import check_rules
from peers.trace import read_trace

UP = "< 180  < 200  > ACK"
ANSWERS = "< INVITE  > 180  pause 50  > 200  < ACK"


@pytest.fixture
def call(proxies, sipp, closing):
    """Make a call along a way: `call("EA")`."""

    def make(way, **more):
        made = Call(proxies, sipp, way, **more)
        closing.callback(made.close)
        return made

    return make


FLOWS = {
    "3.2-callee-hangs-up": (f"{CALLS} {UP}  < BYE  > 200", f"{ANSWERS}  pause 100  > BYE  < 200"),
    "3.7-both-re-invite-and-caller-hangs-up": (
        f"{CALLS} {UP}  < INVITE  > 200  < ACK  pause 100"
        "  > INVITE+moved  < 100?  < 200  > ACK  pause 100  > BYE  < 200",
        f"{ANSWERS}  pause 100  > INVITE+moved  < 100?  < 200  > ACK  < INVITE  > 200  < ACK  < BYE  > 200",
    ),
    "3.6-callee-redirects": (f"{CALLS}  < 302  > ACK", "< INVITE  > 302  < ACK"),
    "3.8-caller-gives-up": (
        f"{CALLS}  < 180  pause 100  > CANCEL  < 200  < 487  > ACK",
        "< INVITE  > 180  < CANCEL  > 200  > 487  < ACK",
    ),
    "3.9-busy": (f"{CALLS}  < 486  > ACK", "< INVITE  > 486  < ACK"),
    "3.11-temporarily-unavailable": (
        f"{CALLS}  < 180  < 480  > ACK",
        "< INVITE  > 180  pause 50  > 480  < ACK",
    ),
}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("way", ["A", "AB", "AC", "EA", "AE", "CA", "EAC", "EAE"])
def test_flow_passes_every_proxy(call, way, flow):
    call(way).run(*FLOWS[flow])


@pytest.mark.parametrize("flow", FLOWS)
def test_flow_passes_from_tcp_to_udp(call, flow):
    """Between two transports we record our route for each."""
    invite = call("AB", transport="tcp").run(*FLOWS[flow])[1][0]
    recorded = "".join(invite.all("record-route"))
    assert re.findall(r";transport=(\w+)", recorded) == ["udp", "udp", "tcp"]


def test_each_call_has_one_record(proxies, call):
    """Even one that comes by twice, by way of the proxy in front of us."""
    before = [cdr["cdr_id"] for cdr in proxies.atlanta.cdrs()]
    for flow in ("3.2-callee-hangs-up", "3.8-caller-gives-up", "3.9-busy"):
        one = call("EAE")
        one.run(*FLOWS[flow])
        one.close()
    new = [cdr for cdr in proxies.atlanta.cdrs() if cdr["cdr_id"] not in before]
    assert sorted(cdr["code"] for cdr in new) == [200, 486, 487]
    for server in (proxies.atlanta, proxies.biloxi):
        assert not server.ask("calls")


def test_3_3_both_proxies_ask_for_credentials(proxies, new_phone, sipp, folders, closing):
    """By baresip, because SIPp answers one challenge only. The callee's domain is a numeric host."""
    atlanta = proxies.atlanta
    password = atlanta.password("alice")
    denver = KamailioProxy(folders("denver"), domain=HOST, following=atlanta.address, password=password)
    closing.callback(denver.close)
    bob = sipp("callee", xml=scenario("callee", f"{ANSWERS}  < BYE  > 200", proxies=2), values={})
    register_at(denver, "bob", bob.port)
    alice = new_phone(atlanta, "alice")
    alice.dial(f"sip:bob@{denver.address}")
    alice.wait_for("CALL_ESTABLISHED")
    alice.collect(0.2)  # two processes of Kamailio's may send an ACK and a BYE on in any order
    alice.hang_up()
    bob.wait()
    alice.wait_for("CALL_CLOSED")
    trace = alice.process.log(10**6)
    assert re.findall(r'Proxy-Authenticate: Digest realm="([^"]+)"', trace)[:2] == [atlanta.domain, HOST]
    last_invite = re.findall(r"(?s)INVITE sip:bob@\S+ SIP/2.0.*?\n\r?\n", trace)[-1]
    assert set(re.findall(r'Authorization: Digest .*?realm="([^"]+)"', last_invite)) == {atlanta.domain, HOST}
    invite = read_trace(bob.messages())[0]
    assert not invite.all("proxy-authorization"), "each proxy takes out what was meant for it"


def test_3_4_dead_proxy_gives_way_to_the_next(call):
    """The domain's first server is gone; the call and all that follows go by the second."""
    call("AD").run(*FLOWS["3.2-callee-hangs-up"])


def test_3_6_caller_goes_where_he_is_sent_and_the_offer_comes_in_the_answer(proxies, call):
    """The caller, who gets the 302 and its Contact, calls the other place himself, and makes no offer."""
    home, away = call("A"), call("AC")
    refers = home.start_callee("< INVITE  > 302  < ACK", moved_to=f"sip:bob@{proxies.chicago.domain}")
    answers = away.start_callee("< INVITE  > 180  pause 50  > 200  < ACK  pause 100  > BYE  < 200")
    caller = home.start_caller(
        f"{CALLS}  < 302  > ACK  > INVITE+late  < 100?  < 407  > ACK  > INVITE+auth+late  < 100?"
        "  < 180  < 200  > ACK+sdp  < BYE  > 200"
    )
    for run in (caller, refers, answers):
        run.wait()
    seen, first, second = (read_trace(run.messages()) for run in (caller, refers, answers))
    moved = next(message for message in seen if message.label == "302")
    assert moved.one("contact") == f"<sip:bob@{proxies.chicago.domain}>"
    check_rules([m for m in seen if m.sequence[0] <= 2], first, [proxies.atlanta.address])
    check_rules(
        [m for m in seen if m.sequence[0] > 2], second, [proxies.atlanta.address, proxies.chicago.address]
    )
    offer = next(message for message in seen if message.label == "200")
    answer = next(message for message in second if message.label == "ACK")
    first_port, last_port = proxies.atlanta.settings["media"]["ports"]
    for message in (offer, answer):  # both of them go by atlanta's relay
        assert first_port <= int(re.search(r"m=audio (\d+)", message.body)[1]) <= last_port


def test_3_10_callee_that_never_answers(call):
    """§3.10 has 480; by RFC 3261 §16.7 it is 408."""
    one = call("A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        silent.settimeout(10)
        one.register(silent.getsockname()[1])
        caller = one.start_caller(f"{CALLS}  < 408  > ACK")
        first = silent.recv(65536)
        begin = time.monotonic()
        times = []
        while not times or times[-1] < 1.4:
            assert silent.recv(65536) == first
            times.append(time.monotonic() - begin)
        assert times == [pytest.approx(0.5, abs=0.3), pytest.approx(1.5, abs=0.3)]
        caller.wait()
