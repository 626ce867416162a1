"""Digest arithmetic against the examples of RFC 2617 §3.5, RFC 7616 §3.9 and RFC 8760."""

import hashlib

import pytest

from trunkline.sip_parser import DIGEST_ALGORITHMS, DigestCredentials, digest_response, ha1


def test_rfc2617_example():
    assert ha1("Mufasa", "testrealm@host.com", "Circle Of Life") == "939e7578ed9e3c518a452acee763bce9"
    response = digest_response(
        "939e7578ed9e3c518a452acee763bce9",
        method="GET",
        uri="/dir/index.html",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        nc=1,
        cnonce="0a4f113b",
        qop="auth",
    )
    assert response == "6629fae49393a05397450978507c4ef1"


def test_rfc2069_style_without_qop():
    # RFC 2617 §3.2.2.1: KD(H(A1), unq(nonce-value) ":" H(A2)), as old phones still send it.
    response = digest_response(
        ha1("Mufasa", "testrealm@host.com", "Circle Of Life"),
        method="GET",
        uri="/dir/index.html",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
    )
    assert response == "670fd8c2df070c60b045671b8b24ff02"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_3_9_1_example(algorithm, expected):
    credentials = DigestCredentials(
        "Mufasa",
        "http-auth@example.org",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "/dir/index.html",
        expected,
        algorithm,
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
        "auth",
        1,
    )
    secret = ha1("Mufasa", "http-auth@example.org", "Circle of Life", algorithm)
    assert DigestCredentials.parse(str(credentials)).expected_response(secret, method="GET") == expected


@pytest.mark.parametrize("algorithm", DIGEST_ALGORITHMS)
@pytest.mark.parametrize("qop", [None, "auth", "auth-int"])
def test_rfc7616_3_4_1_by_definition(algorithm, qop):
    def hashed(text):
        name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[
            algorithm.removesuffix("-sess")
        ]
        return hashlib.new(name, text.encode()).hexdigest()

    a1 = hashed("Jäsøn:realm:pass")
    if algorithm.endswith("-sess"):
        a1 = hashed(f"{a1}:nonce:cnonce")
    a2 = hashed("INVITE:sip:a" + (f":{hashed('body')}" if qop == "auth-int" else ""))
    middle = "nonce" if qop is None else f"nonce:0000000f:cnonce:{qop}"
    assert hashed(f"{a1}:{middle}:{a2}") == digest_response(
        ha1("Jäsøn", "realm", "pass", algorithm),
        method="INVITE",
        uri="sip:a",
        nonce="nonce",
        nc=15,
        cnonce="cnonce",
        qop=qop,
        algorithm=algorithm,
        body=b"body",
    )
