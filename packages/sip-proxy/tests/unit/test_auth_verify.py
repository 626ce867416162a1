"""Authenticator: challenges, and a verdict for every kind of credentials."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trunkline.sip_parser import (
    DigestChallenge,
    DigestCredentials,
    LocalProtocolError,
    Request,
    digest_response,
    ha1,
)
from trunkline.sip_proxy.auth import (
    Authenticator,
    Nonces,
    Verdict,
    consume_credentials,
    find_credentials,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
REALM = "example.test"
URI = "sip:bob@example.test"


def authenticator(**options: Any) -> Authenticator:
    return Authenticator(Nonces(b"s" * 16, bytes), **options)


def request(uri: str = URI, method: str = "INVITE") -> Request:
    return Request(method, uri, [])


def answer(
    value: str,
    *,
    password: str = "secret",
    uri: str = URI,
    method: str = "INVITE",
    nc: int | None = 1,
    user: str = "alice",
) -> DigestCredentials:
    challenge = DigestChallenge.parse(value)
    qop, cnonce = (None, None) if nc is None else ("auth", "c0ffee")
    response = digest_response(
        ha1(user, challenge.realm, password, challenge.algorithm),
        method=method,
        uri=uri,
        nonce=challenge.nonce,
        nc=nc,
        cnonce=cnonce,
        qop=qop,
        algorithm=challenge.algorithm,
    )
    return DigestCredentials(
        user, challenge.realm, challenge.nonce, uri, response, challenge.algorithm, cnonce, qop=qop, nc=nc
    )


def secrets_of(algorithm: str) -> str | None:
    return ha1("alice", REALM, "secret", algorithm)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_right_password_is_accepted_and_not_twice(algorithm: str) -> None:
    ours = authenticator(algorithms=(algorithm,))
    [value] = ours.challenges(REALM, at=AT)
    credentials = answer(value)
    assert ours.verify(request(), credentials, secrets_of, at=AT) is Verdict.ACCEPTED
    assert ours.verify(request(), credentials, secrets_of, at=AT) is Verdict.REPLAYED
    assert ours.verify(request(), answer(value, nc=2), secrets_of, at=AT) is Verdict.ACCEPTED


def test_one_challenge_for_each_algorithm_in_order() -> None:
    ours = authenticator(algorithms=("SHA-256", "MD5"))
    challenges = [DigestChallenge.parse(value) for value in ours.challenges(REALM, at=AT)]
    assert [challenge.algorithm for challenge in challenges] == ["SHA-256", "MD5"]
    assert [(challenge.realm, challenge.qop, challenge.stale) for challenge in challenges] == [
        (REALM, ("auth",), False)
    ] * 2


def test_challenge_says_stale_and_quotes_the_realm() -> None:
    [value] = authenticator(qop=False).challenges('a "strange" realm\\', stale=True, at=AT)
    challenge = DigestChallenge.parse(value)
    assert (challenge.realm, challenge.stale, challenge.qop) == ('a "strange" realm\\', True, ())


def test_secrets_may_be_a_mapping() -> None:
    ours = authenticator()
    [value] = ours.challenges(REALM, at=AT)
    assert ours.verify(request(), answer(value), {}, at=AT) is Verdict.NO_USER
    known = {"MD5": ha1("alice", REALM, "secret")}
    assert ours.verify(request(), answer(value), known, at=AT) is Verdict.ACCEPTED


def test_wrong_password_does_not_use_the_nonce_up() -> None:
    ours = authenticator()
    [value] = ours.challenges(REALM, at=AT)
    assert (
        ours.verify(request(), answer(value, password="guess", nc=9), secrets_of, at=AT)
        is Verdict.BAD_PASSWORD
    )
    assert ours.verify(request(), answer(value), secrets_of, at=AT) is Verdict.ACCEPTED


def test_no_user_is_no_user_even_with_the_digest_of_nothing() -> None:
    ours = authenticator()
    [value] = ours.challenges(REALM, at=AT)
    credentials = answer(value)
    nobody = "0" * 32
    credentials.response = credentials.expected_response(nobody, method="INVITE")
    assert ours.verify(request(), credentials, {}, at=AT) is Verdict.NO_USER


def test_verdicts_on_nonces_ask_for_no_password() -> None:
    ours = authenticator()
    [value] = ours.challenges(REALM, at=AT)
    late = AT + timedelta(seconds=60)
    assert ours.verify(request(), answer(value), secrets_of, at=late) is Verdict.STALE
    foreign = Authenticator(Nonces(b"t" * 16, bytes)).challenges(REALM, at=AT)[0]
    assert ours.verify(request(), answer(foreign), secrets_of, at=AT) is Verdict.FORGED
    assert [verdict for verdict in Verdict if verdict.stale] == [
        Verdict.STALE,
        Verdict.REPLAYED,
        Verdict.FORGED,
    ]


def test_stale_nonce_with_wrong_password_is_a_wrong_password() -> None:
    ours = authenticator()
    [value] = ours.challenges(REALM, at=AT)
    late = AT + timedelta(seconds=60)
    assert ours.verify(request(), answer(value, password="x"), secrets_of, at=late) is Verdict.BAD_PASSWORD


def test_client_without_qop_gets_one_use() -> None:
    ours = authenticator()
    [value] = ours.challenges(REALM, at=AT)
    assert ours.verify(request(), answer(value, nc=None), secrets_of, at=AT) is Verdict.ACCEPTED
    assert ours.verify(request(), answer(value, nc=None), secrets_of, at=AT) is Verdict.REPLAYED


def test_count_without_qop_counts_nothing() -> None:
    ours = authenticator()
    [value] = ours.challenges(REALM, at=AT)
    credentials = answer(value, nc=None)
    credentials.nc = 7
    assert ours.verify(request(), credentials, secrets_of, at=AT) is Verdict.ACCEPTED
    credentials.nc = 8
    assert ours.verify(request(), credentials, secrets_of, at=AT) is Verdict.REPLAYED


@pytest.mark.parametrize(
    ("algorithm", "qop"),
    [("SHA-256", "auth"), ("MD5-sess", "auth"), ("X", "auth"), ("MD5", "auth-int"), ("MD5", "x")],
)
def test_what_was_not_offered_is_malformed(algorithm: str, qop: str) -> None:
    ours = authenticator()
    credentials = answer(ours.challenges(REALM, at=AT)[0])
    credentials.algorithm, credentials.qop = algorithm, qop
    assert ours.verify(request(), credentials, secrets_of, at=AT) is Verdict.MALFORMED


@pytest.mark.parametrize("response", ["", "0" * 32, "ü" * 32, "\udcff", "a" * 10_000])
def test_nonsense_for_a_response_is_a_wrong_password(response: str) -> None:
    ours = authenticator()
    credentials = answer(ours.challenges(REALM, at=AT)[0])
    credentials.response = response
    assert ours.verify(request(), credentials, secrets_of, at=AT) is Verdict.BAD_PASSWORD


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sip:bob@example.test", "sip:bob@example.test;user=phone"),
        ("sip:bob@example.test:5060", "sip:bob@example.test"),
        ("sip:bob@EXAMPLE.test;transport=tcp", "sip:bob@example.test"),
        ("sips:bob@example.test", "sip:bob@example.test"),
        ("sip:%62ob@example.test", "sip:bob@example.test"),
        ("sip:bob:pw@example.test?a=b", "sip:bob@example.test"),
        ("tel:+1-201-555", "tel:+1201555"),
        ("urn:service:sos", "urn:service:sos"),
    ],
)
def test_classic_differences_between_the_uris_are_tolerated(theirs: str, ours: str) -> None:
    judge = authenticator()
    credentials = answer(judge.challenges(REALM, at=AT)[0], uri=theirs)
    assert judge.verify(request(ours), credentials, secrets_of, at=AT) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sip:carol@example.test", "sip:bob@example.test"),
        ("sip:example.test", "sip:bob@example.test"),
        ("sip:bob@other.test", "sip:bob@example.test"),
        ("sip:bob@example.test:5070", "sip:bob@example.test:5060"),
        ("tel:+1201555", "sip:+1201555@example.test"),
        ("tel:+1201555", "tel:+1201556"),
        ("*", "sip:bob@example.test"),
        ("", "sip:bob@example.test"),
        ("sip:bob@example.test", "nonsense"),
    ],
)
def test_credentials_for_another_resource_are_refused(theirs: str, ours: str) -> None:
    judge = authenticator()
    [value] = judge.challenges(REALM, at=AT)
    assert judge.verify(request(ours), answer(value, uri=theirs), secrets_of, at=AT) is Verdict.WRONG_URI
    trusting = authenticator(check_uri=False)
    [value] = trusting.challenges(REALM, at=AT)
    assert trusting.verify(request(ours), answer(value, uri=theirs), secrets_of, at=AT) is Verdict.ACCEPTED


def test_register_may_name_the_user_in_the_uri() -> None:
    judge = authenticator()
    credentials = answer(judge.challenges(REALM, at=AT)[0], uri="sip:alice@example.test", method="REGISTER")
    message = request("sip:example.test", "REGISTER")
    assert judge.verify(message, credentials, secrets_of, at=AT) is Verdict.ACCEPTED


def test_method_is_part_of_the_digest() -> None:
    judge = authenticator()
    credentials = answer(judge.challenges(REALM, at=AT)[0], method="BYE")
    assert judge.verify(request(), credentials, secrets_of, at=AT) is Verdict.BAD_PASSWORD


@pytest.mark.parametrize("algorithms", [(), ("SHA-1",), ("MD5", "md5"), "MD5"])
def test_unknown_algorithms_are_refused_at_once(algorithms: Any) -> None:
    with pytest.raises(LocalProtocolError, match="MD5, SHA-256, SHA-512-256"):
        authenticator(algorithms=algorithms)


def credentials_value(realm: str, user: str = "alice") -> str:
    return f'Digest username="{user}", realm="{realm}", nonce="n", uri="{URI}", response="00"'


def test_credentials_are_found_by_realm_and_header() -> None:
    message = request()
    message.headers.extend(
        "Authorization",
        ["Basic abc", "Digest nonsense", credentials_value("other.test"), credentials_value(REALM)],
    )
    message.headers.add("Proxy-Authorization", credentials_value(REALM, user="carol"))
    found = find_credentials(message, REALM, proxy=False)
    assert found is not None
    assert found.username == "alice"
    found = find_credentials(message, REALM, proxy=True)
    assert found is not None
    assert found.username == "carol"
    assert find_credentials(message, "third.test", proxy=False) is None
    assert find_credentials(request(), REALM, proxy=True) is None


def test_consumed_are_only_those_for_our_realm() -> None:
    message = request()
    others = ["Basic abc", "Digest nonsense", credentials_value("other.test")]
    message.headers.extend(
        "Proxy-Authorization", [credentials_value(REALM), *others, credentials_value(REALM)]
    )
    message.headers.add("Authorization", credentials_value(REALM))
    assert consume_credentials(message, REALM, proxy=True) == 2
    assert message.headers.get_all("Proxy-Authorization") == others
    assert consume_credentials(message, REALM, proxy=True) == 0
    assert consume_credentials(message, REALM, proxy=False) == 1
    assert "authorization" not in message.headers
    assert consume_credentials(message, REALM, proxy=False) == 0


@pytest.mark.parametrize("proxy", [False, True])
@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256", "MD5")])
def test_challenge_lines_say_what_challenges_say(proxy: bool, algorithms: tuple[str, ...]) -> None:
    values = authenticator(algorithms=algorithms).challenges(REALM, stale=True, at=AT)
    lines = authenticator(algorithms=algorithms).challenge_lines(REALM, proxy=proxy, stale=True, at=AT)
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    assert lines == "".join(f"{name}: {value}\r\n" for value in values)


def test_realm_that_breaks_a_line_makes_no_challenge_lines() -> None:
    with pytest.raises(LocalProtocolError):
        authenticator().challenge_lines("a\r\nb", proxy=False, at=AT)
