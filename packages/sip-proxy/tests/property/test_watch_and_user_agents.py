"""The watch beside user agents on a bad network: it knows a call while there is one, and not much longer.

The agents are in this folder's conftest, the network and the proxy in that of the tests. Not here: what a
single message does to the watch (`test_watch_calls`, RFC 4028 in conformance).
"""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.sip_proxy.core import Target
from trunkline.sip_proxy.watch import (
    CallAnswered,
    CallEnded,
    CallFailed,
    CallStarted,
    CallState,
    SessionTimers,
    Side,
)

LONGEST = 2000.0
INTERVAL, SMALLEST = 120, 100

moments = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 5.0, 30.0, 59.0, 61.0, 100.0, 300.0])
scripts = {
    "answer_after": st.sampled_from([None, 0.0, 1.0, 1.0, 1.0, 5.0]),
    "interval": st.sampled_from([None, 90, 120, 600]),
    "refreshes_with": st.sampled_from(["UPDATE", "INVITE"]),
    "bye_at": st.sampled_from([None, None, 2.0, 5.0, 30.0, 61.0, 400.0]),
    "ask_at": st.lists(moments, max_size=2).map(tuple),
    "die_at": st.sampled_from([None, None, None, 1.0, 3.0, 61.0, 200.0]),
}


@attrs.frozen
class Scene:
    caller: dict[str, Any]
    callees: list[dict[str, Any]]
    loss: float
    duplication: float
    jitter: float
    seed: int


scenes = st.builds(
    Scene,
    caller=st.fixed_dictionaries({**scripts, "cancel_at": st.sampled_from([None, None, 0.5, 1.0, 2.0])}),
    callees=st.lists(st.fixed_dictionaries(scripts), min_size=1, max_size=3),
    loss=st.sampled_from([0.0, 0.0, 0.1, 0.3]),
    duplication=st.sampled_from([0.0, 0.2]),
    jitter=st.sampled_from([0.0, 0.05, 0.5]),
    seed=st.integers(0, 2**32),
)

_SILENT = {
    "answer_after": None,
    "interval": None,
    "refreshes_with": "UPDATE",
    "bye_at": None,
    "ask_at": (),
    "die_at": None,
}
ANSWERED_LATE = Scene(
    caller={**_SILENT, "cancel_at": 0.5},
    callees=[{**_SILENT, "answer_after": 5.0}, _SILENT, _SILENT],
    loss=0.3,
    duplication=0.0,
    jitter=0.05,
    seed=1889,
)
"The CANCEL is lost on its way to a callee who answers when nobody waits any more."
ASKED_THE_DEAD = Scene(
    caller={**_SILENT, "die_at": 61.0, "cancel_at": 0.5},
    callees=[_SILENT, {**_SILENT, "answer_after": 1.0, "ask_at": (59.0,)}, {**_SILENT, "die_at": 3.0}],
    loss=0.3,
    duplication=0.0,
    jitter=0.0,
    seed=53793539,
)
"A re-INVITE has its 100, and every 200 is lost until there is nobody left to send one."


class World:
    """A scene played to its end; `look` is called after whatever an agent does."""

    def __init__(self, kit: Any, agents: Any, scene: Scene) -> None:
        network = self.network = kit.Network(
            scene.seed, loss=scene.loss, duplication=scene.duplication, jitter=scene.jitter
        )
        self.start = kit.NEW_YEAR
        self.looks = 0
        self.proxy: Any = None
        self.callees = [
            agents.Agent(network, number, agents.Script(**script), self.look)
            for number, script in enumerate(scene.callees, 2)
        ]
        targets = [
            Target(f"sip:{agent.name}@{agent.address[0]}:5060", kit.udp(number))
            for number, agent in enumerate(self.callees, 2)
        ]
        self.proxy = kit.Proxy(
            network,
            lambda request: targets,
            session_timers=SessionTimers(INTERVAL, SMALLEST),
            max_duration=LONGEST,
        )
        self.caller = agents.Agent(network, 1, agents.Script(**scene.caller), self.look)
        self.caller.call("sip:bob@example.test")
        network.run()
        self.agents = [self.caller, *self.callees]
        self.ends = [fact for fact in self.proxy.facts if isinstance(fact, CallEnded)]
        self.answers = [fact for fact in self.proxy.facts if isinstance(fact, CallAnswered)]

    def look(self) -> None:
        """Where both sides of a dialog are there and think that it is up, the watch must know it."""
        if self.proxy is None:
            return
        self.looks += 1
        for tag in self.talking():
            call = self.proxy.watch.get("call-1@world", self.caller.name)
            if call is None and (self.ended_from_here() or self.came_too_late(tag)):
                continue
            assert call is not None, f"no call at {self.network.now}, but {tag} talks"
            assert call.state is CallState.CONFIRMED
            assert tag in call.legs

    def talking(self) -> set[str]:
        """The tags of the callees who talk to the caller, as both see it."""
        if self.caller.is_dead:
            return set()
        hers = {session.dialog.remote_tag for session in self.caller.sessions if session.is_up}
        alive = [agent for agent in self.callees if not agent.is_dead]
        theirs = {s.dialog.local_tag for agent in alive for s in agent.sessions if s.is_up}
        return hers & theirs

    def came_too_late(self, tag: str) -> bool:
        """Tell whether a second callee's 2xx came when the first had hung up: the caller lets it go."""
        first, *others = [session.dialog.remote_tag for session in self.caller.sessions]
        ended = any(isinstance(fact, CallEnded) for fact in self.proxy.facts)
        return ended and tag != first and tag in others

    def ended_from_here(self) -> bool:
        return any(isinstance(fact, CallEnded) and fact.by is Side.PROXY for fact in self.proxy.facts)

    def seconds(self, fact: CallEnded | CallAnswered) -> float:
        return (fact.at - self.start).total_seconds()


@settings(max_examples=150, deadline=None)
@given(scene=scenes)
@example(scene=ANSWERED_LATE)
@example(scene=ASKED_THE_DEAD)
def test_watch_knows_a_call_while_both_sides_do_and_forgets_it_in_the_end(
    kit: Any, agents: Any, scene: Scene
) -> None:
    world = World(kit, agents, scene)
    assert world.looks
    told = [type(fact) for fact in world.proxy.facts]
    assert told.count(CallAnswered) + told.count(CallFailed) == told.count(CallStarted)
    assert len(world.answers) == len(world.ends) <= 1
    assert len(world.proxy.watch) == 0
    assert world.proxy.timeouts() == []
    for agent in world.agents:
        if not agent.is_dead:
            assert not [session for session in agent.sessions if session.is_up], "somebody talks to nobody"
            # After a 100 nothing limits how long a re-INVITE waits for who is dead: RFC 3261 §17.1.1.2.
            assert not agent.layer.len_client or any(other.is_dead for other in world.agents)
            assert not agent.layer.len_server
            assert agent._timeouts() == []


@settings(max_examples=150, deadline=None)
@given(scene=scenes)
def test_record_ends_when_the_call_did(kit: Any, agents: Any, scene: Scene) -> None:
    """On a network that loses nothing."""
    world = World(kit, agents, attrs.evolve(scene, loss=0.0))
    for end, answer in zip(world.ends, world.answers, strict=True):
        lasted = world.seconds(end) - world.seconds(answer)
        byes = [moment for agent in world.agents for moment in agent.said_bye]
        if end.cause == "bye":
            # Whoever goes last of several who answered ends the call.
            assert any(-1e-3 <= world.seconds(end) - moment <= 1.0 for moment in byes)
        elif end.cause == "maximum length":
            assert LONGEST <= lasted <= LONGEST + 1
        else:
            assert end.cause == "session timer"
            assert any(agent.is_dead for agent in world.agents), "nobody had died"
            agreed = [moment for agent in world.agents for moment in agent.agreed]
            intervals = (90, SMALLEST, INTERVAL)  # a callee may choose less than the proxy's smallest
            gaps = [world.seconds(end) - moment - interval for moment in agreed for interval in intervals]
            assert min(abs(gap) for gap in gaps) <= 1.0


@settings(max_examples=30, deadline=None)
@given(scene=scenes)
def test_call_of_two_who_know_timers_is_forgotten_within_an_interval_of_their_death(
    kit: Any, agents: Any, scene: Scene
) -> None:
    timed = {"interval": 120, "bye_at": None, "ask_at": (), "die_at": 200.0, "answer_after": 1.0}
    caller = {**scene.caller, **timed, "cancel_at": None}
    world = World(kit, agents, Scene(caller, [{**scene.callees[0], **timed}], 0.0, 0.0, scene.jitter, 1))
    [end] = world.ends
    assert end.cause == "session timer"
    # The last refresh was at 181: one half of the interval after another.
    assert 300.0 <= world.seconds(end) <= 305.0


def test_same_scene_gives_the_same_bytes(kit: Any, agents: Any) -> None:
    script = {"interval": 90, "bye_at": 100.0, "ask_at": (1.5, 60.0)}
    scene = Scene(script, [script, script], 0.3, 0.2, 0.5, 7)
    assert World(kit, agents, scene).network.wire == World(kit, agents, scene).network.wire
