"""RFC 4475 and RFC 5118: what a user agent answers to each message, by datagram and by stream.

The messages and the verdicts are the parser package's; the user agent is `small_user_agent`, which does the
better of the things that a verdict allows.
"""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

import pytest

from trunkline.sip_parser import RemoteProtocolError, Response, StreamReader, check_message, parse_datagram
from trunkline.sip_transaction import Flow

HERE = Path(__file__).parent
FOLDER = HERE.parents[2] / "sip-parser/tests/conformance/torture"
VERDICTS = tomllib.loads((FOLDER / "verdicts.toml").read_text(encoding="utf-8"))
UAS = [name for name, verdict in VERDICTS.items() if "uas" in verdict]
SCRIPT = runpy.run_path(str(HERE.parent / "small_user_agent.py"))
US, PEER = ("192.0.2.2", 5060), ("192.0.2.1", 5066)
FLOWS = {"UDP": Flow("UDP", US, PEER), "TCP": Flow("TCP", US, PEER, 7)}


def torture(name):
    return (FOLDER / f"{name}.dat").read_bytes()


@pytest.fixture
def agent(token):
    return SCRIPT["SmallUserAgent"]("sip:bob@192.0.2.2", token=token)


def read(data):
    """Read an answer, which repeats what is wrong with a request: two From headers, or none."""
    try:
        return parse_datagram(data)
    except RemoteProtocolError as error:
        return error.message


def finals(sends):
    """Read the final responses; each goes back the way the message came."""
    assert all(send.flow.remote[0] == PEER[0] for send in sends)
    return [found for send in sends if (found := read(send.data)).status >= 200]


def come_to(agent, answers):
    return SCRIPT["verdicts_met"]([answer.status for answer in answers], agent.handed)


def answer_to(agent, data):
    """Give the one final response to a datagram."""
    (answer,) = finals(agent.datagram(data, FLOWS["UDP"], now=0.0))
    return answer


def assert_serves(agent, flow):
    probe = torture("lwsdisp").replace(b"lwsdisp.", b"probe.").replace(b"z9hG4bKkdjuw", b"z9hG4bKprobe")
    (answer,) = finals(agent.take(parse_datagram(probe), flow, now=0.1))
    assert answer.status == 200


def test_every_message_a_user_agent_can_meet_has_its_verdict():
    methods = {name: torture(name).split()[0] for name in VERDICTS}
    assert {name for name in methods if methods[name] != b"REGISTER"} == set(UAS)


@pytest.mark.parametrize("name", UAS)
def test_datagram(agent, name):
    data, verdict = torture(name), VERDICTS[name]
    answers = finals(agent.datagram(data, FLOWS["UDP"], now=0.0))
    assert verdict["uas"][0] in come_to(agent, answers), (answers, agent.handed)
    if verdict["parser"] in ("accept", 416) and answers:
        request, (answer,) = parse_datagram(data), answers
        check_message(answer)
        for header in ("from", "call-id", "cseq"):
            assert answer.headers.get_all(header) == request.headers.get_all(header)
        assert [via.branch for via in answer.vias] == [via.branch for via in request.vias]
        assert answer.to.uri == request.to.uri
        assert answer.to_tag
    assert_serves(agent, FLOWS["UDP"])


@pytest.mark.parametrize("step", [100_000, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("name", UAS)
def test_stream(agent, name, step):
    data, verdict, flow = torture(name), VERDICTS[name], FLOWS["TCP"]
    reader = StreamReader()
    sends = []
    for start in range(0, len(data), step):
        if reader.lost is None:
            sends += agent.piece(reader, data[start : start + step], flow, now=0.0)
    answers = finals(sends)
    assert all(send.flow == flow for send in sends)
    expected = {"wait": "drop", "lost": 400}.get(verdict.get("stream"), verdict["uas"][0])
    assert expected in come_to(agent, answers), (answers, agent.handed)
    assert (reader.lost is not None) == (verdict.get("stream") == "lost")
    assert_serves(agent, flow)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("unreason", "process"), ("noreason", "process"), ("bcast", "drop")],
)
def test_a_response_to_a_request_of_its_own(agent, name, expected):
    """The two that are in order are for the application; one with a second Via is not (§8.1.3.3)."""
    response = parse_datagram(torture(name))
    assert isinstance(response, Response)
    via, number = str(response.top_via), response.cseq.number
    agent.ask("INVITE", via, number, FLOWS["UDP"], now=0.0)
    assert finals(agent.datagram(torture(name), FLOWS["UDP"], now=0.1)) == []
    assert come_to(agent, []) == {expected}


@pytest.mark.parametrize("name", ["scalarlg", "bigcode"])
def test_a_response_that_cannot_be_read_is_dropped_whoever_waits_for_it(agent, name):
    via = torture(name).partition(b"Via: ")[2].partition(b"\r\n")[0].decode()
    agent.ask("OPTIONS" if name == "scalarlg" else "INVITE", via, 35, FLOWS["UDP"], now=0.0)
    assert agent.datagram(torture(name), FLOWS["UDP"], now=0.1) == []
    assert agent.handed == []


@pytest.mark.parametrize("name", ["via-received-param-with-delim", "mult-ip-in-header"])
def test_a_bye_for_a_dialog_that_is_there_is_served(agent, token, name):
    bye = parse_datagram(torture(name))
    invite = bye.copy()
    invite.method = "INVITE"
    invite.headers.set("CSeq", "1 INVITE")
    invite.headers.set("To", f"<{bye.to.uri}>")
    invite.headers.set("Contact", "<sip:caller@192.0.2.1>")
    agent.token = lambda size: bytes.fromhex("ab" * size)
    ok = answer_to(agent, invite.to_bytes())
    assert ok.status == 200
    data = torture(name).replace(b";tag=" + bye.to_tag.encode(), b";tag=" + ok.to_tag.encode())
    again = data.replace(b"z9hG4bKas3-111", b"z9hG4bKas3-112")
    assert answer_to(agent, data).status == 200
    assert answer_to(agent, again).status == 481


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("bext01", "Unsupported", "nothingSupportsThis, nothingSupportsThisEither"),
        ("invut", "Accept", "application/sdp, text/plain, multipart/mixed"),
        ("lwsdisp", "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE"),
        ("inv2543", "Record-Route", "<sip:UserB@example.com;maddr=ss1.example.com>"),
    ],
)
def test_what_an_answer_says_beside_its_status(agent, name, header, value):
    assert answer_to(agent, torture(name)).headers.get(header) == value


def test_a_method_it_knows_of_and_does_not_serve_is_405(agent):
    answer = answer_to(agent, torture("lwsdisp").replace(b"OPTIONS", b"REFER"))
    assert (answer.status, answer.headers.get("Allow")) == (405, "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE")


def test_a_message_that_comes_by_two_ways_is_merged(agent):
    """As a forking proxy sends it: another branch, the rest as it was."""
    assert answer_to(agent, torture("esc01")).status == 200
    again = torture("esc01").replace(b"z9hG4bKkdjuw", b"z9hG4bKanother")
    assert answer_to(agent, again).status == 482
