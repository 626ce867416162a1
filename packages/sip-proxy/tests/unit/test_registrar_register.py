"""Registrar: what one REGISTER does. Whole flows are in conformance, random sequences in property."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import attrs
import pytest

from trunkline.sip_parser import LocalProtocolError, Request, Response
from trunkline.sip_proxy.registrar import NATED, Binding, Location, PathMode, Registrar, Registration
from trunkline.sip_transaction import Flow

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ALICE = "alice@example.test"
UDP = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.7", 1029))
TLS = Flow("TLS", ("192.0.2.1", 5061), ("203.0.113.7", 40007), 12)
PHONE = "<sip:alice@198.51.100.5:5062>"
_cseq = count(1)


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def request(
    *contacts: str,
    call_id: str = "one@phone",
    cseq: int | None = None,
    expires: object = None,
    **headers: str,
) -> Request:
    lines = [
        ("Via", "SIP/2.0/UDP 198.51.100.5:5062;branch=z9hG4bKabc"),
        ("From", f"<sip:{ALICE}>;tag=1"),
        ("To", f"<sip:{ALICE}>"),
        ("Call-ID", call_id),
        ("CSeq", f"{next(_cseq) if cseq is None else cseq} REGISTER"),
    ]
    lines += [("Contact", contact) for contact in contacts]
    if expires is not None:
        lines.append(("Expires", str(expires)))
    lines += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("REGISTER", "sip:example.test", lines)


class House:
    """A registrar with the arguments that matter to a test, and shorthand to use it."""

    def __init__(self, **options: Any) -> None:
        self.location = Location()
        self.registrar = Registrar(self.location, token=bytes, **options)

    def register(self, message: Request, at: datetime = AT, **options: Any) -> Registration:
        return self.registrar.register(message, ALICE, UDP, at=at, **options)

    def contacts(self, at: datetime = AT) -> list[str]:
        return [binding.contact for binding in self.location.lookup(ALICE, at=at)]


def kinds(registration: Registration) -> list[tuple[str, str]]:
    return [(change.kind, change.binding.contact) for change in registration.changes]


def lines(response: Response) -> list[str]:
    return response.headers.get_all("Contact")


def test_new_contact_is_bound_and_listed_with_its_time() -> None:
    house = House()
    done = house.register(request(PHONE, expires=1800))
    assert (done.status, kinds(done)) == (200, [("added", "sip:alice@198.51.100.5:5062")])
    assert lines(done.response) == ["<sip:alice@198.51.100.5:5062>;expires=1800"]
    assert done.response.headers.get("Date") == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert len(done.response.to_tag or "") == 16


def test_binding_keeps_what_the_request_said() -> None:
    house = House()
    house.register(
        request(
            PHONE + ';q=0.7;methods="INVITE,BYE";reg-id=2;+sip.instance="<urn:uuid:0-1>"',
            call_id="two@phone",
            cseq=17,
            User_Agent="Lamp/1.0",
            Allow="INVITE, ACK",
        ),
        received="sip:203.0.113.7:1029;transport=udp",
        nated=True,
    )
    [binding] = house.location.get(ALICE)
    assert (binding.q, binding.call_id, binding.cseq, binding.user_agent) == (
        0.7,
        "two@phone",
        17,
        "Lamp/1.0",
    )
    assert (binding.methods, binding.instance, binding.reg_id) == (1 | 8, "<urn:uuid:0-1>", 2)
    assert (binding.received, binding.cflags, binding.nated) == (
        "sip:203.0.113.7:1029;transport=udp",
        NATED,
        True,
    )
    assert (binding.socket, binding.last_modified) == ("udp:192.0.2.1:5060", AT.timestamp())
    assert binding.expires == AT.timestamp() + 3600


def test_answer_repeats_q_received_and_instance_of_every_binding() -> None:
    house = House()
    house.register(request(PHONE + ";q=0.25"), received="sip:203.0.113.7:1029;transport=udp")
    done = house.register(request('<sip:alice@other>;+sip.instance="<urn:uuid:0-1>";reg-id=1', call_id="b"))
    assert lines(done.response) == [
        '<sip:alice@198.51.100.5:5062>;expires=3600;q=0.25;received="sip:203.0.113.7:1029;transport=udp"',
        '<sip:alice@other>;expires=3600;+sip.instance="<urn:uuid:0-1>";reg-id=1',
    ]


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        (PHONE, None, 3600),
        (PHONE, 600, 600),
        (PHONE + ";expires=300", 600, 300),
        (PHONE + ";expires=999999", None, 7200),
        (PHONE + ";expires=99999999999999999999", None, 7200),
        (PHONE + ";expires=soon", 600, 3600),
        (PHONE + ";expires=0000000000300", None, 300),
        (PHONE, "never", 3600),
    ],
)
def test_time_is_the_contacts_over_the_headers_over_the_default(
    contact: str, header: object, granted: int
) -> None:
    house = House()
    assert lines(house.register(request(contact, expires=header)).response) == [f"{PHONE};expires={granted}"]


def test_query_changes_nothing_and_tells_what_is_left() -> None:
    house = House()
    house.register(request(PHONE))
    done = house.register(request(), at=later(100))
    assert (done.status, done.changes, lines(done.response)) == (200, [], [f"{PHONE};expires=3500"])


def test_refresh_takes_an_equivalent_uri_for_the_same() -> None:
    house = House()
    house.register(request("<sip:alice@Phone.Example.Test;transport=udp;x=1>"))
    done = house.register(
        request("<sip:%61lice@phone.example.test;x=1;transport=UDP>", expires=600), at=later(9)
    )
    [change] = done.changes
    assert change.kind == "refreshed"
    assert change.previous is not None
    assert change.previous.contact == "sip:alice@Phone.Example.Test;transport=udp;x=1"
    assert len(house.location.get(ALICE)) == 1


def test_phones_of_one_kind_share_what_they_have_in_common() -> None:
    house = House()
    agent = {"User_Agent": "Phone/1.0"}
    for name in ("alice", "bob"):
        message = request(f"<sip:{name}@198.51.100.5>;q=0.5", **agent)
        house.registrar.register(message, f"{name}@example.test", UDP, at=AT)
    [one], [other] = house.location.get(ALICE), house.location.get("bob@example.test")
    assert one.traits is other.traits
    assert (one.q, one.user_agent, one.socket, one.path) == (0.5, "Phone/1.0", "udp:192.0.2.1:5060", ())
    made = Binding(ALICE, "sip:a@b", q=0.5, user_agent="Phone/1.0", socket="udp:192.0.2.1:5060")
    assert made.traits is one.traits


def test_refresh_keeps_flags_an_administrator_set() -> None:
    house = House()
    house.register(request(PHONE), nated=True)
    [binding] = house.location.get(ALICE)
    binding.traits = attrs.evolve(binding.traits, flags=5, cflags=binding.cflags | 2)
    house.register(request(PHONE))
    [binding] = house.location.get(ALICE)
    assert (binding.flags, binding.cflags) == (5, 2)


def test_expires_0_removes_that_contact_only() -> None:
    house = House()
    house.register(request(PHONE, "<sip:alice@desk>"))
    done = house.register(request(PHONE + ";expires=0"))
    assert kinds(done) == [("removed", "sip:alice@198.51.100.5:5062")]
    assert house.contacts() == ["sip:alice@desk"]


def test_removing_what_is_not_there_is_no_error() -> None:
    done = House().register(request(PHONE, expires=0))
    assert (done.status, done.changes) == (200, [])


def test_star_removes_all() -> None:
    house = House()
    house.register(request(PHONE, "<sip:alice@desk>"))
    done = house.register(request("*", expires=0))
    assert (done.status, len(done.changes), len(house.location)) == (200, 2, 0)
    assert lines(done.response) == []


@pytest.mark.parametrize(
    ("contacts", "expires"), [(["*"], None), (["*"], 60), (["*", PHONE], 0), ([PHONE, "*"], 0), (["*, *"], 0)]
)
def test_star_needs_expires_0_and_no_company(contacts: list[str], expires: object) -> None:
    house = House()
    house.register(request("<sip:alice@desk>"))
    done = house.register(request(*contacts, expires=expires))
    assert (done.status, done.changes, house.contacts()) == (400, [], ["sip:alice@desk"])


def test_too_short_is_refused_with_the_minimum() -> None:
    house = House(min_expires=120)
    done = house.register(request("<sip:alice@desk>", PHONE + ";expires=119"))
    assert (done.status, done.response.headers.get("Min-Expires")) == (423, "120")
    assert house.contacts() == []


def test_an_hour_is_never_too_short() -> None:
    house = House(min_expires=5000, default_expires=6000)
    assert house.register(request(PHONE, expires=3600)).status == 200


@pytest.mark.parametrize("contacts", [["<sip:alice@desk>;expires=60", PHONE + ";expires=60"], [PHONE], ["*"]])
def test_overtaken_request_changes_nothing(contacts: list[str]) -> None:
    house = House()
    house.register(request(PHONE, cseq=5))
    done = house.register(request(*contacts, cseq=4, expires=0))
    assert (done.status, done.changes) == (500, [])
    assert house.contacts() == ["sip:alice@198.51.100.5:5062"]


def test_repeated_request_is_answered_again_and_changes_nothing() -> None:
    house = House()
    house.register(request(PHONE, cseq=5))
    done = house.register(request(PHONE, cseq=5), at=later(10))
    assert (done.status, done.changes, lines(done.response)) == (200, [], [f"{PHONE};expires=3590"])


def test_removal_with_the_number_of_the_registration_is_out_of_order() -> None:
    house = House()
    house.register(request(PHONE, cseq=5))
    assert house.register(request(PHONE, cseq=5, expires=0)).status == 500


def test_another_call_id_needs_no_order() -> None:
    house = House()
    house.register(request(PHONE, cseq=5))
    done = house.register(request(PHONE, cseq=1, call_id="after-reboot"))
    assert kinds(done) == [("refreshed", "sip:alice@198.51.100.5:5062")]


def test_of_one_contact_named_twice_the_later_value_holds() -> None:
    house = House()
    done = house.register(request(PHONE + ";q=0.1", PHONE + ";q=0.9"))
    assert [(change.kind, change.binding.q) for change in done.changes] == [("added", 0.9)]
    done = house.register(request(PHONE, PHONE + ";expires=0"))
    assert kinds(done) == [("removed", "sip:alice@198.51.100.5:5062")]
    assert house.register(request(PHONE, PHONE + ";expires=0")).changes == []
    house.register(request(PHONE))
    done = house.register(request(PHONE + ";expires=0", PHONE + ";q=0.5"))
    assert [(change.kind, change.binding.q) for change in done.changes] == [("refreshed", 0.5)]


def test_expired_binding_counts_as_gone_and_is_reported_once() -> None:
    house = House()
    house.register(request(PHONE, "<sip:alice@desk>;expires=60", cseq=5))
    done = house.register(request("<sip:alice@new>", cseq=1, call_id="new"), at=later(61.5))
    assert kinds(done) == [("expired", "sip:alice@desk"), ("added", "sip:alice@new")]
    assert house.location.expire(later(70)) == []


def test_expired_binding_does_not_hold_an_old_sequence_number() -> None:
    house = House()
    house.register(request(PHONE, cseq=5, expires=60))
    done = house.register(request(PHONE, cseq=1), at=later(60))
    assert done.status == 200
    assert kinds(done)[-1] == ("added", "sip:alice@198.51.100.5:5062")


def test_contact_limit_refuses_with_retry_after() -> None:
    house = House(max_contacts=2, retry_after=30)
    house.register(request("<sip:alice@a>", "<sip:alice@b>"))
    done = house.register(request("<sip:alice@a>", "<sip:alice@c>"))
    assert (done.status, done.response.headers.get("Retry-After"), done.changes) == (503, "30", [])
    assert house.register(request("<sip:alice@a>", "<sip:alice@b>")).status == 200
    assert house.register(request("<sip:alice@a>;expires=0", "<sip:alice@c>")).status == 200


def test_contact_limit_may_evict_the_oldest() -> None:
    house = House(max_contacts=2, evict_oldest=True)
    house.register(request("<sip:alice@a>"))
    house.register(request("<sip:alice@b>"), at=later(1))
    house.register(request("<sip:alice@a>"), at=later(2))
    done = house.register(request("<sip:alice@c>"), at=later(3))
    assert kinds(done) == [("removed", "sip:alice@b"), ("added", "sip:alice@c")]


def test_one_request_may_not_evict_its_own_contacts() -> None:
    house = House(max_contacts=2, evict_oldest=True)
    house.register(request("<sip:alice@a>"))
    assert house.register(request("<sip:alice@b>", "<sip:alice@c>", "<sip:alice@d>")).status == 503
    assert house.contacts() == ["sip:alice@a"]


def test_no_contact_limit() -> None:
    house = House(max_contacts=0)
    house.register(request(*[f"<sip:alice@host{number}>" for number in range(40)]))
    assert len(house.location.get(ALICE)) == 40


def test_connection_is_kept_as_flow_and_a_datagram_is_not() -> None:
    house = House()
    house.registrar.register(request("<sip:alice@a;transport=tls>"), ALICE, TLS, at=AT)
    house.register(request("<sip:alice@198.51.100.5>", call_id="udp"))
    flows = {binding.contact: binding.flow for binding in house.location.get(ALICE)}
    assert flows == {
        "sip:alice@a;transport=tls": TLS,
        "sip:alice@198.51.100.5": Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.5", 5060)),
    }


def test_path_is_stored_and_echoed_to_who_supports_it() -> None:
    house = House()
    path = "<sip:edge1.example.test;lr>, <sip:edge2.example.test;lr>"
    done = house.register(request(PHONE, Path=path, Supported="path, gruu"))
    expected = ["<sip:edge1.example.test;lr>", "<sip:edge2.example.test;lr>"]
    assert done.response.headers.get_all("Path") == expected
    [binding] = house.location.get(ALICE)
    assert binding.path == tuple(expected)
    assert binding.flow is None


def test_path_modes() -> None:
    path = "<sip:edge1.example.test;lr>"
    lazy = House()
    done = lazy.register(request(PHONE, Path=path))
    assert (done.status, "path" in done.response.headers) == (200, False)
    assert lazy.location.get(ALICE)[0].path == (path,)
    strict = House(path=PathMode.STRICT)
    done = strict.register(request(PHONE, Path=path))
    assert (done.status, done.response.headers.get("Unsupported")) == (420, "path")
    off = House(path=PathMode.OFF)
    assert off.register(request(PHONE, Path=path, Supported="path")).status == 200
    assert off.location.get(ALICE)[0].path == ()
    assert off.register(request(PHONE, Require="path")).status == 420


def test_unknown_extensions_are_refused_by_name() -> None:
    house = House()
    done = house.register(request(PHONE, Require="path, teleport, gruu"))
    assert (done.status, done.response.headers.get("Unsupported")) == (420, "teleport, gruu")
    assert house.contacts() == []


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:alice@phone>;q=2",
        "<sip:alice@phone>;q=high",
        "<sip:" + "a" * 250 + "@phone>",
        "<sip:älice@phone>",
        "<sip:alice@phone",
        "<nonsense>",
        "<sip:alice@phone>;reg-id=0",
        "<sip:alice@phone>;reg-id=x",
        '<sip:alice@phone>;+sip.instance="<urn:\\"x>"',
        '<sip:alice@phone>;+sip.instance="' + "x" * 256 + '"',
    ],
)
def test_malformed_contact_is_refused_and_nothing_is_bound(contact: str) -> None:
    house = House()
    done = house.register(request("<sip:alice@good>", contact))
    assert (done.status, done.changes, house.contacts()) == (400, [], [])


@pytest.mark.parametrize(
    "headers", [{"call_id": "x" * 300}, {"Path": "<sip:" + "e" * 260 + ">"}, {"Path": "no uri at all <"}]
)
def test_what_cannot_be_stored_is_refused(headers: dict[str, Any]) -> None:
    assert House().register(request(PHONE, **headers)).status == 400


def test_user_agent_is_cut_and_cleaned_for_the_table() -> None:
    house = House()
    house.register(request(PHONE, User_Agent="Phöne\udcff\x01" + "x" * 300))
    [binding] = house.location.get(ALICE)
    assert binding.user_agent.startswith("Phöne??xx")
    assert len(binding.user_agent) == 255


def test_other_schemes_can_be_bound() -> None:
    house = House()
    done = house.register(request("<mailto:alice@example.test>", "<tel:+1-201-555-0123>"))
    assert done.status == 200
    done = house.register(request("<tel:+12015550123>"))
    assert kinds(done) == [("refreshed", "tel:+12015550123")]


def test_stored_rows_that_are_no_uri_do_no_harm() -> None:
    house = House()
    house.location.put(Binding(aor=ALICE, contact="???"))
    assert house.register(request(PHONE)).status == 200
    assert len(house.location.get(ALICE)) == 2


def test_permanent_bindings_are_listed_with_the_default_time() -> None:
    house = House()
    house.location.put(Binding(aor=ALICE, contact="sip:alice@gateway"))
    assert lines(house.register(request()).response) == ["<sip:alice@gateway>;expires=3600"]


def test_undo_restores_what_was() -> None:
    house = House()
    house.register(request("<sip:alice@a>", "<sip:alice@b>"))
    before = house.location.get(ALICE)
    done = house.register(request("<sip:alice@a>;q=0.5", "<sip:alice@b>;expires=0", "<sip:alice@c>"))
    assert len(done.changes) == 3
    done.undo()
    assert set(house.location.get(ALICE)) == set(before)
    assert done.changes == []


def test_undo_leaves_alone_what_a_later_request_changed() -> None:
    house = House()
    first = house.register(request("<sip:alice@a>", "<sip:alice@b>"))
    house.register(request("<sip:alice@a>;q=0.5"))
    first.undo()
    assert [(binding.contact, binding.q) for binding in house.location.get(ALICE)] == [("sip:alice@a", 0.5)]


def test_undo_newest_first_takes_all_back() -> None:
    house = House()
    first = house.register(request("<sip:alice@a>"))
    second = house.register(request("<sip:alice@a>;q=0.5"))
    second.undo()
    first.undo()
    assert len(house.location) == 0


def test_statistics_count_accepted_and_refused() -> None:
    house = House()
    house.register(request(PHONE))
    house.register(request("*"))
    assert (house.registrar.statistics.accepted, house.registrar.statistics.rejected) == (1, 1)


def test_only_register_is_taken() -> None:
    message = request(PHONE)
    message.method = "OPTIONS"
    with pytest.raises(LocalProtocolError, match="expected a REGISTER"):
        House().register(message)


def test_contradicting_times_are_refused_at_once() -> None:
    with pytest.raises(LocalProtocolError, match="min_expires <= default_expires"):
        House(min_expires=7000)
