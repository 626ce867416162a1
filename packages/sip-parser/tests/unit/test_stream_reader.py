"""Cutting a stream into messages: whole, byte by byte, with trailing data; keep-alives; framing lost."""

import pytest

from trunkline.sip_parser import KeepAlive, RemoteProtocolError, Request, StreamReader


@pytest.fixture
def reader():
    return StreamReader()


def test_a_whole_message_is_given_at_once(reader, invite_bytes):
    (message,) = reader.receive(invite_bytes)
    assert isinstance(message, Request)
    assert message.to_bytes() == invite_bytes
    assert message.body == b"v=0"


def test_a_message_byte_by_byte_is_given_with_its_last_byte(reader, invite_bytes):
    for byte in invite_bytes[:-1]:
        assert reader.receive(bytes([byte])) == []
    (message,) = reader.receive(invite_bytes[-1:])
    assert message.to_bytes() == invite_bytes


def test_what_follows_is_kept_for_the_next_message(reader, invite_bytes):
    messages = reader.receive(invite_bytes * 2 + invite_bytes[:50])
    assert [message.to_bytes() for message in messages] == [invite_bytes] * 2
    assert [message.to_bytes() for message in reader.receive(invite_bytes[50:])] == [invite_bytes]


def test_nothing_gives_nothing(reader):
    assert reader.receive(b"") == []


def test_a_double_crlf_asks_for_an_answer(reader, invite_bytes):
    assert reader.receive(b"\r\n\r\n") == [KeepAlive()]
    assert reader.receive(b"\r\n") == []
    assert reader.receive(b"\r") == []
    assert reader.receive(b"\n") == [KeepAlive()]
    ping, message = reader.receive(b"\r\n\r\n" + invite_bytes)
    assert isinstance(ping, KeepAlive)
    assert isinstance(message, Request)


def test_a_single_crlf_between_messages_is_passed_over(reader, invite_bytes):
    first, second = reader.receive(b"\r\n" + invite_bytes + b"\r\n" + invite_bytes)
    assert first.to_bytes() == second.to_bytes() == invite_bytes
    assert reader.receive(b"\r\n") == []


def test_without_content_length_framing_is_lost(reader, invite_with):
    with pytest.raises(RemoteProtocolError, match="Content-Length") as caught:
        reader.receive(invite_with(without=["Content-Length"]))
    assert caught.value.message is not None
    assert caught.value.section == "RFC 3261 §18.3"
    assert reader.lost is caught.value


@pytest.mark.parametrize("line", ["Content-Length: x", "Content-Length: -1", "Content-Length: 1\r\nl: 2"])
def test_with_a_bad_content_length_framing_is_lost(reader, invite_with, line):
    with pytest.raises(RemoteProtocolError, match="Content-Length"):
        reader.receive(invite_with(line))


def test_a_message_wrong_in_itself_takes_its_place_and_the_connection_goes_on(
    reader, invite_bytes, invite_with
):
    wrong = invite_with("no colon")
    first, error, last = reader.receive(invite_bytes + wrong + invite_bytes)
    assert isinstance(error, RemoteProtocolError)
    assert error.message.call_id
    assert first.to_bytes() == last.to_bytes() == invite_bytes
    assert reader.lost is None


def test_a_missing_header_does_not_cost_the_connection(reader, invite_with):
    error, message = reader.receive(invite_with(without=["To"]) + invite_with())
    assert isinstance(error, RemoteProtocolError)
    assert isinstance(message, Request)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"\r\n\r\r\n",
        b"\0\0\r\n\r\n",
        b"x\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nno colon\r\n\r\n",
    ],
)
def test_with_something_else_than_sip_framing_is_lost(reader, data):
    with pytest.raises(RemoteProtocolError):
        for _ in range(2):
            reader.receive(data)
    with pytest.raises(RemoteProtocolError):
        reader.receive(b"")


def test_with_stray_line_ends_framing_is_lost(reader, invite_bytes):
    with pytest.raises(RemoteProtocolError, match="LF"):
        reader.receive(invite_bytes.replace(b"Phone", b"Pho\nne"))


def test_what_came_before_framing_was_lost_is_not_lost(reader, invite_bytes):
    messages = reader.receive(invite_bytes + b"nonsense\r\n\r\n" + invite_bytes)
    assert [message.to_bytes() for message in messages] == [invite_bytes]
    assert reader.lost is not None
    with pytest.raises(RemoteProtocolError) as caught:
        reader.receive(invite_bytes)
    assert caught.value is reader.lost


def test_a_head_has_a_limit(invite_bytes):
    for data in (invite_bytes, b"INVITE " + b"x" * 300):
        reader = StreamReader(max_head=256)
        with pytest.raises(RemoteProtocolError, match="at most 256 bytes") as caught:
            reader.receive(data)
        assert caught.value.status_hint == 513


def test_a_body_has_a_limit(invite_with):
    with pytest.raises(RemoteProtocolError, match="at most 2 bytes") as caught:
        StreamReader(max_body=2).receive(invite_with())
    assert caught.value.status_hint == 513
    assert caught.value.message.call_id


def test_header_lines_have_a_limit(invite_with):
    with pytest.raises(RemoteProtocolError, match="header lines"):
        StreamReader(max_headers=5).receive(invite_with())


def test_a_large_body_comes_in_many_pieces(reader, invite_with):
    body = bytes(range(256)) * 2000
    data = invite_with(f"Content-Length: {len(body)}", body=body)
    received = []
    for start in range(0, len(data), 1400):
        received += reader.receive(data[start : start + 1400])
    assert [message.body for message in received] == [body]


def test_it_is_midway_from_the_first_byte_to_the_last(reader, invite_bytes):
    assert not reader.is_midway
    for byte in invite_bytes[:-1]:
        reader.receive(bytes([byte]))
        assert reader.is_midway
    reader.receive(invite_bytes[-1:])
    assert not reader.is_midway
    reader.receive(b"\r\n")
    assert not reader.is_midway


def test_head_and_body_together_are_bounded(invite_bytes):
    size = len(invite_bytes)
    (message,) = StreamReader(max_message=size).receive(invite_bytes)
    assert message.body == b"v=0"
    with pytest.raises(RemoteProtocolError) as caught:
        StreamReader(max_message=size - 1).receive(invite_bytes)
    assert caught.value.status_hint == 513
