"""RFC 3261 §8.3: a server that only says where to go."""

from typing import Any

import pytest

from trunkline.sip_parser import LocalProtocolError, Message, Request, Response, parse_datagram
from trunkline.sip_proxy.core import Alternative, RedirectServer
from trunkline.sip_transaction import RequestReceived, Send, ServerTransaction, TransactionLayer

HOME = Alternative("sip:bob@home.test")


class Redirecting:
    """A layer and a redirect server."""

    def __init__(self, kit: Any) -> None:
        self.kit = kit
        self.layer = TransactionLayer(token=lambda count: b"\x07" * count)
        self.server = RedirectServer(self.layer, token=lambda count: b"\x08" * count)
        self.asked: list[ServerTransaction] = []
        self.sent: list[Response] = []

    def give(self, message: Message, now: float = 0.0) -> None:
        received = parse_datagram(message.to_bytes())
        self.act(self.layer.receive(received, self.kit.udp(1), now=now), now)

    def act(self, effects: Any, now: float = 0.0) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                response = parse_datagram(effect.data)
                assert isinstance(response, Response)
                self.sent.append(response)
                continue
            for followed in self.server.receive(effect, now=now):
                if isinstance(followed, RequestReceived):
                    self.asked.append(followed.transaction)
                elif isinstance(followed, Send):
                    self.act([followed])

    def redirect(self, *alternatives: Alternative, **options: Any) -> Response:
        self.act(self.server.redirect(self.asked.pop(), alternatives, now=0.0, **options))
        return self.sent[-1]


@pytest.fixture
def redirecting(kit: Any) -> Redirecting:
    return Redirecting(kit)


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "OPTIONS", "UNHEARD"])
def test_a_request_of_any_method_is_answered_with_the_places(
    kit: Any, redirecting: Redirecting, method: str
) -> None:
    redirecting.give(kit.request(method))
    response = redirecting.redirect(
        Alternative("sip:bob@home.test;transport=tcp", q=0.7, expires=60),
        Alternative("tel:+4930123", q=1.0),
        Alternative("mailto:bob@example.test"),
    )
    assert (response.status, response.reason) == (302, "Moved Temporarily")
    assert response.headers.get_all("contact") == [
        "<sip:bob@home.test;transport=tcp>;q=0.7;expires=60",
        "<tel:+4930123>;q=1",
        "<mailto:bob@example.test>",
    ]
    assert response.to_tag


@pytest.mark.parametrize("status", [300, 301, 302, 305])
def test_the_application_says_which_redirection(kit: Any, redirecting: Redirecting, status: int) -> None:
    redirecting.give(kit.request())
    assert redirecting.redirect(HOME, status=status).status == status


def test_nobody_is_sent_where_he_has_just_been(kit: Any, redirecting: Redirecting) -> None:
    redirecting.give(kit.request(uri="sip:bob@example.test"))
    response = redirecting.redirect(Alternative("sip:bob@EXAMPLE.test"), HOME)
    assert [str(contact.uri) for contact in response.contacts] == ["sip:bob@home.test"]
    redirecting.give(kit.request(uri="sip:bob@example.test", branch="z9hG4bK2"))
    assert redirecting.redirect(Alternative("sip:bob@EXAMPLE.test")).status == 404


def test_without_a_place_the_answer_is_404(kit: Any, redirecting: Redirecting) -> None:
    redirecting.give(kit.request())
    assert redirecting.redirect().status == 404


def test_what_is_not_understood_does_not_matter(kit: Any, redirecting: Redirecting) -> None:
    headers = [("Require", "levitation"), ("Proxy-Require", "levitation"), ("Max-Breadth", "many")]
    redirecting.give(kit.request(headers=headers, max_forwards=0))
    assert redirecting.redirect(HOME).status == 302


def test_the_transaction_absorbs_copies_and_the_ack(kit: Any, redirecting: Redirecting) -> None:
    request = kit.request()
    redirecting.give(request)
    answer = redirecting.redirect(HOME)
    redirecting.give(request)
    assert [response.status for response in redirecting.sent] == [302, 302]
    redirecting.give(kit.request("ACK", to_tag=answer.to_tag))
    assert redirecting.asked == []
    redirecting.act(redirecting.layer.handle_timeout(now=100.0))
    assert redirecting.layer.len_server == 0
    assert len(redirecting.sent) == 2


def test_a_cancel_that_comes_before_the_answer_ends_it_with_487(kit: Any, redirecting: Redirecting) -> None:
    redirecting.give(kit.request())
    redirecting.give(kit.request("CANCEL"))
    assert [(response.cseq.method, response.status) for response in redirecting.sent] == [
        ("CANCEL", 200),
        ("INVITE", 487),
    ]
    assert redirecting.server.redirect(redirecting.asked.pop(), [HOME], now=0.0) == []


def test_a_cancel_after_the_answer_gets_200(kit: Any, redirecting: Redirecting) -> None:
    redirecting.give(kit.request())
    redirecting.redirect(HOME)
    redirecting.give(kit.request("CANCEL"))
    assert [response.status for response in redirecting.sent] == [302, 200]


@pytest.mark.parametrize(
    ("request_options", "status"),
    [({"method": "CANCEL"}, 481), ({"method": "BYE", "to_tag": "bob"}, 481), ({"uri": "sip:bob@"}, 400)],
)
def test_what_cannot_be_redirected_is_refused(
    kit: Any, redirecting: Redirecting, request_options: dict[str, Any], status: int
) -> None:
    if "uri" in request_options:
        request = kit.request()
        request.uri = request_options["uri"]
    else:
        request = kit.request(**request_options)
    redirecting.give(request)
    assert redirecting.asked == []
    assert redirecting.sent[-1].status == status


def test_another_version_or_method_in_cseq_is_refused(kit: Any, redirecting: Redirecting) -> None:
    redirecting.give(Request("INVITE", "sip:bob@example.test", kit.request().headers, version="SIP/3.0"))
    wrong = kit.request(branch="z9hG4bK2")
    wrong.headers.set("CSeq", "1 BYE")
    redirecting.give(wrong)
    assert redirecting.asked == []
    assert [response.status for response in redirecting.sent] == [505, 400]


def test_mistakes_of_the_application_are_told(kit: Any, redirecting: Redirecting) -> None:
    redirecting.give(kit.request())
    [transaction] = redirecting.asked
    with pytest.raises(LocalProtocolError, match="300 to 399"):
        redirecting.server.redirect(transaction, [HOME], now=0.0, status=404)
    with pytest.raises(LocalProtocolError, match="alternative"):
        redirecting.server.redirect(transaction, [Alternative("no uri")], now=0.0)
