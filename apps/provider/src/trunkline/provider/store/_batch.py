"""Writes gathered for one commit.

Here: what may be written while the server runs, and in which order. When a batch is written, and what to do
when it was not, is the caller's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import Connection, PoolProxiedConnection

from trunkline.provider.store import _rows, _statements
from trunkline.provider.store._statements import Prepared, Row, Statement

if TYPE_CHECKING:
    from trunkline.acct import AccRow, Cdr
    from trunkline.provider.store._account import Account
    from trunkline.sip_proxy import Binding


@attrs.frozen
class Refused:
    """A write that the database would not have, whatever the circumstances."""

    table: str
    """The table it was meant for."""
    values: Mapping[str, Any]
    """What was to be written, or what was to be removed."""
    reason: str
    """What the database says."""


_as_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_WRITES = ("_acc", "_alive", "_bindings", "_cdrs", "_missed", "_refreshed", "_removed", "_saved")


class Batch:
    """Collects writes; `Store.write` commits them together, all or none.

    Writing the same batch again, after a failure whose outcome is not known, changes nothing for bindings,
    call records and calls in progress; rows of acc and missed_calls may then stand twice.
    """

    __slots__ = (*_WRITES, "_is_again", "_stamp")

    def __init__(self) -> None:
        self._is_again = False
        self._stamp = ""
        self._bindings: dict[Row, Row | None] = {}
        # what a phone that registers again changes, and the whole of it, for a row that is not there
        self._refreshed: dict[Row, tuple[Row, Binding]] = {}
        self._removed: dict[int, None] = {}
        self._saved: dict[int, Row] = {}
        self._alive: list[Row] = []
        self._acc: list[Row] = []
        self._missed: list[Row] = []
        self._cdrs: list[Row] = []

    def __len__(self) -> int:
        return sum(len(getattr(self, name)) for name in _WRITES)

    def save_binding(self, binding: Binding, previous: Binding | None = None) -> None:
        """Store a binding as it is now, instead of what is stored under its address and contact.

        Args:
            binding: what to store.
            previous: what it stands for now, when the contact may have been spelled in another way.
        """
        if previous is not None:
            if previous.contact != binding.contact:
                self.remove_binding(previous)
            elif _rows.is_only_refreshed(previous, binding):
                row = _rows.refresh_row(binding)
                key = row[:3]
                if key not in self._bindings:
                    self._refreshed[key] = row, binding
                    return
        key, row = _rows.binding_rows(binding)
        self._refreshed.pop(key, None)
        self._bindings[key] = row

    def remove_binding(self, binding: Binding) -> None:
        """Remove what is stored under a binding's address and contact."""
        key = _rows.binding_key(binding)
        self._refreshed.pop(key, None)
        self._bindings[key] = None

    def acc(self, row: AccRow) -> None:
        """Add a row to table acc."""
        self._acc.append(_rows.acc_row(row))

    def missed(self, row: AccRow) -> None:
        """Add a row to table missed_calls."""
        self._missed.append(_rows.missed_row(row))

    def cdr(self, cdr: Cdr) -> None:
        """Add a call detail record; it stands once, also when the batch is written again."""
        self._cdrs.append(_rows.cdr_row(cdr, self._made_at()))

    def save_call(self, number: int, record: Mapping[str, Any] | str) -> None:
        """Journal a call in progress.

        Args:
            number: of 63 bits, no other call's.
            record: JSON types only, written as they are now; or JSON text, of ASCII only.
        """
        text = record if type(record) is str else _as_json(record)
        self._saved[number] = (number, text, self._stamp or self._made_at())

    def remove_call(self, number: int) -> None:
        """Take a call that has ended out of the journal."""
        self._removed[number] = None
        self._saved.pop(number, None)

    def call_alive(self, number: int, at: datetime) -> None:
        """Mark a journalled call as seen alive at a time; one of them tells for the server as a whole."""
        self._alive = [(_rows.instant(at), number)]

    # -- what is written at one step of a call

    def call_answered(self, account: Account, record: Mapping[str, Any] | str) -> None:
        """Add the row of its INVITE, and journal the call where it has a number.

        Args:
            account: of a call that was answered just now.
            record: as for `save_call`.
        """
        number = account.number
        if number is not None:
            self.save_call(number, record)
        self._acc.append(account.answer_row())

    def call_failed(self, acc: AccRow | None, missed: AccRow | None, cdr: Cdr | None) -> None:
        """Add the rows of a call that nobody answered, as far as they are wanted."""
        if acc is not None:
            self.acc(acc)
        if missed is not None:
            self.missed(missed)
        if cdr is not None:
            self.cdr(cdr)

    def call_ended(self, account: Account, at: datetime, by: str, cause: str) -> None:
        """Add the row of its BYE and its record, and take it out of the journal where it has a number.

        Args:
            account: of a call that was answered.
            at: when it ended.
            by: `caller`, `callee` or `server`.
            cause: why.
        """
        row, record = account.end_rows(at, by, cause, self._stamp or self._made_at())
        if row is not None:
            self._acc.append(row)
        self._cdrs.append(record)
        number = account.number
        if number is not None:
            self._removed[number] = None
            if self._saved:
                self._saved.pop(number, None)

    # -- writing

    def execute(self, connection: Connection | PoolProxiedConnection, prepared: Prepared) -> None:
        """Run the statements, each once for all its rows; the caller commits."""
        if self._refreshed:
            self._refresh(connection, prepared)
        for statement, rows in self._statements():
            prepared.run(connection, statement, rows)
        self._is_again = True

    def _refresh(self, connection: Connection | PoolProxiedConnection, prepared: Prepared) -> None:
        """Change the rows of phones that registered again; who has none, or not only one, gets it anew."""
        rows = [row for row, _ in self._refreshed.values()]
        if not prepared.refresh(connection, rows):
            whole = [_rows.binding_rows(binding)[1] for _, binding in self._refreshed.values()]
            prepared.run(connection, _statements.DELETE_BINDING, list(self._refreshed))
            prepared.run(connection, _statements.INSERT_BINDING, whole)

    def singles(self) -> Iterator[Batch]:
        """Give batches of one write each, for finding the one that the database will not have."""
        for name in _WRITES:
            writes = getattr(self, name)
            for key in writes:
                single = Batch()
                single._is_again = self._is_again
                if name == "_refreshed":
                    single._bindings[key] = _rows.binding_rows(writes[key][1])[1]
                elif isinstance(writes, dict):
                    getattr(single, name)[key] = writes[key]
                else:
                    getattr(single, name).append(key)
                if name == "_saved":
                    # one that is there already may be why all of this is tried singly
                    single._removed[key] = None
                yield single

    def refused(self, reason: str) -> Refused:
        """Describe a batch of one write that the database would not have."""
        statement, rows = next(pair for pair in reversed(list(self._statements())) if pair[1])
        names = (name.removeprefix("b_") for name in statement.names)
        return Refused(statement.table, dict(zip(names, rows[0], strict=True)), reason)

    def _now(self) -> datetime:
        """Tell the time; a simulation has one of its own."""
        return datetime.now(UTC)

    def _made_at(self) -> str:
        """Tell when a row is made: all rows of one commit bear the time of its first."""
        if not self._stamp:
            self._stamp = _rows.instant(self._now())
        return self._stamp

    def _statements(self) -> Iterator[tuple[Statement, list[Row]]]:
        yield _statements.DELETE_BINDING, list(self._bindings)
        yield _statements.INSERT_BINDING, [row for row in self._bindings.values() if row is not None]
        yield _statements.TOUCH_CALL, self._alive
        # a call is journalled once, nearly always: one that is there already is refused, and then done singly
        gone = {**self._removed, **self._saved} if self._is_again else self._removed
        yield _statements.DELETE_CALL, [(number,) for number in gone]
        yield _statements.INSERT_CALL, list(self._saved.values())
        yield _statements.INSERT_ACC, self._acc
        yield _statements.INSERT_MISSED, self._missed
        if self._is_again:  # a commit that failed may have been done all the same
            yield _statements.DELETE_CDR, [row[: _statements.CDR_KEY_LENGTH] for row in self._cdrs]
        yield _statements.INSERT_CDR, self._cdrs
