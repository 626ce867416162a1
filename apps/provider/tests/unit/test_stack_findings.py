"""What the simulated provider found in the stack, each as the few messages that show it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from trunkline.provider.assembly import assemble
from trunkline.provider.simulation import EPOCH, settings_for
from trunkline.provider.simulation._database import Database, SimulatedBatch
from trunkline.provider.stack import AskRelay, AskSubscribers, Barrier, Write
from trunkline.provider.store import Subscriber
from trunkline.provider.transports import ListenPoint
from trunkline.sip_parser import Request, ha1, make_response, parse_datagram
from trunkline.sip_proxy import Binding
from trunkline.sip_transaction import ClientAuthenticator, Flow, Send

HERE = ("192.0.2.10", 5060)
CALLER = ("198.51.100.1", 5060)
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\n"
)


class Provider:
    """A stack whose questions are answered at once."""

    def __init__(self, database=None, *, number=1, **settings):
        self.database = database or Database(["example.test"], lambda *_: None)
        self.number = number
        self.now = 0.0
        self.asked = []
        self.barriers = None
        assembly = assemble(
            settings_for(HERE, "example.test", **settings),
            self.database,
            [ListenPoint("UDP", HERE, None)],
            token=self.token,
            clock=lambda: EPOCH + timedelta(seconds=self.now),
            now=0.0,
            connection_open=lambda flow: False,
        )
        self.stack, self.location = assembly.stack, assembly.location

    def token(self, size):
        self.number += 1
        return self.number.to_bytes(size, "big")

    def register(self, *contacts):
        for contact in contacts:
            self.location.put(
                Binding("bob@example.test", f"sip:{contact}", expires=2e9, socket="udp:192.0.2.10:5060")
            )

    def receive(self, message, source=CALLER):
        return self.do(self.stack.datagram(message.to_bytes(), Flow("UDP", HERE, source), now=self.now))

    def do(self, effects):
        sent = []
        for effect in effects:
            if isinstance(effect, Send):
                sent.append((parse_datagram(effect.data), effect))
            elif isinstance(effect, Write):
                batch = SimulatedBatch(lambda: EPOCH)
                getattr(batch, effect.method)(*effect.arguments)
                self.database.write(batch)
            elif isinstance(effect, Barrier) and self.barriers is not None:
                self.barriers.append(effect)
            elif isinstance(effect, Barrier):
                sent += self.do(self.stack.resume(effect, True, now=self.now))
            elif isinstance(effect, AskSubscribers):
                for name in effect.names:
                    self.stack.directory.learn(name, self.database.subscriber(*name), now=self.now)
                sent += self.do(self.stack.resume(effect, True, now=self.now))
            elif isinstance(effect, AskRelay):
                self.asked.append(effect.command)
                reply = {"result": "ok", "sdp": effect.fields.get("sdp", b"")}
                sent += self.do(self.stack.resume(effect, reply, now=self.now))
        return sent


def invite(branch="z9hG4bKa", uri="sip:bob@example.test", vias=(), body=b""):
    headers = [
        ("Via", f"SIP/2.0/UDP 198.51.100.1:5060;branch={branch}"),
        *[("Via", via) for via in vias],
        ("Max-Forwards", "70"),
        ("From", "<sip:alice@elsewhere.test>;tag=a"),
        ("To", "<sip:bob@example.test>"),
        ("Call-ID", "call"),
        ("CSeq", "1 INVITE"),
        ("Contact", "<sip:alice@198.51.100.1:5060>"),
    ]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return Request("INVITE", uri, headers, body)


def answer(request, status, contact="", extra=()):
    response = make_response(request, status, to_tag="b")
    for value in extra:
        response.headers.add("Record-Route", value)
    for value in request.headers.get_all("record-route"):
        response.headers.add("Record-Route", value)
    if contact:
        response.headers.add("Contact", f"<{contact}>")
    return response


def statuses(sent):
    return [message.status for message, _ in sent if not message.is_request]


def test_late_failure_of_one_branch_does_not_speak_for_those_that_ring():
    provider = Provider()
    provider.register("bob@198.51.100.2:5060", "bob@198.51.100.3:5060")
    (one, sent), _ = provider.receive(invite())
    provider.do(provider.stack.send_failed(sent.key, "the connection broke", now=0.0))

    assert statuses(provider.receive(answer(one, 486), sent.flow.remote)) == []


def test_copy_of_an_answer_still_finds_the_caller_of_a_call_that_outlived_a_restart():
    provider = Provider()
    provider.register("bob@198.51.100.2:5060")
    ((request, sent),) = provider.receive(invite())
    response = answer(request, 200, "sip:bob@198.51.100.2:5060")
    assert statuses(provider.receive(response, sent.flow.remote)) == [200]

    again = Provider(provider.database, number=1000)
    assert statuses(again.receive(response, sent.flow.remote)) == [200]


def test_contact_of_a_phone_behind_another_proxy_is_left_alone():
    provider = Provider()
    provider.register("bob@198.51.100.2:5060")
    ((request, sent),) = provider.receive(invite())
    response = answer(request, 200, "sip:bob@203.0.113.9:5070", ["<sip:198.51.100.2;lr>"])

    ((upstream, _),) = provider.receive(response, sent.flow.remote)
    assert str(upstream.contacts[0].uri) == "sip:bob@203.0.113.9:5070"


def test_contact_of_a_phone_behind_a_nat_is_mended():
    provider = Provider()
    provider.register("bob@198.51.100.2:5060")
    ((request, sent),) = provider.receive(invite())

    ((upstream, _),) = provider.receive(answer(request, 200, "sip:bob@10.0.0.5:5060"), sent.flow.remote)
    assert str(upstream.contacts[0].uri) == "sip:bob@198.51.100.2:5060"


def test_caller_behind_another_proxy_is_not_taken_for_one_behind_a_nat():
    provider = Provider()
    provider.register("bob@198.51.100.2:5060")
    ((request, _),) = provider.receive(
        invite(vias=["SIP/2.0/UDP 203.0.113.9:5070;branch=z9hG4bKx"]), ("198.51.100.77", 5060)
    )
    assert str(request.contacts[0].uri) == "sip:alice@198.51.100.1:5060"


def test_rows_that_ended_while_nobody_ran_are_removed():
    provider = Provider()
    old = Binding("bob@example.test", "sip:bob@198.51.100.2", expires=EPOCH.timestamp() - 100)
    batch = SimulatedBatch(lambda: EPOCH)
    batch.save_binding(old)
    provider.database.write(batch)

    again = Provider(provider.database)
    assert again.location.lookup("bob@example.test", at=EPOCH) == []
    again.do(again.stack.expire_bindings())
    assert provider.database.bindings == {}


def test_call_that_fails_with_a_challenge_is_not_remembered_as_relayed():
    provider = Provider(media="always")
    provider.register("bob@198.51.100.2:5060")
    ((request, sent),) = provider.receive(invite(body=SDP))
    assert provider.asked == ["offer"]
    provider.receive(answer(request, 407), sent.flow.remote)
    assert provider.asked == ["offer", "delete"]
    assert provider.stack.calls.relayed == set()


def test_failed_lap_of_a_spiral_leaves_the_media_to_the_others():
    provider = Provider(media="always", challenge=False)
    provider.register("bob@198.51.100.2:5060")
    (outer, outer_sent), *_ = provider.receive(invite(body=SDP))
    ((inner, inner_sent),) = provider.receive(
        invite(branch="z9hG4bKlap", vias=["SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKa"], body=SDP)
    )
    provider.receive(answer(inner, 486), inner_sent.flow.remote)
    assert "delete" not in provider.asked
    assert provider.stack.calls.relayed == {"call"}
    provider.receive(answer(outer, 486), outer_sent.flow.remote)
    assert provider.asked[-1] == "delete"
    assert provider.stack.calls.relayed == set()


@pytest.mark.parametrize("secret", ["", "one that stays"])
def test_right_password_is_not_called_wrong_after_a_restart(secret):
    request = Request(
        "REGISTER",
        "sip:example.test",
        [
            ("Via", "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKr"),
            ("Max-Forwards", "70"),
            ("From", "<sip:bob@example.test>;tag=r"),
            ("To", "<sip:bob@example.test>"),
            ("Call-ID", "registration"),
            ("CSeq", "1 REGISTER"),
            ("Contact", "<sip:bob@198.51.100.1:5060>"),
        ],
    )
    provider = Provider(secret=secret)
    digest = ha1("bob", "example.test", "secret")
    provider.database.subscribers["bob", "example.test"] = Subscriber("bob", "example.test", ha1=digest)
    phone = ClientAuthenticator("bob", "secret")
    ((challenge, _),) = provider.receive(request)
    request = phone.authorize(request, challenge, bytes)

    again = Provider(provider.database, number=5000, secret=secret)
    ((challenge, _),) = again.receive(request)
    request = phone.authorize(request, challenge, lambda size: b"\1" * size)
    assert statuses(again.receive(request)) == [200]


def test_registration_that_was_refused_does_not_take_a_later_one_of_the_same_phone_with_it():
    provider = Provider(challenge=False)
    provider.barriers = []
    for number in (1, 2):
        headers = [
            ("Via", f"SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKr{number}"),
            ("Max-Forwards", "70"),
            ("From", "<sip:bob@example.test>;tag=r"),
            ("To", "<sip:bob@example.test>"),
            ("Call-ID", f"life{number}"),
            ("CSeq", "1 REGISTER"),
            ("Contact", "<sip:bob@198.51.100.1:5060>;expires=60"),
        ]
        provider.receive(Request("REGISTER", "sip:example.test", headers))
    first, second = provider.barriers
    assert statuses(provider.do(provider.stack.resume(first, False, now=0.0))) == [500]
    assert statuses(provider.do(provider.stack.resume(second, True, now=0.0))) == [200]
    assert len(provider.database.bindings) == 1
    assert provider.location.contacts() == 1
