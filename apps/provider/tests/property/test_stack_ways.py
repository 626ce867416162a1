"""The way to a phone that is remembered is the way that its binding tells of."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from trunkline.provider.stack._flows import Flows
from trunkline.provider.stack._ways import Ways
from trunkline.sip_proxy import Binding, Location, Target
from trunkline.sip_transaction import Flow

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
CONTACTS = st.sampled_from(
    [
        "sip:a@192.0.2.1",
        "sip:a@192.0.2.1:5070;ob",
        "sip:a@192.0.2.1;transport=tcp",
        "sip:a@[2001:db8::1]:5070",
        "sip:a@phone.test",
        "sips:a@192.0.2.1",
        "sip:a@192.0.2.1;maddr=192.0.2.9",
        "tel:+1",
        "mailto:a",
    ]
)
CONNECTION = Flow("TCP", ("192.0.2.100", 5060), ("192.0.2.1", 40000), 7)
BINDINGS = st.builds(
    Binding,
    st.just("a@example.test"),
    CONTACTS,
    st.none() | st.sampled_from(["sip:198.51.100.1:4000;transport=udp", "sip:198.51.100.2:4000"]),
    st.sampled_from([(), ("<sip:192.0.2.7;lr>",)]),
    socket=st.none()
    | st.sampled_from(["udp:192.0.2.100:5060", "udp:192.0.2.101:5060", "udp:[2001:db8::9]:5060"]),
) | st.builds(
    Binding,
    st.just("a@example.test"),
    CONTACTS,
    socket=st.just("tcp:192.0.2.100:5060"),
    flow=st.just(CONNECTION),
)


@given(st.lists(BINDINGS, min_size=1, max_size=12))
def test_a_remembered_way_is_the_one_of_the_binding(bindings: list[Binding]) -> None:
    location = Location()
    ways = Ways(
        local_for=lambda transport, host: ("192.0.2.100", 5060),
        connection_open=lambda flow: True,
        location=location,
        clock=lambda: NOON,
        flows=Flows(location, bytes, outbound=False),
    )
    for binding in bindings:
        location.replace(binding.aor, (binding,))
        expected = binding.flow or ways.binding_flow(binding)
        targets = ways.binding_targets(binding.aor)
        assert [target.flow for target in targets if isinstance(target, Target)] == (
            [] if expected is None else [expected]
        )
