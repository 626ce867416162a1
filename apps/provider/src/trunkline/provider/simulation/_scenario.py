"""The scenario: what a seed means. Everything that chance decides before the first message is drawn here.

Here: providers, users, phones, links, and the misfortunes with their times. What the people then do is
drawn by each phone from chances of its own, so that one phone's luck does not change another's.
"""

from __future__ import annotations

from random import Random

import attrs

from trunkline.provider.config import (
    AuthSection,
    DatabaseSection,
    MediaSection,
    ProxySection,
    RegistrarSection,
    ServerSection,
    Settings,
    WebSection,
)

from ._network import Address, Link
from ._phone import Habits

MEDIA_TIMEOUT = 30.0
RING_TIMEOUT = 30.0
MAX_CALL = 150
"Seconds; short, so that a run comes to its end."
CALL_EVERY = 1.5
"Seconds from one call to the next, on average."
QUIET = 330.0
"Seconds after the last call until all must be over: ringing, the longest call, BYEs without an answer."


@attrs.define
class NodePlan:
    """One provider node and its bad days."""

    address: Address
    domain: str
    settings: Settings
    latency: float
    kills: list[tuple[float, int, float]]
    "When, after how many more messages sent (0: at that very time), and for how long."
    refusals: list[tuple[float, float]]


@attrs.define
class PhonePlan:
    """One phone."""

    name: str
    node: int
    outside: Address
    inside: Address
    transport: str
    link: Link
    habits: Habits
    expires: int
    starts_at: float
    is_program: bool = False
    "It is quit where others lose power."
    spirals_to: str = ""
    "A user that this one's calls are sent to as well, through the provider."
    power_cuts: list[tuple[float, float]] = attrs.Factory(list)
    "When, and for how long."
    stream_cuts: list[float] = attrs.Factory(list)


@attrs.define
class CallPlan:
    """One call: whose phone calls whom, and when."""

    at: float
    phone: int
    callee: str
    node: int
    by_name: bool = False
    "A call to another node goes to the caller's own, which asks DNS where the other is."


@attrs.define
class Scenario:
    """All of it."""

    seed: int
    nodes: list[NodePlan]
    phones: list[PhonePlan]
    calls: list[CallPlan]
    active: float
    "Seconds until the last call is made."


def draw(seed: int, calls: int) -> Scenario:
    """Draw the scenario of a seed.

    Args:
        seed: any number.
        calls: how many calls are made.
    """
    random = Random(f"trunkline scenario {seed}")
    active = 10.0 + calls * CALL_EVERY
    nodes = [_node(random, number, active) for number in range(2 if random.random() < 0.25 else 1)]
    phones = _phones(random, nodes, active, calls)
    plans = [_call(random, 8.0 + random.random() * (active - 8.0), nodes, phones) for _ in range(calls)]
    plans.sort(key=lambda call: call.at)
    return Scenario(seed, nodes, phones, plans, active)


def settings_for(
    address: Address,
    domain: str,
    *,
    challenge: bool = True,
    secret: str = "",
    media: str = "auto",
    commit_interval_ms: int = 10,
    session_expires: int = 1800,
) -> Settings:
    """Make the settings of a simulated node; nothing is read from files or the environment."""
    host, port = address
    listen = [f"udp:{host}:{port}", f"tcp:{host}:{port}"]
    return Settings.model_construct(
        server=ServerSection.model_validate({"listen": listen, "domains": [domain]}),
        auth=AuthSection(challenge=challenge, secret=secret),
        database=DatabaseSection(commit_interval_ms=commit_interval_ms),
        registrar=RegistrarSection(default_expires=60, min_expires=60, max_expires=180),
        proxy=ProxySection(
            ring_timeout=RING_TIMEOUT, max_call_seconds=MAX_CALL, session_expires=session_expires
        ),
        media=MediaSection.model_validate({"mode": media, "ports": [30000, 30999], "timeout": MEDIA_TIMEOUT}),
        web=WebSection(),
    )


def _node(random: Random, number: int, active: float) -> NodePlan:
    address = (f"192.0.2.{10 * (number + 1)}", 5060)
    domain = ("one.test", "two.test")[number]
    settings = settings_for(
        address,
        domain,
        challenge=random.random() < 0.85,
        secret="a secret that outlives a restart" if random.random() < 0.6 else "",
        media=random.choice(("auto", "auto", "always", "never")),
        commit_interval_ms=random.choice((0, 10, 10, 50, 200)),
        session_expires=random.choice((0, 90, 1800)),
    )
    kills: list[tuple[float, int, float]] = []
    if random.random() < 0.5:
        for _ in range(random.randrange(1, 4)):
            after = random.randrange(1, 30) if random.random() < 0.6 else 0
            kills.append((random.random() * (active + 20), after, random.choice((0.3, 2.0, 8.0, 20.0))))
    refusals = []
    if random.random() < 0.3:
        start = random.random() * active
        refusals.append((start, start + random.choice((0.5, 3.0, 15.0))))
    return NodePlan(address, domain, settings, random.choice((0.004, 0.02, 0.3)), sorted(kills), refusals)


def _link(random: Random) -> Link:
    kind = random.random()
    if kind < 0.35:
        return Link(0.005 + random.random() * 0.03)
    if kind < 0.7:
        return Link(0.02, 0.15, 0.02, 0.02)
    if kind < 0.92:
        return Link(0.05 + random.random() * 0.1, 0.6, 0.1, 0.1)
    return Link(0.1, 1.2, 0.3, 0.2)


def _phones(random: Random, nodes: list[NodePlan], active: float, calls: int) -> list[PhonePlan]:
    phones: list[PhonePlan] = []
    per_node = max(5, min(40, calls // 8)) // len(nodes)
    for node in range(len(nodes)):
        for user in range(max(per_node, 3)):
            for _ in range(random.choice((1, 1, 1, 1, 2, 3))):
                phones.append(_phone(random, f"u{user}", node, len(phones), active))
        if random.random() < 0.3:
            spiralling = random.choice([phone for phone in phones if phone.node == node])
            spiralling.spirals_to = f"u{random.randrange(per_node)}"
    return phones


def _phone(random: Random, name: str, node: int, index: int, active: float) -> PhonePlan:
    outside = (f"198.51.{100 + index // 200}.{1 + index % 200}", 5060)
    nated = random.random() < 0.3
    inside = (f"192.168.{node}.{2 + index % 200}", 5060) if nated else outside
    plan = PhonePlan(
        name=name,
        node=node,
        outside=outside,
        inside=inside,
        transport="TCP" if random.random() < 0.25 else "UDP",
        link=_link(random),
        habits=Habits(talks=random.choice((4.0, 12.0, 12.0, 25.0, 40.0)), knows_timers=random.random() < 0.4),
        expires=random.choice((60, 60, 120, 180)),
        starts_at=random.random() * 4,
        is_program=random.random() < 0.4,
    )
    if random.random() < 0.15:
        plan.power_cuts.append((10 + random.random() * active, random.choice((0.02, 3.0, 30.0, 90.0, 1e9))))
    if plan.transport == "TCP" and random.random() < 0.5:
        plan.stream_cuts = [random.random() * active for _ in range(random.randrange(1, 4))]
    return plan


def _call(random: Random, at: float, nodes: list[NodePlan], phones: list[PhonePlan]) -> CallPlan:
    caller = random.randrange(len(phones))
    node = random.randrange(len(nodes)) if random.random() < 0.3 else phones[caller].node
    others = [phone.name for phone in phones if phone.node == node]
    callee = random.choice(others) if random.random() < 0.96 else "nobody"
    by_name = node != phones[caller].node and random.random() < 0.5
    return CallPlan(at, caller, callee, node, by_name)
