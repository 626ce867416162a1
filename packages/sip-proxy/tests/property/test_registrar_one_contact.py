"""The short way of a REGISTER (one contact, at most one binding) leads where the long one leads.

A contact said twice goes the long way, and of two values for one contact the later one holds: so one
registrar is told everything once, the other everything twice.
"""

from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip_parser import Request
from trunkline.sip_proxy.registrar import Binding, BindingChanged, Location, Registrar
from trunkline.sip_transaction import Flow

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
AOR = "alice@example.test"
UDP = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.7", 1029))
TLS = Flow("TLS", ("192.0.2.1", 5061), ("203.0.113.7", 40007), 12)

contacts = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["<sip:alice@a>", "<sip:%61lice@A>", "<sip:alice@b;transport=tcp>", "<tel:+123>"]),
        st.sampled_from(["", ";q=0.5", ";q=7", ';methods="INVITE,BYE"', ';+sip.instance="<urn:x>";reg-id=1']),
        st.sampled_from(["", ";expires=0", ";expires=59", ";expires=60", ";expires=9999", ";expires=x"]),
    ),
)
further = st.fixed_dictionaries(
    {},
    optional={
        "Expires": st.sampled_from(["0", "30", "600", "no"]),
        "Allow": st.sampled_from(["INVITE, ACK", "REGISTER"]),
        "User-Agent": st.sampled_from(["phone", "ph\x01one", "p" * 300]),
        "Path": st.just("<sip:edge@p;lr>"),
        "Supported": st.sampled_from(["path", "outbound, path"]),
        "Require": st.sampled_from(["path", "rain"]),
    },
)
steps = st.lists(
    st.tuples(
        contacts,
        further,
        st.sampled_from(["one", "two", "c" * 256]),
        st.integers(1, 5),
        st.sampled_from([0, 1, 60, 4000]),
        st.sampled_from([(UDP, False), (UDP, True), (TLS, False)]),
    ),
    max_size=8,
)


def request(contact: str, further: dict[str, str], call_id: str, cseq: int, times: int) -> Request:
    return Request(
        "REGISTER",
        "sip:example.test",
        [
            ("Via", "SIP/2.0/UDP 198.51.100.5;branch=z9hG4bK1"),
            ("From", f"<sip:{AOR}>;tag=1"),
            ("To", f"<sip:{AOR}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} REGISTER"),
            *[("Contact", contact)] * times,
            *further.items(),
        ],
    )


def shown(binding: Binding | None) -> tuple[object, ...] | None:
    return None if binding is None else attrs.astuple(binding, recurse=False)


def told(change: BindingChanged) -> tuple[object, ...]:
    return change.kind, shown(change.binding), shown(change.previous)


@given(steps, st.integers(0, 2))
def test_one_contact_is_worked_in_as_two_that_are_the_same(walk: list, limit: int) -> None:
    houses = [(times, Location()) for times in (1, 2)]
    registrars = [
        Registrar(location, token=bytes, max_contacts=limit, outbound=False) for _, location in houses
    ]
    seconds = 0
    for contact, more, call_id, cseq, wait, (flow, nated) in walk:
        seconds += wait
        at = BEGIN + timedelta(seconds=seconds)
        once, twice = (
            registrar.register(request(contact, more, call_id, cseq, times), AOR, flow, at=at, nated=nated)
            for registrar, (times, _) in zip(registrars, houses, strict=True)
        )
        once.to_tag = twice.to_tag  # each is made in a way of its own
        assert once.response.to_bytes() == twice.response.to_bytes()
        assert [told(change) for change in once.changes] == [told(change) for change in twice.changes]
        one, other = ([shown(binding) for binding in location.get(AOR)] for _, location in houses)
        assert one == other


@given(steps)
def test_confirmation_is_the_same_whatever_came_after(walk: list) -> None:
    registrar = Registrar(Location(), token=bytes)
    seconds, done = 0, []
    for contact, more, call_id, cseq, wait, (flow, nated) in walk:
        seconds += wait
        asked = request(contact, more, call_id, cseq, 1)
        at = BEGIN + timedelta(seconds=seconds)
        done.append(registrar.register(asked, AOR, flow, at=at, nated=nated))
    confirmed = [one for one in done if one.source is not None]
    told = [registrar.confirmation(one.source) for one in confirmed]
    assert told == [(one.to_tag, one.lines) for one in confirmed]
    assert all(one.source in [change.binding for change in one.changes] for one in confirmed)
