"""The store: one database, opened, with everything the server and its operators read and write.

Here: connections, transactions and the hot reads. What is edited by people is in `_provisioning`, imported
when it is needed; the statements are in `_statements`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from trunkline.provider.store import _statements
from trunkline.provider.store._batch import Batch, Refused
from trunkline.provider.store._errors import StoreError, database_url, explain, sqlite_path
from trunkline.provider.store._opening import open_engine, sqlite_transaction, writing
from trunkline.provider.store._rows import NEVER, binding_fields, epoch, moment
from trunkline.provider.store._statements import Prepared
from trunkline.provider.store._subscribers import Subscriber

if TYPE_CHECKING:
    from sqlmodel import Session

    from trunkline.provider.store.models import CdrRow
    from trunkline.sip_proxy import Binding

T = TypeVar("T")


class Store:
    """An open database. Every method blocks and may be called from any thread."""

    def __init__(self, engine: Engine, url: URL) -> None:
        """Use `Store.open`."""
        self._engine = engine
        self._writer = writing(engine)
        self._url = url
        self._path = sqlite_path(url)
        self._inode = self._file_identity()
        self._prepared = Prepared(engine.dialect, {} if self._path is not None else _column_widths())

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Store:
        """Open a database; make or move on its schema where that is needed.

        Args:
            url: sqlite:///FILE, postgresql://…, mysql://… or mariadb://….
            create: whether a missing SQLite file may be made.

        Raises:
            StoreError: one line that says what is wrong and what to do.
        """
        parsed = database_url(url)
        return cls(open_engine(parsed, create=create), parsed)

    @property
    def path(self) -> Path | None:
        """Give the SQLite file, or None for another engine."""
        return self._path

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ping(self) -> None:
        """See that the database answers.

        Raises:
            StoreError: when it does not.
        """
        self._read(lambda connection: connection.execute(text("SELECT 1")).scalar())
        self._check_file()

    def write(self, batch: Batch) -> tuple[Refused, ...]:
        """Commit a batch: on return it is on disk.

        Returns:
            the writes that the database will never have, for the log; all others are committed.

        Raises:
            StoreError: the database is away, full or locked. Nothing was written; write the same batch again.
        """
        self._check_file()
        try:
            self._commit(batch)
        except Exception as error:
            if not _is_about_a_row(error):
                raise self._error(error) from error
        else:
            return ()
        return self._write_singly(batch)

    def _commit(self, batch: Batch) -> None:
        if self._path is not None:
            with sqlite_transaction(self._engine) as connection:
                batch.execute(connection, self._prepared)
        else:
            with self._writer.begin() as connection:
                batch.execute(connection, self._prepared)

    def _write_singly(self, batch: Batch) -> tuple[Refused, ...]:
        refused = []
        try:
            with self._writer.begin() as connection:
                for single in batch.singles():
                    try:
                        with connection.begin_nested():
                            single.execute(connection, self._prepared)
                    except Exception as error:
                        if not _is_about_a_row(error):
                            raise
                        refused.append(single.refused(explain(error, self._url)))
        except Exception as error:
            raise self._error(error) from error
        return tuple(refused)

    def load_bindings(self, at: datetime | float) -> Iterator[Binding]:
        """Read the registrations that are not over.

        Args:
            at: the time, as an aware datetime or Unix seconds.

        Raises:
            StoreError: while reading.
        """
        from trunkline.sip_proxy import Binding

        now = moment(at.timestamp() if isinstance(at, datetime) else at)
        try:
            with self._engine.connect() as connection:
                result = connection.execution_options(yield_per=1000).execute(
                    _statements.SELECT_BINDINGS, {"now": now, "never": NEVER}
                )
                for row in result:
                    yield Binding(**binding_fields(row))
        except SQLAlchemyError as error:
            raise self._error(error) from error

    def load_domains(self) -> list[str]:
        """List the domains of table domain, in the order they were added."""
        return self._read(lambda connection: list(connection.scalars(_statements.SELECT_DOMAINS)))

    def load_calls(self) -> dict[int, dict[str, Any]]:
        """Give the records of the calls in progress by their numbers, the longest unchanged first."""
        return self._read(
            lambda connection: {
                number: json.loads(record) for number, record in connection.execute(_statements.SELECT_CALLS)
            }
        )

    def last_alive(self) -> datetime | None:
        """Tell when a server with calls in progress last marked or wrote them; None when there are none."""
        found = self._read(lambda connection: connection.scalar(_statements.SELECT_ALIVE))
        return None if found is None else datetime.fromtimestamp(epoch(found), UTC)

    def subscriber(self, username: str, domain: str) -> Subscriber | None:
        """Read one subscriber."""
        parameters = {"b_username": username, "b_domain": domain}
        return self._read(
            lambda connection: _subscriber(
                connection.execute(_statements.SELECT_SUBSCRIBER, parameters).first()
            )
        )

    def subscribers(self, domain: str | None = None) -> list[Subscriber]:
        """List all subscribers, or those of a domain, by domain and name."""
        statement = _statements.SELECT_SUBSCRIBERS
        if domain is not None:
            statement = statement.where(_statements.SUBSCRIBER.c.domain == domain)
        return self._read(
            lambda connection: [found for row in connection.execute(statement) if (found := _subscriber(row))]
        )

    def has_administrator(self) -> bool:
        """Tell whether anybody may run the service yet."""
        return self._read(lambda connection: connection.scalar(_statements.SELECT_ADMINISTRATOR)) is not None

    def secret(self, name: str, draw: Callable[[int], bytes]) -> bytes:
        """Give the 32 secret bytes of that name; of all who share the database, the first to ask draws them.

        Args:
            name: what they are for, at most 32 characters.
            draw: gives that many random bytes.

        Raises:
            StoreError: when the database fails.
        """
        from trunkline.provider.store import _provisioning

        drawn = draw(32)
        try:
            return self._edit(lambda session: _provisioning.keep_secret(session, name, drawn))
        except StoreError:  # somebody else has drawn one meanwhile; if not, this says again what is wrong
            return self._edit(lambda session: _provisioning.keep_secret(session, name, drawn))

    def add_subscriber(self, username: str, domain: str, password: str, *, email: str = "") -> Subscriber:
        """Add a subscriber; the password is kept as hashes only.

        Raises:
            StoreError: when there is one of that name, or the name cannot be one.
        """
        from trunkline.provider.store import _provisioning

        self._edit(lambda session: _provisioning.add_subscriber(session, username, domain, password, email))
        return self._found(username, domain)

    def set_password(self, username: str, domain: str, password: str) -> Subscriber:
        """Give a subscriber another password.

        Raises:
            StoreError: when there is no such subscriber.
        """
        from trunkline.provider.store import _provisioning

        self._edit(lambda session: _provisioning.set_password(session, username, domain, password))
        return self._found(username, domain)

    def remove_subscriber(self, username: str, domain: str) -> Subscriber:
        """Remove a subscriber with their registrations; give who it was.

        Raises:
            StoreError: when there is no such subscriber.
        """
        from trunkline.provider.store import _provisioning

        gone = self._found(username, domain)
        self._edit(lambda session: _provisioning.remove_subscriber(session, username, domain))
        return gone

    def add_domain(self, domain: str) -> None:
        """Add a domain.

        Raises:
            StoreError: when it is there already.
        """
        from trunkline.provider.store import _provisioning

        self._edit(lambda session: _provisioning.add_domain(session, domain))

    def remove_domain(self, domain: str) -> None:
        """Remove a domain; its subscribers stay in the table.

        Raises:
            StoreError: when there is no such domain.
        """
        from trunkline.provider.store import _provisioning

        self._edit(lambda session: _provisioning.remove_domain(session, domain))

    def cdrs(
        self, *, limit: int = 50, since: datetime | None = None, user: str | None = None
    ) -> list[CdrRow]:
        """List call detail records, the newest first.

        Args:
            limit: how many at most.
            since: only calls that started then or later (aware).
            user: only calls from or to this user, as USER or USER@DOMAIN.
        """
        from trunkline.provider.store import _provisioning

        return self._edit(lambda session: _provisioning.cdrs(session, limit, since, user), write=False)

    def counts(self, at: datetime | None = None) -> dict[str, int]:
        """Count the rows of each table.

        Args:
            at: the time (aware), to count only registrations that are not over.
        """
        counted = {table.name: select(func.count()).select_from(table) for table in _statements.HOT_TABLES}
        times = {}
        if at is not None:
            counted["location"] = counted["location"].where(_statements.UNEXPIRED)
            times = {"now": moment(at.timestamp()), "never": NEVER}
        return self._read(
            lambda connection: {name: connection.scalar(query, times) or 0 for name, query in counted.items()}
        )

    def edit(self, work: Callable[[Session], T]) -> T:
        """Run work in an SQLModel session of its own and commit it.

        Raises:
            StoreError: when the database fails; StoreErrors of the work pass through, and nothing is changed.
        """
        return self._edit(work)

    def _edit(self, work: Callable[[Session], T], *, write: bool = True) -> T:
        from sqlmodel import Session

        if write:
            self._check_file()
        try:
            with Session(self._writer if write else self._engine, expire_on_commit=False) as session:
                result = work(session)
                session.commit()
                return result
        except SQLAlchemyError as error:
            raise self._error(error) from error

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise self._error(error) from error

    def _found(self, username: str, domain: str) -> Subscriber:
        found = self.subscriber(username, domain)
        if found is None:
            raise StoreError(f"there is no user {username}@{domain}; `trunkline user list` shows them")
        return found

    def _error(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        return StoreError(explain(error, self._url))

    def _file_identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _check_file(self) -> None:
        """Notice that the file was taken away: SQLite would go on writing into one without a name."""
        if self._inode is None:
            return
        try:
            identity = self._file_identity()
        except OSError as error:
            raise StoreError(
                f"the database {self._path} is gone ({error.strerror}); put it back, or restart Trunkline"
            ) from None
        if identity != self._inode:
            raise StoreError(f"the database {self._path} was replaced by another file; restart Trunkline")


def _subscriber(row: Any) -> Subscriber | None:
    if row is None:
        return None
    username, domain, *others = [value or "" for value in row]
    return Subscriber(username, intern(domain), *others)


def _is_about_a_row(error: Exception) -> bool:
    """Tell a value that cannot be stored from a database that cannot store."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | OverflowError | ValueError | TypeError)


def _column_widths() -> dict[str, dict[str, int]]:
    from trunkline.provider.store.models import Table

    return {
        table.name: {
            column.name: length
            for column in table.columns
            if (length := getattr(column.type, "length", None))
        }
        for table in Table.metadata.sorted_tables
    }
