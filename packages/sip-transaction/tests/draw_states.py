"""Draw the state diagrams of STATES.md from the tables; run as a script it writes the file.

A test compares the file with what this draws, so that neither can go its own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from trunkline.sip_transaction._accepted import ACCEPTED, AcceptedState
from trunkline.sip_transaction._negotiation import TURNS, Turn
from trunkline.sip_transaction._refer import NOTIFIER, NotifierState
from trunkline.sip_transaction._refer_subscriber import SUBSCRIBER, SubscriberState
from trunkline.sip_transaction._reliable import RELIABLE, ReliableState
from trunkline.sip_transaction._session_timer import SESSION, SessionState
from trunkline.sip_transaction._tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    State,
)

PATH = Path(__file__).parents[1] / "STATES.md"

HEAD = """# State diagrams

Drawn from the tables by `python packages/sip-transaction/tests/draw_states.py`; a test keeps them the same.
An arrow says `input / actions`, the actions in the order they are performed. What has no arrow changes
nothing and does nothing. Where a transport is reliable, retransmission timers are not started, and timers
D, I, J and K fire at once.
"""

# Title, where it is defined and by what, table, first state.
DIAGRAMS: tuple[tuple[str, str, Mapping[Any, Any], Enum], ...] = (
    ("INVITE client transaction", "`_tables.py`; RFC 3261 §17.1.1, §9.1, RFC 6026 §8.4", INVITE_CLIENT,
     State.CALLING),
    ("Non-INVITE client transaction", "`_tables.py`; RFC 3261 §17.1.2", NON_INVITE_CLIENT, State.TRYING),
    ("INVITE server transaction", "`_tables.py`; RFC 3261 §17.2.1, RFC 6026 §8.5 to §8.7", INVITE_SERVER,
     State.PROCEEDING),
    ("Non-INVITE server transaction", "`_tables.py`; RFC 3261 §17.2.2, RFC 4320 §4", NON_INVITE_SERVER,
     State.TRYING),
    ("2xx of a callee", "`_accepted.py`; RFC 3261 §13.3.1.4, §15", ACCEPTED, AcceptedState.UNACKNOWLEDGED),
    ("Reliable provisional responses", "`_reliable.py`; RFC 3262 §3", RELIABLE, ReliableState.ACKNOWLEDGED),
    ("Turns, of INVITEs and of offers", "`_negotiation.py`; RFC 3261 §14, RFC 3311 §5", TURNS, Turn.NOBODY),
    ("Session timer", "`_session_timer.py`; RFC 4028 §7, §9, §10", SESSION, SessionState.OFF),
    ("Who was referred", "`_refer.py`; RFC 3515 §2.4, RFC 6665 §4.2", NOTIFIER, NotifierState.PENDING),
    ("Who referred", "`_refer_subscriber.py`; RFC 3515 §2.4, RFC 6665 §4.1", SUBSCRIBER,
     SubscriberState.NOTIFY_WAIT),
)  # fmt: skip


def draw() -> str:
    """Give the whole file."""
    parts = [HEAD]
    for title, source, table, first in DIAGRAMS:
        parts.append(f"## {title}\n\n{source}\n\n```mermaid\n{diagram(table, first)}```\n")
    return "\n".join(parts)


def diagram(table: Mapping[Any, Any], first: Enum) -> str:
    """Draw one table in the language of Mermaid, its rows in their order."""
    lines = ["stateDiagram-v2"]
    names = {state: state.value.replace(" ", "") for row in table for state in (row[0], table[row][1])}
    lines += [f'    state "{state.value}" as {name}' for state, name in names.items() if name != state.value]
    lines.append(f"    [*] --> {names[first]}")
    for (state, input_), (actions, to) in table.items():
        done = ", ".join(action.value for action in actions) or "nothing"
        label = f"{words(input_)} / {done}".replace(": ", " - ")  # a colon would end the label
        lines.append(f"    {names[state]} --> {names[to]}: {label}")
    sources = {state for state, _ in table}
    lines += [f"    {name} --> [*]" for state, name in names.items() if state not in sources]
    return "\n".join(lines) + "\n"


def words(input_: Enum) -> str:
    """Say an input; those of transactions have numbers for values, and are said by their names."""
    if isinstance(input_.value, str):
        return input_.value
    kind, _, rest = input_.name.partition("_")
    if kind == "RECEIVED":
        return rest.replace("_", "-").replace("XX", "xx")
    if kind == "TIMER":
        return f"timer {rest}"
    if kind == "TU":
        said = rest.replace("_", "-").replace("XX", "xx")
        return "no response from TU for 64*T1" if said == "SILENT" else f"{said} from TU"
    return {"CANCEL_EXPIRED": "64*T1 after CANCEL", "TRANSPORT_ERROR": "transport error"}.get(
        input_.name, "request again" if input_.name == "REQUEST" else input_.name
    )


if __name__ == "__main__":
    PATH.write_text(draw(), encoding="utf-8")
