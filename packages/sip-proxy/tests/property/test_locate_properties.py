"""Location under any zone: weights hold, everything named is reached, nothing grows without bound."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import Uri
from trunkline.sip_proxy.locate import (
    MAX_CANDIDATES,
    Answer,
    Blacklist,
    Candidate,
    DnsCache,
    Failover,
    Located,
    Locator,
    LookupNeeded,
    Naptr,
    NotLocated,
    Outcome,
    Srv,
)
from trunkline.sip_proxy.locate._services import by_priority_and_weight
from trunkline.sip_transaction import Flow

LOCAL = ("192.0.2.1", 5060)

numbers = st.integers(0, 65535)
names = st.sampled_from(
    ["a.test", "b.test", "c.test", ".", "", "A.TEST.", "-", "192.0.2.77", "ü.test", "a" * 300]
)
naptrs = st.builds(
    Naptr,
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["s", "S", "a", "u", ""]),
    st.sampled_from(["SIP+D2U", "SIP+D2T", "SIPS+D2T", "sip+d2u", "E2U+sip", ""]),
    names,
)
srvs = st.builds(Srv, st.integers(0, 3), st.sampled_from([0, 0, 1, 10, 65535]), numbers, names)
addresses = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"])
answers = st.one_of(
    st.builds(
        Answer,
        st.just(Outcome.FOUND),
        st.lists(st.one_of(naptrs, srvs, addresses), min_size=1, max_size=40).map(tuple),
        st.sampled_from([0.0, 1.0, 1e9]),
    ),
    st.builds(Answer, st.sampled_from(list(Outcome)[1:]), st.just(()), st.sampled_from([0.0, 60.0])),
)
uris = st.sampled_from(
    [
        "sip:a.test",
        "sips:a.test",
        "sip:a.test:5070",
        "sip:a.test;transport=tcp",
        "sip:a.test;maddr=b.test",
        "sip:a.test:0",
        "sips:a.test;transport=udp",
    ]
)
stocks = st.sampled_from([{}, {"UDP": ("A",)}, {"UDP": ("A", "AAAA"), "TCP": ("A",), "TLS": ("AAAA",)}])


@settings(max_examples=200, deadline=None)
@given(uri=uris, transports=stocks, data=st.data())
def test_every_search_ends_soon_whatever_dns_says(uri, transports, data):
    locator = Locator(transports=transports, token=Random(1).randbytes, cache=DnsCache(8))
    search, effects = locator.locate(Uri.parse(uri), now=0.0)
    open_questions = list(effects)
    asked = 0
    ends = []
    while open_questions:
        place = data.draw(st.integers(0, len(open_questions) - 1))
        effect = open_questions.pop(place)
        if not isinstance(effect, LookupNeeded):
            ends.append(effect)
            continue
        asked += 1
        assert asked <= 60
        found = search.receive(effect, data.draw(answers), now=0.0)
        assert search.receive(effect, data.draw(answers), now=0.0) == []  # an answer counts once
        open_questions += found
    assert len(ends) == 1
    assert ends == [search.result]
    assert len(locator.cache) <= 8
    if isinstance(search.result, Located):
        places = search.result.candidates
        assert 0 < len(set(places)) == len(places) <= MAX_CANDIDATES
        for place in places:
            assert place.transport in transports
            assert 0 < place.port <= 65535
            assert not uri.startswith("sips") or place.transport == "TLS"
    else:
        assert isinstance(search.result, NotLocated)


@given(st.lists(srvs, max_size=30), st.integers())
def test_order_of_servers_is_a_permutation_sorted_by_priority(records, seed):
    ordered = by_priority_and_weight(records, Random(seed).randbytes)
    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=5), st.integers(0, 2**32))
def test_servers_come_first_as_often_as_their_weights_say(weights, seed):
    records = [Srv(0, weight, 5060, f"s{number}.test") for number, weight in enumerate(weights)]
    token = Random(seed).randbytes
    draws = 3000
    first = Counter(by_priority_and_weight(records, token)[0].target for _ in range(draws))
    for record in records:
        expected = record.weight / sum(weights)
        slack = 5 * (expected * (1 - expected) / draws) ** 0.5
        assert abs(first[record.target] / draws - expected) < slack


def test_servers_of_weight_zero_are_last_but_not_never():
    records = [Srv(0, 0, 5060, "zero.test"), Srv(0, 9, 5060, "nine.test")]
    token = Random(3).randbytes
    first = Counter(by_priority_and_weight(records, token)[0].target for _ in range(2000))
    assert 100 < first["zero.test"] < 300


@given(st.lists(st.integers(1, 6), unique=True, min_size=1), st.sets(st.integers(1, 6)), st.floats(0, 500))
def test_failover_reaches_every_place_that_is_not_blacklisted_once_and_in_order(hosts, blocked, now):
    flows = [Flow("UDP", LOCAL, (f"198.51.100.{number}", 5060)) for number in hosts]
    blacklist = Blacklist(240.0)
    for number in blocked - {hosts[0]}:
        blacklist.block(Candidate("UDP", f"198.51.100.{number}", 5060), now=now)
    failover = Failover(flows[1:], blacklist)
    reached = [flows[0]]
    while (flow := failover.after(reached[-1], now=now)) is not None:
        reached.append(flow)
    assert reached == [flows[0], *(flow for number, flow in zip(hosts[1:], flows[1:], strict=True)
                                   if number not in blocked)]  # fmt: skip
    assert not blacklist.allowed([Candidate("UDP", *flow.remote) for flow in reached], now=now + 239)
    places = [Candidate("UDP", *flow.remote) for flow in flows]
    assert blacklist.allowed(places, now=now + 241) == places


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1000)), max_size=80))
def test_blacklist_and_cache_stay_within_their_bounds(steps):
    blacklist, cache = Blacklist(10.0, size=5), DnsCache(5)
    for number, now in steps:
        blacklist.block(Candidate("UDP", f"h{number}", 5060), now=now)
        cache.put(LookupNeeded(f"n{number}", "A"), Answer(Outcome.FOUND, ("192.0.2.1",), 60.0), now=now)
        assert len(blacklist.listing(now=now)) <= 5
        assert len(cache) <= 5


def test_blacklist_of_zero_seconds_is_off():
    blacklist = Blacklist(0)
    blacklist.block(Candidate("UDP", "192.0.2.1", 5060), now=0.0)
    assert not blacklist.is_blocked(Candidate("UDP", "192.0.2.1", 5060), now=0.0)
