"""RFC 3261 §22, RFC 7616, RFC 8760: answering 401 and 407 with the credentials of one user."""

from __future__ import annotations

import pytest

from trunkline.sip_parser import DigestCredentials, ha1, make_response
from trunkline.sip_transaction import ChallengeRefused, ClientAuthenticator


def challenge(request, *values, status=401):
    header = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return make_response(request, status, to_tag="x", headers=[(header, value) for value in values])


def digest(realm="example.test", nonce="n1", **params):
    more = "".join(f", {name}={value}" for name, value in params.items())
    return f'Digest realm="{realm}", nonce="{nonce}"{more}'


def credentials(request, header="authorization"):
    return [DigestCredentials.parse(value) for value in request.headers.get_all(header)]


def is_right(found, request, password="secret"):
    hashed = ha1(found.username, found.realm, password, found.algorithm)
    return found.response == found.expected_response(hashed, method=request.method, body=request.body)


@pytest.fixture
def alice():
    return ClientAuthenticator("alice", "secret")


def test_22_2_401_is_answered_in_a_new_transaction(alice, desk, token):
    request = desk.request("REGISTER", uri="sip:example.test", cseq="5 REGISTER", via_params=";rport")
    answer = alice.authorize(request, challenge(request, digest(opaque='"o"')), token)
    (found,) = credentials(answer)
    assert is_right(found, answer)
    assert (found.username, found.realm, found.nonce, found.opaque) == ("alice", "example.test", "n1", "o")
    assert found.uri == "sip:example.test"
    assert (found.qop, found.nc, found.cnonce) == (None, None, None)
    assert (answer.cseq.number, answer.cseq.method) == (6, "REGISTER")
    assert answer.top_via.branch != request.top_via.branch
    assert answer.top_via.branch.startswith("z9hG4bK")
    assert answer.top_via.sent_by == request.top_via.sent_by
    assert answer.top_via.rport == ""
    assert answer.call_id == request.call_id
    assert answer.from_tag == request.from_tag
    assert "authorization" not in request.headers
    assert request.cseq.number == 5


def test_22_3_407_is_answered_with_proxy_authorization(alice, desk, token):
    request = desk.request()
    answer = alice.authorize(request, challenge(request, digest(), status=407), token)
    (found,) = credentials(answer, "proxy-authorization")
    assert is_right(found, answer)
    assert "authorization" not in answer.headers


@pytest.mark.parametrize(
    ("offered", "chosen"), [('"auth"', "auth"), ('"auth-int,auth"', "auth"), ('"auth-int"', "auth-int")]
)
def test_22_4_qop_is_chosen_and_counted(alice, desk, token, offered, chosen):
    request = desk.request("MESSAGE")
    request.body = b"hello"
    answer = alice.authorize(request, challenge(request, digest(qop=offered)), token)
    (found,) = credentials(answer)
    assert is_right(found, answer)
    assert (found.qop, found.nc) == (chosen, 1)
    assert found.cnonce


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"])
def test_rfc8760_every_algorithm_is_computed(alice, desk, token, algorithm):
    request = desk.request()
    answer = alice.authorize(request, challenge(request, digest(qop='"auth"', algorithm=algorithm)), token)
    (found,) = credentials(answer)
    assert found.algorithm == algorithm
    assert is_right(found, answer)


def test_rfc8760_2_4_first_known_challenge_of_a_realm_is_answered(alice, desk, token):
    request = desk.request()
    unknown, known, old = (digest(algorithm=name, nonce=name) for name in ("SHA3-512", "SHA-256", "MD5"))
    answer = alice.authorize(request, challenge(request, 'Bearer realm="x"', unknown, known, old), token)
    (found,) = credentials(answer)
    assert (found.algorithm, found.nonce) == ("SHA-256", "SHA-256")


def test_22_3_every_realm_that_asks_is_answered(alice, desk, token):
    request = desk.request()
    answer = alice.authorize(request, challenge(request, digest("one"), digest("two"), status=407), token)
    found = credentials(answer, "proxy-authorization")
    assert [each.realm for each in found] == ["one", "two"]
    assert all(is_right(each, answer) for each in found)


def test_22_3_second_proxy_on_the_way_is_answered_beside_the_first(alice, desk, token):
    request = desk.request()
    first = alice.authorize(request, challenge(request, digest("one"), status=407), token)
    second = alice.authorize(first, challenge(first, digest("two"), status=407), token)
    assert [each.realm for each in credentials(second, "proxy-authorization")] == ["one", "two"]
    assert second.cseq.number == 3


def test_22_1_credentials_just_rejected_are_not_tried_again(alice, desk, token):
    request = desk.request()
    answer = alice.authorize(request, challenge(request, digest(nonce="n1")), token)
    with pytest.raises(ChallengeRefused, match="alice was rejected for example"):
        alice.authorize(answer, challenge(answer, digest(nonce="n2")), token)


def test_22_1_stale_nonce_is_no_rejection(alice, desk, token):
    request = desk.request()
    answer = alice.authorize(request, challenge(request, digest(nonce="n1")), token)
    again = alice.authorize(answer, challenge(answer, digest(nonce="n2", stale="TRUE")), token)
    (found,) = credentials(again)
    assert found.nonce == "n2"
    assert is_right(found, again)


@pytest.mark.parametrize(
    "values", [(), ('Basic realm="x"',), (digest(algorithm="X"),), (digest(qop='"other"'),)]
)
def test_22_challenge_we_cannot_meet_is_refused(alice, desk, token, values):
    request = desk.request()
    with pytest.raises(ChallengeRefused, match="Digest"):
        alice.authorize(request, challenge(request, *values), token)


def test_22_3_known_nonce_is_used_again_before_being_asked(alice, desk, token):
    request = desk.request("REGISTER")
    alice.authorize(request, challenge(request, digest(qop='"auth"')), token)
    later = desk.request("REGISTER", cseq="9 REGISTER")
    alice.preempt(later, token)
    alice.preempt(later, token)
    (found,) = credentials(later)
    assert found.nc == 3
    assert is_right(found, later)
    assert later.cseq.number == 9


def test_22_3_expired_nonce_that_was_used_before_is_no_rejection(alice, desk, token):
    request = desk.request("REGISTER")
    alice.authorize(request, challenge(request, digest(qop='"auth"')), token)
    later = desk.request("REGISTER", cseq="9 REGISTER")
    alice.preempt(later, token)
    again = alice.authorize(later, challenge(later, digest(nonce="n2", qop='"auth"')), token)
    (found,) = credentials(again)
    assert (found.nonce, found.nc) == ("n2", 1)


def test_22_3_nonce_without_a_count_is_not_used_again(alice, desk, token):
    request = desk.request("REGISTER")
    alice.authorize(request, challenge(request, digest()), token)
    later = desk.request("REGISTER")
    alice.preempt(later, token)
    assert "authorization" not in later.headers


def test_22_credentials_of_another_scheme_are_left_alone(alice, desk, token):
    request = desk.request("REGISTER", more="Authorization: Bearer abc\r\n")
    answer = alice.authorize(request, challenge(request, digest()), token)
    bearer, ours = answer.headers.get_all("authorization")
    assert bearer == "Bearer abc"
    assert is_right(DigestCredentials.parse(ours), answer)


def test_password_does_not_show(alice):
    assert "secret" not in repr(alice)
