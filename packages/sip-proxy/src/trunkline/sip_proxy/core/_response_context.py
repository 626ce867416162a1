"""The response context: one request being forwarded, and the branches it went out by.

Here: what is known of both. What happens to them is `_forking`, which response wins is `_best_response`.

Source: RFC 3261 §16.2, §16.6, §16.7
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import attrs

from trunkline.sip_parser import Request, Response
from trunkline.sip_transaction import ClientTransaction, Send, ServerTransaction, State

from ._targets import Target

_TERMINATED: Final = State.TERMINATED


class BranchState(Enum):
    """How far a branch has come."""

    CALLING = "Calling"
    """Sent; nothing has come back, so a CANCEL would have to wait."""
    PROCEEDING = "Proceeding"
    """A provisional response has come."""
    COMPLETED = "Completed"
    """Its final response has come, or is assumed: `status` counts."""


@attrs.define(slots=True, eq=False, repr=False)
class Branch:
    """One target, the request sent to it and what became of it."""

    context: ResponseContext
    """Whose branch it is."""
    target: Target
    """Where it goes, as the application said."""
    transaction: ClientTransaction | None = None
    """Its client transaction; None when nothing was sent."""
    recorded: Sequence[str] = ()
    """Our Record-Routes in the request sent, the lowest first."""
    state: BranchState = BranchState.CALLING
    """How far it has come."""
    status: int = 0
    """The final status it counts as; 0 before there is one."""
    response: Response | None = None
    """The failure that came, our Via taken out; None while there is none, or one is assumed, and for a 2xx,
    which goes up at once."""
    breadth: int = 0
    """How many branches it may have at one time further down, itself counted. Source: RFC 5393 §5.3.3"""
    early: tuple[str, ...] = ()
    """The To of each early dialog made by it that the caller has heard of and whose end nobody has told."""
    is_cancelled: bool = False
    """Whether it was told to stop."""
    is_over: bool = False
    """Whether its client transaction is gone, so that nothing more can come."""
    is_redirected: bool = False
    """Whether it no longer counts: its 3xx was followed (RFC 3261 §16.7 step 4), or it gave way."""
    moved_from: Target | None = None
    """The target as it was, where the request was too large for its datagrams. Source: RFC 3261 §18.1.1"""
    counts_as: int = 0
    """What a 487 in answer to our CANCEL stands for: 408 after a timeout; 0: itself."""
    deadline: dict[Branch, float] | None = None
    """The line in which its deadline runs, and stands no longer once that has come: its ring timeout, or
    timer C when it has none; then the wait for an answer to the CANCEL."""

    @property
    def request(self) -> Request | None:
        """The request as sent; None when it could not be written."""
        return None if self.transaction is None else self.transaction.request

    @property
    def was_given_up(self) -> bool:
        """Whether its failure is an assumed one: no final response has come."""
        return self.state is BranchState.COMPLETED and self.response is None and self.status >= 300

    def __repr__(self) -> str:
        return f"<Branch {self.target.uri} {self.state.value} {self.status or ''}>"


@attrs.define(slots=True, eq=False, repr=False)
class ResponseContext:
    """One request on its way: its server transaction, its branches and the targets not yet tried."""

    transaction: ServerTransaction
    """The server transaction whose `user` this is."""
    request: Request
    """What is forwarded: the request as received, or the changed one given to `forward` or `fork`."""
    is_invite: bool
    """Whether there are provisional responses, CANCEL and several 2xx to think of."""
    branches: list[Branch] = attrs.Factory(list)
    """Every branch so far, in the order they were sent; emptied when all transactions are gone."""
    groups: Sequence[Sequence[Target]] = ()
    """Targets not yet tried, one group for each q, lowest first."""
    pending: int = 0
    """How many branches have no final response yet."""
    breadth: int | None = None
    """How many branches it may have at one time, those further down counted; None within a dialog, where
    nothing forks. Source: RFC 5393 §5.3.3"""
    accepted: dict[str, Send | None] | None = None
    """By To header: the 2xx as sent to the caller, None while the application has not relayed it; none at all
    before the first."""
    is_cancelled: bool = False
    """Whether the caller gave up."""
    is_answered: bool = False
    """Whether a 2xx has come, which ends the search."""
    announced: Response | None = None
    """The failure given to the application, which has not yet gone on elsewhere."""
    relayed: int = 0
    """Status of the final response sent upstream; 0 before there is one."""
    record_route: bool = False
    """Whether branches get a Record-Route."""
    record_route_params: str = ""
    """Parameters of that Record-Route, each with its `;` before it."""
    loop_mark: str = ""
    """What the branch parameters of this request end with. Source: RFC 5393 §4.2."""
    followed: tuple[str, ...] = ()
    """The places named by redirections that it was taken to. Source: RFC 3261 §16.7 step 4"""
    user: Any = None
    """Whatever the application wants to find here again."""

    @property
    def is_decided(self) -> bool:
        """Whether nothing is left to wait for: answered, failed as announced, or finished upstream."""
        return self.is_answered or self.announced is not None or self.relayed != 0

    def accept(self, to: str, sent: Send | None) -> None:
        """Note a 2xx to an INVITE by its To header: as sent, or None when it has only come."""
        if self.accepted is None:
            self.accepted = {to: sent}
        else:
            self.accepted[to] = sent

    def release(self) -> None:
        """Undo the circles of references once nothing can come any more, to spare the garbage collector.

        What answers a repeated request, other than an INVITE, is the transaction alone.
        """
        transaction = self.transaction
        if (self.relayed and not self.is_invite) or transaction.state is _TERMINATED:
            for branch in self.branches:
                if not branch.is_over:
                    return
            self.branches.clear()
            transaction.user = None

    def __repr__(self) -> str:
        return f"<ResponseContext {self.request.method} {self.request.uri} pending={self.pending}>"
