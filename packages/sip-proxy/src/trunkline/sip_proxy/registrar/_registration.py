"""Registration: the outcome of one REGISTER, which can be taken back.

Here: the response, the changes and their undoing. Not here: how they come about (`_registrar.py`).
"""

import attrs

from trunkline.sip_parser import Response

from ._bindings import BindingChanged
from ._location import Location

__all__ = ["Registration"]


@attrs.define(slots=True, eq=False)
class Registration:
    """Tell what became of a REGISTER; the changes are already in force."""

    response: Response
    """To be sent: to a confirmed 200 belongs that `changes` are stored first."""
    changes: list[BindingChanged]
    """What to store, in order; empty for a query and for a refusal."""
    _location: Location

    @property
    def status(self) -> int:
        """Give the status of the response."""
        return self.response.status

    def undo(self) -> list[BindingChanged]:
        """Take the changes back, because they could not be stored.

        A binding that a later REGISTER has changed again stays as it is; so undo the newest first when
        several are to be undone. What had expired is not brought back.

        Returns:
            The changes that were taken back, the last one first; what was stored of them is to be undone.
        """
        undone = []
        for change in reversed(self.changes):
            binding = change.binding
            held = self._location.get(binding.aor)
            if change.kind == "removed":
                if all(other.contact != binding.contact for other in held):
                    self._location.replace(binding.aor, (*held, binding))
                    undone.append(change)
            elif change.kind != "expired" and binding in held:
                put_back = () if change.previous is None else (change.previous,)
                at = held.index(binding)
                self._location.replace(binding.aor, (*held[:at], *put_back, *held[at + 1 :]))
                undone.append(change)
        self.changes = []
        return undone
