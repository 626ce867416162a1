"""RFC 3263 §4 and §5: what is asked of DNS for a URI, and which places its answers make.

A zone is a dictionary; the search asks, the zone answers, until the search ends.
"""

import pytest

from trunkline.sip_parser import Uri, Via
from trunkline.sip_proxy.locate import (
    Answer,
    Candidate,
    Located,
    Locator,
    LookupNeeded,
    Naptr,
    NotLocated,
    Outcome,
    Srv,
)

BOTH = ("A", "AAAA")
ALL = {"UDP": BOTH, "TCP": BOTH, "TLS": BOTH}
NONE = Answer(Outcome.NO_DATA, (), 60)


class World:
    """A locator and a zone; `asked` has the questions in the order they were put."""

    def __init__(self, zone=None, transports=ALL, token=bytes):
        self.zone = {}
        for (name, kind), records in (zone or {}).items():
            answer = (
                records
                if isinstance(records, Answer)
                else Answer(
                    Outcome.FOUND, tuple(records) if isinstance(records, list | tuple) else (records,), 60
                )
            )
            self.zone[name, kind] = answer
        self.locator = Locator(transports=transports, token=token)
        self.asked = []

    def find(self, uri, now=0.0):
        subject = Via.parse(uri) if uri.startswith("SIP/2.0") else Uri.parse(uri)
        begin = self.locator.locate_via if isinstance(subject, Via) else self.locator.locate
        search, effects = begin(subject, now=now)
        while search.result is None:
            questions = [effect for effect in effects if isinstance(effect, LookupNeeded)]
            assert questions, "a search that is not over has questions"
            self.asked += [(question.type, question.name) for question in questions]
            effects = []
            for question in questions:
                answer = self.zone.get((question.name, question.type), NONE)
                effects += search.receive(question, answer, now=now)
        assert effects == [search.result]
        if isinstance(search.result, NotLocated):
            return search.result
        assert isinstance(search.result, Located)
        return [(place.transport, place.host, place.port) for place in search.result.candidates]


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:192.0.2.7", ("UDP", "192.0.2.7", 5060)),
        ("sip:192.0.2.7:5080", ("UDP", "192.0.2.7", 5080)),
        ("sip:192.0.2.7;transport=tcp", ("TCP", "192.0.2.7", 5060)),
        ("sip:192.0.2.7;transport=TLS", ("TLS", "192.0.2.7", 5061)),
        ("sips:192.0.2.7", ("TLS", "192.0.2.7", 5061)),
        ("sips:192.0.2.7:5070;transport=tcp", ("TLS", "192.0.2.7", 5070)),
        ("sip:[2001:db8::7]", ("UDP", "2001:db8::7", 5060)),
        ("sip:b@example.test;maddr=192.0.2.8", ("UDP", "192.0.2.8", 5060)),
        ("sip:b@example.test:5070;maddr=192.0.2.8;transport=tcp", ("TCP", "192.0.2.8", 5070)),
    ],
)
def test_4_1_and_4_2_numeric_target_is_located_without_dns(uri, place):
    world = World()
    assert world.find(uri) == [place]
    assert world.asked == []


@pytest.mark.parametrize(
    ("uri", "transport"),
    [
        ("sip:example.test:5070", "UDP"),
        ("sip:example.test:5070;transport=tcp", "TCP"),
        ("sips:example.test:5070", "TLS"),
    ],
)
def test_4_1_and_4_2_name_with_a_port_needs_its_address_only(uri, transport):
    world = World({("example.test", "A"): "192.0.2.1", ("example.test", "AAAA"): "2001:db8::1"})
    assert world.find(uri) == [(transport, "192.0.2.1", 5070), (transport, "2001:db8::1", 5070)]
    assert world.asked == [("A", "example.test"), ("AAAA", "example.test")]


def test_4_1_naptr_chooses_the_transport_by_order_and_preference():
    """The example of RFC 3263 §4.1: TLS is what the domain would rather have, then TCP, then UDP."""
    zone = {
        ("example.test", "NAPTR"): [
            Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.test"),
            Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.test"),
            Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.test."),
        ],
        ("_sip._tcp.example.test", "SRV"): [
            Srv(0, 1, 5060, "server1.example.test"),
            Srv(1, 1, 5060, "server2.example.test"),
        ],
        ("_sip._udp.example.test", "SRV"): Srv(0, 1, 5062, "server2.example.test"),
        ("_sips._tcp.example.test", "SRV"): Srv(0, 1, 5061, "server1.example.test"),
        ("server1.example.test", "A"): "192.0.2.1",
        ("server2.example.test", "A"): "192.0.2.2",
    }
    assert World(zone).find("sip:user@example.test") == [
        ("TLS", "192.0.2.1", 5061),
        ("TCP", "192.0.2.1", 5060),
        ("TCP", "192.0.2.2", 5060),
        ("UDP", "192.0.2.2", 5062),
    ]
    without_tls = World(zone, {"UDP": ("A",), "TCP": ("A",)})
    assert without_tls.find("sip:user@example.test")[0] == ("TCP", "192.0.2.1", 5060)
    assert World(zone).find("sips:user@example.test") == [("TLS", "192.0.2.1", 5061)]


def test_4_1_naptr_of_other_services_and_flags_is_discarded():
    zone = {
        ("example.test", "NAPTR"): [
            Naptr(1, 1, "u", "E2U+sip", ""),
            Naptr(2, 1, "a", "SIP+D2U", "host.example.test"),
            Naptr(3, 1, "S", "sip+d2u", "elsewhere.test"),
        ],
        ("elsewhere.test", "SRV"): Srv(0, 0, 5090, "host.elsewhere.test"),
        ("host.elsewhere.test", "A"): "192.0.2.5",
    }
    assert World(zone).find("sip:example.test") == [("UDP", "192.0.2.5", 5090)]


def test_4_1_without_naptr_every_transport_that_we_have_is_asked_for_by_srv():
    world = World(
        {
            ("_sip._tcp.example.test", "SRV"): Srv(0, 0, 5080, "tcp.example.test"),
            ("tcp.example.test", "A"): "192.0.2.9",
        }
    )
    assert world.find("sip:example.test") == [("TCP", "192.0.2.9", 5080)]
    assert world.asked[:4] == [
        ("NAPTR", "example.test"),
        ("SRV", "_sip._udp.example.test"),
        ("SRV", "_sip._tcp.example.test"),
        ("SRV", "_sips._tcp.example.test"),
    ]


def test_4_1_sips_asks_for_secure_services_only():
    world = World({("example.test", "A"): "192.0.2.3"})
    assert world.find("sips:example.test") == [("TLS", "192.0.2.3", 5061)]
    assert ("SRV", "_sips._tcp.example.test") in world.asked
    assert ("SRV", "_sip._udp.example.test") not in world.asked


def test_4_2_without_naptr_and_srv_the_domain_is_a_host():
    world = World({("example.test", "A"): ["192.0.2.3", "192.0.2.4"]})
    assert world.find("sip:bob@Example.TEST.") == [("UDP", "192.0.2.3", 5060), ("UDP", "192.0.2.4", 5060)]


def test_4_2_transport_given_asks_for_its_srv_only():
    world = World(
        {
            ("_sip._tcp.example.test", "SRV"): Srv(0, 0, 5080, "tcp.example.test"),
            ("tcp.example.test", "A"): "192.0.2.9",
        }
    )
    assert world.find("sip:example.test;transport=tcp") == [("TCP", "192.0.2.9", 5080)]
    assert world.asked[0] == ("SRV", "_sip._tcp.example.test")
    plain = World({("example.test", "A"): "192.0.2.3"})
    assert plain.find("sip:example.test;transport=tcp") == [("TCP", "192.0.2.3", 5060)]


def test_4_2_servers_come_by_priority_and_their_addresses_in_a_row():
    zone = {
        ("_sip._udp.example.test", "SRV"): [
            Srv(20, 0, 5060, "backup.example.test"),
            Srv(10, 0, 5070, "main.example.test"),
        ],
        ("main.example.test", "A"): ["192.0.2.1", "192.0.2.2"],
        ("main.example.test", "AAAA"): "2001:db8::1",
        ("backup.example.test", "A"): "192.0.2.3",
    }
    assert World(zone).find("sip:example.test;transport=udp") == [
        ("UDP", "192.0.2.1", 5070),
        ("UDP", "192.0.2.2", 5070),
        ("UDP", "2001:db8::1", 5070),
        ("UDP", "192.0.2.3", 5060),
    ]


def test_4_2_addresses_of_a_family_that_no_socket_has_are_not_asked_for():
    world = World({("example.test", "AAAA"): "2001:db8::1"}, {"UDP": ("A",)})
    found = world.find("sip:example.test:5060")
    assert isinstance(found, NotLocated)
    assert not found.temporary
    assert world.asked == [("A", "example.test")]
    assert isinstance(World({}, {"UDP": ("A",)}).find("sip:[2001:db8::1]"), NotLocated)


def test_rfc2782_a_target_that_is_a_dot_means_that_the_service_is_not_there():
    world = World({("_sip._udp.example.test", "SRV"): Srv(0, 0, 0, "."), ("example.test", "A"): "192.0.2.3"})
    found = world.find("sip:example.test;transport=udp")
    assert isinstance(found, NotLocated)
    assert not found.temporary


def test_domain_whose_naptrs_name_only_what_we_lack_is_not_guessed_at():
    zone = {
        ("example.test", "NAPTR"): Naptr(1, 1, "s", "SIPS+D2T", "_sips._tcp.example.test"),
        ("example.test", "A"): "192.0.2.3",
    }
    assert isinstance(World(zone, {"UDP": ("A",)}).find("sip:example.test"), NotLocated)


def test_rfc8020_name_that_does_not_exist_ends_the_search_at_once():
    world = World({("example.test", "NAPTR"): Answer(Outcome.NXDOMAIN, (), 60)})
    found = world.find("sip:example.test")
    assert isinstance(found, NotLocated)
    assert not found.temporary
    assert len(world.asked) == 1


@pytest.mark.parametrize("outcome", [Outcome.SERVFAIL, Outcome.UNANSWERED])
def test_failure_of_dns_is_temporary(outcome):
    failed = Answer(outcome)
    for name, kind, uri in [
        ("_sip._udp.example.test", "SRV", "sip:example.test;transport=udp"),
        ("example.test", "A", "sip:example.test:5060"),
    ]:
        found = World({(name, kind): failed}).find(uri)
        assert isinstance(found, NotLocated)
        assert found.temporary


def test_dead_resolver_is_waited_for_once_not_at_every_stage():
    world = World({("example.test", "NAPTR"): Answer(Outcome.UNANSWERED)})
    found = world.find("sip:example.test")
    assert isinstance(found, NotLocated)
    assert found.temporary
    assert world.asked == [("NAPTR", "example.test")]


def test_name_server_that_cannot_do_naptr_does_not_hide_the_srv_records():
    world = World(
        {
            ("example.test", "NAPTR"): Answer(Outcome.SERVFAIL),
            ("_sip._udp.example.test", "SRV"): Srv(0, 0, 5070, "a.example.test"),
            ("a.example.test", "A"): "192.0.2.1",
        }
    )
    assert world.find("sip:example.test") == [("UDP", "192.0.2.1", 5070)]


@pytest.mark.parametrize(
    ("uri", "transports"),
    [
        ("sip:192.0.2.1;transport=ws", ALL),
        ("sip:192.0.2.1;transport=carrier-pigeon", ALL),
        ("sips:example.test", {"UDP": ("A",)}),
        ("sips:192.0.2.1", {"UDP": ("A",)}),
        ("sip:" + "a" * 64 + ".test", ALL),
        ("sip:" + "abcdefgh." * 30 + "test", ALL),
    ],
)
def test_what_cannot_be_sent_to_is_refused_without_dns(uri, transports):
    world = World({}, transports)
    assert isinstance(world.find(uri), NotLocated)
    assert world.asked == []


# -- time


def test_answers_are_believed_for_their_ttl_and_no_longer():
    world = World({("example.test", "A"): Answer(Outcome.FOUND, ("192.0.2.1",), 30)})
    world.find("sip:example.test:5060", now=0.0)
    world.find("sip:example.test:5060", now=29.9)
    assert len(world.asked) == 2
    world.zone["example.test", "A"] = Answer(Outcome.FOUND, ("192.0.2.2",), 30)
    assert world.find("sip:example.test:5060", now=30.0) == [("UDP", "192.0.2.2", 5060)]


def test_answer_with_a_ttl_of_zero_serves_the_search_at_hand_only():
    world = World({("example.test", "A"): Answer(Outcome.FOUND, ("192.0.2.1",), 0)})
    assert world.find("sip:example.test:5060") == [("UDP", "192.0.2.1", 5060)]
    world.find("sip:example.test:5060")
    assert world.asked.count(("A", "example.test")) == 2


def test_rfc2308_negative_answers_are_kept_and_failures_for_a_moment():
    world = World({("example.test", "NAPTR"): Answer(Outcome.NXDOMAIN, (), 300)})
    world.find("sip:example.test", now=0.0)
    world.find("sip:example.test", now=299.0)
    assert len(world.asked) == 1
    world.find("sip:example.test", now=300.0)
    assert len(world.asked) == 2
    down = World({("example.test", "NAPTR"): Answer(Outcome.UNANSWERED, (), 300)})
    down.find("sip:example.test", now=0.0)
    down.find("sip:example.test", now=1.0)
    down.find("sip:example.test", now=3.0)
    assert len(down.asked) == 2


# -- responses


@pytest.mark.parametrize(
    ("via", "places", "asked"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5080;branch=z9", [("UDP", "192.0.2.1", 5080)], []),
        ("SIP/2.0/TLS 192.0.2.1;branch=z9", [("TLS", "192.0.2.1", 5061)], []),
        ("SIP/2.0/UDP host.test;received=192.0.2.9;branch=z9", [("UDP", "192.0.2.9", 5060)], []),
        ("SIP/2.0/TCP a.test:5070;branch=z9", [("TCP", "192.0.2.1", 5070)], [("A", "a.test")]),
        ("SIP/2.0/TCP a.test;branch=z9", [("TCP", "192.0.2.1", 5060)], [("SRV", "_sip._tcp.a.test")]),
    ],
)
def test_5_response_goes_by_sent_by_with_srv_only_where_no_port_is_named(via, places, asked):
    world = World({("a.test", "A"): "192.0.2.1"})
    assert world.find(via) == places
    assert world.asked[: len(asked)] == asked


def test_candidates_are_values():
    assert Candidate("UDP", "192.0.2.1", 5060) == Candidate("UDP", "192.0.2.1", 5060)
