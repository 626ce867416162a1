"""Which ports are used, and that wrong ranges and addresses are told at once."""

import random

import pytest

from trunkline.media_relay import Interface, LocalProtocolError, OpenPort, Relay

ALICE = ("192.0.2.10", 4000)


def pairs(app, sdp, call_id):
    """The even ports of one offer, deleted again."""
    effects = app.relay.offer(call_id, "alice", sdp(*ALICE), now=0.0)
    app.relay.delete(call_id, now=0.0)
    return [effect.port for effect in effects if isinstance(effect, OpenPort)][::2]


def test_every_pair_is_used_once_before_any_comes_again(app, sdp):
    used = [pair for number in range(25) for pair in pairs(app, sdp, f"c{number}")]
    assert sorted(used) == list(range(30000, 30100, 2))
    assert pairs(app, sdp, "c25") == used[:2]
    assert used != sorted(used)


def test_order_is_drawn_by_the_token(sdp):
    relays = [
        Relay([Interface("198.51.100.1")], (30000, 30099), token=lambda count, seed=seed: draw(count, seed))
        for seed in (1, 1, 2)
    ]
    first = [relay.offer("c", "a", sdp(*ALICE), now=0.0)[0].port for relay in relays]
    assert first[0] == first[1] != first[2]


def draw(count, seed):
    """Random bytes of a seed, the same each time."""
    return random.Random(seed).randbytes(count)


@pytest.mark.parametrize(
    ("ports", "total"), [((30000, 30001), 1), ((30001, 30003), 1), ((30001, 30004), 1), ((1, 65535), 32767)]
)
def test_ranges_hold_whole_pairs_only(make_app, ports, total):
    assert make_app(ports=ports).relay.free_pairs == total


@pytest.mark.parametrize("ports", [(0, 10), (10, 10), (10, 9), (1, 65536), (30001, 30002)])
def test_ranges_without_a_pair_are_told(make_app, ports):
    with pytest.raises(LocalProtocolError):
        make_app(ports=ports)


@pytest.mark.parametrize(
    "interfaces",
    [
        [],
        [Interface("localhost")],
        [Interface("10.0.0.1", "my.host")],
        [Interface("10.0.0.1"), Interface("10.0.0.2")],
    ],
)
def test_wrong_interfaces_are_told(make_app, interfaces):
    with pytest.raises(LocalProtocolError):
        make_app(interfaces=interfaces)
