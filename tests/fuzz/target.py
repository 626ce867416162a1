"""What must hold for any bytes at all: the body of the fuzzer and of the tests beside it.

Nothing but RemoteProtocolError comes out of the parser; what was not touched is written as it came; what it
writes it reads again; and a stream gives the same in whatever pieces it comes.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from trunkline.sip_parser import (
    CSeq,
    DigestChallenge,
    DigestCredentials,
    KeepAlive,
    LocalProtocolError,
    Message,
    NameAddr,
    ParamValue,
    RemoteProtocolError,
    Request,
    Response,
    RetryAfter,
    StreamReader,
    Uri,
    Via,
    WarningValue,
    check_message,
    make_response,
    parse_datagram,
    parse_date,
    parse_uri,
)

TYPED = [
    name
    for base in Request.__mro__[1:]
    for name, member in vars(base).items()
    if isinstance(member, property) and name != "body"
]
VALUES: tuple[Callable[[str], Any], ...] = (
    parse_uri,
    NameAddr.parse,
    Via.parse,
    CSeq.parse,
    ParamValue.parse,
    RetryAfter.parse,
    WarningValue.parse,
    DigestChallenge.parse,
    DigestCredentials.parse,
)


def probe(data: bytes) -> None:
    """Let the entries of the parser have the bytes; raises when something does not hold.

    Which entries is decided by the length, for speed: a fuzzer changes that all the time.
    """
    turn = len(data) % 4
    if turn == 0:
        probe_stream(data)
    elif turn == 1:
        head, _, tail = data.partition(b":")
        probe_value((tail if len(head) < 40 else data)[:300].decode("utf-8", "surrogateescape"))
    else:
        probe_datagram(data)


def probe_all(data: bytes) -> None:
    """Let every entry of the parser have the bytes."""
    probe_datagram(data)
    probe_stream(data)
    probe_value(data[:300].decode("utf-8", "surrogateescape"))


def probe_datagram(data: bytes) -> None:
    try:
        message = parse_datagram(data)
    except RemoteProtocolError as error:
        probe_error(error)
        if error.message is not None:
            probe_message(error.message, partial=True)
        return
    written = message.to_bytes()
    assert written in data
    probe_message(message)
    assert message.to_bytes() == written
    again = parse_datagram(written)
    assert again.headers == message.headers
    assert again.body == message.body


def probe_message(message: Message, *, partial: bool = False) -> None:
    passed = False
    with contextlib.suppress(RemoteProtocolError):
        check_message(message)
        passed = not partial
    for name in TYPED:
        try:
            getattr(message, name)
        except RemoteProtocolError as error:
            probe_error(error)
            if passed and name in RELIED_ON:
                raise AssertionError(f"{name} raises after check_message: {error}") from error
    for name in message.headers.names():
        values = message.headers.values(name)
        top = message.headers.top_value(name)
        assert (top or None) == (values[0] if values and values[0] else None)
    if isinstance(message, Request):
        with contextlib.suppress(RemoteProtocolError):
            uri = message.parsed_uri
            assert parse_uri(str(uri)) == uri
            assert uri.equivalent(uri)
        answer = make_response(message, 400, to_tag="t")
        if passed:
            read = parse_datagram(answer.to_bytes())
            assert isinstance(read, Response)
            assert read.vias == message.vias
            assert read.call_id == message.call_id
            assert read.to_tag
    changed = message.copy()
    changed.headers.prepend("Via", "SIP/2.0/UDP fuzz.invalid;branch=z9hG4bKfuzz")
    changed.headers.set("Max-Forwards", "1")
    if passed:
        forwarded = parse_datagram(changed.to_bytes())
        assert forwarded.top_via.host == "fuzz.invalid"
        assert forwarded.vias[1:] == message.vias
        assert forwarded.body == message.body
        assert forwarded.headers.pop_value("Via") == "SIP/2.0/UDP fuzz.invalid;branch=z9hG4bKfuzz"
        assert forwarded.vias == message.vias


_RELIED_ON = (
    "top_via vias from_ to from_tag to_tag call_id cseq contacts contact_star routes record_routes "
    "max_forwards require proxy_require supported allow content_length"
)
RELIED_ON = frozenset(_RELIED_ON.split())
"What does not raise once `check_message` has passed."


def probe_error(error: RemoteProtocolError) -> None:
    assert 400 <= error.status_hint <= 699
    assert str(error).isprintable()
    assert len(str(error)) < 500


NO_LINES = str.maketrans("\r\n\0", "   ")


def probe_stream(data: bytes) -> None:
    # byte by byte is slow, so only what is short
    step = 1 + len(data) % 7 if len(data) < 100 else 1 + len(data) // 7
    assert streamed(data, step) == streamed(data, len(data) or 1)


def streamed(data: bytes, step: int) -> tuple[list[object], str | None]:
    """Give what a stream holds, and why it was lost, in a form that can be compared."""
    reader = StreamReader(max_head=4096, max_body=4096)
    items: list[object] = []
    for start in range(0, len(data), step):
        try:
            received = reader.receive(data[start : start + step])
        except RemoteProtocolError:
            break
        for item in received:
            if isinstance(item, KeepAlive):
                items.append("ping")
            elif isinstance(item, RemoteProtocolError):
                items.append(str(item))
            else:
                items.append(item.to_bytes())
    lost = reader.lost
    # a head that grows too large is noticed at a size that depends on the pieces
    return items, None if lost is None else str(lost).partition(", got")[0]


def probe_value(text: str) -> None:
    text = text.translate(NO_LINES)  # what stands in a header
    for parse in VALUES:
        with contextlib.suppress(RemoteProtocolError):
            value = parse(text)
            written = str(value)
            assert parse(written) == value, (parse, text, written)
            if isinstance(value, Uri):
                assert value.equivalent(parse(written))
                _ = value.address_of_record, value.transport, value.is_lr
    with contextlib.suppress(RemoteProtocolError):
        parse_date(text)
    with contextlib.suppress(LocalProtocolError):
        Request("OPTIONS", text)
