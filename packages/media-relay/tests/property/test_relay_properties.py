"""Whatever comes in whatever order: no port leaks, and no call hears another.

A machine plays two calls at once on a small relay, with three parties each and an app in which some ports
are taken. It keeps a book of the addresses each call has to do with; nothing may be sent to another host.
"""

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trunkline.media_relay import (
    ClosePort,
    Interface,
    MediaOptions,
    OpenPort,
    Refused,
    Relay,
    RtpPacket,
    Sdp,
    SdpReady,
    SessionDeleted,
    SessionTimedOut,
)

PAIRS = 8
TAKEN = {30004, 30011}
CALLS = st.sampled_from(["c1", "c2"])
TAGS = st.sampled_from(["alice", "bob", "carol"])
BRANCHES = st.sampled_from(["", "", "z1", "z2"])
STREAMS = st.lists(
    st.tuples(st.sampled_from([0, 4000, 4002]), st.sampled_from(["RTP/AVP 0", "udptl t38", "TCP/MSRP *"])),
    max_size=2,
)
HOSTS = ["192.0.2.{}", "0.0.0.0", "2001:db8::{}", "a.example.test"]
DESCRIPTIONS = st.tuples(st.integers(1, 3), st.sampled_from(HOSTS), STREAMS, st.booleans(), st.integers(1, 2))
OPTIONS = st.builds(
    MediaOptions,
    asymmetric=st.booleans(),
    media_handover=st.booleans(),
    trust_address=st.booleans(),
    signalling_host=st.sampled_from(["", "198.18.{}.1"]),
    rtcp_mux=st.frozensets(st.sampled_from(["offer", "require", "demux", "accept", "reject"]), max_size=2),
    address_family=st.sampled_from(["", "", "IP6"]),
)
PACKETS = st.sampled_from(
    [
        RtpPacket(0, 1, 160, 1, b"").to_bytes(),
        RtpPacket(0, 2, 320, 1, b"").to_bytes(),
        RtpPacket(0, 9000, 320, 2, b"").to_bytes(),
        bytes.fromhex("80c90001 00000001"),
        bytes.fromhex("000100000000"),
        b"",
    ]
)


class Calls(RuleBasedStateMachine):
    """Two calls, one relay, one app."""

    def __init__(self):
        super().__init__()
        interfaces = [Interface("198.51.100.1"), Interface("2001:db8:ffff::1")]
        self.relay = Relay(interfaces, (30000, 29999 + 2 * PAIRS), token=bytes)
        self.now = 0.0
        self.owner = {}
        self.addresses = {"c1": set(), "c2": set()}

    def perform(self, call_id, effects):
        """Do as the app does, and check the order: ports first, one reply last."""
        waiting = list(effects)
        told = []
        while waiting:
            effect = waiting.pop(0)
            if isinstance(effect, OpenPort):
                assert not told
                assert effect.port not in self.owner
                if effect.port in TAKEN:
                    waiting = self.relay.port_failed(effect.port, now=self.now)
                else:
                    self.owner[effect.port] = call_id
            elif isinstance(effect, ClosePort):
                assert call_id in (None, self.owner[effect.port])
                del self.owner[effect.port]
            else:
                told.append(effect)
        return told

    def describe(self, call_id, described):
        """Write a description and note its addresses as this call's."""
        party, host, streams, mux, version = described
        host = host.format(party + (0 if call_id == "c1" else 100))
        family = "IP6" if ":" in host else "IP4"
        lines = ["v=0", f"o=- 1 {version} IN {family} {host}", "s=-", f"c=IN {family} {host}", "t=0 0"]
        for port, rest in streams:
            lines.append(f"m=audio {port} {rest}")
            lines += ["a=rtcp-mux"] * mux
            self.addresses[call_id] |= {(host, port), (host, port + 1)}
        self.addresses[call_id] |= {(f"198.18.{call_id[1]}.1", 4000 + offset) for offset in range(4)}
        return "".join(line + "\r\n" for line in lines).encode()

    def options_of(self, call_id, options):
        return attrs.evolve(options, signalling_host=options.signalling_host.format(call_id[1]))

    def check_description(self, call_id, told, sent):
        """A description goes out with as many streams, and only with ports that are open for this call."""
        before, after = Sdp.parse(sent), Sdp.parse(told.sdp)
        assert len(before.medias) == len(after.medias)
        for one, other in zip(before.medias, after.medias, strict=True):
            if one.protocol.startswith("TCP"):
                assert other.port == one.port
            elif other.port:
                assert one.port
                assert self.owner[other.port] == self.owner[other.port + 1] == call_id

    @rule(call_id=CALLS, tag=TAGS, to=TAGS | st.just(""), branch=BRANCHES, what=DESCRIPTIONS, options=OPTIONS)
    def offer(self, call_id, tag, to, branch, what, options):
        options = self.options_of(call_id, options)
        sdp = self.describe(call_id, what)
        before = dict(self.owner)
        effects = self.relay.offer(
            call_id, tag, sdp, now=self.now, to_tag=to, via_branch=branch, options=options
        )
        told = self.perform(call_id, effects)
        if isinstance(told[-1], Refused):
            assert self.owner == before
        else:
            self.check_description(call_id, told[-1], sdp)

    @rule(call_id=CALLS, tag=TAGS, to=TAGS, branch=BRANCHES, what=DESCRIPTIONS, options=OPTIONS)
    def answer(self, call_id, tag, to, branch, what, options):
        options = self.options_of(call_id, options)
        sdp = self.describe(call_id, what)
        effects = self.relay.answer(call_id, tag, to, sdp, now=self.now, via_branch=branch, options=options)
        told = self.perform(call_id, effects)
        if isinstance(told[-1], SdpReady):
            self.check_description(call_id, told[-1], sdp)

    @rule(call_id=CALLS, tag=TAGS | st.just(""), to=TAGS | st.just(""), branch=BRANCHES)
    def delete(self, call_id, tag, to, branch):
        told = self.perform(call_id, self.relay.delete(call_id, tag, to, now=self.now, via_branch=branch))
        if told and isinstance(told[-1], SessionDeleted):
            assert call_id not in self.owner.values()
            self.addresses[call_id].clear()

    @rule(place=st.integers(0, 40), source=st.integers(0, 200), data=PACKETS, repeat=st.integers(1, 3))
    def packet(self, place, source, data, repeat):
        if not self.owner:
            return
        port = sorted(self.owner)[place % len(self.owner)]
        call_id = self.owner[port]
        known = sorted(self.addresses[call_id])
        address = known[source] if source < len(known) else (f"198.18.{call_id[1]}.9", source)
        self.addresses[call_id].add(address)
        for _ in range(repeat):
            hop = self.relay.packet(port, data, address, self.now)
            if hop is not None:
                assert self.owner[hop[0]] == call_id
                assert hop[1][0] in {host for host, _ in self.addresses[call_id]}

    @rule(seconds=st.sampled_from([0.02, 1.0, 4.0, 61.0, 301.0, 3601.0]))
    def wait(self, seconds):
        self.now += seconds
        due = self.relay.next_timeout()
        effects = self.relay.handle_timeout(now=self.now)
        assert effects == [] or due <= self.now
        for told in self.perform(None, effects):
            assert isinstance(told, SessionTimedOut)
            self.addresses[told.call_id].clear()
        following = self.relay.next_timeout()
        assert following is None or following > self.now

    @invariant()
    def every_pair_is_free_or_open(self):
        assert self.relay.free_pairs * 2 + len(self.owner) == PAIRS * 2
        assert set(self.owner.values()) <= set(self.relay.call_ids())
        assert (self.relay.next_timeout() is not None) == (len(self.relay) > 0)

    @invariant()
    def reports_agree(self):
        for call_id in self.relay.call_ids():
            report = self.relay.query(call_id)
            ports = [
                stream.local_port
                for party in report.parties
                for media in party.medias
                for stream in media.streams
            ]
            assert sorted(ports) == sorted(port for port, owner in self.owner.items() if owner == call_id)

    def teardown(self):
        for call_id in self.relay.call_ids():
            self.perform(call_id, self.relay.delete(call_id, now=self.now))
        assert not self.owner
        assert self.relay.free_pairs == PAIRS
        assert self.relay.next_timeout() is None


Calls.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_any_interleaving_of_calls = Calls.TestCase
