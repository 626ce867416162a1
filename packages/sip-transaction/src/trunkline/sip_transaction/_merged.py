"""MergedRequests: a request that comes by several ways, each copy in a transaction of its own.

Here: which transaction was the first. Not here: the 482 that refuses the others (`_inspection`), and copies
by the same way, which are retransmissions and end in the layer.

Source: RFC 3261 §8.2.2.2
"""

from __future__ import annotations

from trunkline.sip_parser import CSeq, RemoteProtocolError

from ._server import ServerTransaction

_Origin = tuple[str | None, str, CSeq]
"""From tag, Call-ID and CSeq: what a proxy that forks leaves as it was."""


class MergedRequests:
    """Remember the requests outside of dialogs whose transactions are under way; one entry for each."""

    __slots__ = ("_origins", "_transactions")

    def __init__(self) -> None:
        self._transactions: dict[_Origin, ServerTransaction] = {}
        self._origins: dict[ServerTransaction, _Origin] = {}

    def __len__(self) -> int:
        return len(self._transactions)

    def receive(self, transaction: ServerTransaction) -> bool:
        """Take a request that has just come, before it is answered.

        Returns: whether it is a merged one, for `Capabilities.inspect`; never so for one with a To tag, nor
        for one whose From, To, Call-ID or CSeq cannot be read, which is refused for that.
        Source: RFC 3261 §8.2.2.2
        """
        request = transaction.request
        try:
            if request.to_tag is not None or request.method in ("ACK", "CANCEL"):
                return False
            origin = request.from_tag, request.call_id, request.cseq
        except RemoteProtocolError:
            return False
        first = self._transactions.setdefault(origin, transaction)
        if first is transaction:
            self._origins[transaction] = origin
        return first is not transaction

    def forget(self, transaction: ServerTransaction) -> None:
        """Learn that a transaction is over, at its `Terminated`; one that is not known here is no error."""
        origin = self._origins.pop(transaction, None)
        if origin is not None:
            del self._transactions[origin]
