"""Headers that came, and still know by their outline where each name stands, are as those put together."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import Headers, LocalProtocolError, RemoteProtocolError, parse_datagram
from trunkline.sip_parser.testing import message_bytes

names = st.sampled_from(
    [
        "Via",
        "v",
        "route",
        "Route",
        "to",
        "contact",
        "X-New",
        "x-new",
        "max-forwards",
        "Require",
        "record-route",
    ]
)
values = st.sampled_from(["", "a", "<sip:a@b>", "a, b", "70", "SIP/2.0/UDP a;branch=b", "SIP/2.0/UDP a, b"])
edits = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "prepend", "set", "replace_top"]), names, values),
        st.tuples(st.sampled_from(["remove", "pop_value", "drop_top"]), names),
    ),
    max_size=4,
)


def outcome(act, *arguments):
    try:
        return act(*arguments)
    except (LocalProtocolError, RemoteProtocolError) as error:
        return str(error)


@given(message_bytes(), st.lists(st.tuples(names, values), max_size=3), edits)
def test_edited_or_not(data, more, changes):
    lines = "".join([f"{name}: {value}\r\n" for name, value in more]).encode()
    try:
        message = parse_datagram(data.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n", 1))
    except RemoteProtocolError:
        return
    came = message.headers
    made = Headers()
    made._names, made._lines = came._names.copy(), came._lines.copy()
    for edit in [None, *changes]:
        if edit is not None:
            method, *arguments = edit
            assert outcome(getattr(came, method), *arguments) == outcome(getattr(made, method), *arguments)
        assert (came._names, came._lines) == (made._names, made._lines)
        for name in [*came._names, "route", "Contact", "v", "X-Absent", "record-route"]:
            assert (name in came) == (name in made)
            for read in ("get", "get_all", "values", "top_value"):
                assert getattr(came, read)(name) == getattr(made, read)(name)
        untouched = message.copy()
        untouched.headers = made.copy()
        for attribute in (
            "vias",
            "top_via",
            "routes",
            "record_routes",
            "contacts",
            "max_forwards",
            "require",
        ):
            assert outcome(getattr, message, attribute) == outcome(getattr, untouched, attribute)
