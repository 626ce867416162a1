"""The five registration flows of RFC 3665 §2 through authenticator and registrar together."""

from datetime import UTC, datetime, timedelta

import pytest

from trunkline.sip_parser import (
    DigestChallenge,
    DigestCredentials,
    Request,
    Response,
    digest_response,
    ha1,
    make_response,
    parse_datagram,
)
from trunkline.sip_proxy.auth import Authenticator, Nonces, Verdict, find_credentials
from trunkline.sip_proxy.registrar import BindingChanged, Location, Registrar
from trunkline.sip_transaction import Flow

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REALM = "biloxi.test"
AOR = "bob@biloxi.test"
FLOW = Flow("TLS", ("192.0.2.1", 5061), ("192.0.2.201", 40000), 1)
SECRET = ha1("bob", REALM, "zanzibar")


class Server:
    """What an application makes of the parts: challenge, verify, register."""

    def __init__(self) -> None:
        self.location = Location()
        self.authenticator = Authenticator(Nonces(b"n" * 16, bytes))
        self.registrar = Registrar(self.location, token=bytes)
        self.changes: list[BindingChanged] = []
        self.at = AT

    def receive(self, data: bytes) -> Response:
        request = parse_datagram(data)
        assert isinstance(request, Request)
        credentials = find_credentials(request, REALM, proxy=False)
        verdict = Verdict.NO_USER
        if credentials is not None:
            known = {"MD5": SECRET} if credentials.username == "bob" else {}
            verdict = self.authenticator.verify(request, credentials, known, at=self.at)
        if verdict is not Verdict.ACCEPTED:
            values = self.authenticator.challenges(REALM, stale=verdict.stale, at=self.at)
            challenges = [("WWW-Authenticate", value) for value in values]
            return make_response(request, 401, to_tag="1410948204", headers=challenges)
        registration = self.registrar.register(request, AOR, FLOW, at=self.at)
        self.changes = registration.changes
        return registration.response


class Bob:
    """A phone that sends REGISTER, and again with credentials when it is challenged."""

    def __init__(self, server: Server, password: str = "zanzibar") -> None:
        self.server = server
        self.secret = ha1("bob", REALM, password)
        self.cseq = 0
        self.count = 0
        self.challenge: DigestChallenge | None = None

    def send(self, *lines: str) -> Response:
        self.cseq += 1
        head = [
            f"REGISTER sips:{REALM} SIP/2.0",
            f"Via: SIP/2.0/TLS client.biloxi.test:5061;branch=z9hG4bKnashds{self.cseq}",
            "Max-Forwards: 70",
            f"From: Bob <sips:{AOR}>;tag=a73kszlfl",
            f"To: Bob <sips:{AOR}>",
            "Call-ID: 1j9FpLxk3uxtm8tn@biloxi.test",
            f"CSeq: {self.cseq} REGISTER",
            *lines,
        ]
        if self.challenge is not None:
            self.count += 1
            head.append(f"Authorization: {self.credentials(self.challenge)}")
        return self.server.receive("\r\n".join([*head, "Content-Length: 0", "", ""]).encode())

    def credentials(self, challenge: DigestChallenge) -> DigestCredentials:
        uri, cnonce, qop = f"sips:{REALM}", "0a4f113b", "auth"
        response = digest_response(
            self.secret,
            method="REGISTER",
            uri=uri,
            nonce=challenge.nonce,
            nc=self.count,
            cnonce=cnonce,
            qop=qop,
        )
        return DigestCredentials(
            "bob", REALM, challenge.nonce, uri, response, cnonce=cnonce, qop=qop, nc=self.count
        )

    def register(self, *lines: str) -> Response:
        response = self.send(*lines)
        if response.status == 401:
            value = response.headers.get("WWW-Authenticate")
            assert value is not None
            self.challenge, self.count = DigestChallenge.parse(value), 0
            response = self.send(*lines)
        return response


CLIENT = "Contact: <sips:bob@client.biloxi.test>"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def bob(server: Server) -> Bob:
    return Bob(server)


def contacts(response: Response) -> list[str]:
    return response.headers.get_all("Contact")


def test_section_2_1_successful_new_registration(server: Server, bob: Bob) -> None:
    challenge = bob.send(CLIENT)
    assert challenge.status == 401
    value = DigestChallenge.parse(challenge.headers.get("WWW-Authenticate") or "")
    assert (value.realm, value.qop, value.stale, value.algorithm) == (REALM, ("auth",), False, "MD5")
    assert len(server.location) == 0

    response = bob.register(CLIENT)
    assert (response.status, response.reason) == (200, "OK")
    assert response.to_tag is not None
    assert response.cseq.number == bob.cseq
    assert contacts(response) == ["<sips:bob@client.biloxi.test>;expires=3600"]
    assert [change.kind for change in server.changes] == ["added"]
    [binding] = server.location.lookup(AOR, at=AT)
    assert (binding.contact, binding.flow) == ("sips:bob@client.biloxi.test", FLOW)


def test_section_2_2_update_of_contact_list(server: Server, bob: Bob) -> None:
    bob.register(CLIENT)
    response = bob.register("Contact: mailto:bob@biloxi.test")
    assert response.status == 200
    assert contacts(response) == [
        "<sips:bob@client.biloxi.test>;expires=3600",
        "<mailto:bob@biloxi.test>;expires=3600",
    ]
    assert [(change.kind, change.binding.contact) for change in server.changes] == [
        ("added", "mailto:bob@biloxi.test")
    ]


def test_section_2_3_request_for_current_contact_list(server: Server, bob: Bob) -> None:
    bob.register(CLIENT)
    server.at = AT + timedelta(seconds=20)
    response = bob.register()
    assert response.status == 200
    assert contacts(response) == ["<sips:bob@client.biloxi.test>;expires=3580"]
    assert server.changes == []


def test_section_2_4_cancellation_of_registration(server: Server, bob: Bob) -> None:
    bob.register(CLIENT)
    bob.register("Contact: mailto:bob@biloxi.test")
    response = bob.register("Expires: 0", "Contact: *")
    assert response.status == 200
    assert contacts(response) == []
    assert [change.kind for change in server.changes] == ["removed", "removed"]
    assert server.location.lookup(AOR, at=AT) == []


def test_section_2_5_unsuccessful_registration(server: Server) -> None:
    intruder = Bob(server, password="guessed")
    response = intruder.register(CLIENT)
    assert response.status == 401
    again = DigestChallenge.parse(response.headers.get("WWW-Authenticate") or "")
    assert again.stale is False
    assert intruder.challenge is not None
    assert again.nonce != intruder.challenge.nonce
    assert len(server.location) == 0


def test_stale_nonce_is_renewed_without_asking_for_the_password(server: Server, bob: Bob) -> None:
    bob.register(CLIENT)
    server.at = AT + timedelta(seconds=1800)
    response = bob.send(CLIENT)
    assert response.status == 401
    assert DigestChallenge.parse(response.headers.get("WWW-Authenticate") or "").stale is True
    assert bob.register(CLIENT).status == 200
    assert [change.kind for change in server.changes] == ["refreshed"]


def test_captured_register_cannot_be_sent_again(server: Server, bob: Bob) -> None:
    bob.register(CLIENT)
    bob.count, bob.cseq = 0, bob.cseq - 1
    response = bob.send(CLIENT)
    assert response.status == 401
