"""Where a datagram to a binding goes: what is seen at a glance is what parsing the URI gives."""

from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.sip_parser import RemoteProtocolError, Uri, parse_uri
from trunkline.sip_proxy.nat._addresses import is_ip
from trunkline.sip_proxy.registrar import Binding
from trunkline.sip_proxy.registrar._bindings import _plain_contact

octets = st.sampled_from(["0", "9", "10", "127", "199", "255", "256", "01", "1.2", ""])
hosts = st.one_of(
    st.lists(octets, min_size=3, max_size=5).map(".".join),
    st.sampled_from(["192.0.2.7", "phone.example.test", "[2001:db8::7]", "1.2.3.4.", "1.2.3.4.5"]),
)
contacts = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["sip:", "sips:", "SIP:", "tel:", ""]),
    st.sampled_from(["", "alice@", "al%69ce@", "al%zz@", "a:b@", "a;b@", "@", "a@b@", "#1*@"]),
    hosts,
    st.sampled_from(["", ":", ":0", ":5062", ":65535", ":65536", ":99999", ":000005060"]),
    st.lists(
        st.sampled_from(
            [
                ";transport=udp",
                ";transport=UDP",
                ";transport=tcp",
                ";maddr=192.0.2.9",
                ";ob",
                ";line=7f",
                ";x=%",
            ]
        ),
        max_size=3,
    ).map("".join),
    st.sampled_from(["", "", "?a=b", " "]),
)


def remote_by_parsing(text: str) -> tuple[str, int] | None:
    try:
        uri = parse_uri(text)
    except RemoteProtocolError:
        return None
    if not isinstance(uri, Uri) or uri.transport != "udp" or "maddr" in uri.params or not is_ip(uri.host):
        return None
    return uri.host, uri.port or 5060


@given(contacts)
@example("sip:alice@192.0.2.7:5062")
@example("sip:192.0.2.7;transport=udp;ob")
def test_datagram_goes_where_the_parsed_uri_says(contact: str) -> None:
    flow = Binding("alice@example.test", contact, socket="udp:192.0.2.1:5060").flow
    assert (None if flow is None else flow.remote) == remote_by_parsing(contact)


def test_what_most_phones_say_is_seen_at_a_glance() -> None:
    for contact in (
        "sip:alice@192.0.2.7:5062",
        "sip:alice@192.0.2.7:5062;transport=udp",
        "sip:192.0.2.7:1029;transport=udp",
        "sip:alice@192.0.2.7;ob",
        "sip:alice@192.0.2.7:5060;line=8c4a1f",
    ):
        assert _plain_contact(contact) is not None, contact
