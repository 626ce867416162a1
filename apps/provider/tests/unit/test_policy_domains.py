"""Which domain a host in a URI means."""

from __future__ import annotations

import pytest

from trunkline.provider.policy import Domains


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.test", "example.test"),
        ("EXAMPLE.Test", "example.test"),
        ("example.test.", "example.test"),
        ("second.test", "second.test"),
        ("192.0.2.1", "example.test"),
        ("2001:db8::1", "example.test"),
        ("sip.example.test", "example.test"),
        ("elsewhere.test", None),
        ("192.0.2.2", None),
        ("", None),
    ],
)
def test_our_addresses_mean_the_first_domain(host: str, domain: str | None) -> None:
    own = ["192.0.2.1", "2001:db8::1", "SIP.example.test"]
    assert Domains(["Example.test", "second.test"], own).canonical(host) == domain


@pytest.mark.parametrize(
    ("host", "port", "domain"),
    [
        ("192.0.2.1", None, "example.test"),
        ("192.0.2.1", 5060, "example.test"),
        ("192.0.2.1", 5080, None),
        ("example.test", 5080, "example.test"),  # DNS may know another port of ours
    ],
)
def test_other_ports_of_our_addresses_are_other_servers(
    host: str, port: int | None, domain: str | None
) -> None:
    assert Domains(["example.test"], ["192.0.2.1"], [5060, 5061]).canonical(host, port) == domain


def test_without_domains_each_of_our_addresses_is_one() -> None:
    domains = Domains([], ["192.0.2.1", "192.0.2.2"])
    assert domains.default is None
    assert domains.canonical("192.0.2.1") == "192.0.2.1"
    assert domains.canonical("192.0.2.2") == "192.0.2.2"
    assert domains.canonical("example.test") is None


def test_domains_are_replaced_as_a_whole() -> None:
    domains = Domains(["old.test"], ["192.0.2.1"])
    domains.replace(["New.test"])
    assert domains.canonical("old.test") is None
    assert domains.canonical("192.0.2.1") == domains.default == "new.test"


@pytest.mark.parametrize("host", ["example.test", "2001:db8::5", "[2001:db8::5]", "dot.test.", "dot.test"])
def test_a_host_written_as_its_domain_is_found_as_if_it_were_not(host: str) -> None:
    domains = Domains(["example.test", "[2001:db8::5]", "dot.test."], [])
    assert domains.canonical(host) == domains.canonical(host.upper())


def test_a_domain_that_is_served_no_longer_is_not_found() -> None:
    domains = Domains(["example.test"], [])
    domains.replace(["other.test"])
    assert (domains.canonical("example.test"), domains.canonical("other.test")) == (None, "other.test")
