"""Digest grammar. The arithmetic is checked against the RFCs' own examples in conformance."""

import pytest

from trunkline.sip_parser import (
    DigestChallenge,
    DigestCredentials,
    LocalProtocolError,
    RemoteProtocolError,
    digest_response,
    ha1,
)

CREDENTIALS = (
    'Digest username="bob", realm="biloxi.com", nonce="dcd98b", uri="sip:bob@biloxi.com", '
    'response="6629FAE49393A05397450978507C4EF1", algorithm=MD5, cnonce="0a4f", opaque="5ccc", qop=auth, '
    "nc=0000000A"
)


def test_every_part_of_credentials_is_read():
    credentials = DigestCredentials.parse(CREDENTIALS)
    assert credentials.username == "bob"
    assert credentials.realm == "biloxi.com"
    assert credentials.nonce == "dcd98b"
    assert credentials.uri == "sip:bob@biloxi.com"
    assert credentials.response == "6629fae49393a05397450978507c4ef1"
    assert credentials.algorithm == "MD5"
    assert credentials.cnonce == "0a4f"
    assert credentials.opaque == "5ccc"
    assert credentials.qop == "auth"
    assert credentials.nc == 10
    assert str(credentials) == CREDENTIALS.replace("6629FAE49393A05397450978507C4EF1", credentials.response)


def test_blanks_quotes_and_case_vary():
    credentials = DigestCredentials.parse(
        'digest username = "b,\\"o\\"b" ,REALM="r", nonce="",uri="sip:a", response="x" '
        ',algorithm="sha-256",,qop="auth",\r\n nc="1", cnonce=""'
    )
    assert credentials.username == 'b,"o"b'
    assert credentials.algorithm == "SHA-256"
    assert credentials.nc == 1
    assert credentials.nc_text == "1"
    assert credentials.qop == "auth"


def test_without_qop_there_is_no_count():
    credentials = DigestCredentials.parse('Digest username="a", realm="b", nonce="c", uri="d", response="e"')
    assert credentials.qop is None
    assert credentials.nc is None
    assert credentials.algorithm == "MD5"
    assert "qop" not in str(credentials)


def test_a_username_may_be_encoded():
    credentials = DigestCredentials.parse(
        "Digest username*=UTF-8''J%C3%A4s%C3%B8n, realm=b, nonce=c, uri=d, response=e, userhash=true"
    )
    assert credentials.username == "Jäsøn"
    assert credentials.userhash


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic QWxhZGRpbg==",
        "NoOneKnowsThisScheme opaque-data=here",
        "Digest",
        'Digest username="a"',
        'Digest realm="b", nonce="c", uri="d", response="e"',
        'Digest username="a", realm="b", nonce="c", uri="d", response="e", nc=x',
        'Digest username="a", realm="b", nonce="c", uri="d", response="e", nc=123456789',
        'Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth',
        'Digest username="a", username="b", realm="b", nonce="c", uri="d", response="e"',
        'Digest username="a, realm="b", nonce="c", uri="d", response="e"',
        "Digest username*=ISO-8859-1''a, realm=b, nonce=c, uri=d, response=e",
        "Digest a b",
    ],
)
def test_what_are_no_credentials_is_refused(value):
    with pytest.raises(RemoteProtocolError, match="credentials: expected"):
        DigestCredentials.parse(value)


def test_every_part_of_a_challenge_is_read():
    text = (
        'Digest realm="atlanta.com", nonce="84a4cc", domain="sip:ss1", opaque="x", stale=true, '
        'algorithm=SHA-256, qop="auth,auth-int", userhash=true'
    )
    challenge = DigestChallenge.parse(text)
    assert challenge == DigestChallenge(
        "atlanta.com", "84a4cc", "SHA-256", ("auth", "auth-int"), "x", True, "sip:ss1", True
    )
    assert str(challenge) == text


def test_a_short_challenge_is_enough():
    challenge = DigestChallenge.parse('Digest realm="a", nonce="b", stale=FALSE')
    assert challenge == DigestChallenge("a", "b")
    assert str(challenge) == 'Digest realm="a", nonce="b", algorithm=MD5'


def test_an_unknown_algorithm_is_kept_but_not_computed():
    challenge = DigestChallenge.parse('Digest realm="a", nonce="b", algorithm=AKAv1-MD5')
    assert challenge.algorithm == "AKAv1-MD5"
    with pytest.raises(LocalProtocolError, match="AKAv1-MD5"):
        ha1("a", "b", "c", challenge.algorithm)


@pytest.mark.parametrize("value", ["Basic realm=x", 'Digest realm="a"', 'Digest nonce="a"'])
def test_what_is_no_challenge_is_refused(value):
    with pytest.raises(RemoteProtocolError, match="challenge: expected"):
        DigestChallenge.parse(value)


def test_the_count_is_hashed_as_the_peer_spelled_it():
    secret = ha1("bob", "biloxi.com", "zanzibar")
    for count in ("0000000A", "0000000a", "a"):
        credentials = DigestCredentials.parse(CREDENTIALS.replace("0000000A", count))
        assert credentials.expected_response(secret, method="INVITE") == digest_response(
            secret,
            method="INVITE",
            uri="sip:bob@biloxi.com",
            nonce="dcd98b",
            nc=count,
            cnonce="0a4f",
            qop="auth",
        )


def test_a_count_as_a_number_is_hashed_as_eight_digits():
    arguments = {"method": "INVITE", "uri": "sip:a", "nonce": "n", "cnonce": "c", "qop": "auth"}
    assert digest_response("x", nc=10, **arguments) == digest_response("x", nc="0000000a", **arguments)


def test_what_is_needed_and_missing_is_our_own_mistake():
    arguments = {"method": "INVITE", "uri": "sip:a", "nonce": "n"}
    for more in ({"qop": "auth"}, {"qop": "auth", "nc": 1}, {"qop": "other"}, {"algorithm": "MD5-sess"}):
        with pytest.raises(LocalProtocolError):
            digest_response("x", **arguments, **more)


def test_auth_int_covers_the_body():
    arguments = {"method": "INVITE", "uri": "sip:a", "nonce": "n", "nc": 1, "cnonce": "c", "qop": "auth-int"}
    assert digest_response("x", **arguments, body=b"a") != digest_response("x", **arguments, body=b"b")
