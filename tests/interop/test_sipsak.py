"""sipsak's usrloc and traceroute modes against the running server.

Debian's sipsak 0.9.8.1 crashes when its usrloc mode calls or messages itself (-I, -M), and garbles what it
sends in a range of users (-b, -e), whatever the server; these are left out. OPTIONS are in `test_signalling`.
"""

import re
from datetime import UTC, datetime

import pytest
from peers.process import PeerError, wait_until

PASSED = "All usrloc tests completed successful."


@pytest.fixture
def usrloc(sipsak):
    """Run the usrloc mode for a user: `usrloc(server, "bob", "-C", "sip:bob@192.0.2.1", password=...)`."""

    def run(where, user, *more, password=None):
        # -p goes before -s, else sipsak asks a name server for the domain
        arguments = ["-p", where.address, "-U", "-i", "-vv", *more]
        if password is not None:
            arguments += ["-a", password, "-u", user]
        return sipsak(*arguments, "-s", f"sip:{user}@{where.domain}")

    return run


def bindings(server, user):
    """Give the contacts of a user, each with how many seconds it has left."""
    found = (row for row in server.ask("location", "show") if row["aor"] == f"{user}@{server.domain}")
    now = datetime.now(UTC)
    return {row["contact"]: (datetime.fromisoformat(row["expires"]) - now).total_seconds() for row in found}


def test_usrloc_test_passes_with_digest(server, usrloc):
    password = server.password("sam")  # whom no phone registers that this server has seen
    contact = "sip:sam@127.0.0.1:5777"
    for seconds in (60, 120):  # the second time it is a refresh, for longer, and not a second binding
        assert PASSED in usrloc(server, "sam", "-C", contact, "-x", str(seconds), password=password)
        found = bindings(server, "sam")
        assert list(found) == [contact]
        assert seconds - 10 < found[contact] <= seconds
    assert PASSED in usrloc(server, "sam", "-C", "empty", password=password)  # a query
    assert len(bindings(server, "sam")) == 1
    assert PASSED in usrloc(server, "sam", "-C", "*", "-x", "0", password=password)
    assert not bindings(server, "sam")


def test_usrloc_test_fails_with_a_wrong_password(server, usrloc):
    server.password("sam")
    with pytest.raises(PeerError, match="authorization failed"):
        usrloc(server, "sam", "-x", "60", password="wrong")
    assert not bindings(server, "sam")


def test_traceroute_finds_us_and_then_the_phone(server, new_phone, sipsak):
    bob = new_phone(server, "bob")
    printed = sipsak("-p", server.address, "-T", "-vv", "-s", bob.address)
    assert re.findall(r"SIP/2\.0 (\d+)", printed) == ["483", "200"], printed
    wait_until("the OPTIONS", lambda: re.search(r"(?m)^Max-Forwards: 0\r?$", bob.process.log(10**6)))
