"""The registration flows of RFC 3665 §2 by SIPp: what the registrar answers, and what it then has."""

import re

import pytest
from peers.ladder import scenario
from peers.trace import read_trace

REGISTERS = "> REGISTER  < 401  > REGISTER+auth  < 200"
DESK, HOME = "sip:dave@127.0.0.1:5091", "sip:dave@127.0.0.1:5092"


@pytest.fixture
def plays(server, sipp):
    """Play a ladder with a header of dave's, and give what he saw."""

    def play(ladder, header, password=None):
        values = {
            "user": "dave",
            "domain": server.domain,
            "password": password or server.password("dave"),
            "contact": header,
        }
        xml = scenario("registers", ladder)
        run = sipp("registers", xml=xml, target=server.address, values=values, auth_uri=server.domain)
        run.wait()
        return read_trace(run.messages())

    return play


@pytest.fixture
def registers(plays):
    """Register with a header, and give the contacts that the answer lists, each with its seconds."""

    def register(header):
        found = (
            re.search(r"<([^>]+)>.*?;expires=(\d+)", text)
            for text in plays(REGISTERS, header)[-1].all("contact")
        )
        return {match[1]: int(match[2]) for match in found}

    yield register
    register("Contact: *\n    Expires: 0")


def test_2_1_new_registration(server, plays, registers):
    seen = plays(REGISTERS, f"Contact: <{DESK}>;expires=600")
    challenge, answer = seen[1], seen[3]
    assert re.match(rf'Digest realm="{server.domain}", nonce="\w+", ', challenge.one("www-authenticate"))
    assert answer.one("contact").startswith(f"<{DESK}>;expires=600")
    first, second = seen[0], seen[2]
    assert first.one("call-id") == second.one("call-id")
    assert (first.sequence, second.sequence) == ((1, "REGISTER"), (2, "REGISTER"))
    for asked, answered in ((first, challenge), (second, answer)):
        assert answered.one("to").startswith(f"{asked.one('to')};tag=")
        assert all(answered.one(name) == asked.one(name) for name in ("from", "call-id", "cseq"))
    assert [row["contact"] for row in server.ask("location", "show") if row["aor"].startswith("dave@")] == [
        DESK
    ]


def test_2_2_update_of_the_contact_list(registers):
    assert registers(f"Contact: <{DESK}>;expires=600") == {DESK: 600}
    both = registers(f"Contact: <{HOME}>;expires=300;q=0.5")
    assert list(both) == [DESK, HOME]
    assert both[HOME] == 300
    assert 590 <= both[DESK] <= 600


def test_2_3_request_for_the_current_contact_list(registers):
    assert registers("Supported: path") == {}
    registers(f"Contact: <{DESK}>;expires=600, <{HOME}>;expires=600")
    assert set(registers("Supported: path")) == {DESK, HOME}


def test_2_4_cancellation_of_registration(registers):
    registers(f"Contact: <{DESK}>;expires=600, <{HOME}>;expires=600")
    assert list(registers(f"Contact: <{DESK}>;expires=0")) == [HOME]
    assert registers("Contact: *\n    Expires: 0") == {}


def test_2_5_unsuccessful_registration(plays, registers):
    seen = plays("> REGISTER  < 401  > REGISTER+auth  < 401", f"Contact: <{DESK}>", password="wrong")
    nonces = [re.search('nonce="([^"]+)"', seen[number].one("www-authenticate"))[1] for number in (1, 3)]
    assert nonces[0] != nonces[1]
    assert "stale=true" not in seen[3].one("www-authenticate").lower()
    assert registers("Supported: path") == {}


def test_2_2_contact_that_is_no_sip_uri_is_kept_and_not_called(server, registers, new_phone):
    """As the RFC has it: a mailto: beside the telephone."""
    alice, dave = new_phone(server, "alice"), new_phone(server, "dave")
    assert "mailto:dave@example.test" in registers("Contact: <mailto:dave@example.test>;expires=600")
    alice.dial(dave.address)
    dave.wait_for("CALL_INCOMING")
    dave.hang_up()
    assert alice.wait_for("CALL_CLOSED").text.startswith("486")
    dave.close()
    assert list(registers("Supported: path")) == ["mailto:dave@example.test"]
    alice.dial(dave.address)
    assert alice.wait_for("CALL_CLOSED").text.startswith("480")
