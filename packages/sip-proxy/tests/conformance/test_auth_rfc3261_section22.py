"""RFC 3261 §22, RFC 7616 and RFC 8760 as a server keeps them."""

from datetime import UTC, datetime, timedelta

import pytest

from trunkline.sip_parser import DigestChallenge, DigestCredentials, Request, digest_response, ha1
from trunkline.sip_proxy.auth import (
    Authenticator,
    Nonces,
    Verdict,
    consume_credentials,
    find_credentials,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
URI = "sip:bob@example.test"


def authenticator(*algorithms: str) -> Authenticator:
    return Authenticator(Nonces(b"k" * 16, bytes), algorithms=algorithms or ("MD5",))


def answered(value: str, nc: int = 1) -> Request:
    challenge = DigestChallenge.parse(value)
    response = digest_response(
        ha1("alice", challenge.realm, "secret", challenge.algorithm),
        method="INVITE",
        uri=URI,
        nonce=challenge.nonce,
        nc=nc,
        cnonce="c",
        qop="auth",
        algorithm=challenge.algorithm,
    )
    credentials = DigestCredentials(
        "alice", challenge.realm, challenge.nonce, URI, response, challenge.algorithm, "c", qop="auth", nc=nc
    )
    return Request("INVITE", URI, [("Proxy-Authorization", str(credentials))])


def verdict(judge: Authenticator, request: Request, at: datetime = AT) -> Verdict:
    credentials = find_credentials(request, "example.test", proxy=True)
    assert credentials is not None
    return judge.verify(
        request, credentials, lambda name: ha1("alice", "example.test", "secret", name), at=at
    )


def test_22_3_proxy_takes_its_own_credentials_and_leaves_the_others() -> None:
    judge = authenticator()
    request = answered(judge.challenges("example.test", at=AT)[0])
    foreign = 'Digest username="alice", realm="next.test", nonce="1", uri="sip:x", response="0"'
    request.headers.add("Proxy-Authorization", foreign)
    assert verdict(judge, request) is Verdict.ACCEPTED
    assert consume_credentials(request, "example.test", proxy=True) == 1
    assert request.headers.get_all("Proxy-Authorization") == [foreign]


def test_22_4_challenge_has_realm_nonce_algorithm_and_quoted_qop() -> None:
    [value] = authenticator().challenges("example.test", at=AT)
    assert value.startswith('Digest realm="example.test", nonce="')
    assert ', qop="auth"' in value
    assert ", algorithm=MD5" in value


def test_22_4_client_of_rfc_2069_is_still_understood() -> None:
    judge = authenticator()
    challenge = DigestChallenge.parse(judge.challenges("example.test", at=AT)[0])
    response = digest_response(
        ha1("alice", "example.test", "secret"), method="INVITE", uri=URI, nonce=challenge.nonce
    )
    value = (
        f'Digest username="alice", realm="example.test", nonce="{challenge.nonce}", '
        f'uri="{URI}", response="{response}"'
    )
    request = Request("INVITE", URI, [("Proxy-Authorization", value)])
    assert verdict(judge, request) is Verdict.ACCEPTED
    assert verdict(judge, request) is Verdict.REPLAYED


def test_rfc7616_3_3_stale_is_said_only_to_who_knows_the_password() -> None:
    judge = authenticator()
    request = answered(judge.challenges("example.test", at=AT)[0])
    late = AT + timedelta(minutes=5)
    assert verdict(judge, request, late).stale
    assert not Verdict.BAD_PASSWORD.stale
    assert DigestChallenge.parse(judge.challenges("example.test", stale=True, at=late)[0]).stale


def test_rfc7616_3_4_nonce_count_lets_one_challenge_serve_many_requests() -> None:
    judge = authenticator()
    [value] = judge.challenges("example.test", at=AT)
    assert [verdict(judge, answered(value, nc)) for nc in (1, 2, 3)] == [Verdict.ACCEPTED] * 3
    assert [verdict(judge, answered(value, nc)) for nc in (2, 3)] == [Verdict.REPLAYED] * 2


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_rfc8760_2_3_client_takes_any_of_the_challenges(chosen: int) -> None:
    judge = authenticator("SHA-512-256", "SHA-256", "MD5")
    values = judge.challenges("example.test", at=AT)
    assert [DigestChallenge.parse(value).algorithm for value in values] == ["SHA-512-256", "SHA-256", "MD5"]
    assert verdict(judge, answered(values[chosen])) is Verdict.ACCEPTED
    others = [answered(value) for place, value in enumerate(values) if place != chosen]
    assert [verdict(judge, request) for request in others] == [Verdict.REPLAYED] * 2


def test_rfc8760_2_3_algorithm_that_was_not_offered_is_not_taken() -> None:
    [value] = authenticator("MD5").challenges("example.test", at=AT)
    assert verdict(authenticator("SHA-256"), answered(value)) is Verdict.MALFORMED
