"""The NG protocol as rtpengine's document describes it: message shapes, cookies, errors.

The datagrams are spelled out where the spelling matters to a proxy at the other end.
"""

import json
from datetime import UTC, datetime

import pytest

from trunkline.media_relay import (
    Dropped,
    NgServer,
    OpenPort,
    Reply,
    Sdp,
    SessionTimedOut,
    bencode,
    ng_reply,
    ng_request,
    parse_ng,
)
from trunkline.media_relay.control import TIMEOUT_NOTICE

ALICE, BOB = ("192.0.2.10", 4000), ("203.0.113.20", 5000)
PROXY, OTHER_PROXY = ("10.0.0.5", 40000), ("10.0.0.6", 40000)


class Controller:
    """A proxy that asks and reads the answer, with an app beside that carries the other effects out."""

    def __init__(self, app, app_class):
        self.server = NgServer(app.relay)
        self.app = app_class(app.relay, self.server.port_failed)
        self.count = 0

    def send(self, datagram, source=PROXY):
        effects = self.server.receive(datagram, source, now=self.app.now, at=datetime.now(UTC))
        told = self.app.perform(effects)
        assert isinstance(told[-1], Reply)
        assert told[-1].destination == source
        return told[-1].data

    def ask(self, command, **fields):
        self.count += 1
        cookie, reply = ng_reply(self.send(ng_request(f"4711_{self.count}", command, **fields)))
        assert cookie == f"4711_{self.count}"
        return reply


@pytest.fixture
def proxy(app, app_class):
    return Controller(app, app_class)


@pytest.fixture
def offer(sdp):
    return {"call_id": "c1", "from_tag": "alice", "sdp": sdp(*ALICE), "replace": ["origin"]}


@pytest.fixture
def answer(sdp):
    return {"call_id": "c1", "from_tag": "alice", "to_tag": "bob", "sdp": sdp(*BOB)}


def port_of(reply):
    return Sdp.parse(reply["sdp"]).medias[0].port


def test_ping(proxy):
    assert proxy.send(b"5323_1 d7:command4:pinge") == b"5323_1 d6:result4:ponge"


def test_offer_and_answer(proxy, offer, answer):
    offered, answered = proxy.ask("offer", **offer), proxy.ask("answer", **answer)
    assert set(offered) == set(answered) == {"result", "sdp"}
    assert offered["result"] == answered["result"] == "ok"
    assert proxy.app.heard(port_of(answered), ALICE) == (port_of(offered), BOB)


def test_dictionary_in_the_order_kamailio_writes_it(proxy, sdp):
    body = sdp(*ALICE)
    datagram = (
        b"0_31443_0 d8:supportsl10:load limite3:sdp%d:%b3:ICE6:remove5:flagsl13:trust-addresse"
        b"7:replacel6:origin18:session-connectione8:rtcp-muxl5:demuxe7:call-id2:c1"
        b"13:received-froml3:IP49:192.0.2.1e8:from-tag5:alice7:command5:offere" % (len(body), body)
    )
    cookie, offered = ng_reply(proxy.send(datagram))
    assert (cookie, offered["result"]) == ("0_31443_0", "ok")
    assert Sdp.parse(offered["sdp"]).connection.address == "198.51.100.1"


def test_keys_of_the_wire_format(offer):
    message = parse_ng(ng_request("c", "offer", **offer, via_branch=None))
    assert sorted(message.fields) == ["call-id", "command", "from-tag", "replace", "sdp"]


def test_ports_are_open_before_the_reply_goes_out(proxy, offer):
    effects = proxy.server.receive(ng_request("1", "offer", **offer), PROXY, now=0.0)
    assert [type(effect) for effect in effects] == [OpenPort] * 4 + [Reply]


def test_reply_names_the_port_that_could_be_bound(proxy, offer):
    proxy.app.taken = set(range(30000, 30060))
    assert port_of(proxy.ask("offer", **offer)) in proxy.app.open
    again = proxy.send(ng_request("4711_1", "offer", **offer))
    assert port_of(ng_reply(again)[1]) in proxy.app.open


def test_when_no_port_can_be_bound_the_reply_is_an_error(proxy, offer):
    proxy.app.taken = set(range(30000, 30100))
    reply = proxy.ask("offer", **offer)
    assert set(reply) == {"result", "error-reason"}
    assert not proxy.app.open


def test_repeated_cookie_gets_the_same_reply_and_changes_nothing(proxy, offer):
    datagram = ng_request("77", "offer", **offer)
    first = proxy.send(datagram)
    proxy.app.now += 9.9
    proxy.ask("delete", call_id="c1", from_tag="alice")
    assert proxy.send(datagram) == first
    assert not proxy.app.open
    proxy.app.now += 0.2
    proxy.send(datagram)
    assert len(proxy.app.open) == 4


def test_cookies_of_two_proxies_are_not_confused(proxy, offer):
    proxy.send(ng_request("7_1", "offer", **offer))
    reply = proxy.send(ng_request("7_1", "ping"), OTHER_PROXY)
    assert reply == b"7_1 d6:result4:ponge"


def test_json_is_answered_in_json(proxy, offer):
    fields = {"command": "offer", "call-id": "ü", "from-tag": "alice", "sdp": offer["sdp"].decode()}
    fields["flags"] = ["trust address"]
    cookie, _, body = proxy.send(b"9 " + json.dumps(fields).encode()).partition(b" ")
    reply = json.loads(body)
    assert cookie == b"9"
    assert reply["result"] == "ok"
    assert reply["sdp"].startswith("v=0\r\n")
    listed = json.loads(proxy.send(b'10 {"command":"list"}').partition(b" ")[2])
    assert listed == {"result": "ok", "calls": ["ü"]}


@pytest.mark.parametrize(
    "spelling", ["received from", "received-from", "received_from"], ids=["space", "hyphen", "underscore"]
)
def test_keys_and_flags_may_be_spelled_with_spaces_or_hyphens(proxy, offer, spelling):
    fields = {name.replace("_", "-"): value for name, value in offer.items()}
    fields |= {"command": "offer", spelling: ["IP4", "192.0.2.1"], "flags": ["SIP source address"]}
    fields["replace"] = ["session connection", "origin"]
    offered = ng_reply(proxy.send(b"1 " + bencode(fields)))[1]
    assert Sdp.parse(offered["sdp"]).connection.address == "198.51.100.1"
    assert proxy.app.heard(port_of(offered), BOB)[1] == ("192.0.2.1", 4000)


def test_flag_string_is_taken_apart(proxy, offer):
    fields = offer | {"replace": None, "rtpp_flags": "replace-origin full-rtcp-attribute address-family=IP6"}
    description = Sdp.parse(proxy.ask("offer", **fields)["sdp"])
    assert description.origin.address == "2001:db8::1"
    assert description.medias[0].rtcp.connection.address == "2001:db8::1"
    words = "direction=default direction=nowhere RTP/AVP rtcp-mux-offer ICE=remove replace=origin symmetric"
    assert b"a=rtcp-mux" in proxy.ask("offer", **fields | {"call_id": "c2", "rtpp_flags": words})["sdp"]


def test_missing_keys_are_told(proxy, offer):
    for key, reason in [
        ("sdp", "No SDP body in message"),
        ("call_id", "No call-id in message"),
        ("from_tag", "No from-tag in message"),
    ]:
        assert proxy.ask("offer", **offer | {key: None})["error-reason"] == reason


def test_unknown_commands_and_calls_are_told(proxy, answer):
    assert proxy.ask("frobnicate") == {"result": "error", "error-reason": "Unrecognized command"}
    assert proxy.ask("answer", **answer) == {"result": "error", "error-reason": "Unknown call-id"}
    assert proxy.ask("query", call_id="c1") == {"result": "error", "error-reason": "Unknown call-id"}


@pytest.mark.parametrize(
    "more",
    [
        {"flags": 5},
        {"flags": [1]},
        {"to_tag": ["x"]},
        {"supports": 7},
        {"received_from": {"a": 1}},
        {"address_family": "IP5"},
        {"media_address": "nowhere"},
        {"transport_protocol": "RTP/SAVPF"},
        {"transport_protocol": []},
        {"direction": 4},
        {"sdp": b"hello"},
        {"flags": {}},
    ],
)
def test_wrong_values_are_told_and_leave_nothing(proxy, offer, more):
    reply = proxy.ask("offer", **offer | more)
    assert reply["result"] == "error"
    assert reply["error-reason"]
    assert not proxy.app.open
    assert len(proxy.app.relay) == 0


def test_what_is_left_out_is_warned_about(proxy, offer):
    more = {"ICE": "force", "transport_protocol": "RTP/AVPF", "record_call": "yes"}
    warning = proxy.ask("offer", **offer | more)["warning"]
    assert "ICE" in warning
    assert "RTP/AVP" in warning
    assert "recording" in warning


def test_delete_tells_the_statistics(proxy, offer, answer):
    proxy.ask("offer", **offer)
    for_alice = port_of(proxy.ask("answer", **answer))
    proxy.app.heard(for_alice, ALICE)
    reply = proxy.ask("delete", call_id="c1", from_tag="alice")
    assert reply["result"] == "ok"
    assert reply["totals"] == {
        "RTP": {"packets": 1, "bytes": 172, "errors": 0},
        "RTCP": {"packets": 0, "bytes": 0, "errors": 0},
    }
    assert not proxy.app.open


def test_delete_of_nothing_is_ok_with_a_warning_unless_fatal(proxy):
    reply = proxy.ask("delete", call_id="c1", from_tag="alice")
    assert (reply["result"], "warning" in reply) == ("ok", True)
    assert proxy.ask("delete", call_id="c1", from_tag="alice", flags=["fatal"])["result"] == "error"


def test_deleting_a_branch_is_ok_without_statistics(proxy, offer, answer):
    proxy.ask("offer", **offer)
    proxy.ask("answer", **answer)
    proxy.ask("answer", **answer | {"to_tag": "carol"})
    assert proxy.ask("delete", call_id="c1", from_tag="alice", to_tag="carol") == {"result": "ok"}


def test_query_tells_tags_medias_and_streams(proxy, offer, answer):
    proxy.ask("offer", **offer)
    for_alice = port_of(proxy.ask("answer", **answer))
    proxy.app.heard(for_alice, ("192.0.2.1", 61000))
    reply = proxy.ask("query", call_id="c1")
    assert set(reply) == {"result", "created", "last signal", "tags", "totals"}
    assert abs(reply["created"] - datetime.now(UTC).timestamp()) < 5
    alice = reply["tags"]["alice"]
    assert (alice["tag"], alice["in dialogue with"]) == ("alice", "bob")
    (media,) = alice["medias"]
    assert (media["index"], media["type"], media["protocol"]) == (1, "audio", "RTP/AVP")
    stream, rtcp = media["streams"]
    assert (stream["local address"], stream["local port"]) == ("198.51.100.1", for_alice)
    assert stream["endpoint"] == {"family": "IPv4", "address": "192.0.2.1", "port": 61000}
    assert stream["advertised endpoint"] == {"family": "IPv4", "address": "192.0.2.10", "port": 4000}
    assert stream["stats"] == {"packets": 1, "bytes": 172, "errors": 0}
    assert stream["flags"] == ["RTP", "filled", "confirmed"]
    assert rtcp["flags"] == ["RTCP", "filled"]


def test_query_tells_the_quality_the_parties_report(proxy, offer, answer, sender_report, receiver_report):
    for_bob = port_of(proxy.ask("offer", **offer))
    for_alice = port_of(proxy.ask("answer", **answer))
    proxy.app.heard(for_alice + 1, ("192.0.2.10", 4001), sender_report(middle=0x10000))
    proxy.app.now += 0.25
    report = receiver_report(0xA11CE, last=0x10000, delay=0.0, lost=64, jitter=80)
    proxy.app.heard(for_bob + 1, ("203.0.113.20", 5001), report)
    (media,) = proxy.ask("query", call_id="c1")["tags"]["bob"]["medias"]
    assert (media["round trip us"], media["reported loss percent"]) == (250000, 25)
    assert media["reported jitter us"] == 10000


def test_query_of_a_call_nobody_answered_has_an_empty_tag(proxy, offer):
    proxy.ask("offer", **offer)
    assert set(proxy.ask("query", call_id="c1")["tags"]) == {"alice", ""}


def test_list_is_limited(proxy, offer):
    for number in range(12):
        proxy.ask("offer", **offer | {"call_id": f"c{number}"})
    assert len(proxy.ask("list")["calls"]) == 12
    assert proxy.ask("list", limit=2)["calls"] == ["c0", "c1"]
    assert proxy.ask("list", limit=0)["result"] == "error"


def test_full_relay_says_load_limit_to_who_knows_it(make_app, app_class, offer):
    proxy = Controller(make_app(ports=(30000, 30003)), app_class)
    proxy.ask("offer", **offer)
    more = offer | {"call_id": "c2"}
    assert proxy.ask("offer", **more)["result"] == "error"
    reply = proxy.ask("offer", **more, supports=["load limit"])
    assert set(reply) == {"result", "message"}
    assert reply["result"] == "load limit"


@pytest.mark.parametrize("datagram", [b"", b"x", b"nospace", b" d7:command4:pinge"])
def test_without_a_cookie_nobody_is_answered(proxy, datagram):
    (effect,) = proxy.server.receive(datagram, PROXY, now=0.0)
    assert isinstance(effect, Dropped)


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"le", b"d7:command", b"{", b'{"a":', b"i1e", b"d7:commandi1ee"]
)
def test_broken_dictionaries_are_answered_with_an_error(proxy, body):
    reply = ng_reply(proxy.send(b"1 " + body))[1]
    assert reply["result"] == "error"


def test_timeouts_are_told_to_controllers_that_ask_for_it(proxy, offer, answer):
    proxy.ask("offer", **offer)
    proxy.ask("answer", **answer, supports=[TIMEOUT_NOTICE])
    (effect,) = proxy.app.perform(proxy.app.relay.handle_timeout(now=1000.0))
    assert isinstance(effect, SessionTimedOut)
    (notice,) = proxy.server.session_timed_out(effect)
    assert notice.destination == PROXY
    _, fields = ng_reply(notice.data)
    assert fields == {
        "command": "timeout",
        "call-id": "c1",
        "tags": ["alice", "bob"],
        "reason": "media timeout",
    }


def test_timeouts_are_not_told_to_others(proxy, offer):
    proxy.ask("offer", **offer)
    (effect,) = proxy.app.perform(proxy.app.relay.handle_timeout(now=1000.0))
    assert proxy.server.session_timed_out(effect) == []
