"""The simulated network's own manners: who is told of a datagram that nobody takes, and what DNS says."""

from __future__ import annotations

from random import Random

import pytest

from trunkline.provider.simulation import Agenda, Link, Network
from trunkline.provider.simulation._names import FAILS, Names
from trunkline.provider.simulation._trace import Trace
from trunkline.sip_proxy import LookupNeeded, Outcome, Srv

HERE, THERE = ("198.51.100.1", 5060), ("192.0.2.10", 5060)


@pytest.fixture
def told():
    return []


@pytest.fixture
def network(told):
    network = Network(Agenda(), Random(1), Trace())
    network.links[HERE[0]] = Link(0.25)
    network.bind(HERE, lambda data, source: None, lambda quoted, reason: told.append((quoted, reason)))
    return network


def test_closed_port_of_a_host_is_told_to_who_sends_there(network, told):
    network.bind(THERE, lambda data, source: None)
    network.unbind(THERE, closed=True)
    network.datagram(b"x" * 2000, HERE, THERE)
    network.agenda.run(0.49)
    assert not told
    network.agenda.run(0.51)
    assert told == [(b"x" * 548, "connection refused")]


def test_host_that_is_gone_tells_nobody(network, told):
    network.bind(THERE, lambda data, source: None)
    network.unbind(THERE)
    network.datagram(b"x", HERE, THERE)
    network.agenda.run(9)
    assert not told


def test_port_that_is_open_again_takes_datagrams(network, told):
    network.unbind(THERE, closed=True)
    arrived = []
    network.bind(THERE, lambda data, source: arrived.append(data))
    network.datagram(b"x", HERE, THERE)
    network.agenda.run(9)
    assert (arrived, told) == ([b"x"], [])


def test_domain_has_a_service_and_its_server_an_address():
    names = Names()
    names.add_domain("one.test", THERE)
    never_fails = Random(1)
    never_fails.random = lambda: FAILS

    def ask(name, kind):
        answer = names.answer(LookupNeeded(name, kind), never_fails)
        return answer.outcome, answer.records

    assert ask("_sip._udp.one.test", "SRV") == (Outcome.FOUND, (Srv(0, 0, 5060, "sip.one.test"),))
    assert ask("sip.one.test", "A") == (Outcome.FOUND, ("192.0.2.10",))
    assert ask("sip.one.test", "AAAA") == ask("one.test", "NAPTR") == (Outcome.NO_DATA, ())
    assert ask("two.test", "NAPTR") == (Outcome.NXDOMAIN, ())
    never_fails.random = float
    assert names.answer(LookupNeeded("sip.one.test", "A"), never_fails).outcome is not Outcome.FOUND
