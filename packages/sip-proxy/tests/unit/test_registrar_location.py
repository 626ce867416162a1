"""Location and Binding: finding, replacing, expiring, and how a binding is reached."""

from datetime import UTC, datetime, timedelta
from typing import Any

from trunkline.sip_proxy.registrar import Binding, Location
from trunkline.sip_transaction import Flow

AT = datetime(2026, 3, 1, tzinfo=UTC)
NOW = AT.timestamp()


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def binding(contact: str = "sip:a@host", left: float = 60, aor: str = "a@x", **fields: Any) -> Binding:
    return Binding(aor=aor, contact=contact, expires=NOW + left if left else 0, **fields)


def test_lookup_prefers_q_then_the_newest() -> None:
    location = Location()
    location.load(
        [
            binding("sip:old", q=0.5, last_modified=1),
            binding("sip:new", q=0.5, last_modified=2),
            binding("sip:best", q=0.9, last_modified=0),
        ]
    )
    assert [found.contact for found in location.lookup("a@x", at=AT)] == ["sip:best", "sip:new", "sip:old"]


def test_lookup_leaves_out_what_has_ended_to_the_instant() -> None:
    location = Location()
    location.load([binding("sip:1", 10), binding("sip:2", 20.5), binding("sip:3", 0)])
    assert [found.contact for found in location.lookup("a@x", at=at(10))] == ["sip:2", "sip:3"]
    assert [found.contact for found in location.lookup("a@x", at=at(20.5))] == ["sip:3"]
    assert location.lookup("b@x", at=AT) == []


def test_single_binding_ends_too() -> None:
    location = Location()
    location.put(binding(left=10))
    assert len(location.lookup("a@x", at=at(9.9))) == 1
    assert location.lookup("a@x", at=at(10)) == []


def test_counts_and_walk() -> None:
    location = Location()
    location.load([binding("sip:1"), binding("sip:2"), binding("sip:3", aor="b@x")])
    assert (len(location), location.contacts()) == (2, 3)
    assert {aor: len(bindings) for aor, bindings in location.items()} == {"a@x": 2, "b@x": 1}
    assert "a@x" in location
    assert "c@x" not in location


def test_put_replaces_the_same_contact() -> None:
    location = Location()
    assert location.put(binding(q=0.1)).kind == "added"
    location.put(binding("sip:other"))
    change = location.put(binding(q=0.2))
    assert change.kind == "refreshed"
    assert change.previous is not None
    assert change.previous.q == 0.1
    assert location.contacts() == 2


def test_remove_one_or_all() -> None:
    location = Location()
    location.load([binding("sip:1"), binding("sip:2"), binding("sip:3")])
    assert [change.binding.contact for change in location.remove("a@x", "sip:2")] == ["sip:2"]
    assert location.remove("a@x", "sip:2") == []
    assert [change.kind for change in location.remove("a@x")] == ["removed", "removed"]
    assert location.remove("a@x") == []
    assert (len(location), location.contacts()) == (0, 0)
    assert location.expire(at(1000)) == []


def test_expire_reports_the_oldest_end_first_and_each_once() -> None:
    location = Location()
    location.load(
        [
            binding(f"sip:{left}", left, aor=f"{name}@x")
            for name, left in [("c", 30), ("a", 20), ("b", 20), ("d", 0)]
        ]
    )
    assert location.next_expiry() == NOW + 20
    assert location.expire(at(19)) == []
    changes = location.expire(at(40))
    assert [(change.kind, change.binding.aor) for change in changes] == [
        ("expired", "a@x"),
        ("expired", "b@x"),
        ("expired", "c@x"),
    ]
    assert location.expire(at(10**7)) == []
    assert (len(location), location.next_expiry()) == (1, None)


def test_fraction_of_a_second_is_reported_by_the_next_full_one() -> None:
    location = Location()
    location.put(binding(left=10.25))
    assert location.expire(at(10.5)) == []
    assert len(location.expire(at(11))) == 1


def test_refresh_moves_the_end() -> None:
    location = Location()
    location.put(binding(left=10))
    location.put(binding(left=100))
    assert location.expire(at(50)) == []
    assert location.next_expiry() == NOW + 100
    assert len(location.expire(at(100))) == 1


def test_shortening_moves_the_end_too() -> None:
    location = Location()
    location.put(binding(left=100))
    location.put(binding(left=11))
    location.put(binding(left=10))
    assert len(location.expire(at(10))) == 1
    assert location.expire(at(1000)) == []


def test_one_of_several_ends() -> None:
    location = Location()
    location.load([binding("sip:1", 10), binding("sip:2", 20), binding("sip:3", 0)])
    assert [change.binding.contact for change in location.expire(at(15))] == ["sip:1"]
    assert [change.binding.contact for change in location.expire(at(25))] == ["sip:2"]
    assert [found.contact for found in location.get("a@x")] == ["sip:3"]


def test_coming_and_going_leaves_nothing_behind() -> None:
    location = Location()
    for left in range(100_000, 90_000, -1):
        location.put(binding(left=left))
        location.remove("a@x")
    location.put(binding(left=50))
    held = location._seconds
    assert len(held) <= 80
    assert len(location.expire(at(50))) == 1


def test_one_string_serves_key_and_binding() -> None:
    location = Location()
    first = "".join(["alice", "@x"])
    second = "".join(["alice", "@x"])
    location.put(binding(aor=first))
    location.replace(second, (binding(left=5, aor=first), binding("sip:2", left=9, aor=first)))
    assert next(iter(location.items()))[0] is first


UDP = "udp:192.0.2.1:5060"


def test_flow_of_a_datagram_contact_is_made_from_the_row() -> None:
    nated = binding("sip:a@10.0.0.1:5062", received="sip:203.0.113.7:1029;transport=udp", socket=UDP)
    assert nated.flow == Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.7", 1029))
    direct = binding("sip:a@[2001:db8::7];transport=UDP", socket="udp:[2001:db8::1]:5070")
    assert direct.flow == Flow("UDP", ("2001:db8::1", 5070), ("2001:db8::7", 5060))


def test_no_flow_where_something_must_be_located_or_connected_first() -> None:
    assert binding("sip:a@phone.example.test", socket=UDP).flow is None
    assert binding("sip:a@198.51.100.1;transport=tcp", socket=UDP).flow is None
    assert binding("sips:a@198.51.100.1", socket=UDP).flow is None
    assert binding("sip:a@198.51.100.1;maddr=198.51.100.2", socket=UDP).flow is None
    assert binding("sip:a@198.51.100.1", socket="tcp:192.0.2.1:5060").flow is None
    assert binding("sip:a@198.51.100.1").flow is None
    assert binding("sip:a@198.51.100.1", socket=UDP, path=("<sip:edge;lr>",)).flow is None
    assert binding("mailto:a@198.51.100.1", socket=UDP).flow is None
    assert binding("nonsense", socket=UDP).flow is None


def test_live_connection_wins() -> None:
    flow = Flow("WSS", ("192.0.2.1", 443), ("203.0.113.7", 50000), 3)
    live = binding("sip:a@x.invalid;transport=ws", flow=flow, received="sip:203.0.113.7:50000;transport=wss")
    assert live.flow is flow
