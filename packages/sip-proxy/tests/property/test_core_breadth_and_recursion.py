"""However a search goes: no more branches at a time than granted, no place twice, one final response."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sip_parser import Response
from trunkline.sip_proxy.core import BranchState, Target

PLACES = [f"sip:bob@place{number}.test" for number in range(12)]
STATUSES = [100, 180, 199, 302, 302, 302, 401, 404, 486, 503]

searches = st.fixed_dictionaries(
    {
        "breadth": st.integers(0, 8),
        "qs": st.lists(st.sampled_from([0.2, 0.5, 1.0]), min_size=1, max_size=5),
        "steps": st.lists(
            st.tuples(
                st.integers(0, 30),
                st.sampled_from(STATUSES),
                st.lists(st.sampled_from(PLACES), max_size=4),
                st.booleans(),
            ),
            max_size=40,
        ),
    }
)


@settings(max_examples=150, deadline=None)
@given(searches)
def test_a_search_that_follows_redirections(kit: Any, search: dict[str, Any]) -> None:
    bench = kit.Bench(relays=False, default_ring_timeout=20.0)
    request = kit.request(headers=[("Max-Breadth", str(search["breadth"])), ("Supported", "199")])
    targets = [Target(f"sip:bob@198.51.100.{n}", kit.udp(n), q=q) for n, q in enumerate(search["qs"], 2)]
    context = bench.forward(request, *targets)
    answered: set[int] = set()

    def go_on() -> None:
        while bench.ready:
            ready = bench.ready.pop(0)
            places = bench.core.redirections(context) if ready.response.status // 100 == 3 else []
            # some are followed and some left, as a policy would have it
            followed = places[: 1 + len(places) // 2]
            if not followed:
                bench.act(bench.core.relay(context, ready.response, now=bench.now))
                continue
            more = [Target(str(each.uri), kit.udp(50 + n), q=each.q) for n, each in enumerate(followed)]
            bench.act(bench.core.fork(context, more, now=bench.now, followed=followed))

    go_on()
    for choice, status, places, waits in search["steps"]:
        sent = bench.requests("INVITE")
        number = choice % len(sent) if sent else 0
        if sent and number not in answered:
            if status >= 200:
                answered.add(number)
            contacts = [("Contact", f"<{place}>;q=0.{index}") for index, place in enumerate(places, 1)]
            bench.answer(sent[number], status, headers=contacts if status == 302 else ())
        if waits:
            bench.pass_time(7)
        go_on()
        open_branches = [each for each in context.branches if each.state is not BranchState.COMPLETED]
        assert sum(each.breadth for each in open_branches) <= search["breadth"]
        assert all(each.breadth >= 1 for each in open_branches)
    while context.branches and bench.now < 2000:
        bench.pass_time(50)
        go_on()
    asked = [sent.uri for sent in bench.requests("INVITE")]
    assert len(asked) == len(set(asked)), "no place is gone to twice"
    assert len(asked) <= len(search["qs"]) + 10
    finals = [message for message, _ in bench.sent if isinstance(message, Response) and message.status >= 200]
    assert len(finals) == 1
    assert bench.is_idle()
