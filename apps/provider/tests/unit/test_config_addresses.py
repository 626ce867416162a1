"""Listen addresses, domains and local names. What a key may hold is tested in test_config_loading."""

from __future__ import annotations

import pytest

from trunkline.provider.config import ListenAddress, local_names, parse_domain


@pytest.mark.parametrize(
    ("text", "transport", "host", "port"),
    [
        ("udp:0.0.0.0:5060", "udp", "0.0.0.0", 5060),
        ("TCP:127.0.0.1:0", "tcp", "127.0.0.1", 0),
        ("tcp:[::1]:5060", "tcp", "::1", 5060),
        ("udp:[2001:DB8:0:0::1]:5060", "udp", "2001:db8::1", 5060),
        ("udp:Sip.Example.TEST:65535", "udp", "sip.example.test", 65535),
        (" udp:10.0.0.1:5060 ", "udp", "10.0.0.1", 5060),
    ],
)
def test_a_listen_address_is_read(text: str, transport: str, host: str, port: int) -> None:
    assert ListenAddress.parse(text) == ListenAddress(transport, host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.0.0.0:5060", "protocol must be one of udp, tcp"),
        ("sctp:0.0.0.0:5061", "protocol must be one of udp, tcp, tls"),
        ("udp", "protocol"),
        ("udp:5060", "host and port"),
        ("udp:0.0.0.0:", "is not a number from 0 to 65535"),
        ("udp:0.0.0.0:65536", "is not a number from 0 to 65535"),
        ("udp:0.0.0.0:-1", "is not a number from 0 to 65535"),
        ("udp:0.0.0.0:٣", "is not a number from 0 to 65535"),
        ("udp:1.2.3.400:5060", "not an IPv4 address"),
        ("udp:1.2.3:5060", "not an IPv4 address"),
        ("udp:::1:5060", "in brackets"),
        ("udp:[::g]:5060", "not an IPv6 address"),
        ("udp:a b:5060", "not a host name"),
        ("udp:-a.test:5060", "not a host name"),
    ],
)
def test_a_wrong_listen_address_names_its_wrong_part(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ListenAddress.parse(text)


@pytest.mark.parametrize("text", ["udp:127.0.0.1:5060", "tcp:[2001:db8::1]:5060"])
def test_a_listen_address_is_written_as_it_is_read(text: str) -> None:
    assert str(ListenAddress.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Example.TEST", "example.test"),
        ("example.test.", "example.test"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("localhost", "localhost"),
    ],
)
def test_a_domain_is_read_as_it_stands_in_a_uri(text: str, domain: str) -> None:
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text", ["", "a b", "example.test:5060", "sip:example.test", "a..b", "x" * 64, "1.2.3"]
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        parse_domain(text)


def test_a_server_on_given_addresses_is_called_by_them() -> None:
    listen = [ListenAddress("udp", "127.0.0.1", 5060), ListenAddress("tcp", "::1", 5060)]
    assert local_names([*listen, listen[0]]) == ["127.0.0.1", "[::1]"]


def test_a_server_on_all_addresses_is_called_by_all_of_them() -> None:
    names = local_names([ListenAddress("udp", "0.0.0.0", 5060)])
    assert {"127.0.0.1", "localhost"} <= set(names)
    assert names[0] != "127.0.0.1" or not any(name[0].isdigit() for name in names[1:])
