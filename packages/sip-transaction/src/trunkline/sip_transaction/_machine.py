"""Machine: a table, a state, and the deadlines that run in it, for the parts of a user agent.

Two rules hold. A pair of state and input without a row is a no-op, on purpose: a late timer, a copy, a
message out of turn. And every deadline is one of the inputs. The transactions, of which there are many, have
a compiled form of their own (`_tables`, `_timers`). Not here: what an action does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

import attrs

StateT = TypeVar("StateT", bound=Enum)
InputT = TypeVar("InputT", bound=Enum)
ActionT = TypeVar("ActionT", bound=Enum)

Rows = Mapping[tuple[StateT, InputT], tuple[tuple[ActionT, ...], StateT]]
"""(state, input) -> (actions in order, next state)."""


@attrs.define(slots=True, eq=False)
class Machine(Generic[StateT, InputT, ActionT]):
    """Follow one table."""

    rows: Rows[StateT, InputT, ActionT]
    """The table."""
    state: StateT
    """Where it stands."""
    deadlines: dict[InputT, float] = attrs.Factory(dict)
    """When which input comes by itself, in the caller's monotonic seconds."""

    def step(self, input_: InputT) -> tuple[ActionT, ...]:
        """Go to the next state and give the actions to perform; none where the table has no row."""
        row = self.rows.get((self.state, input_))
        if row is None:
            return ()
        actions, self.state = row
        return actions

    def next_timeout(self) -> float | None:
        """Give the earliest deadline, or None."""
        return min(self.deadlines.values(), default=None)

    def take_due(self, now: float) -> InputT | None:
        """Take out the earliest deadline that has come, or give None.

        To be asked again after each: what it leads to may stop the others.
        """
        due = min(self.deadlines.items(), key=lambda item: item[1], default=None)
        if due is None or due[1] > now:
            return None
        del self.deadlines[due[0]]
        return due[0]
