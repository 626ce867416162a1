"""What holds for every message: round trips, edits that touch one line, and no error but our own."""

import contextlib
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import (
    DigestChallenge,
    DigestCredentials,
    Headers,
    KeepAlive,
    LocalProtocolError,
    NameAddr,
    RemoteProtocolError,
    Request,
    StreamReader,
    Via,
    check_message,
    equivalent_values,
    make_response,
    parse_datagram,
    parse_uri,
    quote,
    response_bytes,
    unquote,
)
from trunkline.sip_parser._address import read_address, read_any_address
from trunkline.sip_parser._grammar import one_line
from trunkline.sip_parser._via import read_any_via, read_via
from trunkline.sip_parser.testing import (
    digest_challenges,
    digest_credentials,
    header_lines,
    message_bytes,
    messages,
    mutated_bytes,
    mutations,
    name_addrs,
    other_uris,
    requests,
    tel_uris,
    uris,
    vias,
)

TYPED = [
    name
    for base in Request.__mro__[1:]
    for name, member in vars(base).items()
    if isinstance(member, property)
]


def parsed(data):
    try:
        return parse_datagram(data), None
    except RemoteProtocolError as error:
        return error.message, error


def other_lines(headers, name):
    return [line for known, line in zip(headers._names, headers._lines, strict=True) if known != name]


def read_everything(message):
    for name in TYPED:
        with contextlib.suppress(RemoteProtocolError):
            getattr(message, name)
    for name in message.headers.names():
        message.headers.values(name)
        message.headers.get(name)
        message.headers.top_value(name)
    with contextlib.suppress(RemoteProtocolError):
        check_message(message)
    if isinstance(message, Request):
        with contextlib.suppress(RemoteProtocolError):
            _ = message.parsed_uri
        answer = make_response(message, 400, to_tag="t").to_bytes()
        assert answer.startswith(b"SIP/2.0 400 Bad Request\r\n")
    message.to_bytes()


@given(uris() | tel_uris() | other_uris())
def test_a_uri_written_reads_the_same(uri):
    again = parse_uri(str(uri))
    assert again == uri
    assert again.equivalent(uri)


@given(
    uris().map(str),
    st.sampled_from([("sip:", "SIP:"), (":5", ":05"), (";", ";;"), ("sip:", "sips:"), ("", "")]),
    st.sampled_from(["", ";lr", ";transport=udp", ";Transport=udp", ";lr;x=1", ":0", ":0050", "?a=b"]),
)
@example("sip:a@[::1]", ("", ""), "")
@example("sip:a@[:::1.2.3.4]", ("", ""), "")
def test_a_uri_is_written_as_its_parts_say(text, spelled, more):
    try:
        uri = parse_uri(text.replace(*spelled) + more)
    except RemoteProtocolError:
        return
    assert str(uri) == uri._write() == str(uri.replace())


@given(name_addrs())
def test_an_address_written_reads_the_same(address):
    assert NameAddr.parse(str(address)) == address


@given(vias())
def test_a_via_written_reads_the_same(via):
    assert Via.parse(str(via)) == via


def _read(reader, text):
    try:
        return reader(text)
    except RemoteProtocolError as error:
        return error.args


_PIECES = st.lists(
    st.sampled_from([*'<>";:,=@\\ \t', "a", "B", "1", "sip", "tag", "[::1]", "%41", "lr"]), max_size=6
).map("".join)


@given(st.builds("{}{}{}{}".format, st.sampled_from(["", '"A" ', "A ", '"']), _PIECES, name_addrs(), _PIECES))
def test_an_address_read_the_quick_way_is_the_same_as_read_the_long_way(text):
    text = one_line(text)
    assert _read(read_address, text) == _read(read_any_address, text)


@given(st.builds("{}{}{}{}".format, st.sampled_from(["", "SIP/2.0/UDP ", "SIP"]), _PIECES, vias(), _PIECES))
def test_a_via_read_the_quick_way_is_the_same_as_read_the_long_way(text):
    text = one_line(text)
    assert _read(read_via, text) == _read(read_any_via, text)


@given(
    st.sampled_from(["UDP", "TLS", "udp"]),
    _PIECES,
    st.sampled_from(["", ":5060", ":99999", ":"]),
    _PIECES,
)
def test_a_plain_via_means_the_same_both_ways(transport, host, port, params):
    text = one_line(f"SIP/2.0/{transport} h{host}{port};branch=x{params}")
    assert _read(read_via, text) == _read(read_any_via, text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoting_is_undone_by_unquoting(text):
    assert unquote(quote(text)) == text


@given(message_bytes())
def test_an_untouched_message_gives_the_same_bytes(data):
    message = parse_datagram(data)
    assert message.to_bytes() == data
    check_message(message)
    assert message.to_bytes() == data
    assert message.copy().to_bytes() == data


@given(messages())
def test_a_built_message_is_read_back_whole(message):
    data = message.to_bytes()
    again = parse_datagram(data)
    assert again.body == message.body
    assert again.headers.get_all("via") == message.headers.get_all("via")
    assert again.from_ == message.from_
    assert again.cseq == message.cseq
    assert again.to_bytes() == data


@given(message_bytes(), st.integers(0, 255))
def test_a_changed_header_changes_its_line_and_nothing_else(data, hops):
    message = parse_datagram(data)
    before = message.headers.copy()
    message.headers.set("Max-Forwards", str(hops))
    after = parse_datagram(message.to_bytes())
    index = before._names.index("max-forwards")
    assert after.max_forwards == hops
    assert after.headers._lines[:index] == before._lines[:index]
    assert after.headers._lines[index + 1 :] == before._lines[index + 1 :]
    assert after.start_line() == message.start_line()
    assert after.body == message.body


@given(message_bytes(), st.data())
def test_any_change_to_the_headers_leaves_every_other_line_as_it_came(data, draw):
    message = parse_datagram(data)
    message.headers.set("Content-Length", str(len(message.body)))
    before = [(name, line) for name, line in zip(message.headers._names, message.headers._lines, strict=True)]
    name = draw.draw(st.sampled_from([name for name, _ in before if name != "content-length"]))
    change = draw.draw(st.sampled_from(["set", "remove", "prepend", "add", "replace_top", "pop_value"]))
    if change == "replace_top" and not message.headers.values(name):
        change = "add"
    getattr(message.headers, change)(name, *([] if change in ("remove", "pop_value") else ["1"]))
    written = message.to_bytes()
    lines = written[: written.index(b"\r\n\r\n")].decode("utf-8", "surrogateescape") + "\r\n"
    start = message.start_line() + "\r\n"
    assert lines.startswith(start)
    lines = lines.removeprefix(start)
    for known, line in before:
        if known != name:
            assert line + "\r\n" in lines
            lines = lines.replace(line + "\r\n", "", 1)
    # what is left over are lines of the header that was changed
    rest = Headers()
    for line in lines.replace("\r\n ", " ").split("\r\n")[:-1]:
        rest.add(line.partition(":")[0].rstrip(), line.partition(":")[2].strip())
    assert set(rest.names()) <= {name}
    assert written.endswith(b"\r\n\r\n" + message.body)


@given(message_bytes(), st.binary(max_size=40))
def test_another_body_changes_the_length_and_no_other_line(data, body):
    message = parse_datagram(data)
    before = message.headers.copy()
    message.body = body
    after = parse_datagram(message.to_bytes())
    assert after.body == body
    assert after.content_length == len(body)
    assert other_lines(after.headers, "content-length") == other_lines(before, "content-length")


@given(uris(), st.randoms(use_true_random=False))
def test_a_uri_is_equivalent_to_itself_in_another_spelling(uri, random):
    def respelled(text):
        return text and re.sub(
            "%..|[A-Za-z0-9]",
            lambda match: (
                random.choice([match[0].upper(), match[0].lower()])
                if match[0][0] == "%"
                else random.choice([match[0], f"%{ord(match[0]):02x}"])
            ),
            text,
        )

    names = list(uri.params)
    random.shuffle(names)
    other = uri.replace(
        user=respelled(uri.user),
        password=respelled(uri.password),
        host=uri.host.upper(),
        params={name.upper(): respelled(uri.params[name]) for name in names},
        headers=uri.headers and "&".join(reversed(uri.headers.split("&"))),
    )
    again = parse_uri(str(other))
    assert uri.equivalent(again)
    assert again.equivalent(uri)
    assert not uri.equivalent(again.replace(port=1 if uri.port != 1 else None))


@given(digest_challenges())
def test_a_challenge_written_reads_the_same(challenge):
    assert DigestChallenge.parse(str(challenge)) == challenge


@given(digest_credentials())
def test_credentials_written_read_the_same(credentials):
    assert DigestCredentials.parse(str(credentials)) == credentials


@given(header_lines(), st.text(max_size=30))
def test_comparing_values_raises_nothing_and_every_value_equals_itself_in_blanks(line, other):
    name, value = line
    assert equivalent_values(name, value, f" {value}\t")
    assert equivalent_values(name, value, other) == equivalent_values(name, other, value)


@given(mutations(st.just(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")))
def test_mutations_of_ones_own_bytes_raise_nothing_but_remote_protocol_error(data):
    with contextlib.suppress(RemoteProtocolError):
        read_everything(parse_datagram(data))


@given(message_bytes(), vias())
def test_a_via_put_on_top_and_taken_off_leaves_the_message_as_it_was(data, via):
    message = parse_datagram(data)
    message.headers.prepend("Via", str(via))
    assert message.top_via == via
    assert message.headers.pop_value("via") == str(via)
    assert message.to_bytes() == data


@given(message_bytes(), vias())
def test_replacing_the_top_via_leaves_the_others(data, via):
    message = parse_datagram(data)
    others = message.vias[1:]
    message.headers.replace_top("v", str(via))
    assert message.vias == [via, *others]


@settings(max_examples=150)
@given(mutated_bytes())
def test_hostile_datagrams_raise_nothing_but_remote_protocol_error(data):
    message, error = parsed(data)
    if error is not None:
        assert error.reason
        assert 400 <= error.status_hint <= 699
    if message is not None:
        read_everything(message)


@given(st.binary(max_size=200))
def test_noise_raises_nothing_but_remote_protocol_error(data):
    with contextlib.suppress(RemoteProtocolError):
        read_everything(parse_datagram(data))


@given(st.text(max_size=60), st.sampled_from([parse_uri, NameAddr.parse, Via.parse]))
def test_any_text_raises_nothing_but_remote_protocol_error(text, parse):
    with contextlib.suppress(RemoteProtocolError):
        value = parse(text)
        assert parse(str(value)) == value


@given(st.lists(message_bytes() | st.just(b"\r\n\r\n"), max_size=3), st.data())
def test_a_stream_cut_anywhere_gives_the_same_messages(parts, data):
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = StreamReader()
    received = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += reader.receive(stream[start:stop])
    assert [b"\r\n\r\n" if isinstance(item, KeepAlive) else item.to_bytes() for item in received] == parts


@given(st.lists(mutated_bytes(), min_size=1, max_size=2), st.integers(1, 40))
def test_hostile_streams_raise_nothing_but_remote_protocol_error(parts, step):
    stream = b"".join(parts)
    reader = StreamReader()
    with contextlib.suppress(RemoteProtocolError):
        for start in range(0, len(stream), step):
            for item in reader.receive(stream[start : start + step]):
                if not isinstance(item, KeepAlive | RemoteProtocolError):
                    read_everything(item)


def both_responses(request, *answer, headers=()):
    def tag_of(copied):
        copied = " ".join(copied.split())  # folds and blanks are not what this is about
        assert all(value in copied for value in values)
        return "t1"

    copies = {"from", "call-id", "cseq"}
    values = [" ".join(value.split()) for name, value in request.headers.items() if name.lower() in copies]
    try:
        slow = make_response(request, *answer, to_tag="t1", headers=headers).to_bytes()
    except LocalProtocolError as error:
        slow = str(error)
    try:
        quick = response_bytes(request, *answer, tag_of=tag_of, headers=iter(headers))
    except LocalProtocolError as error:
        quick = str(error)
    return quick, slow


@given(
    requests() | mutated_bytes(),
    st.integers(199, 701),
    st.none() | st.sampled_from(["Gone", "", "a\nb"]),
    st.lists(
        st.tuples(
            st.sampled_from(["Server", "WWW-Authenticate", "X-Own", "l", "Content-Length", "To", "a b"]),
            st.text(max_size=4) | st.sampled_from(["0", "7", "\udcff", "\ud800"]),
        ),
        max_size=3,
    ),
)
def test_a_response_written_at_once_is_the_one_made(request, status, reason, headers):
    if isinstance(request, bytes):
        try:
            request = parse_datagram(request)
        except RemoteProtocolError as error:
            request = error.message
    if not isinstance(request, Request):
        return
    quick, slow = both_responses(request, status, reason, headers=headers)
    assert quick == slow


@given(requests(), st.integers(101, 699))
def test_a_response_carries_what_finds_its_request(request, status):
    response = parse_datagram(make_response(request, status, to_tag="new").to_bytes())
    assert response.vias == request.vias
    assert response.from_ == request.from_
    assert response.call_id == request.call_id
    assert response.cseq == request.cseq
    assert response.to_tag == (request.to_tag or "new")
