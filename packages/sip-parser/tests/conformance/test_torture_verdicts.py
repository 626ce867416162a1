"""Every message of RFC 4475 and RFC 5118 gets its verdict of torture/verdicts.toml, over UDP and over TCP."""

import runpy
import tomllib
from pathlib import Path

import pytest

from trunkline.sip_parser import (
    RemoteProtocolError,
    Request,
    StreamReader,
    check_message,
    make_response,
    parse_datagram,
)

FOLDER = Path(__file__).parent / "torture"
VERDICTS = tomllib.loads((FOLDER / "verdicts.toml").read_text())
CUT = {"dblreq", "mult-ip-in-sdp", "ipv4-mapped-ipv6"}
"Messages with octets behind the end that Content-Length names."


def judged(message):
    """Give what a datagram's message comes to: "accept" or a status, and what could be understood of it."""
    try:
        if isinstance(message, bytes):
            message = parse_datagram(message)
        check_message(message)
    except RemoteProtocolError as error:
        return error.status_hint, error.message
    return "accept", message


def test_there_are_all_messages_of_both_rfcs_and_a_verdict_for_each():
    assert {path.stem for path in FOLDER.glob("*.dat")} == set(VERDICTS)
    sources = [verdict["source"].partition(" §")[0] for verdict in VERDICTS.values()]
    assert (sources.count("RFC 4475"), sources.count("RFC 5118")) == (49, 12)


def test_the_files_are_what_the_script_writes():
    written = runpy.run_path(str(FOLDER / "write_messages.py"))["MESSAGES"]
    assert {path.stem: path.read_bytes() for path in FOLDER.glob("*.dat")} == written


@pytest.mark.parametrize("name", VERDICTS)
def test_datagram(name):
    data, verdict = (FOLDER / f"{name}.dat").read_bytes(), VERDICTS[name]
    outcome, message = judged(data)
    assert outcome == verdict["parser"]
    assert outcome in ("accept", 416) or not verdict["valid"]
    if outcome == "accept":
        assert verdict["valid"] or name in ("baddate", "badbranch")
        assert message.to_bytes() == data or name in CUT
        assert data.startswith(message.to_bytes())
    elif data.startswith(b"SIP/"):
        assert message is None or not message.is_request
    else:
        answer = make_response(message, outcome, to_tag="t").to_bytes()
        assert answer.startswith(f"SIP/2.0 {outcome} ".encode())
        assert b"\r\nv" in answer.lower()


@pytest.mark.parametrize("step", [100_000, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("name", VERDICTS)
def test_stream(name, step):
    data, verdict = (FOLDER / f"{name}.dat").read_bytes(), VERDICTS[name]
    reader = StreamReader()
    items = []
    lost = None
    try:
        for start in range(0, len(data), step):
            items += reader.receive(data[start : start + step])
    except RemoteProtocolError as error:
        lost = error
    expected = verdict.get("stream", verdict["parser"])
    if expected == "wait":
        assert (items, lost, reader.lost) == ([], None, None)
    elif expected == "lost":
        assert (items, reader.lost) == ([], lost)
        assert lost.message.is_request
    else:
        first = items[0]
        outcome = first.status_hint if isinstance(first, RemoteProtocolError) else judged(first)[0]
        assert outcome == expected
        assert name == "dblreq" or (len(items), lost, reader.lost) == (1, None, None)


@pytest.mark.parametrize("name", VERDICTS)
def test_it_can_be_changed_and_written_without_harm_to_its_other_lines(name):
    try:
        message = parse_datagram((FOLDER / f"{name}.dat").read_bytes())
    except RemoteProtocolError:
        return
    before = message.headers.get_all("call-id"), message.headers.get_all("contact"), message.body
    message.headers.prepend("Via", "SIP/2.0/UDP proxy.example.com;branch=z9hG4bKours")
    if isinstance(message, Request):
        message.headers.set("Max-Forwards", "5")
    again = parse_datagram(message.to_bytes())
    assert again.top_via.branch == "z9hG4bKours"
    assert (again.headers.get_all("call-id"), again.headers.get_all("contact"), again.body) == before


# Content-Length, RFC 3261 §18.3 and §20.14

HEAD = (
    "INVITE sip:user@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    "From: <sip:a@example.com>;tag=1\r\nTo: <sip:user@example.com>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
    "Max-Forwards: 70\r\n"
)
OTHER = (HEAD.replace("CSeq: 1 INVITE", "CSeq: 2 INVITE") + "Content-Length: 0\r\n\r\n").encode()


@pytest.mark.parametrize(
    ("lengths", "datagram", "stream"),
    [
        (("5",), b"12345", b"12345"),
        (("3",), b"123", b"123"),
        (("0",), b"", b""),
        (("6",), 400, "wait"),
        ((), b"12345", "lost"),
        (("-5",), 400, "lost"),
        (("+5",), 400, "lost"),
        (("5.0",), 400, "lost"),
        (("five",), 400, "lost"),
        (("",), 400, "lost"),
        (("5, 5",), 400, "lost"),
        (("4294967296",), 400, "lost"),
        (("99999999999999999999999",), 400, "lost"),
        (("4", "5"), 400, "lost"),
        (("5", "5"), 400, 400),
    ],
)
def test_content_length(lengths, datagram, stream):
    data = (HEAD + "".join(f"Content-Length: {length}\r\n" for length in lengths) + "\r\n12345").encode()
    outcome, message = judged(data)
    assert message.call_id == "x"
    assert (message.body if outcome == "accept" else outcome) == datagram
    reader = StreamReader()
    if stream == "lost":
        with pytest.raises(RemoteProtocolError) as caught:
            reader.receive(data)
        assert caught.value.message.call_id == "x"
        assert reader.lost is caught.value
        return
    items = reader.receive(data)
    if stream == "wait":
        assert items == []
        (first, second) = reader.receive(OTHER[:1] + OTHER)
        assert first.body == b"12345I"
        assert second.cseq.number == 2
        return
    outcome, message = judged(items[0])
    assert (message.body if outcome == "accept" else outcome) == stream


def test_the_length_rfc_5118_prints_for_ipv6_in_sdp_is_a_second_clerr():
    data = (FOLDER / "ipv6-in-sdp.dat").read_bytes()
    assert judged(data.replace(b"Content-Length: 251", b"Content-Length: 268"))[0] == 400
