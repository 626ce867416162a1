"""Forking over a bad network in virtual time: whatever phones do and networks lose, it ends, and well.

The phones and the proxy are made of the real transaction layer; see conftest. Each property holds for every
plan of the phones, every moment of a CANCEL and every delay of the application. Not here: single steps,
which are in conformance.
"""

from collections import Counter
from typing import Any

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import Request, Response, parse_datagram
from trunkline.sip_proxy.core import Target
from trunkline.sip_proxy.watch import CallAnswered, CallEnded, CallFailed, CallRinging, CallStarted

STATUSES = (200, 200, 200, 200, 302, 407, 408, 486, 487, 503, 600, 603)

# A coarse grid, so that things often happen at the same moment.
seconds = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 6.0, 8.0, 60.0])


@attrs.frozen
class Callee:
    ring_after: float | None
    final_after: float | None
    status: int
    q: float
    ring_timeout: float | None
    is_there: bool


callees = st.builds(
    Callee,
    ring_after=st.none() | seconds,
    final_after=st.none() | seconds,
    status=st.sampled_from(STATUSES),
    q=st.sampled_from([1.0, 0.5]),
    ring_timeout=st.sampled_from([None, None, 2.0, 6.0]),
    is_there=st.sampled_from([True, True, True, False]),
)


@attrs.frozen
class Scene:
    callees: list[Callee]
    cancel_at: float | None
    bye_after: float
    think: float
    relay_after: float
    has_fallback: bool
    loss: float
    duplication: float
    jitter: float
    seed: int


scenes = st.builds(
    Scene,
    callees=st.lists(callees, min_size=1, max_size=4),
    cancel_at=st.none() | seconds,
    bye_after=seconds,
    think=st.sampled_from([0.0, 0.0, 0.3, 3.0]),
    relay_after=st.sampled_from([0.0, 0.0, 0.2, 2.0]),
    has_fallback=st.booleans(),
    loss=st.sampled_from([0.0, 0.1, 0.25]),
    duplication=st.sampled_from([0.0, 0.2]),
    jitter=st.sampled_from([0.0, 0.05, 1.0]),
    seed=st.integers(0, 2**32),
)

_SILENT = Callee(ring_after=None, final_after=None, status=200, q=0.5, ring_timeout=None, is_there=True)
REFUSED_LATE = Scene(
    callees=[_SILENT, _SILENT, attrs.evolve(_SILENT, final_after=0.0, status=600, q=1.0, ring_timeout=2.0)],
    cancel_at=None,
    bye_after=0.0,
    think=0.0,
    relay_after=0.0,
    has_fallback=False,
    loss=0.25,
    duplication=0.0,
    jitter=0.0,
    seed=9120,
)
"A 600 is lost, and comes again when its branch has been given up and the next ones are ringing."


class Played:
    """A scene played to its end, and what can be asked about it."""

    def __init__(self, kit: Any, scene: Scene, method: str = "INVITE") -> None:
        self.method = method
        network = self.network = kit.Network(
            scene.seed, loss=scene.loss, duplication=scene.duplication, jitter=scene.jitter
        )
        self.phones = {}
        targets = []
        for number, callee in enumerate(scene.callees, 2):
            if callee.is_there:
                plan = kit.Plan(callee.ring_after, callee.final_after, callee.status)
                self.phones[number] = kit.Phone(network, number, plan)
            uri = f"sip:bob@198.51.100.{number}:5060"
            targets.append(Target(uri, kit.udp(number), q=callee.q, ring_timeout=callee.ring_timeout))
        fallback = None
        if scene.has_fallback:
            self.phones[9] = kit.Phone(network, 9, kit.Plan(0.1, 0.2, 200))
            fallback = [Target("sip:vm@198.51.100.9:5060", kit.udp(9))]
        self.proxy = kit.Proxy(
            network,
            lambda request: targets,
            think=scene.think,
            relay_after=scene.relay_after,
            fallback=fallback,
            timer_c=20.0,
        )
        caller = self.caller = kit.Phone(network, 1)
        caller.on_answer = lambda response: network.at(
            network.now + scene.bye_after, lambda: caller.bye(response)
        )
        caller.call_up("sip:bob@example.test", method=method)
        if scene.cancel_at is not None:
            network.at(scene.cancel_at, caller.cancel)
        network.run()
        self.messages = [
            (at, source, destination, parse_datagram(data)) for at, source, destination, data in network.wire
        ]

    def went_up(self) -> list[Response]:
        """The different responses to the first request that the proxy sent to the caller, in order."""
        seen: dict[bytes, Response] = {}
        for _, source, destination, message in self.messages:
            if (
                isinstance(message, Response)
                and source == self.proxy.address
                and destination == self.caller.address
                and message.cseq.method == self.method
            ):
                seen.setdefault(message.to_bytes(), message)
        return list(seen.values())

    def branches(self) -> dict[str, float]:
        """Each branch the proxy made for the first request, and when it was first sent."""
        seen: dict[str, float] = {}
        for at, source, destination, message in self.messages:
            if (
                isinstance(message, Request)
                and message.method == self.method
                and source == self.proxy.address
                and destination != self.caller.address
            ):
                seen.setdefault(message.top_via.branch or "", at)
        return seen

    def check_rest(self) -> None:
        """Nothing is left: no transaction, no timer, no branch, no context that is still referred to."""
        for node in (self.proxy, self.caller, *self.phones.values()):
            assert node.layer.len_client == 0
            assert node.layer.len_server == 0
        core = self.proxy.core
        assert core.next_timeout() is None
        for context in self.proxy.contexts:
            if context is not None:
                assert context.pending == 0
                assert not context.branches
                assert context.transaction.user is None


@settings(max_examples=120, deadline=None)
@given(scene=scenes)
def test_an_invite_forked_over_a_bad_network_ends_well(kit: Any, scene: Scene) -> None:
    played = Played(kit, scene)
    played.check_rest()
    final = [response for response in played.went_up() if response.status >= 200]
    failures = [response for response in final if response.status >= 300]
    answers = {response.to_tag for response in final if response.status < 300}
    # Exactly one final response goes up, but for the answers, all of which do.
    assert len(failures) <= 1
    assert len(final) >= 1
    heard = {tag for _, status, tag, _ in played.proxy.heard if 200 <= status < 300}
    assert heard == answers
    if failures and answers:
        # A failure never overtakes an answer; an answer may come late after one (§16.7 step 5).
        assert final.index(failures[0]) == 0
    # The application hears of one failure, of a second when it went on elsewhere, of none after an answer.
    announced = [ready.response.status // 100 for ready in played.proxy.ready if ready.response.status >= 200]
    after = announced[announced.index(2) :] if 2 in announced else []
    assert all(hundreds == 2 for hundreds in after)
    assert sum(hundreds > 2 for hundreds in announced) <= 1 + scene.has_fallback
    # A 6xx makes no new branch, unless the application asks for one.
    refusals = [at for at, status, _, _ in played.proxy.heard if status >= 600]
    if refusals and not scene.has_fallback:
        assert all(at <= min(refusals) for at in played.branches().values())


@settings(max_examples=120, deadline=None)
@given(scene=scenes)
@example(scene=REFUSED_LATE)
def test_an_answer_a_global_failure_or_a_cancel_stops_every_other_branch_at_once(
    kit: Any, scene: Scene
) -> None:
    played = Played(kit, scene)
    proxy = played.proxy
    stops = [at for at, status, _, _ in proxy.heard if 200 <= status < 300]
    if not scene.has_fallback:
        stops += [at for at, status, _, _ in proxy.heard if status >= 600]
    if proxy.cancelled_at is not None:
        stops.append(proxy.cancelled_at)
        after_all = [at for at in played.branches().values() if at > proxy.cancelled_at]
        assert not after_all, "no branch is made after a CANCEL"
    if not stops:
        return
    stop = min(stops)
    cancels = {
        message.top_via.branch: at
        for at, source, _, message in reversed(played.messages)
        if isinstance(message, Request) and message.method == "CANCEL" and source == proxy.address
    }
    for branch, sent_at in played.branches().items():
        said = [(at, status) for at, status, _, its in proxy.heard if its == branch]
        spoke = [at for at, status in said if status < 200]
        ended = [at for at, status in said if status >= 200]
        if sent_at > stop or not spoke:
            continue
        # A CANCEL waits for the first provisional response (§9.1).
        due = max(stop, min(spoke))
        if not ended or min(ended) > due:
            assert cancels[branch] <= due


@settings(max_examples=40, deadline=None)
@given(scene=scenes)
def test_another_request_forked_over_a_bad_network_ends_well(kit: Any, scene: Scene) -> None:
    played = Played(kit, attrs.evolve(scene, cancel_at=None), "MESSAGE")
    played.check_rest()
    final = [response for response in played.went_up() if response.status >= 200]
    assert len(final) <= 1
    assert all(response.status not in (408, 487) or response.to_tag for response in final)
    assert not any(isinstance(m, Request) and m.method == "CANCEL" for _, _, _, m in played.messages), (
        "only an INVITE is cancelled"
    )


@settings(max_examples=60, deadline=None)
@given(scene=scenes)
def test_the_watch_tells_each_call_once_and_forgets_it(kit: Any, scene: Scene) -> None:
    played = Played(kit, scene)
    facts = played.proxy.facts
    told = Counter(type(fact) for fact in facts)
    assert told[CallStarted] <= 1
    assert told[CallAnswered] + told[CallFailed] == told[CallStarted]
    assert told[CallEnded] <= told[CallAnswered]
    if facts:
        assert isinstance(facts[0], CallStarted)
    codes = [fact.code for fact in facts if isinstance(fact, CallRinging)]
    assert len(codes) == len(set(codes))
    answers = {response.to_tag for response in played.went_up() if 200 <= response.status < 300}
    if told[CallAnswered] and {final.to_tag for final in played.caller.finals} >= answers:
        assert told[CallEnded] == 1, "every dialog was left by BYE"
        assert len(played.proxy.watch) == 0


@settings(max_examples=15, deadline=None)
@given(scene=scenes)
def test_the_same_seed_gives_the_same_bytes(kit: Any, scene: Scene) -> None:
    assert Played(kit, scene).network.wire == Played(kit, scene).network.wire
