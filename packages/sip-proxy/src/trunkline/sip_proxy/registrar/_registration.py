"""Registration: the outcome of one REGISTER, which can be taken back.

Here: the answer, the changes and their undoing. Not here: how they come about (`_registrar.py`).
"""

import attrs

from trunkline.sip_parser import Request, Response, make_response

from ._bindings import Binding, BindingChanged
from ._location import Location

__all__ = ["Registration"]


@attrs.define(slots=True, eq=False)
class Registration:
    """Tell what became of a REGISTER; the changes are already in force.

    The answer is here as `response`, and as what that is made of, for `TransactionLayer.answer`, which makes
    none.
    """

    request: Request
    status: int
    """Of the answer: to a confirmed 200 belongs that `changes` are stored first."""
    reason: str | None
    """The answer's phrase; None = the registered one."""
    to_tag: str
    """The tag for the answer's To."""
    lines: str
    """What the answer says beside what it copies: whole header lines, each with its CR LF."""
    changes: list[BindingChanged]
    """What to store, in order; empty for a query and for a refusal."""
    _location: Location
    bound_by_flow: bool = False
    """Whether instance and reg-id named the binding. Source: RFC 5626 §6."""
    source: Binding | None = None
    """The binding of which alone a 200 tells: `Registrar.confirmation` makes its tag and lines out of it."""
    _response: Response | None = None

    @property
    def response(self) -> Response:
        """Give the answer, to be sent; the same one each time."""
        response = self._response
        if response is None:
            response = self._response = make_response(
                self.request, self.status, self.reason, to_tag=self.to_tag, further=self.lines
            )
        return response

    def undo(self) -> None:
        """Take the changes back, because they could not be stored.

        A binding that a later REGISTER has changed again stays as it is; so undo the newest first when
        several are to be undone. What had expired is not brought back.
        """
        for change in reversed(self.changes):
            binding = change.binding
            held = self._location.get(binding.aor)
            if change.kind == "removed":
                if all(other.contact != binding.contact for other in held):
                    self._location.replace(binding.aor, (*held, binding))
            elif change.kind != "expired" and binding in held:
                put_back = () if change.previous is None else (change.previous,)
                at = held.index(binding)
                self._location.replace(binding.aor, (*held[:at], *put_back, *held[at + 1 :]))
        self.changes = []
