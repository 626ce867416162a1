"""What the default policy decides, and whom it wants to know before; one request, no stack around it.

What comes of a decision is in the tests of the stack.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random

import pytest

from trunkline.provider.directory import Directory
from trunkline.provider.policy import (
    Challenge,
    Decision,
    DefaultPolicy,
    Domains,
    Forward,
    Refuse,
    Register,
    Reply,
    RequestContext,
    Unlocated,
)
from trunkline.provider.store import Subscriber
from trunkline.sip_parser import DigestChallenge, DigestCredentials, Request, digest_response, ha1
from trunkline.sip_proxy import Authenticator, Binding, Location, Nonces, Routed, Target
from trunkline.sip_transaction import Flow

AT = datetime(2030, 1, 1, tzinfo=UTC)
FLOW = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.1", 5060))
TOKEN = Random(1).randbytes


class Desk:
    """A policy and what it may look at."""

    def __init__(self, policy: DefaultPolicy | None = None) -> None:
        self.policy = policy or DefaultPolicy()
        self.directory = Directory()
        self.location = Location()
        self.authenticator = Authenticator(Nonces(b"k" * 32, TOKEN), check_uri=False)
        self.reachable = True
        self.add("alice")

    def add(self, user: str, **fields: str) -> None:
        made = fields or {"ha1": ha1(user, "example.test", "secret")}
        subscriber = Subscriber(user, "example.test", **made)
        self.directory.learn((user, "example.test"), subscriber, now=0)

    def context(self, request: Request, *, loose: bool = False, ours: bool = False) -> RequestContext:
        return RequestContext(
            request=request,
            flow=FLOW,
            routed=Routed(request, loose),
            domains=Domains(["example.test"], ["192.0.2.1"]),
            directory=self.directory,
            location=self.location,
            authenticator=self.authenticator,
            locate=lambda uri: FLOW if self.reachable else None,
            binding_targets=self.targets,
            on_our_path=ours,
            nated=False,
            at=AT,
        )

    def targets(self, aor: str) -> list[Target]:
        bindings = self.location.lookup(aor, at=AT) if self.reachable else []
        return [Target(binding.contact, FLOW) for binding in bindings]

    def decide(self, request: Request, *, loose: bool = False, ours: bool = False) -> Decision:
        return self.policy.request(self.context(request, loose=loose, ours=ours))

    def wanted(self, request: Request) -> list[str]:
        return [user for user, _ in self.policy.wants(self.context(request))]

    def register(self, user: str) -> None:
        self.location.put(Binding(f"{user}@example.test", f"sip:{user}@198.51.100.9", expires=0.0))

    def authorize(self, request: Request, username: str = "alice", password: str = "secret") -> Request:
        """Put right credentials into a request."""
        proxy = request.method != "REGISTER"
        [value] = self.authenticator.challenges("example.test", at=AT)
        challenge = DigestChallenge.parse(value)
        secret = ha1(username, "example.test", password)
        terms = {"nonce": challenge.nonce, "nc": 1, "cnonce": "c", "qop": "auth"}
        response = digest_response(secret, method=request.method, uri=request.uri, **terms)  # type: ignore[arg-type]
        credentials = DigestCredentials(
            username=username,
            realm="example.test",
            uri=request.uri,
            response=response,
            algorithm="MD5",
            **terms,  # type: ignore[arg-type]
        )
        request.headers.add("Proxy-Authorization" if proxy else "Authorization", str(credentials))
        return request


@pytest.fixture
def desk() -> Desk:
    """A policy that challenges, and knows alice."""
    return Desk()


def ask(
    method: str = "INVITE",
    uri: str = "sip:bob@example.test",
    *,
    sender: str = "sip:alice@example.test",
    to: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Request:
    lines = [
        ("Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKx"),
        ("From", f"<{sender}>;tag=a"),
        ("To", to or f"<{uri}>"),
        ("Call-ID", "c"),
        ("CSeq", f"1 {method}"),
    ]
    return Request(method, uri, [*lines, *headers])


def register(user: str = "alice", host: str = "example.test", uri: str = "sip:example.test") -> Request:
    return ask("REGISTER", uri, to=f"<sip:{user}@{host}>")


def status(decision: Decision) -> int:
    assert isinstance(decision, Reply), decision
    return decision.status


def test_subscriber_and_callee_are_wanted_before_anything_is_decided(desk: Desk) -> None:
    assert desk.wanted(ask()) == ["bob"]
    assert desk.wanted(desk.authorize(ask())) == ["alice", "bob"]
    assert desk.wanted(register()) == []
    assert desk.wanted(desk.authorize(register())) == ["alice"]


def test_callee_with_a_phone_need_not_be_loaded(desk: Desk) -> None:
    desk.register("bob")
    assert desk.wanted(ask()) == []


@pytest.mark.parametrize(
    "request_",
    [
        ask(to="<sip:bob@example.test>;tag=b"),
        ask("CANCEL"),
        ask(uri="sip:bob@elsewhere.test"),
        ask(uri="sip:example.test"),
        ask(uri="tel:+4930"),
        ask("REGISTER", "sip:example.test", to="<tel:+4930>"),
    ],
)
def test_nobody_is_wanted_where_nobody_matters(desk: Desk, request_: Request) -> None:
    assert desk.wanted(request_) == []


def test_register_is_challenged_then_taken_then_refused_for_somebody_else(desk: Desk) -> None:
    assert desk.decide(register()) == Challenge("example.test")
    assert desk.decide(desk.authorize(register())) == Register("alice@example.test")
    assert status(desk.decide(desk.authorize(register("bob")))) == 403


def test_register_names_its_user_as_it_is_spelled_without_escapes(desk: Desk) -> None:
    assert desk.decide(desk.authorize(register("%61lice"))) == Register("alice@example.test")


def test_register_by_our_address_means_the_first_domain(desk: Desk) -> None:
    request = register(host="192.0.2.1", uri="sip:192.0.2.1:5060")
    assert desk.decide(desk.authorize(request)) == Register("alice@example.test")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ask("REGISTER", "sip:example.test", to="<tel:+4930>"), 400),
        (ask("REGISTER", "sip:example.test", to="<sip:example.test>"), 404),
        (ask("REGISTER", "sip:elsewhere.test", to="<sip:alice@example.test>"), 403),
        (ask("REGISTER", "sip:example.test", to="<sip:alice@elsewhere.test>"), 403),
        (ask("CANCEL"), 481),
        (ask(to="<sip:bob@example.test>;tag=b"), 481),
        (ask(uri="tel:+4930"), 404),
        (ask(uri="sip:bob@elsewhere.test", sender="sip:eve@elsewhere.test"), 403),
        (ask(uri="sip:example.test", sender="sip:eve@elsewhere.test"), 484),
        (ask("FROBNICATE", "sip:example.test", sender="sip:eve@elsewhere.test"), 405),
        (ask(uri="sip:nobody@example.test", sender="sip:eve@elsewhere.test"), 404),
        (ask(uri="sip:alice@example.test", sender="sip:eve@elsewhere.test"), 480),
        (ask(uri="sip:alice@example.test", sender="tel:+4930"), 480),
        (ask(headers=[("Route", "<sip:203.0.113.1;lr>")]), 403),
    ],
)
def test_what_is_refused(desk: Desk, request_: Request, expected: int) -> None:
    assert status(desk.decide(request_)) == expected


def test_call_of_a_subscriber_rings_no_longer_than_it_may(desk: Desk) -> None:
    desk = Desk(DefaultPolicy(ring_timeout=33.0))
    desk.register("bob")
    assert desk.decide(ask()) == Challenge("example.test")
    context = desk.context(desk.authorize(ask()))
    decision = desk.policy.request(context)
    assert isinstance(decision, Forward)
    assert [(target.uri, target.ring_timeout) for target in decision.targets] == [
        ("sip:bob@198.51.100.9", 33.0)
    ]
    assert context.identity == ("alice", "example.test")
    assert "proxy-authorization" not in context.request.headers


def test_credentials_are_good_once(desk: Desk) -> None:
    request = desk.authorize(register())
    again = request.copy()
    assert isinstance(desk.decide(request), Register)
    assert desk.decide(again) == Challenge("example.test", stale=True)


@pytest.mark.parametrize(("username", "password"), [("alice", "guess"), ("nobody", "secret"), ("", "")])
def test_wrong_credentials_are_challenged_without_a_hint(desk: Desk, username: str, password: str) -> None:
    assert desk.decide(desk.authorize(register(), username, password)) == Challenge("example.test")


def test_user_name_with_the_domain_needs_its_own_hash(desk: Desk) -> None:
    long = "alice@example.test"
    desk.add("alice", ha1="", ha1b=ha1(long, "example.test", "secret"))
    assert desk.decide(desk.authorize(register(), long)) == Register("alice@example.test")


def test_subscriber_with_a_plain_password_is_taken(desk: Desk) -> None:
    desk.add("alice", password="secret")
    assert isinstance(desk.decide(desk.authorize(register())), Register)
    assert isinstance(desk.decide(desk.authorize(register(), "alice@example.test")), Register)


@pytest.mark.parametrize("user", ["alice%40x", "ALICE", "alic"])
def test_caller_is_who_the_credentials_say(desk: Desk, user: str) -> None:
    request = desk.authorize(ask(sender=f"sip:{user}@example.test"))
    assert status(desk.decide(request)) == 403


def test_without_challenges_from_is_believed() -> None:
    desk = Desk(DefaultPolicy(challenge=False))
    desk.register("bob")
    context = desk.context(ask())
    assert isinstance(desk.policy.request(context), Forward)
    assert context.identity == ("alice", "example.test")
    assert desk.decide(register("carol")) == Register("carol@example.test")


def test_callee_whose_phone_cannot_be_reached_is_unavailable(desk: Desk) -> None:
    desk.register("carol")
    desk.reachable = False
    assert status(desk.decide(ask(uri="sip:carol@example.test", sender="sip:e@elsewhere.test"))) == 480


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE"])
def test_request_within_a_dialog_of_ours_goes_where_its_route_leads(desk: Desk, method: str) -> None:
    request = ask(method, "sip:bob@198.51.100.9", to="<sip:bob@example.test>;tag=b")
    decision = desk.decide(request, loose=True, ours=True)
    assert isinstance(decision, Forward)
    assert decision.in_dialog
    desk.reachable = False
    decision = desk.decide(request, loose=True, ours=True)
    assert isinstance(decision, Forward)
    assert decision.in_dialog
    [target] = decision.targets
    assert isinstance(target, Unlocated)
    assert (target.uri, str(target.next_hop)) == (request.uri, request.uri)
    assert not target.foreign


@pytest.mark.parametrize("uri", ["sip:example.test", "sip:192.0.2.1"])
def test_options_to_us_are_answered(desk: Desk, uri: str) -> None:
    decision = desk.decide(ask("OPTIONS", uri))
    assert status(decision) == 200
    assert not isinstance(decision, Refuse)


def test_options_to_us_that_require_what_we_lack_are_refused(desk: Desk) -> None:
    """As a user agent does: RFC 3261 §8.2.2.3."""
    required = [("Require", "path, Strange"), ("Require", "outbound, other")]
    decision = desk.decide(ask("OPTIONS", "sip:example.test", headers=required))
    assert decision == Refuse(420, headers=(("Unsupported", "strange, other"),))
    assert status(desk.decide(ask("OPTIONS", "sip:example.test", headers=[("Require", "path")]))) == 200


def test_options_to_a_user_are_a_request_like_any_other(desk: Desk) -> None:
    assert desk.decide(ask("OPTIONS")) == Challenge("example.test")


# -- what the context finds out by itself


def test_credentials_are_the_same_for_who_is_loaded_and_for_the_decision(desk: Desk) -> None:
    context = desk.context(desk.authorize(register()))
    assert list(desk.policy.wants(context)) == [("alice", "example.test")]
    found = context.credentials("example.test")
    assert found is not None
    assert context.credentials("example.test") is found
    assert context.credentials("other.test") is None
    assert isinstance(desk.policy.request(context), Register)


def test_nat_is_looked_for_when_somebody_asks_and_once(desk: Desk) -> None:
    asked: list[Request] = []

    def behind_nat(request: Request, flow: Flow) -> bool:
        asked.append(request)
        return True

    context = desk.context(register())
    context._nated = behind_nat
    assert isinstance(desk.policy.request(context), Challenge)
    assert asked == []
    assert (context.nated, context.nated, len(asked)) == (True, True, 1)


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_what_goes_on_does_not_show_our_credentials(desk: Desk, method: str) -> None:
    desk.register("bob")
    request = desk.authorize(register() if method == "REGISTER" else ask())
    decision = desk.decide(request)
    assert isinstance(decision, Register if method == "REGISTER" else Forward)
    assert "proxy-authorization" not in request.headers
