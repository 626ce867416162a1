"""The database of a simulated provider: tables in memory that outlive the server, and its slow disk.

Here: what a commit means. What was committed survives a crash; what was being written when the server was
killed did get to the disk or did not; while the database refuses, nothing changes. Rows are made by the
real `Batch`, and read back as the real store does. Not here: when a group is committed (`commits`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, cast

from sqlalchemy import Connection

from trunkline.provider.commits import RETRY, CommitGroups
from trunkline.provider.store import Batch, StoreError, Subscriber
from trunkline.provider.store import _statements as statements
from trunkline.provider.store._rows import NEVER, binding_fields, epoch, moment
from trunkline.provider.store._statements import Prepared, Row, Statement
from trunkline.sip_proxy import Binding

from ._agenda import Agenda

Report = Callable[[str, str], None]
"Takes the name of an invariant and what broke it."


class SimulatedBatch(Batch):
    """A batch that is stamped with virtual time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock

    def _now(self) -> datetime:
        return self._clock()


class Database:
    """Tables of one provider.

    Args:
        domains: table `domain`.
        report: told when a call is recorded twice.
    """

    def __init__(self, domains: list[str], report: Report) -> None:
        self.domains = domains
        self.subscribers: dict[tuple[str, str], Subscriber] = {}
        self.bindings: dict[Row, Row] = {}
        self.calls: dict[int, Row] = {}
        self.cdrs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.rows: Counter[str] = Counter()
        "Rows added to tables that are only added to."
        self.commits = 0
        self.journalled: dict[tuple[str, str], None] = {}
        "Every call that was ever on disk as being up."
        self._report = report
        self._secrets: dict[str, bytes] = {}
        self._run: dict[Statement, Callable[[Sequence[Row]], None]] = {
            statements.DELETE_BINDING: self._delete_bindings,
            statements.INSERT_BINDING: self._insert_bindings,
            statements.TOUCH_CALL: self._touch_calls,
            statements.DELETE_CALL: self._delete_calls,
            statements.INSERT_CALL: self._insert_calls,
            statements.INSERT_ACC: self._count,
            statements.INSERT_MISSED: self._count_missed,
            statements.DELETE_CDR: self._delete_cdrs,
            statements.INSERT_CDR: self._insert_cdrs,
        }

    # -- writing

    def write(self, batch: Batch) -> None:
        """Commit a batch."""
        self.commits += 1
        batch.execute(cast(Connection, None), cast(Prepared, self))

    def run(self, connection: Connection, statement: Statement, rows: Sequence[Row]) -> None:
        """Run a statement, as `Prepared` does for an engine."""
        if rows:
            self._run[statement](rows)

    def refresh(self, connection: Connection, rows: Sequence[Row]) -> bool:
        """Change what is new in the rows of bindings, as `Prepared` does for an engine."""
        found = [row for row in rows if row[:3] in self.bindings]
        for username, domain, contact, expires, callid, cseq, last_modified in found:
            key = username, domain, contact
            before = self.bindings[key]
            self.bindings[key] = (*before[:5], expires, before[6], callid, cseq, last_modified, *before[10:])
        return len(found) == len(rows)

    def _delete_bindings(self, rows: Sequence[Row]) -> None:
        for key in rows:
            self.bindings.pop(key, None)

    def _insert_bindings(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.bindings[row[:3]] = row

    def _touch_calls(self, rows: Sequence[Row]) -> None:
        for updated, number in rows:
            found = self.calls.get(number)
            if found is not None:
                self.calls[number] = (*found[:2], updated)

    def _delete_calls(self, rows: Sequence[Row]) -> None:
        for (number,) in rows:
            self.calls.pop(number, None)

    def _insert_calls(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.calls[row[0]] = row
            call = json.loads(row[1])["call"]
            self.journalled[call["call_id"], call["from_tag"]] = None

    def _count(self, rows: Sequence[Row]) -> None:
        self.rows["acc"] += len(rows)

    def _count_missed(self, rows: Sequence[Row]) -> None:
        self.rows["missed_calls"] += len(rows)

    def _delete_cdrs(self, rows: Sequence[Row]) -> None:
        """Do nothing: a record that is written again is a mistake here, where the disk never lies."""

    def _insert_cdrs(self, rows: Sequence[Row]) -> None:
        for row in rows:
            record = dict(zip(statements.INSERT_CDR.names, row, strict=True))
            key = record["sip_call_id"], record["sip_from_tag"]
            records = self.cdrs.setdefault(key, [])
            if any(other["call_start_time"] == record["call_start_time"] for other in records):
                self._report("one CDR a call", f"{key[0]}: written twice, the second time {record}")
            records.append(record)

    # -- reading, as `Store` does

    def load_domains(self) -> list[str]:
        """See `Store.load_domains`."""
        return self.domains

    def load_bindings(self, at: datetime | float) -> Iterator[Binding]:
        """See `Store.load_bindings`."""
        now = moment(at.timestamp() if isinstance(at, datetime) else at)
        for row in list(self.bindings.values()):
            if row[5] > now or row[5] == NEVER:
                yield Binding(**binding_fields(row))

    def load_calls(self) -> dict[int, dict[str, Any]]:
        """See `Store.load_calls`."""
        rows = sorted(self.calls.values(), key=lambda row: row[2])
        return {number: json.loads(record) for number, record, _ in rows}

    def last_alive(self) -> datetime | None:
        """See `Store.last_alive`."""
        if not self.calls:
            return None
        return datetime.fromtimestamp(epoch(max(row[2] for row in self.calls.values())), UTC)

    def secret(self, name: str, draw: Callable[[int], bytes]) -> bytes:
        """Give the secret of that name, the same after every restart."""
        return self._secrets.setdefault(name, draw(32))

    def subscriber(self, username: str, domain: str) -> Subscriber | None:
        """See `Store.subscriber`."""
        return self.subscribers.get((username, domain))

    def expiry_of(self, aor: str, contact: str) -> float | None:
        """Tell until when (Unix seconds) a contact is on disk."""
        username, _, domain = aor.rpartition("@")
        row = self.bindings.get((username, domain, contact))
        return None if row is None else epoch(row[5])


class Disk:
    """Commits the groups of one server process, in virtual time.

    Args:
        agenda: the time.
        database: what the groups are written to.
        random: draws how long each write takes.
        interval: seconds that writes may gather.
        latency: seconds a write takes at most.
    """

    def __init__(
        self, agenda: Agenda, database: Database, random: Random, *, interval: float, latency: float
    ) -> None:
        self.groups = CommitGroups(lambda: SimulatedBatch(agenda.clock))
        self.refuses: Callable[[], bool] = lambda: False
        self._agenda = agenda
        self._database = database
        self._random = random
        self._interval = interval
        self._latency = latency
        self._due = False
        self._busy = False
        self._writing: Batch | None = None
        self._dead = False

    def touch(self) -> None:
        """Say that there is something to commit."""
        if not self._due and not self._busy and not self._dead:
            self._due = True
            self._agenda.after(self._interval, self._begin)

    def kill(self) -> None:
        """End with the process: what was being written got to the disk, or did not."""
        self._dead = True
        if self._writing is not None and self._random.random() < 0.5:
            self._database.write(self._writing)
        self._writing = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be written and nobody waits."""
        groups = self.groups
        return not (self._busy or self._due or groups.kept or groups.waiting or len(groups.batch))

    def _begin(self) -> None:
        if self._dead:
            return
        self._due, self._busy = False, True
        self._next()

    def _next(self) -> None:
        batch = self.groups.next()
        if batch is None:
            self._end()
            return
        self._writing = batch
        self._agenda.after(self._random.random() * self._latency, self._written)

    def _written(self) -> None:
        batch, self._writing = self._writing, None
        if self._dead or batch is None:
            return
        try:
            if self.refuses():
                raise StoreError("the database is away")
            self._database.write(batch)
        except StoreError:
            self.groups.healthy = False
            self._agenda.after(RETRY if self.groups.kept else 0.0, self._refused)
            return
        if self.groups.written():
            self._next()
        else:
            self._end()

    def _refused(self) -> None:
        if not self._dead:
            self.groups.refused()
            self._end()

    def _end(self) -> None:
        self._busy = False
        if not self.is_idle:
            self.touch()
