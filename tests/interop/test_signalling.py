"""What a caller and a callee see on the wire, by SIPp scenario, through Kamailio and through Trunkline.

The callee's scenario runs on the port that its user is registered at. Tones are in `test_first_call`.
"""

import pytest


@pytest.fixture
def register(exchange, sipp):
    """Register a user at a port of this machine."""

    def do(user, port, *, expires=60, status=200, transport="udp", password=None):
        values = {
            "user": user,
            "domain": exchange.domain,
            "password": password or exchange.password(user),
            "contact_port": port,
            "expires": expires,
            "status": status,
        }
        sipp("registers", target=exchange.address, values=values, transport=transport).wait()

    return do


@pytest.fixture
def callee(exchange, sipp, register):
    """Start a callee scenario as bob; bob's binding is taken back after the test."""
    ports = []

    def start(scenario, **values):
        run = sipp(scenario, values=values)
        register("bob", run.port)
        ports.append(run.port)
        return run

    yield start
    for port in ports:
        register("bob", port, expires=0)


@pytest.fixture
def caller(exchange, sipp):
    """Start a caller scenario as alice, towards bob unless said otherwise."""

    def start(scenario, callee="bob", transport="udp", auth_uri=None, **values):
        values = {
            "user": "alice",
            "password": exchange.password("alice"),
            "domain": exchange.domain,
            "callee": callee,
            **values,
        }
        target = exchange.address
        return sipp(scenario, target=target, values=values, transport=transport, auth_uri=auth_uri)

    return start


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_caller_hangs_up_along_the_recorded_route(caller, callee, transport):
    answering = callee("callee_answers", ring_ms=100)
    calling = caller("caller_hangs_up", hold_ms=200, transport=transport)
    calling.wait()
    answering.wait()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_unknown_callee_is_not_found(caller, transport):
    caller("caller_rejected", callee="nobody", status=404, transport=transport).wait()


def test_wrong_password_is_challenged_again(caller):
    caller("caller_rejected", status=407, password="wrong").wait()


def test_credentials_made_for_the_address_of_the_server_are_taken(caller):
    """SIPp makes them so unless told otherwise, and so do other simple clients."""
    caller("caller_rejected", callee="nobody", status=404, auth_uri="").wait()


def test_registration_with_a_wrong_password_is_challenged_again(register):
    register("bob", 5999, password="wrong", status=401)


def test_busy_callee_is_told_to_the_caller(caller, callee):
    refusing = callee("callee_rejects", status=486)
    caller("caller_rejected", status=486).wait()
    refusing.wait()


def test_cancel_while_ringing_reaches_the_callee(caller, callee):
    ringing = callee("callee_rings")
    caller("caller_cancels", ring_ms=300).wait()
    ringing.wait()


def test_callee_that_rings_for_too_long_is_cancelled_and_the_caller_gets_408(caller, callee):
    ringing = callee("callee_rings")
    caller("caller_rejected", status=408).wait()
    ringing.wait()


def test_options_by_sipsak(exchange, sipsak):
    # not sip:HOST:PORT, from which sipsak 0.9.8 loses the last digit of a port of five
    assert "200 OK" in sipsak("-vv", "-p", exchange.address, "-s", f"sip:{exchange.domain}")
