"""Within a call, the short way and the long one do the same, whatever is asked of them.

Not here: what is right to do, which the unit tests say of both.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import DOMAIN, SERVER, Phone, World, sdp

from trunkline.provider.policy import DefaultPolicy, RequestContext
from trunkline.sip_parser import RemoteProtocolError, Request

OURS = f"<sip:{SERVER[0]}:{SERVER[1]};transport=udp;lr>"
CREDENTIALS = f'Digest username="alice", realm="{DOMAIN}", nonce="7", uri="sip:x", response="{"0" * 32}"'
OTHER = "<sip:203.0.113.9:5060;lr>"

Asking = tuple[str, bool, list[tuple[str, str, str]]]
"A method, whether the caller sends it, and what is odd about it."
EDITS = [
    ("set", "Max-Forwards", "1"),
    ("set", "Max-Forwards", "0"),
    ("set", "Max-Forwards", "many"),
    ("set", "CSeq", "1 BYE"),
    ("set", "CSeq", "9 INFO"),
    ("set", "From", "<sip:carol@203.0.113.5>;tag=nobodys"),
    ("set", "From", "sip:bob@example.test"),
    ("set", "To", "<sip:carol@203.0.113.5>"),
    ("set", "To", "<<"),
    ("set", "Call-ID", "another"),
    ("add", "Max-Forwards", "0"),
    ("add", "Route", OURS),
    ("add", "Route", OTHER),
    ("add", "Route", ""),
    ("set", "Route", OURS),
    ("set", "Route", f"{OURS[:-1]};r2=on>"),
    ("set", "Route", f"{OURS}, {OTHER}"),
    ("set", "Route", f"\t{OURS}  "),
    ("set", "Contact", "<sip:alice@203.0.113.5>"),
    ("set", "Contact", "<sip:alice@198.51.100.7:6000;ob>"),
    ("set", "Contact", "<<"),
    ("set", "Proxy-Require", "privacy"),
    ("set", "Proxy-Authorization", CREDENTIALS),
    ("set", "Via", "SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKx, SIP/2.0/UDP 203.0.113.8;branch=z9hG4bKy"),
    ("add", "Via", "SIP/2.0/UDP 203.0.113.8;branch=z9hG4bKy"),
    ("remove", "Max-Forwards", ""),
    ("remove", "Route", ""),
    ("remove", "From", ""),
    ("uri", "", ";lr"),
    ("uri", "", ";maddr=203.0.113.9"),
    ("uri", "", ";transport=tcp"),
    ("uri", "", ";flow=0123456789abcdef"),
    ("uri", "", "?x=y"),
]
edits = st.lists(st.sampled_from(EDITS), max_size=2)
requests = st.lists(
    st.tuples(st.sampled_from(["ACK", "BYE", "INFO", "NOTIFY", "OPTIONS", "UPDATE"]), st.booleans(), edits),
    min_size=1,
    max_size=3,
)
options = st.fixed_dictionaries(
    {"behind_nat": st.booleans(), "by_tcp": st.booleans(), "relayed": st.booleans(), "body": st.booleans()}
)


class Asked(DefaultPolicy):
    """Decides as ever, and is asked about every request."""

    def request(self, context: RequestContext) -> Any:
        return super().request(context)


def edit(request: Request, changes: list[tuple[str, str, str]]) -> None:
    for what, name, value in changes:
        if what == "uri":
            request.uri += value
        elif what == "remove":
            request.headers.remove(name)
        else:
            getattr(request.headers, what)(name, value)


def story(world: World, asked: list[Asking], *, short: bool, **chosen: bool) -> list[Any]:
    """Have a call, and requests within it; gives all that comes of them."""
    if not short:
        world.stack.policy.__class__ = Asked
        world.stack._dialogs.acknowledge = lambda *_: False  # type: ignore[method-assign]
    own = ("192.168.1.7", 5060) if chosen["behind_nat"] else None
    alice = Phone(world, "alice", ("198.51.100.7", 6000), own=own, connection=7 if chosen["by_tcp"] else 0)
    alice.register()
    [bob] = world.phones("bob")
    call = world.call(alice, bob)
    told: list[Any] = []
    for method, by_caller, changes in asked:
        phone, dialog = (alice, call.caller) if by_caller else (bob, call.callee)
        if method == "ACK" and not by_caller:
            continue
        # written as an INFO, after which a dialog goes on, so that something may follow a BYE
        request = phone.within(dialog, "INFO", body=sdp(phone.own[0]) if chosen["body"] else b"")
        number = 1 if method == "ACK" else request.cseq.number
        request.method = method
        request.headers.set("CSeq", f"{number} {method}")
        if not chosen["body"]:
            request.headers.remove("Contact")
        edit(request, changes)
        with suppress(RemoteProtocolError):  # by a stream the world reads it, and goes on
            phone.send(request)
        for each in (alice, bob):
            while each.inbox:
                message = each.take()
                if isinstance(message, Request) and message.method != "ACK":
                    each.reply(message, 200)
    world.advance(100)
    told += [(send.data, send.flow, send.key) for send in world.sent]
    told += [str(bad) for bad in world.bad_messages]
    told += world.cdrs("sip_call_id", "duration_ms", "answer_time", "cause", "sip_code")
    told += [vars_of(part.statistics) for part in (world.stack, world.stack.core, world.stack.layer)]
    call_now = world.stack.calls.watch.get(call.invite.call_id, call.invite.from_tag or "")
    if call_now is not None:
        told += [call_now.caller_cseq, call_now.caller_flow, call_now.is_acknowledged]
        told += [(leg.cseq, leg.flow) for leg in call_now.legs.values()]
    return told


def vars_of(statistics: Any) -> dict[str, Any]:
    if attrs.has(type(statistics)):
        return attrs.asdict(statistics)
    return {name: getattr(statistics, name) for name in dir(statistics) if name[0] != "_"}


def check(asked: list[Asking], chosen: dict[str, bool], folders: pytest.TempPathFactory, file: Path) -> None:
    mode = {"media": {"mode": "always" if chosen["relayed"] else "never"}}
    told = []
    for short in (True, False):
        world = World(folders.mktemp("dialog"), file, auth={"challenge": False}, **mode)
        told.append(story(world, asked, short=short, **chosen))
        world.close()
    assert told[0] == told[1]


@settings(max_examples=60, deadline=None)
@given(asked=requests, chosen=options)
def test_both_ways_do_the_same(
    asked: list[Asking], chosen: dict[str, bool], tmp_path_factory: pytest.TempPathFactory, template: Path
) -> None:
    check(asked, chosen, tmp_path_factory, template)


@pytest.mark.parametrize("change", EDITS)
@pytest.mark.parametrize("method", ["ACK", "BYE"])
def test_each_oddity_by_itself_goes_the_same_both_ways(
    method: str, change: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory, template: Path
) -> None:
    plain = dict.fromkeys(("behind_nat", "by_tcp", "relayed", "body"), False)
    check([(method, True, [change])], plain, tmp_path_factory, template)


def test_a_plain_bye_and_ack_take_the_short_way(world: World) -> None:
    taken: list[bool] = []
    dialogs = world.stack._dialogs
    for name in ("forward", "acknowledge"):
        way = getattr(dialogs, name)
        setattr(dialogs, name, lambda *about, way=way: taken.append(way(*about)) or taken[-1])
    world.stack.policy.challenge = False
    alice, bob = world.phones("alice", "bob")
    call = world.call(alice, bob)
    bob.send(bob.within(call.callee, "BYE"))
    alice.received("BYE")
    assert taken == [True, True]
